//! Who waits for whom: a container's own steps, dependencies, origins of clones, links.

use crate::model::{Condition, Name, Source, host_name_of};

use super::build::Builder;
use super::graph::Slot;
use super::{StepId, needs};

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
    /// Puts everything in its order.
    pub(super) fn order(&mut self) {
        let names: Vec<Name> = self.intents.keys().cloned().collect();
        for name in &names {
            self.draft.row(name, &ROW);
            self.draft.row(name, &[Slot::Start, Slot::Healthy]);
            for earlier in [Slot::Start, Slot::Healthy, Slot::Setup] {
                self.draft.row(name, &[earlier, Slot::Completed]);
            }
            self.draft.row(name, &[Slot::Thaw, Slot::Healthy]);
            // What is checked may be set up only there.
            self.draft.row(name, &[Slot::Setup, Slot::Healthy]);
            for last in [Slot::Destroy, Slot::DestroyAside] {
                for slot in ROW {
                    self.draft.row(name, &[slot, last]);
                }
            }
            self.origin_before_clone(name);
            self.dependencies_first(name);
            self.links_first(name);
            self.partners_first(name);
            self.old_self_last(name);
        }
    }

    /// The old self that still runs goes when the new one is well and everybody knows it. One that gets
    /// its name back is another matter.
    fn old_self_last(&mut self, name: &Name) {
        let Some(stop) = self.draft.find(Slot::StopAside, name) else {
            return;
        };
        let is_back = self.has(Slot::Aside, name) && !self.has(Slot::Create, name);
        if is_back {
            self.draft.row(name, &[Slot::StopAside, Slot::Aside]);
            return;
        }
        let ready = [Slot::Start, Slot::Healthy, Slot::Completed, Slot::Setup];
        let ready: Vec<StepId> = ready
            .iter()
            .filter_map(|s| self.draft.find(*s, name))
            .collect();
        for earlier in &ready {
            self.draft.after(stop, *earlier);
            if let Some(published) = self.published.filter(|_| self.running.contains(name)) {
                self.draft.after(published, *earlier);
            }
        }
        if let Some(published) = self.published {
            self.draft.after(stop, published);
        }
        for (other, names) in self.draft.each(Slot::Names) {
            let others = other != *name;
            // One that is about to start may read its names before.
            let waits = others && !self.has(Slot::Start, &other) && self.running.contains(&other);
            for earlier in ready.iter().filter(|_| waits) {
                self.draft.after(names, *earlier);
            }
            if others {
                self.draft.after(stop, names);
            }
        }
        self.draft.row(name, &[Slot::StopAside, Slot::DestroyAside]);
    }

    /// Those whose network, processes or volumes it shares are made before it is.
    fn partners_first(&mut self, name: &Name) {
        let Some(create) = self.draft.find(Slot::Create, name) else {
            return;
        };
        let Some(app) = self
            .project
            .containers
            .get(name)
            .and_then(|c| c.app.as_ref())
        else {
            return;
        };
        let shared = self.project.containers.get(name).map(needs::shared);
        let mut partners: Vec<Name> = shared.into_iter().flatten().map(|(_, n)| n).collect();
        let volumes = app.volumes_from.iter().map(|(full, _)| full);
        let of_project = volumes.filter_map(|full| {
            let mut all = self.project.containers.keys();
            all.find(|other| host_name_of(&self.project.name, other) == *full)
        });
        partners.extend(of_project.cloned());
        for partner in partners {
            if let Some(earlier) = self.draft.find(Slot::Create, &partner) {
                self.draft.after(create, earlier);
            }
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
        for dependency in file.iter().flat_map(|c| needs::of(c)) {
            let on = &dependency.on;
            let theirs = self.draft.find(Slot::Stop, on);
            if let (Some(theirs), Some(mine)) = (theirs, stop) {
                self.draft.after(theirs, mine);
            }
            let more = match dependency.condition {
                Condition::Started => None,
                Condition::Healthy => Some(Slot::Healthy),
                Condition::Completed => Some(Slot::Completed),
            };
            for slot in [Slot::Start, Slot::Thaw].into_iter().chain(more) {
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
            for target in needs::bearers(self.project, &link.target) {
                if let Some(theirs) = self.draft.find(Slot::Start, &target) {
                    self.draft.prefer(mine, theirs);
                }
            }
        }
    }
}
