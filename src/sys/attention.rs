//! Whether anybody in this process hears the signals that would end it.
//!
//! tokio keeps its handlers once they are installed, so a signal that nobody hears any more would do nothing.
//! Whoever hears signals says so here; who finds that nobody does ends the process in their place. Must not
//! handle a signal itself.

use std::sync::atomic::{AtomicUsize, Ordering};

static HEARERS: AtomicUsize = AtomicUsize::new(0);

/// Somebody hears the signals as long as this lives.
#[derive(Debug)]
pub struct Attention(());

impl Attention {
    /// From now on they are heard.
    pub fn begin() -> Self {
        HEARERS.fetch_add(1, Ordering::SeqCst);
        Self(())
    }

    /// Whether anybody hears them.
    pub fn is_paid() -> bool {
        HEARERS.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Attention {
    fn drop(&mut self) {
        HEARERS.fetch_sub(1, Ordering::SeqCst);
    }
}
