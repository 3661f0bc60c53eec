//! The order of a plan: steps are added in any order and come out sorted.
//!
//! Stable: steps that may run side by side keep the order in which they were added; what destroys
//! comes last. Must not know why a step is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Name;

use super::{Cause, PlannedStep, Step, StepId};

/// What a container's step is, to find it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Clear,
    Aside,
    Create,
    Seed,
    Configure,
    Names,
    Start,
    Healthy,
    Setup,
    Stop,
    Thaw,
}

/// A plan whose order is not worked out yet.
#[derive(Default)]
pub(super) struct Draft {
    steps: Vec<(Step, Vec<Cause>, BTreeSet<StepId>)>,
    slots: BTreeMap<(Slot, Name), StepId>,
}

impl Draft {
    pub(super) fn add(&mut self, step: Step, causes: Vec<Cause>) -> StepId {
        self.steps.push((step, causes, BTreeSet::new()));
        self.steps.len() - 1
    }

    pub(super) fn add_in(&mut self, slot: Slot, name: &Name, step: Step, causes: Vec<Cause>) {
        let id = self.add(step, causes);
        self.slots.insert((slot, name.clone()), id);
    }

    pub(super) fn find(&self, slot: Slot, name: &Name) -> Option<StepId> {
        self.slots.get(&(slot, name.clone())).copied()
    }

    /// Every step in `slot`, of any container.
    pub(super) fn all(&self, slot: Slot) -> Vec<StepId> {
        let mine = self.slots.iter().filter(|((s, _), _)| *s == slot);
        mine.map(|(_, id)| *id).collect()
    }

    pub(super) fn ids(&self) -> std::ops::Range<StepId> {
        0..self.steps.len()
    }

    pub(super) fn is_final(&self, id: StepId) -> bool {
        self.steps[id].0.is_final()
    }

    /// `later` comes after `earlier`.
    pub(super) fn after(&mut self, later: StepId, earlier: StepId) {
        if later != earlier {
            self.steps[later].2.insert(earlier);
        }
    }

    /// Puts the given slots of one container in a row, as far as they are there.
    pub(super) fn row(&mut self, name: &Name, slots: &[Slot]) {
        let ids: Vec<StepId> = slots.iter().filter_map(|s| self.find(*s, name)).collect();
        for pair in ids.windows(2) {
            self.after(pair[1], pair[0]);
        }
    }

    /// Like [`Self::after`], unless that would close a cycle.
    pub(super) fn after_if_free(&mut self, later: StepId, earlier: StepId) {
        let (mut seen, mut open) = (BTreeSet::new(), vec![earlier]);
        while let Some(id) = open.pop() {
            if id == later {
                return;
            }
            if seen.insert(id) {
                open.extend(&self.steps[id].2);
            }
        }
        self.after(later, earlier);
    }

    /// The steps in order; the steps that are in a cycle when there is one.
    pub(super) fn finish(self) -> Result<Vec<PlannedStep>, Vec<Step>> {
        let mut missing: Vec<usize> = self.steps.iter().map(|s| s.2.len()).collect();
        let mut followers = vec![Vec::new(); self.steps.len()];
        for (id, (_, _, after)) in self.steps.iter().enumerate() {
            for earlier in after {
                followers[*earlier].push(id);
            }
        }
        let rank = |id: StepId| (self.steps[id].0.is_final(), id);
        let free = (0..self.steps.len()).filter(|id| missing[*id] == 0);
        let mut ready: BTreeSet<(bool, StepId)> = free.map(rank).collect();
        let mut order = Vec::with_capacity(self.steps.len());
        while let Some((_, id)) = ready.pop_first() {
            order.push(id);
            for follower in &followers[id] {
                missing[*follower] -= 1;
                if missing[*follower] == 0 {
                    ready.insert(rank(*follower));
                }
            }
        }
        if order.len() < self.steps.len() {
            let stuck = self.steps.into_iter().zip(missing);
            return Err(stuck.filter(|(_, m)| *m > 0).map(|(s, _)| s.0).collect());
        }
        let mut new_id = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            new_id[*old] = new;
        }
        let mut placed: Vec<(StepId, PlannedStep)> = self
            .steps
            .into_iter()
            .enumerate()
            .map(|(old, (step, causes, after))| {
                let mut after: Vec<StepId> = after.into_iter().map(|id| new_id[id]).collect();
                after.sort_unstable();
                let planned = PlannedStep {
                    step,
                    causes,
                    after,
                };
                (new_id[old], planned)
            })
            .collect();
        placed.sort_by_key(|(id, _)| *id);
        Ok(placed.into_iter().map(|(_, planned)| planned).collect())
    }
}
