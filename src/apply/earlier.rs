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
use super::events::Events;
use super::journal::Journal;
use super::lanes::Lanes;
use super::perform::ApplyOptions;
use super::undo::{Ways, undo};
use super::{Host, label};

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

    /// How it was before the first of them, where there was one.
    pub(super) fn seen(&self) -> Option<&Observed> {
        self.0.first().map(|past| &past.observed)
    }

    /// Takes back what was done for `names`, or all of it, the latest first. As soon as something cannot be taken back,
    /// what came before it stays.
    pub(super) async fn undo(
        &mut self,
        (host, options, events): (&Host, &ApplyOptions, &dyn Events),
        names: Option<&BTreeSet<Name>>,
        (cancel, lanes): (&mut Cancel, &Lanes),
    ) -> Aftermath {
        let mut aftermath = Aftermath::default();
        for past in self.0.iter_mut().rev() {
            let goes = |id: &StepId| match (names, past.plan.steps[*id].step.container()) {
                (None, _) => true,
                (Some(names), Some(name)) => names.contains(name),
                (Some(_), None) => false,
            };
            let ways = std::mem::take(&mut past.ways).into_iter();
            let (ways, stays): (Ways, Ways) = ways.partition(|(id, _)| goes(id));
            past.ways = stays;
            if !aftermath.is_clean() {
                let open = ways.iter().filter(|(_, way)| **way != Back::Nothing);
                let labels = open.map(|(id, _)| label(&past.plan.steps[*id].step));
                match cancel.is_urgent() {
                    true => aftermath.left.extend(labels),
                    false => aftermath.kept.extend(labels),
                }
                continue;
            }
            let worker = Worker::new(&past.plan, &past.observed, host, events, options);
            // The journal of the run that fails tells of that run.
            let journal = Journal::none(&host.paths, &host.project);
            aftermath.extend(undo(&worker, &journal, &ways, cancel, lanes.clone()).await);
        }
        aftermath
    }
}
