//! Who waits for whom: a container's own steps, dependencies, origins of clones, links.

use crate::model::{Condition, Dependency, Name, Source};

use super::build::Builder;
use super::graph::Slot;
use super::{Cause, Step};

/// A container's own steps in their order.
const ROW: [Slot; 10] = [
    Slot::Stop,
    Slot::Clear,
    Slot::Aside,
    Slot::Create,
    Slot::Seed,
    Slot::Configure,
    Slot::Thaw,
    Slot::Names,
    Slot::Start,
    Slot::Setup,
];

impl Builder<'_> {
    /// Adds the health checks that dependencies wait for, before anything is ordered.
    pub(super) fn health(&mut self) {
        for name in self.intents.clone().keys() {
            let Some(file) = self.project.containers.get(name) else {
                continue;
            };
            if !self.has(Slot::Start, name) {
                continue;
            }
            let healthy = |d: &&Dependency| d.condition == Condition::Healthy;
            for dependency in file.depends_on.iter().filter(healthy) {
                self.await_healthy(&dependency.on, name);
            }
        }
    }

    fn await_healthy(&mut self, on: &Name, by: &Name) {
        let check = self.project.containers.get(on);
        let check = check.and_then(|c| c.healthcheck.clone());
        let Some(check) = check.filter(|_| !self.has(Slot::Healthy, on)) else {
            return;
        };
        let step = Step::AwaitHealthy {
            container: on.clone(),
            check: Some(check),
            most: None,
            may_end: false,
        };
        let causes = vec![Cause::For(by.clone())];
        self.draft.add_in(Slot::Healthy, on, step, causes);
    }

    /// Puts everything in its order.
    pub(super) fn order(&mut self) {
        let names: Vec<Name> = self.intents.keys().cloned().collect();
        for name in &names {
            self.draft.row(name, &ROW);
            self.draft.row(name, &[Slot::Start, Slot::Healthy]);
            self.draft.row(name, &[Slot::Thaw, Slot::Healthy]);
            for last in [Slot::Destroy, Slot::DestroyAside] {
                for slot in ROW {
                    self.draft.row(name, &[slot, last]);
                }
            }
            self.origin_before_clone(name);
            self.dependencies_first(name);
            self.links_first(name);
        }
    }

    /// A clone is copied when its origin is made and nothing else happens to it: what is written
    /// into a tree while it is copied would be copied in halves.
    fn origin_before_clone(&mut self, name: &Name) {
        let Some(create) = self.draft.find(Slot::Create, name) else {
            return;
        };
        let source = self.desired.get(name).map(|spec| &spec.source);
        let Some(Source::CloneSibling(origin)) = source.cloned() else {
            return;
        };
        for slot in [Slot::Create, Slot::Stop] {
            if let Some(earlier) = self.draft.find(slot, &origin) {
                self.draft.after(create, earlier);
            }
        }
        for slot in [
            Slot::Seed,
            Slot::Configure,
            Slot::Thaw,
            Slot::Names,
            Slot::Start,
            Slot::Setup,
        ] {
            if let Some(later) = self.draft.find(slot, &origin) {
                self.draft.after(later, create);
            }
        }
    }

    /// What a container depends on starts before it and stops after it.
    fn dependencies_first(&mut self, name: &Name) {
        let file = self.project.containers.get(name);
        let start = self.draft.find(Slot::Start, name);
        let stop = self.draft.find(Slot::Stop, name);
        for dependency in file.iter().flat_map(|c| &c.depends_on) {
            let on = &dependency.on;
            let theirs = self.draft.find(Slot::Stop, on);
            if let (Some(theirs), Some(mine)) = (theirs, stop) {
                self.draft.after(theirs, mine);
            }
            let healthy = dependency.condition == Condition::Healthy;
            let health = healthy.then_some(Slot::Healthy);
            for slot in [Slot::Start, Slot::Thaw].into_iter().chain(health) {
                let earlier = self.draft.find(slot, on);
                if let (Some(mine), Some(earlier)) = (start, earlier) {
                    self.draft.after(mine, earlier);
                }
            }
        }
    }

    /// What a container is linked to starts before it, unless they wait for each other.
    fn links_first(&mut self, name: &Name) {
        let Some(mine) = self.draft.find(Slot::Start, name) else {
            return;
        };
        let file = self.project.containers.get(name);
        for (link, _) in file.iter().flat_map(|c| &c.links) {
            if let Some(theirs) = self.draft.find(Slot::Start, &link.target) {
                self.draft.prefer(mine, theirs);
            }
        }
    }
}
