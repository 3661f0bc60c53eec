//! Doing: runs a plan side by side, remembers how to undo it, looks again. Decides nothing.
// SEAM: the branch `apply` replaces this file.

pub mod events;
