//! What locker keeps on disk: where, under which lock, and always whole.
//!
//! The root is injectable (`--state-dir`), so that tests touch nothing of the host's. Nothing here
//! knows an engine.

mod paths;

pub use paths::Paths;
