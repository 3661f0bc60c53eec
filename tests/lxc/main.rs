//! The LXC backend against real containers, in network namespaces and an LXC path of the tests' own.
//!
//! Needs root and liblxc. Where they are missing each test says so and is skipped, unless
//! `LOCKER_REQUIRE` names `host`.

#[path = "../support/mod.rs"]
mod support;

mod copy;
mod life;
mod memory;
mod net;
mod rig;
mod settings;
mod watch;
