//! What earlier runs of one command have done: it goes back with what fails in a later one.
//!
//! A command in which containers fail looks again and brings the rest to its end. For its user that is one change: what
//! fails in the second run goes back to how it was before the first, and when nothing is left of it, so does what is the
//! project's.

use std::collections::BTreeSet;

use crate::model::Name;
use crate::observed::Observed;
use crate::plan::{Plan, StepId};

use super::act::Worker;
use super::back::Back;
use super::cancel::Cancel;
use super::error::Aftermath;
use super::journal::Journal;
use super::label;
use super::lanes::Lanes;
use super::perform::ApplyOptions;
use super::undo::{Ways, undo};

/// The runs before, the oldest first.
#[derive(Debug, Default)]
pub struct Earlier(Vec<Past>);

/// One of them: what of it stays, and what would take that back.
#[derive(Debug)]
struct Past {
    plan: Plan,
    observed: Observed,
    /// Steps that it did itself.
    done: Vec<StepId>,
    ways: Ways,
}

impl Past {
    /// The ways of `names`, or all; they stay no more.
    fn take(&mut self, names: Option<&BTreeSet<Name>>) -> Ways {
        let goes = |id: &StepId| match (names, self.plan.steps[*id].step.container()) {
            (None, _) => true,
            (Some(names), Some(name)) => names.contains(name),
            (Some(_), None) => false,
        };
        let ways = std::mem::take(&mut self.ways).into_iter();
        let (ways, stays) = ways.partition(|(id, _)| goes(id));
        self.ways = stays;
        ways
    }
}

impl Earlier {
    /// A run that has come to a part of its end; `ways` are those of what it leaves.
    pub(super) fn and(mut self, worker: &Worker<'_>, done: Vec<StepId>, ways: Ways) -> Self {
        self.0.push(Past {
            done,
            plan: worker.plan.clone(),
            observed: worker.before.observed().clone(),
            ways,
        });
        self
    }

    /// The containers that have been changed.
    pub(super) fn names(&self) -> BTreeSet<Name> {
        let names = self.0.iter().flat_map(|past| {
            let stays = past.done.iter().filter(|id| past.ways.contains_key(id));
            stays.filter_map(|id| past.plan.steps[*id].step.container())
        });
        names.cloned().collect()
    }

    /// Those of `names` that were not there before.
    pub(super) fn made<'e>(&'e self, names: &'e BTreeSet<Name>) -> impl Iterator<Item = &'e Name> {
        let ways = self.0.iter().flat_map(|past| past.ways.values());
        ways.filter_map(move |way| match way {
            Back::Destroy(name) => names.get(name),
            _ => None,
        })
    }

    /// What they planned, and from what.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&Plan, &Observed)> {
        self.0.iter().map(|past| (&past.plan, &past.observed))
    }

    /// What takes back what stays of them.
    pub(super) fn ways(&self) -> impl Iterator<Item = &Back> {
        self.0.iter().flat_map(|past| past.ways.values())
    }

    /// The same for one container.
    pub(super) fn ways_of<'e>(&'e self, name: &'e Name) -> impl Iterator<Item = &'e Back> {
        self.0.iter().flat_map(move |past| {
            let of_it = |id: &StepId| past.plan.steps[*id].step.container() == Some(name);
            let ways = past.ways.iter().filter(move |(id, _)| of_it(id));
            ways.map(|(_, way)| way)
        })
    }

    /// How it was before the first of them, where there was one.
    pub(super) fn seen(&self) -> Option<&Observed> {
        self.0.first().map(|past| &past.observed)
    }

    /// Takes back what was done for `names`, or all of it, the latest first, after the run of `last`, of which `aftermath`
    /// tells. As soon as something cannot be taken back, what came before it stays.
    pub(super) async fn undo(
        &mut self,
        last: &Worker<'_>,
        options: &ApplyOptions,
        names: Option<&BTreeSet<Name>>,
        (cancel, lanes): (&mut Cancel, &Lanes),
        mut aftermath: Aftermath,
    ) -> Aftermath {
        for past in self.0.iter_mut().rev() {
            let ways = past.take(names);
            if !aftermath.is_clean() {
                let open = ways.iter().filter(|(_, way)| **way != Back::Nothing);
                let labels = open.map(|(id, _)| label(&past.plan.steps[*id].step));
                match cancel.is_urgent() {
                    true => aftermath.left.extend(labels),
                    false => aftermath.kept.extend(labels),
                }
                continue;
            }
            let host = last.host;
            // With the marks of now: what was set up since is set up.
            let worker = Worker::new(&past.plan, &past.observed, host, last.events, options);
            worker.know(last.marks_now());
            // The journal of the run that fails tells of that run.
            let journal = Journal::none(&host.paths, &host.project);
            aftermath.extend(undo(&worker, &journal, &ways, cancel, lanes.clone()).await);
            last.know(worker.marks_now());
        }
        aftermath
    }
}
