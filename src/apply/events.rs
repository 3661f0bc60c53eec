//! Progress out.
// SEAM: the branch `apply` replaces this file.

use std::time::Duration;

use crate::plan::{Step, StepId};

/// Something that happened while a change ran.
#[derive(Debug)]
pub enum Event<'a> {
    /// Another run holds the lock.
    Waiting {
        /// Who.
        holder: &'a str,
    },
    /// Something worth knowing.
    Note(&'a str),
    /// A step begins.
    Begin {
        /// Which.
        id: StepId,
        /// What.
        step: &'a Step,
    },
    /// A line of output of a step.
    Output {
        /// Which.
        id: StepId,
        /// What.
        step: &'a Step,
        /// The line.
        line: &'a str,
    },
    /// A step is done.
    Done {
        /// Which.
        id: StepId,
        /// What.
        step: &'a Step,
        /// How long it took.
        took: Duration,
        /// It was so before.
        already: bool,
    },
    /// A step was undone.
    Undone {
        /// Which.
        id: StepId,
        /// What.
        step: &'a Step,
    },
    /// A step failed.
    Failed {
        /// Which.
        id: StepId,
        /// What.
        step: &'a Step,
        /// Why.
        error: &'a str,
    },
    /// Undoing a step failed.
    UndoFailed {
        /// Which.
        id: StepId,
        /// What.
        step: &'a Step,
        /// Why.
        error: &'a str,
    },
}

/// Who is told. Called from several threads; must be quick.
pub trait Events: Send + Sync {
    /// Tells one event.
    fn tell(&self, event: Event<'_>);
}
