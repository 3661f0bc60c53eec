//! The ports that systemd holds for containers on demand: open for callers, or closed by a stop.
//!
//! Must not know sockets: only whose ports are to be open.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    DemandPort, Held, Listener, Name, Place, Port, PortRule, ProjectUnits, UnitSpec, UnitsChange,
};

use crate::observed::ProjectRecord;

use super::build::Builder;
use super::graph::Slot;
use super::intent::Power;
use super::{Cause, Step, ports};

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
    pub(super) fn causes(
        &self,
        services: &BTreeMap<Name, UnitSpec>,
        linked: bool,
        opened: Vec<Name>,
    ) -> Vec<Cause> {
        let same = *services == self.observed.units.services;
        let units = &self.observed.units;
        // Files of services that nobody remembers are no wish of the file.
        if !same && !units.drifted {
            let changed = self.changed_services(services);
            return match changed.is_empty() {
                true => vec![Cause::ForProject],
                false => changed,
            };
        }
        let lost = !units.lost.is_empty();
        let lost = lost.then_some("what was written down of its services is lost");
        let files = units.drifted.then_some("its files differ");
        let links = (!linked).then_some("what starts at boot differs");
        let limits = !units.unkept.is_empty();
        let limits = limits.then_some("the kernel keeps its services to other limits");
        let drift = [lost.or(files), links, limits, units.network_fault];
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
    pub(super) fn close_ports(&mut self, record: Option<&ProjectRecord>) {
        let old = &self.observed.units;
        let off = |name: &Name| self.meant(name) == Power::Off;
        let mut held = holding(&old.services);
        if !held.any(|name| off(name) && old.held.get(name) != Some(&Held::Closed)) {
            return;
        }
        let services = match old.lost.is_empty() {
            true => old.services.clone(),
            false => self.services(record),
        };
        let change = UnitsChange {
            open: self.open(&services),
            units: ProjectUnits {
                project: self.project.name.clone(),
                directory: self.project.directory.clone(),
                services,
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

    /// Who is in the way of ports that are to be opened.
    pub(super) fn refuse_taken_ports(&mut self, change: &UnitsChange) {
        let old = &self.observed.units;
        let still = old.services.iter();
        let still =
            still.filter(|(name, _)| old.held.get(*name).is_some_and(|h| *h != Held::Closed));
        let mine: Vec<&Port> = still
            .flat_map(|(_, unit)| unit.on_demand.iter().map(|held| &held.port))
            .collect();
        let mut wanted = Vec::new();
        for name in &change.open {
            let Some(unit) = change.units.services.get(name) else {
                continue;
            };
            let file = self.project.containers.get(name);
            for held in &unit.on_demand {
                if mine.iter().any(|port| port.collides(&held.port)) {
                    continue;
                }
                let mut placed = file.iter().flat_map(|file| &file.ports);
                let place = placed.find(|(port, _)| *port == held.port);
                let place = place.map_or_else(Place::nowhere, |(_, place)| place.clone());
                wanted.push((held_as_rule(unit, held), place));
            }
        }
        let rules = self.observed.firewall.rules.iter();
        let stay = rules
            .filter(|rule| rule.project != self.project.name)
            .collect();
        let observed = self.observed;
        let goes = |listener: &Listener| self.is_of_compose(listener);
        let problems = ports::conflicts(observed, &wanted, &stay, goes);
        self.problems.extend(problems);
        self.compose_ports(&wanted);
    }

    /// Whether the project itself holds the port, and gives it up with this plan.
    pub(super) fn is_given_up(&self, listener: &Listener) -> bool {
        let Some((_, container)) = listener
            .held_for
            .as_ref()
            .filter(|(p, _)| *p == self.project.name)
        else {
            return false;
        };
        let file = self.project.containers.get(container);
        let keeps = file.is_some_and(|file| {
            file.on_demand
                && file
                    .ports
                    .iter()
                    .any(|(port, _)| (port.host.first..=port.host.last).contains(&listener.port))
        });
        !keeps && (file.is_none() || self.selected(container))
    }

    fn meant(&self, name: &Name) -> Power {
        let intent = self.intents.get(name);
        intent.map_or(Power::Keep, |intent| intent.power)
    }
}

/// A port that systemd holds, as the rule that it would be.
fn held_as_rule(unit: &UnitSpec, held: &DemandPort) -> PortRule {
    PortRule {
        project: unit.project.clone(),
        container: unit.name.clone(),
        port: held.port.clone(),
        to4: held.to,
        to6: None,
    }
}

fn holding(services: &BTreeMap<Name, UnitSpec>) -> impl Iterator<Item = &Name> {
    let holding = services
        .iter()
        .filter(|(_, unit)| !unit.on_demand.is_empty());
    holding.map(|(name, _)| name)
}
