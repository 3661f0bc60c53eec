//! The command line from outside: the real binary, a cleared environment, and every word that it prints.
//!
//! Nothing here needs root, LXC or a network.

mod files;
mod invocation;
mod readme;
mod reference;
mod streams;
mod usage;
