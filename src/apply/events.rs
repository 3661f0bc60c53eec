//! Progress out: what happens while a change runs, told as it happens.
//!
//! Whoever listens decides how to show it. Telling is synchronous and must be quick: the run waits.

use std::time::Duration;

use crate::plan::{Step, StepId};

/// Something that happened while a change ran.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Another run holds the project's lock; this one waits for it.
    Waiting {
        /// Who holds it.
        holder: &'a str,
    },
    /// Something worth knowing that is no error.
    Note(&'a str),
    /// A step begins.
    Begin {
        /// Its index in the plan.
        id: StepId,
        /// The step.
        step: &'a Step,
    },
    /// A line of output of a running step.
    Output {
        /// Its index in the plan.
        id: StepId,
        /// The step.
        step: &'a Step,
        /// The line, as the program wrote it.
        line: &'a str,
    },
    /// A step is done.
    Done {
        /// Its index in the plan.
        id: StepId,
        /// The step.
        step: &'a Step,
        /// How long it took.
        took: Duration,
        /// It was so before; nothing was changed and nothing will be undone.
        already: bool,
    },
    /// A step was undone.
    Undone {
        /// Its index in the plan.
        id: StepId,
        /// The step.
        step: &'a Step,
    },
    /// A step failed.
    Failed {
        /// Its index in the plan.
        id: StepId,
        /// The step.
        step: &'a Step,
        /// Why.
        error: &'a str,
    },
    /// A step could not be undone.
    UndoFailed {
        /// Its index in the plan.
        id: StepId,
        /// The step.
        step: &'a Step,
        /// Why.
        error: &'a str,
    },
}

/// Who is told. May be called from several threads at once.
pub trait Events: Send + Sync {
    /// Tells one event.
    fn tell(&self, event: Event<'_>);
}
