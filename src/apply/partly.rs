//! The end of a run in which containers failed and others go on: what goes back, and what stays.

use std::collections::BTreeSet;

use crate::backend::Body;
use crate::model::Name;
use crate::plan::{Step, StepId};

use super::act::Worker;
use super::back::Back;
use super::cancel::Cancel;
use super::error::ApplyError;
use super::journal::Journal;
use super::kept::keep_done;
use super::lanes::Lanes;
use super::perform::{Progress, end, failures_of, note};
use super::undo::{Ways, undo};

/// Who is what after a failure.
pub(super) struct Parts {
    /// The containers that failed or need one that did.
    lost: BTreeSet<Name>,
    /// Those of the lost ones that stay, so that somebody can look at them.
    kept: BTreeSet<Name>,
    /// Other containers that this run has changed.
    finished: BTreeSet<Name>,
}

impl Parts {
    /// None when all goes back, and what is the project's as well: the run fails as a whole, or there is nothing
    /// that would stay.
    pub(super) fn of(progress: &Progress<'_>, keep_failed: bool) -> Option<Self> {
        let lost = progress
            .affected
            .clone()
            .filter(|_| !progress.final_begun)?;
        let done = progress.applied.done.iter();
        let done = done.filter(|id| progress.ways.contains_key(id));
        let names = done.filter_map(|id| progress.plan.steps[*id].step.container());
        let finished: BTreeSet<Name> = names
            .filter(|name| !lost.contains(*name))
            .cloned()
            .collect();
        let kept = match keep_failed {
            true => failed_and_there(progress),
            false => BTreeSet::new(),
        };
        (!finished.is_empty() || !kept.is_empty()).then_some(Self {
            lost,
            kept,
            finished,
        })
    }
}

/// The containers that failed themselves and are there: made in this run, or there before and not set up. One
/// that was to replace an older self goes, since that one comes back.
fn failed_and_there(progress: &Progress<'_>) -> BTreeSet<Name> {
    let ways_of = |name: &Name| {
        let of_it = |id: &StepId| progress.plan.steps[*id].step.container() == Some(name);
        let ways = progress.ways.iter().filter(move |(id, _)| of_it(id));
        ways.map(|(_, way)| way).collect::<Vec<&Back>>()
    };
    let stays = |name: &Name, step: &Step| {
        let ways = ways_of(name);
        let older = |way: &Back| matches!(way, Back::Rename(_) | Back::Start(_, Body::Aside, _));
        let made = ways.iter().any(|way| matches!(way, Back::Destroy(_)));
        (made || matches!(step, Step::Setup { .. })) && !ways.iter().any(|way| older(way))
    };
    let failures = progress
        .failures
        .iter()
        .filter(|failure| !failure.is_given_up());
    let steps = failures.map(|failure| &progress.plan.steps[failure.id].step);
    let names = steps.filter_map(|step| Some((step.container()?, step)));
    let names = names.filter(|(name, step)| stays(name, step));
    names.map(|(name, _)| name.clone()).collect()
}

/// Takes back the part of the containers that are lost and not kept.
pub(super) async fn partly(
    worker: &Worker<'_>,
    journal: Journal,
    (progress, parts): (Progress<'_>, Parts),
    cancel: &mut Cancel,
    lanes: Lanes,
) -> ApplyError {
    let Parts {
        lost,
        kept,
        finished,
    } = parts;
    let goes = |id: &StepId| {
        let container = worker.plan.steps[*id].step.container();
        container.is_some_and(|name| lost.contains(name) && !kept.contains(name))
    };
    let ways = progress.ways.iter().filter(|(id, _)| goes(id));
    let ways: Ways = ways.map(|(id, way)| (*id, way.clone())).collect();
    let aftermath = undo(worker, &journal, &ways, cancel, lanes).await;
    if aftermath.is_clean() {
        let done = progress.applied.done.iter();
        let stays: Vec<StepId> = done.filter(|id| !ways.contains_key(id)).copied().collect();
        note(keep_done(worker, &stays).await, worker.events);
        end(worker, journal).await;
    }
    let failures = failures_of(progress);
    match cancel.by() {
        Some(signal) => ApplyError::Interrupted {
            signal,
            finished: Vec::new(),
            failures,
            aftermath: Box::new(aftermath),
        },
        None => ApplyError::Partly {
            failures,
            lost,
            kept,
            finished,
            aftermath: Box::new(aftermath),
        },
    }
}
