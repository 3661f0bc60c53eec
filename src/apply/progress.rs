//! A plan as it is being worked off: what may begin, what is over, who is lost.

use std::collections::BTreeSet;

use crate::model::Name;
use crate::observed::Observed;
use crate::plan::{Plan, StepId};

use super::act::{Outcome, is_wait};
use super::affected::{affected, strands};
use super::back::Back;
use super::earlier::Earlier;
use super::error::{StepError, StepFailure};
use super::lanes::Lanes;
use super::perform::{Applied, labels};
use super::undo::Ways;

/// The graph as it is being worked off.
pub(super) struct Progress<'a> {
    pub(super) plan: &'a Plan,
    /// What was there before.
    observed: &'a Observed,
    /// What was done before by the same command.
    pub(super) earlier: Earlier,
    missing: Vec<usize>,
    followers: Vec<Vec<StepId>>,
    ready: BTreeSet<StepId>,
    /// Steps that destroy nothing and are not done yet.
    ordinary_left: usize,
    pub(super) final_begun: bool,
    pub(super) applied: Applied,
    pub(super) ways: Ways,
    pub(super) failures: Vec<StepFailure>,
    /// Containers that cannot come to their end; none when the whole run cannot.
    pub(super) affected: Option<BTreeSet<Name>>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        observed: &'a Observed,
        earlier: Earlier,
        independent: bool,
    ) -> Self {
        let mut followers = vec![Vec::new(); plan.steps.len()];
        for (id, planned) in plan.steps.iter().enumerate() {
            for earlier in &planned.after {
                followers[*earlier].push(id);
            }
        }
        let missing: Vec<usize> = plan.steps.iter().map(|p| p.after.len()).collect();
        let ready = (0..plan.steps.len())
            .filter(|id| missing[*id] == 0)
            .collect();
        let ordinary = plan.steps.iter().filter(|p| !p.step.is_final()).count();
        Self {
            plan,
            observed,
            earlier,
            missing,
            followers,
            ready,
            ordinary_left: ordinary,
            final_begun: false,
            applied: Applied::default(),
            ways: Ways::new(),
            failures: Vec::new(),
            affected: independent.then(BTreeSet::new),
        }
    }

    /// Whether steps may begin at all. What destroys is never undone: who does not need what failed is finished.
    pub(super) fn goes_on(&self) -> bool {
        self.failures.is_empty() || self.affected.is_some() || self.final_begun
    }

    /// What was asked for, was not done and has not failed.
    pub(super) fn not_done(&self) -> Vec<String> {
        let failed = |id: &StepId| self.failures.iter().any(|failure| failure.id == *id);
        let over =
            |id: &StepId| self.applied.done.contains(id) || self.applied.already.contains(id);
        let ids = (0..self.plan.steps.len()).filter(|id| !over(id) && !failed(id));
        labels(self.plan, &ids.collect::<Vec<_>>())
    }

    /// The containers that this run has changed and that have come to their end, and those that have not.
    pub(super) fn finished_and_open(&self) -> (BTreeSet<Name>, BTreeSet<Name>) {
        let of = |id: StepId| self.plan.steps[id].step.container().cloned();
        let over =
            |id: &StepId| self.applied.done.contains(id) || self.applied.already.contains(id);
        let open = (0..self.plan.steps.len()).filter(|id| !over(id));
        let open: BTreeSet<Name> = open.filter_map(of).collect();
        let done = self.applied.done.iter().filter_map(|id| of(*id));
        (done.filter(|name| !open.contains(name)).collect(), open)
    }

    /// A step has failed; the containers that go down with it. None when that is the whole run.
    pub(super) fn lose(&mut self, failed: StepId) -> Option<&BTreeSet<Name>> {
        let known = self.affected.take()?;
        let applied = &self.applied;
        let over: BTreeSet<StepId> = applied
            .done
            .iter()
            .chain(&applied.already)
            .copied()
            .collect();
        let lost = affected(self.plan, failed, &known, |id| over.contains(&id))?;
        if lost.iter().any(|name| self.is_stranded(name)) {
            return None;
        }
        self.ready.retain(|id| {
            let container = self.plan.steps[*id].step.container();
            container.is_none_or(|name| !lost.contains(name))
        });
        Some(self.affected.insert(lost))
    }

    /// Whether a container cannot come back as it was while what is the project's stays as it is by now.
    pub(super) fn is_stranded(&self, name: &Name) -> bool {
        let now = (self.plan, self.observed);
        let mut runs = self.earlier.runs().chain([now]);
        // In a later run the older self is the one that was there before the first.
        let seen = self.earlier.seen().unwrap_or(self.observed);
        let mark = seen.containers.get(name);
        let mark = mark.and_then(|found| found.mark.as_ref());
        mark.is_some_and(|mark| runs.any(|(plan, _)| strands(plan, &mark.spec)))
    }

    pub(super) fn is_lost(&self, id: StepId) -> bool {
        let container = self.plan.steps[id].step.container();
        let lost = self.affected.as_ref();
        lost.zip(container)
            .is_some_and(|(lost, name)| lost.contains(name))
    }

    /// The next step that may begin and finds room, by its place in the plan.
    pub(super) fn next(&mut self, lanes: &mut Lanes) -> Option<StepId> {
        let id = *self.ready.iter().find(|id| {
            let step = &self.plan.steps[**id].step;
            (self.ordinary_left == 0 || !step.is_final()) && lanes.enter(step)
        })?;
        self.ready.remove(&id);
        self.final_begun |= self.plan.steps[id].step.is_final();
        Some(id)
    }

    /// Whether all that failed is that containers did not become well, and none of them was to take the place of
    /// an older self, which would have to come back. They stay, so that somebody can look at them.
    pub(super) fn is_only_unwell(&self) -> bool {
        let waits = |failure: &StepFailure| is_wait(&self.plan.steps[failure.id].step);
        let is_wait = |failure: &StepFailure| {
            waits(failure)
                || matches!(failure.error, StepError::GivenUp) && !self.started(failure.id)
        };
        let older =
            |way: &Back| matches!(way, Back::Rename(_) | Back::Start(..) | Back::Configure(_));
        let mut ways = self.ways.values().chain(self.earlier.ways());
        self.failures.iter().any(waits)
            && self.failures.iter().all(is_wait)
            && !self.final_begun
            && !ways.any(older)
    }

    /// Whether a start that was given up has left something.
    pub(super) fn started(&self, id: StepId) -> bool {
        let way = self.ways.get(&id);
        way.is_some_and(|way| *way != Back::Nothing)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.applied.done.len() + self.applied.already.len() == self.plan.steps.len()
    }

    pub(super) fn succeeded(&mut self, id: StepId, outcome: Outcome) -> bool {
        let already = match outcome {
            Outcome::Already => {
                self.ways.insert(id, Back::Nothing);
                self.applied.already.push(id);
                true
            }
            Outcome::Done(back) => {
                self.ways.insert(id, back);
                self.applied.done.push(id);
                false
            }
        };
        if !self.plan.steps[id].step.is_final() {
            self.ordinary_left -= 1;
        }
        for follower in &self.followers[id] {
            self.missing[*follower] -= 1;
            if self.missing[*follower] == 0 && !self.is_lost(*follower) {
                self.ready.insert(*follower);
            }
        }
        already
    }
}
