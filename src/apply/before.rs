//! How it was before: what a step would change, and what brings it back.
//!
//! Worked out from the snapshot that the plan was made from, before the step runs.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::backend::{Body, Sought};
use crate::firewall::FirewallChange;
use crate::model::{IdRange, Kind, Name, PortRule, ProjectUnits, UnitsChange};
use crate::observed::{Observed, ObservedContainer, ObservedJob, ProjectRecord, State};
use crate::plan::{Plan, Step};

use super::back::Back;

/// The snapshot, and which containers the plan makes anew.
pub(super) struct Before<'a> {
    observed: &'a Observed,
    made: BTreeSet<&'a Name>,
    started: BTreeSet<&'a Name>,
    stopped: BTreeSet<&'a Name>,
    /// Keys of networks of the engine that the plan removes.
    removed: BTreeSet<&'a Name>,
    /// The kinds of containers that were there or that the plan makes.
    kinds: BTreeSet<Kind>,
}

impl<'a> Before<'a> {
    pub(super) fn new(plan: &'a Plan, observed: &'a Observed) -> Self {
        let mut before = Self {
            observed,
            made: BTreeSet::new(),
            started: BTreeSet::new(),
            stopped: BTreeSet::new(),
            removed: BTreeSet::new(),
            kinds: observed.containers.values().map(|c| c.kind).collect(),
        };
        for planned in &plan.steps {
            before.expect(&planned.step);
        }
        before
    }

    /// A step that the plan has.
    fn expect(&mut self, step: &'a Step) {
        match step {
            Step::Create(spec) => {
                self.made.insert(&spec.name);
                self.kinds.insert(spec.kind());
            }
            Step::BringBack { container } => {
                self.made.insert(container);
            }
            Step::Start { container } => {
                self.started.insert(container);
            }
            Step::Stop {
                container,
                aside: false,
                ..
            } => {
                self.stopped.insert(container);
            }
            Step::RemoveNetwork(network) => {
                self.removed.insert(&network.network);
            }
            Step::Stop { aside: true, .. }
            | Step::SaveRecord(_)
            | Step::ForgetProject(_)
            | Step::RemoveWreck { .. }
            | Step::EnsureBridge { .. }
            | Step::RemoveBridge { .. }
            | Step::OpenNetwork(_)
            | Step::CloseNetwork(_)
            | Step::Sweep(_)
            | Step::Pull { .. }
            | Step::Build(_)
            | Step::EnsureNetwork(_)
            | Step::InstallProgram(_)
            | Step::WriteUnits(_)
            | Step::Seed { .. }
            | Step::Configure(_)
            | Step::WriteNames { .. }
            | Step::AwaitHealthy { .. }
            | Step::AwaitCompleted { .. }
            | Step::Setup { .. }
            | Step::Freeze { .. }
            | Step::Unfreeze { .. }
            | Step::Publish { .. }
            | Step::WriteHostNames { .. }
            | Step::SetAside { .. }
            | Step::EndJob { .. }
            | Step::Destroy { .. }
            | Step::RemoveVolume { .. } => {}
        }
    }

