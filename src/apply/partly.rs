//! The end of a run in which containers failed and others go on: what goes back, and what stays.

use std::collections::BTreeSet;

use crate::backend::Body;
use crate::model::Name;
use crate::plan::{Step, StepId};

use super::act::Worker;
use super::back::Back;
use super::cancel::Cancel;
use super::earlier::Earlier;
use super::error::{Aftermath, ApplyError};
use super::journal::Journal;
use super::kept::{keep_done, remember};
use super::lanes::Lanes;
use super::perform::{ApplyOptions, end, failures_of, note};
use super::progress::Progress;
use super::undo::{Ways, undo};

/// Who is what after a failure.
pub(super) struct Parts {
    /// The containers that failed or need one that did.
    lost: BTreeSet<Name>,
    /// Those of the lost ones that stay, so that somebody can look at them.
    kept: BTreeSet<Name>,
    /// Other containers that this run or an earlier one of its command has changed.
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
        let mut finished: BTreeSet<Name> = names.cloned().collect();
        finished.extend(progress.earlier.names());
        finished.retain(|name| !lost.contains(name));
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
    let stays = |name: &Name, step: &Step| {
        let ways = ways_of(progress, name);
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

/// What takes back what was done for a container, in earlier runs as well.
fn ways_of<'p>(progress: &'p Progress<'_>, name: &'p Name) -> Vec<&'p Back> {
    let of_it = |id: &StepId| progress.plan.steps[*id].step.container() == Some(name);
    let ways = progress.ways.iter().filter(|(id, _)| of_it(id));
    let before = progress.earlier.ways_of(name);
    ways.map(|(_, way)| way).chain(before).collect()
}

/// Takes back the part of the containers that are lost and not kept; all of it once a signal comes.
pub(super) async fn partly(
    worker: &Worker<'_>,
    (journal, options): (Journal, &ApplyOptions),
    (mut progress, parts): (Progress<'_>, Parts),
    (cancel, lanes): (&mut Cancel, Lanes),
) -> ApplyError {
    let Parts {
        lost,
        kept,
        finished,
    } = parts;
    let mut earlier = std::mem::take(&mut progress.earlier);
    let away: BTreeSet<Name> = lost.difference(&kept).cloned().collect();
    let goes = |id: &StepId| {
        let container = worker.plan.steps[*id].step.container();
        container.is_some_and(|name| away.contains(name))
    };
    let ways = progress.ways.iter();
    let ways = ways.map(|(id, way)| (*id, way.clone()));
    let (ways, stays): (Ways, Ways) = ways.partition(|(id, _)| goes(id));
    let gone = gone(&earlier, &away);
    let aftermath = undo(worker, &journal, &ways, cancel, lanes.clone()).await;
    let way = (&mut *cancel, &lanes);
    let back = earlier.undo(worker, options, Some(&away), way, aftermath);
    let mut aftermath = back.await;
    let done = progress.applied.done.iter();
    let done: Vec<StepId> = done.filter(|id| !ways.contains_key(id)).copied().collect();
    let failures = failures_of(progress);
    if let Some(signal) = cancel.by() {
        // It ends the whole run.
        if aftermath.is_clean() {
            let way = (&mut *cancel, lanes);
            let rest = wholly(worker, (&journal, options), &stays, way, earlier);
            aftermath.extend(rest.await);
        }
        if aftermath.is_clean() {
            end(worker, journal).await;
        }
        return ApplyError::Interrupted {
            signal,
            finished: Vec::new(),
            failures,
            aftermath: Box::new(aftermath),
        };
    }
    if aftermath.is_clean() {
        note(keep_done(worker, &done, &gone).await, worker.events);
        // Old owners are known for as long as they may have to be given back.
        note(journal.finish().map_err(Into::into), worker.events);
    }
    ApplyError::Partly {
        failures,
        lost,
        kept,
        finished,
        aftermath: Box::new(aftermath),
        stays: Box::new(earlier.and(worker, done, stays)),
    }
}

/// Those of `away` that earlier runs have made and that were not there before the first.
fn gone(earlier: &Earlier, away: &BTreeSet<Name>) -> BTreeSet<Name> {
    let there = |name: &Name| {
        let seen = earlier.seen();
        seen.is_some_and(|seen| seen.containers.contains_key(name))
    };
    let made = earlier.made(away);
    made.filter(|name| !there(name)).cloned().collect()
}

/// Takes back all that this run and the earlier ones of its command have done.
pub(super) async fn wholly(
    worker: &Worker<'_>,
    (journal, options): (&Journal, &ApplyOptions),
    ways: &Ways,
    (cancel, lanes): (&mut Cancel, Lanes),
    mut earlier: Earlier,
) -> Aftermath {
    let aftermath = undo(worker, journal, ways, cancel, lanes.clone()).await;
    let back = earlier.undo(worker, options, None, (cancel, &lanes), aftermath);
    let aftermath = back.await;
    if aftermath.is_clean() {
        let seen = earlier.seen().unwrap_or(worker.before.observed());
        note(remember(worker.host, seen).await, worker.events);
    }
    aftermath
}
