//! What does not need the containers that failed, brought to its end.

use std::collections::BTreeSet;

use crate::apply::{ApplyError, Event, Events};
use crate::model::Name;
use crate::plan::Wish;

use super::change::{lasting, perform};
use super::images::scope;
use super::road::{self, Opened};
use super::{ChangeRequest, JobError, Setting};

/// Some containers have failed and their part is undone: brings what does not need them to its end, and
/// returns the error that tells of all.
pub(super) async fn finish_the_rest(
    setting: &Setting,
    request: &ChangeRequest,
    (opened, wish): (&Opened, &Wish),
    error: ApplyError,
    events: &dyn Events,
) -> JobError {
    let ApplyError::Partly {
        mut failures,
        mut lost,
        mut kept,
        mut finished,
        aftermath,
    } = error
    else {
        return error.into();
    };
    let mut all = scope(&opened.project, wish.selection.as_ref(), wish.no_deps);
    if let Some(chosen) = &wish.selection {
        all.extend(chosen.iter().cloned());
    }
    // What could not be undone is a reason to leave the rest as it is.
    while aftermath.is_clean() {
        let rest: BTreeSet<Name> = all.difference(&lost).cloned().collect();
        if rest.is_empty() {
            break;
        }
        let wish = Wish {
            selection: Some(rest),
            no_deps: true,
            ..lasting(wish)
        };
        let looked = match road::look_for(opened, request, wish).await {
            Ok(looked) if looked.plan.steps.is_empty() => break,
            Ok(looked) if looked.plan.losses.is_empty() => looked,
            // Nobody has been asked about these.
            Ok(_) => break,
            Err(error) => {
                events.tell(Event::Note(&error.to_string()));
                break;
            }
        };
        let planned = (&looked.plan, &looked.observed);
        match perform(setting, request, opened, planned, events).await {
            Ok(_) => {
                let steps = looked.plan.steps.iter();
                finished.extend(steps.filter_map(|planned| planned.step.container().cloned()));
                break;
            }
            Err(JobError::Apply(ApplyError::Partly {
                failures: more,
                lost: further,
                kept: looked_at,
                finished: done,
                aftermath,
            })) if aftermath.is_clean() => {
                failures.extend(more);
                lost.extend(further);
                kept.extend(looked_at);
                finished.extend(done);
            }
            Err(error) => {
                let first = failures.iter().map(ToString::to_string);
                events.tell(Event::Note(&first.collect::<Vec<_>>().join("; ")));
                return error;
            }
        }
    }
    finished.retain(|name| !lost.contains(name));
    ApplyError::Partly {
        failures,
        lost,
        kept,
        finished,
        aftermath,
    }
    .into()
}
