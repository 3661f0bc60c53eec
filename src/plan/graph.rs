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
    Completed,
    Setup,
    Stop,
    StopAside,
    Thaw,
    Destroy,
    DestroyAside,
}

/// A step whose place in the order is not worked out yet.
struct Loose {
    step: Step,
    causes: Vec<Cause>,
    after: BTreeSet<StepId>,
    /// Steps that should come first where nobody has to wait for himself.
    rather_after: BTreeSet<StepId>,
}

/// A plan whose order is not worked out yet.
#[derive(Default)]
pub(super) struct Draft {
    steps: Vec<Loose>,
    slots: BTreeMap<Slot, BTreeMap<Name, StepId>>,
}

impl Draft {
    pub(super) fn add(&mut self, step: Step, causes: Vec<Cause>) -> StepId {
        self.steps.push(Loose {
            step,
            causes,
            after: BTreeSet::new(),
            rather_after: BTreeSet::new(),
        });
        self.steps.len() - 1
    }

    pub(super) fn add_in(&mut self, slot: Slot, name: &Name, step: Step, causes: Vec<Cause>) {
        let id = self.add(step, causes);
        self.slots.entry(slot).or_default().insert(name.clone(), id);
    }

    pub(super) fn find(&self, slot: Slot, name: &Name) -> Option<StepId> {
        self.slots.get(&slot)?.get(name).copied()
    }

    /// The step in `slot` itself, to be changed before the plan is finished.
    pub(super) fn step_in(&mut self, slot: Slot, name: &Name) -> Option<&mut Step> {
        let id = self.find(slot, name)?;
        self.steps.get_mut(id).map(|loose| &mut loose.step)
    }

    /// Every step in `slot`, of any container.
    pub(super) fn all(&self, slot: Slot) -> Vec<StepId> {
        let mine = self.slots.get(&slot).into_iter().flat_map(BTreeMap::values);
        mine.copied().collect()
    }

    /// Every step in `slot` with its container.
    pub(super) fn each(&self, slot: Slot) -> Vec<(Name, StepId)> {
        let mine = self.slots.get(&slot).into_iter().flatten();
        mine.map(|(name, id)| (name.clone(), *id)).collect()
    }

    pub(super) fn ids(&self) -> std::ops::Range<StepId> {
        0..self.steps.len()
    }

    /// The steps that put rules of the firewall in.
    pub(super) fn of_rules(&self) -> Vec<StepId> {
        let puts_in = |id: &StepId| {
            let step = &self.steps[*id].step;
            matches!(step, Step::OpenNetwork(_) | Step::Publish { .. })
        };
        self.ids().filter(puts_in).collect()
    }

    pub(super) fn is_final(&self, id: StepId) -> bool {
        self.steps[id].step.is_final()
    }

    pub(super) fn is_volume(&self, id: StepId) -> bool {
        matches!(self.steps[id].step, Step::RemoveVolume { .. })
    }

    pub(super) fn causes(&self, id: StepId) -> &[Cause] {
        &self.steps[id].causes
    }

    /// `later` comes after `earlier`.
    pub(super) fn after(&mut self, later: StepId, earlier: StepId) {
        if later != earlier {
            self.steps[later].after.insert(earlier);
        }
    }

    /// `later` comes after `earlier`, unless they are part of a circle.
    pub(super) fn prefer(&mut self, later: StepId, earlier: StepId) {
        if later != earlier {
            self.steps[later].rather_after.insert(earlier);
        }
    }

    /// Puts the given slots of one container in a row, as far as they are there.
    pub(super) fn row(&mut self, name: &Name, slots: &[Slot]) {
        let ids: Vec<StepId> = slots.iter().filter_map(|s| self.find(*s, name)).collect();
        for pair in ids.windows(2) {
            self.after(pair[1], pair[0]);
        }
    }