    /// The container as it was, unless the plan makes it anew: then the snapshot shows another one.
    fn old(&self, name: &Name) -> Option<&'a ObservedContainer> {
        if self.made.contains(name) {
            return None;
        }
        self.observed.containers.get(name)
    }

    /// What a backend is to be asked about: the kinds that the project has.
    pub(super) fn sought(&self) -> Sought {
        Sought {
            offer: false,
            images: BTreeSet::new(),
            kinds: self.kinds.clone(),
        }
    }

    /// The subnets that the project had.
    pub(super) fn nets(&self) -> BTreeSet<IpNet> {
        let record = self.observed.record.iter();
        record.flat_map(super::act::nets_of).collect()
    }

    /// The ids of `record` that the project did not have. What a container of it was made with it has, noted or not:
    /// an older program noted none.
    pub(super) fn new_ids(&self, record: &ProjectRecord) -> Vec<IdRange> {
        let old = self.observed.record.iter().flat_map(|old| &old.ids);
        let marks = self
            .observed
            .containers
            .values()
            .filter_map(|c| c.mark.as_ref());
        let had: Vec<&IdRange> = old.chain(marks.flat_map(|mark| &mark.spec.idmap)).collect();
        let new = record.ids.iter().filter(|range| !had.contains(range));
        new.copied().collect()
    }

    /// Whether it ran before the plan stopped it.
    pub(super) fn ran(&self, name: &Name) -> bool {
        let running = matches!(self.state(name), Some(State::Running | State::Frozen));
        running && self.stopped.contains(name)
    }

    fn state(&self, name: &Name) -> Option<State> {
        self.old(name).map(|container| container.state)
    }

    /// Whether it runs and the plan does not stop it first.
    fn runs(&self, name: &Name) -> bool {
        let runs = matches!(
            self.state(name),
            Some(State::Running | State::Starting | State::Frozen)
        );
        runs && !self.stopped.contains(name)
    }

    /// Whether it rests, neither the plan nor systemd starts it, and its service rests too.
    fn rests(&self, name: &Name) -> bool {
        let rests = matches!(self.state(name), Some(State::Stopped | State::Absent));
        let units = &self.observed.units;
        let aside = self
            .old(name)
            .is_some_and(ObservedContainer::is_attended_aside);
        let moves = units.starts(name)
            || units.stops(name)
            || units.is_attended(name)
            || (aside && units.is_active(name));
        rests && !self.started.contains(name) && !moves
    }

    /// Whether it is so already, so that nothing is to be done and, above all, nothing to be undone.
    pub(super) fn already(&self, step: &Step) -> bool {
        match step {
            Step::SaveRecord(record) => self.observed.record.as_ref() == Some(&**record),
            Step::ForgetProject(_) => self.observed.record.is_none(),
            Step::OpenNetwork(rules) => {
                self.observed.firewall.networks.get(&rules.bridge) == Some(rules)
            }
            Step::EnsureNetwork(network) => {
                let there = self.observed.engine.networks.get(&network.network);
                let mut all = self.observed.containers.values();
                let full = network.host_name();
                let is_whole = !all.any(|found| found.estranged.contains(&full));
                there == Some(&**network) && !self.removed.contains(&network.network) && is_whole
            }
            Step::RemoveNetwork(network) => {
                !self.observed.engine.networks.contains_key(&network.network)
            }
            Step::Publish { add, remove } => {
                let change = self.publish(add, remove);
                change.add.is_empty() && change.remove.is_empty()
            }
            Step::Start { container } => {
                self.runs(container) && !self.observed.units.is_unattended(container)
            }
            Step::Stop {
                container,
                aside: false,
                ..
            } => self.rests(container),
            Step::Stop { aside: true, .. } => false,
            Step::Freeze { container } => self.state(container) == Some(State::Frozen),
            Step::Unfreeze { container } => self.state(container) == Some(State::Running),
            Step::WriteHostNames { hosts } => {
                self.observed.host_names.as_deref().unwrap_or_default() == hosts
            }
            Step::RemoveWreck { .. }
            | Step::BringBack { .. }
            | Step::EnsureBridge { .. }
            | Step::RemoveBridge { .. }
            | Step::CloseNetwork(_)
            | Step::Sweep(_)
            | Step::Pull { .. }
            | Step::Build(_)
            | Step::InstallProgram(_)
            | Step::WriteUnits(_)
            | Step::Create(_)
            | Step::Seed { .. }
            | Step::Configure(_)
            | Step::WriteNames { .. }
            | Step::AwaitHealthy { .. }
            | Step::AwaitCompleted { .. }
            | Step::Setup { .. }
            | Step::SetAside { .. }
            | Step::EndJob { .. }
            | Step::Destroy { .. }
            | Step::RemoveVolume { .. } => false,
        }
    }

    /// The whole snapshot.
    pub(super) fn observed(&self) -> &'a Observed {
        self.observed
    }

    /// What is known of a command in a container of its own.
    pub(super) fn job(&self, name: &Name) -> Option<&ObservedJob> {
        self.observed.jobs.get(name)
    }

    /// Whether a container of this name was there.
    pub(super) fn is_there(&self, name: &Name) -> bool {
        self.observed.containers.contains_key(name)
    }

    /// The rules that are really new, and those that are really there to be taken out.
    pub(super) fn publish(&self, add: &[PortRule], remove: &[PortRule]) -> FirewallChange {
        let (there, torn) = (
            &self.observed.firewall.rules,
            &self.observed.firewall.torn.rules,
        );
        let is_new = |rule: &&PortRule| !there.contains(*rule);
        let is_there = |rule: &&PortRule| there.contains(*rule) || torn.contains(*rule);
        FirewallChange {
            add: add.iter().filter(is_new).cloned().collect(),
            remove: remove.iter().filter(is_there).cloned().collect(),
            ..FirewallChange::default()
        }
    }

    /// The units as they were.
    fn back_of_units(&self, change: &UnitsChange) -> Back {
        let old = &self.observed.units;
        Back::Units(Box::new(UnitsChange {
            units: ProjectUnits {
                services: old.services.clone(),
                ..change.units.clone()
            },
            enabled: old.enabled.clone(),
            open: old.open(),
            project_enabled: old.project_enabled,
            renewed: change.renewed,
        }))
    }

    /// What brings back how it was before `step`.
    pub(super) fn back(&self, step: &Step) -> Back {
        match step {
            Step::SaveRecord(_) | Step::ForgetProject(_) => {
                Back::Record(self.observed.record.clone().map(Box::new))
            }
            Step::EnsureBridge {
                bridge,
                subnets,
                mtu,
                ..
            } => match self.mtu_of_bridge(bridge) {
                None => Back::RemoveBridge(bridge.clone()),
                Some(old) if mtu.is_some_and(|mtu| mtu != old) => {
                    Back::MakeBridge(bridge.clone(), *subnets, Some(old))
                }
                Some(_) => Back::Nothing,
            },
            Step::RemoveBridge {
                bridge, subnets, ..
            } => match self.mtu_of_bridge(bridge) {
                None => Back::Nothing,
                old @ Some(_) => Back::MakeBridge(bridge.clone(), *subnets, old),
            },
            Step::EnsureNetwork(network) => {
                let there = self.observed.engine.networks.get(&network.network);
                match there.is_some_and(|there| there.will_do_for(network))
                    && !self.removed.contains(&network.network)
                {
                    true => Back::Nothing,
                    false => Back::RemoveNetwork(network.clone()),
                }
            }
            Step::RemoveNetwork(network) => {
                let old = self.observed.engine.networks.get(&network.network);
                let old = old.map(|old| Back::MakeNetwork(Box::new(old.clone())));
                old.unwrap_or(Back::Nothing)
            }
            Step::OpenNetwork(_) | Step::CloseNetwork(_) | Step::Publish { .. } => {
                self.back_of_rules(step)
            }
            Step::InstallProgram(copy) => Back::Program(copy.path.clone()),
            Step::Sweep(left) => Back::Unsweep(left.clone()),
            Step::WriteUnits(change) => self.back_of_units(change),
            Step::Create(spec) => Back::Destroy(spec.name.clone()),
            Step::Configure(_) | Step::WriteNames { .. } => self.back_of_inside(step),
            // Its service had only to attend to it again.
            Step::Start { container } if self.runs(container) => Back::Nothing,
            Step::Start { container } => Back::Stop(container.clone()),
            Step::Stop {
                container, aside, ..
            } => self.back_of_stop(container, *aside),
            Step::Freeze { container } => Back::Freeze(container.clone(), false),
            Step::Unfreeze { container } => Back::Freeze(container.clone(), true),
            Step::WriteHostNames { .. } => {
                Back::HostNames(self.observed.host_names.clone().unwrap_or_default())
            }
            Step::SetAside { container } => Back::Rename(container.clone()),
            // What Seed made is known only afterwards; the others are never undone.
            Step::Seed { .. }
            | Step::RemoveWreck { .. }
            | Step::BringBack { .. }
            | Step::Pull { .. }
            | Step::Build(_)
            | Step::AwaitHealthy { .. }
            | Step::AwaitCompleted { .. }
            | Step::Setup { .. }
            | Step::EndJob { .. }
            | Step::Destroy { .. }
            | Step::RemoveVolume { .. } => Back::Nothing,
        }
    }

    /// None when it is not there.
    fn mtu_of_bridge(&self, bridge: &str) -> Option<u32> {
        let found = self.observed.network.bridges.get(bridge);
        found.map(|bridge| bridge.mtu)
    }

    /// An older self runs when it did so before, be it as the present one that this plan sets aside.
    fn back_of_stop(&self, container: &Name, aside: bool) -> Back {
        let body = if aside { Body::Aside } else { Body::Present };
        let Some(old) = self.observed.containers.get(container) else {
            return Back::Start(container.clone(), body, false);
        };
        let ran = if aside && old.set_aside {
            old.aside_runs
        } else {
            !matches!(old.state, State::Stopped | State::Absent)
        };
        match ran {
            true => Back::Start(
                container.clone(),
                body,
                old.state == State::Frozen && !aside,
            ),
            false => Back::Nothing,
        }
    }

    fn back_of_inside(&self, step: &Step) -> Back {
        if let Step::Configure(spec) = step
            && let Some(mark) = self.old(&spec.name).and_then(|old| old.mark.clone())
        {
            return Back::Configure(Box::new(mark));
        }
        if let Step::WriteNames { container, .. } = step
            && let Some(old) = self.old(container)
        {
            let names = old.names.clone().unwrap_or_default();
            return Back::Names(container.clone(), names, old.dns.clone());
        }
        Back::Nothing
    }

    fn back_of_rules(&self, step: &Step) -> Back {
        if let Step::Publish { add, remove } = step {
            return Back::Firewall(self.publish(add, remove).inverse());
        }
        let (Step::OpenNetwork(rules) | Step::CloseNetwork(rules)) = step else {
            return Back::Nothing;
        };
        let mut change = FirewallChange::default();
        match self.observed.firewall.any_network(&rules.bridge) {
            Some(old) => change.open.push(old.clone()),
            None => change.close.push(rules.clone()),
        }
        Back::Firewall(change)
    }
}
