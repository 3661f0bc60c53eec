//! The ports that systemd holds for containers on demand: open for callers, or closed by a stop.
//!
//! Must not know sockets: only whose ports are to be open.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Held, Name, ProjectUnits, UnitSpec, UnitsChange};

use super::build::Builder;
use super::graph::Slot;
use super::intent::Power;
use super::{Cause, Step};

impl Builder<'_> {
    /// Whose held ports are open at the end: those of containers that are to be up, and of all others as
    /// they are.
    pub(super) fn open(&self, services: &BTreeMap<Name, UnitSpec>) -> BTreeSet<Name> {
        let was = self.observed.units.open();
        let is_open = |name: &Name| match self.meant(name) {
            Power::On | Power::Cycle => true,
            Power::Off => false,
            Power::Keep | Power::Freeze | Power::Thaw => was.contains(name),
        };
        let held = holding(services).filter(|name| is_open(name));
        held.cloned().collect()
    }

    /// Containers that are to be up, have held ports, and these are not all open.
    pub(super) fn closed_yet(&self, services: &BTreeMap<Name, UnitSpec>) -> Vec<Name> {
        let held = &self.observed.units.held;
        let closed = holding(services).filter(|name| match self.meant(name) {
            Power::On | Power::Cycle => held.get(*name) != Some(&Held::Open),
            Power::Off | Power::Keep | Power::Freeze | Power::Thaw => false,
        });
        closed.cloned().collect()
    }

    /// Why the units are written anew when nothing else than their being in place is wanted.
    pub(super) fn causes(&self, same: bool, linked: bool, opened: Vec<Name>) -> Vec<Cause> {
        let units = &self.observed.units;
        if !same {
            return vec![Cause::ForProject];
        }
        let files = units.drifted.then_some("its files differ");
        let links = (!linked).then_some("what starts at boot differs");
        let drift = [files, links, units.network_fault];
        let drift = drift.into_iter().flatten().map(Cause::Drifted);
        let ports = opened.into_iter().map(Cause::PortsClosed);
        let causes: Vec<Cause> = drift.chain(ports).collect();
        match causes.is_empty() {
            true => vec![Cause::ForProject],
            false => causes,
        }
    }

    /// What is stopped is not started by the next who calls: its ports are closed first. Nothing else of
    /// the units is touched.
    pub(super) fn close_ports(&mut self) {
        let old = &self.observed.units;
        let off = |name: &Name| self.meant(name) == Power::Off;
        let mut held = holding(&old.services);
        if !held.any(|name| off(name) && old.held.get(name) != Some(&Held::Closed)) {
            return;
        }
        let change = UnitsChange {
            open: self.open(&old.services),
            units: ProjectUnits {
                project: self.project.name.clone(),
                directory: self.project.directory.clone(),
                services: old.services.clone(),
            },
            enabled: old.enabled.clone(),
            project_enabled: old.project_enabled,
            renewed: false,
        };
        let step = Step::WriteUnits(Box::new(change));
        let id = self.draft.add(step, vec![Cause::Asked]);
        for stop in self.draft.all(Slot::Stop) {
            self.draft.after(stop, id);
        }
    }

    fn meant(&self, name: &Name) -> Power {
        let intent = self.intents.get(name);
        intent.map_or(Power::Keep, |intent| intent.power)
    }
}

fn holding(services: &BTreeMap<Name, UnitSpec>) -> impl Iterator<Item = &Name> {
    let holding = services
        .iter()
        .filter(|(_, unit)| !unit.on_demand.is_empty());
    holding.map(|(name, _)| name)
}