    /// The steps in order; the steps that are in a cycle when there is one.
    pub(super) fn finish(mut self) -> Result<Vec<PlannedStep>, Vec<Step>> {
        self.settle_preferences();
        let (order, stuck) = self.sorted();
        if !stuck.is_empty() {
            let steps = self.steps.into_iter().enumerate();
            let stuck = steps.filter(|(id, _)| stuck.contains(id));
            return Err(stuck.map(|(_, loose)| loose.step).collect());
        }
        let mut new_id = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            new_id[*old] = new;
        }
        let steps = self.steps.into_iter().enumerate();
        let mut placed: Vec<(StepId, PlannedStep)> = steps
            .map(|(old, loose)| (new_id[old], renumbered(loose, &new_id)))
            .collect();
        placed.sort_by_key(|(id, _)| *id);
        Ok(placed.into_iter().map(|(_, planned)| planned).collect())
    }

    /// Keeps the preferences that lead out of a circle; within one nobody goes first.
    fn settle_preferences(&mut self) {
        let before: Vec<Vec<StepId>> = self
            .steps
            .iter()
            .map(|s| s.after.union(&s.rather_after).copied().collect())
            .collect();
        let circle = circles(&before);
        for (id, loose) in self.steps.iter_mut().enumerate() {
            let preferred = std::mem::take(&mut loose.rather_after);
            let free = preferred.into_iter().filter(|e| circle[*e] != circle[id]);
            loose.after.extend(free);
        }
    }

    /// The order, and the steps that find no place in it.
    fn sorted(&self) -> (Vec<StepId>, BTreeSet<StepId>) {
        let mut missing: Vec<usize> = self.steps.iter().map(|s| s.after.len()).collect();
        let mut followers = vec![Vec::new(); self.steps.len()];
        for (id, loose) in self.steps.iter().enumerate() {
            for earlier in &loose.after {
                followers[*earlier].push(id);
            }
        }
        let rank = |id: StepId| (self.is_final(id), id);
        let free = self.ids().filter(|id| missing[*id] == 0);
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
        let stuck = self.ids().filter(|id| missing[*id] > 0).collect();
        (order, stuck)
    }
}

fn renumbered(loose: Loose, new_id: &[StepId]) -> PlannedStep {
    let mut after: Vec<StepId> = loose.after.into_iter().map(|id| new_id[id]).collect();
    after.sort_unstable();
    PlannedStep {
        step: loose.step,
        causes: loose.causes,
        after,
    }
}

/// Gives every node the number of its strongly connected component (Kosaraju's algorithm); `before`
/// are the edges.
pub(super) fn circles(before: &[Vec<StepId>]) -> Vec<usize> {
    let mut behind = vec![Vec::new(); before.len()];
    for (id, earlier) in before.iter().enumerate() {
        for earlier in earlier {
            behind[*earlier].push(id);
        }
    }
    let finished = innermost_first(before);
    let mut circle = vec![usize::MAX; before.len()];
    for root in finished.into_iter().rev() {
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            if circle[id] == usize::MAX {
                circle[id] = root;
                open.extend(&behind[id]);
            }
        }
    }
    circle
}

/// All nodes, each after those that its edges lead to, as far as there is no circle.
pub(super) fn innermost_first(edges: &[Vec<StepId>]) -> Vec<StepId> {
    let mut seen = vec![false; edges.len()];
    let mut finished = Vec::with_capacity(edges.len());
    for root in 0..edges.len() {
        visit(root, edges, &mut seen, &mut finished);
    }
    finished
}

/// Appends what can be reached from `root`, each after all that can be reached from it. Without
/// recursion: a chain of links may be as long as the file.
fn visit(root: StepId, edges: &[Vec<StepId>], seen: &mut [bool], finished: &mut Vec<StepId>) {
    if seen[root] {
        return;
    }
    seen[root] = true;
    let mut path = vec![(root, edges[root].iter())];
    while let Some((id, rest)) = path.last_mut() {
        match rest.find(|next| !seen[**next]) {
            Some(next) => {
                seen[*next] = true;
                path.push((*next, edges[*next].iter()));
            }
            None => {
                finished.push(*id);
                path.pop();
            }
        }
    }
}
