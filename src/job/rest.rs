//! What does not need the containers that failed, brought to its end.

use std::collections::BTreeSet;

use crate::apply::{ApplyError, Earlier, Event, Events, StepFailure};
use crate::model::Name;
use crate::plan::{Loss, Wish};

use super::change::{go_on, lasting};
use super::images::scope;
use super::road::{self, Looked, Opened};
use super::{ChangeRequest, JobError, Setting};

/// Some containers have failed and their part is undone: brings what does not need them to its end, and
/// returns the error that tells of all. What fails on the way goes back to how it was before the first run.
pub(super) async fn finish_the_rest(
    setting: &Setting,
    request: &ChangeRequest,
    (opened, wish, agreed): (&Opened, &Wish, &[Loss]),
    error: ApplyError,
    events: &dyn Events,
) -> JobError {
    let mut told = error;
    let mut before = None;
    while let Some((lost, stays)) = goes_on(&mut told) {
        // Each round loses somebody, or is the last.
        if before.replace(lost.len()) == Some(lost.len()) {
            break;
        }
        let Some(looked) = look(request, (opened, wish, agreed), &lost, events).await else {
            break;
        };
        let planned = (&looked.plan, &looked.observed);
        match go_on(setting, request, opened, planned, events, stays).await {
            Ok(_) => {
                let steps = looked.plan.steps.iter();
                let names = steps.filter_map(|planned| planned.step.container().cloned());
                told = with_finished(told, names);
                break;
            }
            // Nothing more was begun.
            Err(error @ JobError::Apply(ApplyError::Journal { .. })) => {
                events.tell(Event::Note(&error.to_string()));
                break;
            }
            Err(JobError::Apply(error)) => told = both(told, error),
            Err(error) => {
                events.tell(Event::Note(&error.to_string()));
                break;
            }
        }
    }
    told.into()
}

/// Who is lost, and what goes back with a further failure. None when nothing more is to be done: what could not be undone
/// is a reason to leave the rest as it is.
fn goes_on(told: &mut ApplyError) -> Option<(BTreeSet<Name>, Earlier)> {
    match told {
        ApplyError::Partly {
            lost,
            aftermath,
            stays,
            ..
        } if aftermath.is_clean() => Some((lost.clone(), std::mem::take(&mut **stays))),
        ApplyError::Partly { .. }
        | ApplyError::Failed { .. }
        | ApplyError::Final { .. }
        | ApplyError::Unwell { .. }
        | ApplyError::Interrupted { .. }
        | ApplyError::Journal { .. } => None,
    }
}

/// What is left to do without the lost ones; none when that is nothing, or must be asked about first.
async fn look(
    request: &ChangeRequest,
    (opened, wish, agreed): (&Opened, &Wish, &[Loss]),
    lost: &BTreeSet<Name>,
    events: &dyn Events,
) -> Option<Looked> {
    let mut all = scope(&opened.project, wish.selection.as_ref(), wish.no_deps);
    if let Some(chosen) = &wish.selection {
        all.extend(chosen.iter().cloned());
    }
    let rest: BTreeSet<Name> = all.difference(lost).cloned().collect();
    if rest.is_empty() {
        return None;
    }
    let wish = Wish {
        selection: Some(rest),
        no_deps: true,
        ..lasting(wish)
    };
    // What is lost of a container was agreed to once; its older self is that by now.
    let is_new = |loss: &Loss| {
        let same = |other: &Loss| {
            other == loss || loss.container.is_some() && other.container == loss.container
        };
        !agreed.iter().any(same)
    };
    match road::look_for(opened, request, wish).await {
        Ok(looked) if looked.plan.steps.is_empty() || looked.plan.losses.iter().any(is_new) => None,
        Ok(looked) => Some(looked),
        Err(error) => {
            events.tell(Event::Note(&error.to_string()));
            None
        }
    }
}

/// One error of what failed first and what failed in the run after it.
fn both(first: ApplyError, then: ApplyError) -> ApplyError {
    let ApplyError::Partly {
        mut failures,
        mut lost,
        mut kept,
        mut finished,
        aftermath: clean,
        stays: none,
    } = first
    else {
        return then;
    };
    let and = |more: Vec<StepFailure>| {
        failures.extend(more);
        failures
    };
    match then {
        ApplyError::Partly {
            failures: more,
            lost: further,
            kept: looked_at,
            finished: done,
            aftermath,
            stays,
        } => {
            lost.extend(further);
            kept.extend(looked_at);
            finished.extend(done);
            finished.retain(|name| !lost.contains(name));
            ApplyError::Partly {
                failures: and(more),
                lost,
                kept,
                finished,
                aftermath,
                stays,
            }
        }
        ApplyError::Failed {
            failures: more,
            aftermath,
        } => ApplyError::Failed {
            failures: and(more),
            aftermath,
        },
        ApplyError::Interrupted {
            signal,
            finished,
            failures: more,
            aftermath,
        } => ApplyError::Interrupted {
            signal,
            finished,
            failures: and(more),
            aftermath,
        },
        ApplyError::Final {
            failures: more,
            mut not_done,
        } => {
            not_done.extend(lost.iter().map(|name| format!("bring up {name}")));
            ApplyError::Final {
                failures: and(more),
                not_done,
            }
        }
        // What was done stays, that of the unwell ones as well.
        ApplyError::Unwell {
            failures: more,
            finished: well,
            open,
        } => {
            finished.extend(well);
            finished.retain(|name| !lost.contains(name) && !open.contains(name));
            ApplyError::Partly {
                failures: and(more),
                lost,
                kept,
                finished,
                aftermath: clean,
                stays: none,
            }
        }
        ApplyError::Journal { .. } => then,
    }
}

/// And these.
fn with_finished(mut told: ApplyError, names: impl IntoIterator<Item = Name>) -> ApplyError {
    if let ApplyError::Partly { lost, finished, .. } = &mut told {
        finished.extend(names);
        finished.retain(|name| !lost.contains(name));
    }
    told
}
