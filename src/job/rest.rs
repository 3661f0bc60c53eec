//! What does not need the containers that failed, brought to its end.

use std::collections::BTreeSet;

use crate::apply::{ApplyError, Earlier, Event, Events, StepFailure};
use crate::model::Name;
use crate::plan::{Plan, Wish};

use super::change::{go_on, lasting};
use super::images::scope;
use super::road::{self, Looked, Opened};
use super::{ChangeRequest, JobError, Setting};

/// Some containers have failed and their part is undone: brings what does not need them to its end, and
/// returns the error that tells of all. What fails on the way goes back to how it was before the first run.
pub(super) async fn finish_the_rest(
    setting: &Setting,
    request: &ChangeRequest,
    (opened, wish): (&Opened, &Wish),
    error: ApplyError,
    events: &dyn Events,
) -> JobError {
    let mut told = error;
    while let Some((lost, stays)) = goes_on(&mut told) {
        let Some(looked) = look(request, (opened, wish), &lost, events).await else {
            break;
        };
        let planned = (&looked.plan, &looked.observed);
        match go_on(setting, request, opened, planned, events, stays).await {
            Ok(_) => {
                told = with_finished(told, &looked.plan);
                break;
            }
            // Nothing more was begun.
            Err(error @ JobError::Apply(ApplyError::Journal { .. })) => {
                events.tell(Event::Note(&error.to_string()));
                break;
            }
            Err(JobError::Apply(error)) => told = both(told, error, &looked.plan),
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
    (opened, wish): (&Opened, &Wish),
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
    match road::look_for(opened, request, wish).await {
        Ok(looked) if looked.plan.steps.is_empty() || !looked.plan.losses.is_empty() => None,
        Ok(looked) => Some(looked),
        Err(error) => {
            events.tell(Event::Note(&error.to_string()));
            None
        }
    }
}

/// One error of what failed first and what failed in the run after it.
fn both(first: ApplyError, then: ApplyError, plan: &Plan) -> ApplyError {
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
        // What was done stays.
        ApplyError::Unwell { failures: more } | ApplyError::Final { failures: more, .. } => {
            let told = ApplyError::Partly {
                failures: and(more),
                lost,
                kept,
                finished,
                aftermath: clean,
                stays: none,
            };
            with_finished(told, plan)
        }
        ApplyError::Journal { .. } => then,
    }
}

/// And what this plan has done.
fn with_finished(mut told: ApplyError, plan: &Plan) -> ApplyError {
    if let ApplyError::Partly { lost, finished, .. } = &mut told {
        let steps = plan.steps.iter();
        finished.extend(steps.filter_map(|planned| planned.step.container().cloned()));
        finished.retain(|name| !lost.contains(name));
    }
    told
}
