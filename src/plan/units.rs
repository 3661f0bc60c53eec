//! The services that systemd is to have of the project's containers, and who starts at boot.
//!
//! Must not know unit files: only what a service is to be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{
    Container, ContainerSpec, DemandPort, Dependency, Kind, Name, PortRule, ProgramCopy,
    ProjectUnits, Protocol, Source, UnitSpec, UnitsChange,
};

use crate::observed::ProjectRecord;

use super::build::Builder;
use super::graph::{Slot, circles};
use super::power::usual_grace;
use super::supervision::engine_socket;
use super::unit_limits::properties;
use super::waits::Waits;
use super::{Cause, Goal, Problem, Step, StepId, Warning, needs, ports};

/// What the services of a project have in common, worked out once for all of them.
struct Around<'a> {
    /// The containers that have a service.
    names: BTreeSet<&'a Name>,
    /// Who goes first beside those that are depended on.
    linked: BTreeMap<Name, BTreeSet<Name>>,
    waits: Waits,
}

impl Builder<'_> {
    /// Writes the units when they are not what they should be: once, before anything starts.
    pub(super) fn units(&mut self, record: Option<&ProjectRecord>) {
        let observed = &self.observed.units;
        if self.wish.goal == Goal::Stop {
            return self.close_ports(record);
        }
        if !observed.available || !self.wish.goal.scope().units {
            return;
        }
        let mut services = self.services(record);
        let enabled = self.enabled(&services);
        let of_ports = self.wish.goal.is_of_ports();
        for (name, unit) in services.iter_mut().filter(|_| !of_ports) {
            unit.at_boot = Some(enabled.contains(name));
        }
        let linked = enabled == observed.enabled && enabled.is_empty() != observed.project_enabled;
        let same = services == observed.services;
        self.warn_of_drop_ins(&services);
        let opened = self.closed_yet(&services);
        let left_over = observed.left_over && self.wish.goal.takes_down().is_some();
        if of_ports && same {
            return;
        }
        let nothing = services.is_empty() && observed.services.is_empty() && !left_over;
        let copy = self.copy_for(&services);
        let kept = !observed.drifted && observed.unkept.is_empty();
        let sound = linked && kept && observed.network_fault.is_none();
        if nothing || (same && sound && opened.is_empty() && copy.is_none() && !left_over) {
            return;
        }
        let causes = match &self.wish.goal {
            Goal::Up | Goal::Create | Goal::Start { .. } | Goal::Restart => {
                self.causes(&services, linked, opened)
            }
            Goal::Stop
            | Goal::Remove
            | Goal::Down { .. }
            | Goal::Ports
            | Goal::Unports
            | Goal::PortAdd(_)
            | Goal::PortRemove(_)
            | Goal::Links
            | Goal::Unlinks
            | Goal::Limits
            | Goal::Freeze
            | Goal::Unfreeze
            | Goal::Pull
            | Goal::Build
            | Goal::Enable(_)
            | Goal::Cleanup => vec![Cause::Asked],
        };
        let change = UnitsChange {
            open: self.open(&services),
            units: ProjectUnits {
                project: self.project.name.clone(),
                directory: self.project.directory.clone(),
                services,
            },
            project_enabled: !enabled.is_empty(),
            enabled,
            renewed: copy.is_some(),
        };
        self.refuse_taken_ports(&change);
        let kept: BTreeSet<Name> = change.units.services.keys().cloned().collect();
        let id = self.draft.add(Step::WriteUnits(Box::new(change)), causes);
        if let Some(copy) = copy {
            let install = self.install(copy);
            self.draft.after(id, install);
        }
        for create in self.draft.all(Slot::Create) {
            self.draft.after(id, create);
        }
        for start in self.draft.all(Slot::Start) {
            self.draft.after(start, id);
        }
        // What has no unit any more was stopped through it; what never had one waits for nothing here.
        let observed = self.observed;
        let had = &observed.units.services;
        for slot in [Slot::Stop, Slot::StopAside] {
            for (name, stop) in self.draft.each(slot) {
                if !kept.contains(&name) && had.contains_key(&name) {
                    self.draft.after(id, stop);
                }
            }
        }
    }

    /// The copy of the program that must be made before the services can run it.
    fn copy_for(&self, services: &BTreeMap<Name, UnitSpec>) -> Option<ProgramCopy> {
        let copy = self.wish.copy.as_ref();
        let copy = copy.filter(|_| !self.wish.goal.is_of_ports())?;
        let needed = services.values().any(|unit| unit.program == copy.path);
        needed.then(|| copy.clone())
    }

    fn install(&mut self, copy: ProgramCopy) -> StepId {
        if let Some(obstacle) = &copy.obstacle {
            let (from, to) = (copy.source.display(), copy.path.display());
            self.problems.push(Problem {
                message: format!(
                    "systemd cannot run a copy of `{from}` at `{to}`: {obstacle}"
                ),
                container: None,
                key: None,
                place: None,
                help: Some(format!(
                    "install it where root alone can write: `install -m 755 {from} /usr/local/bin/locker`"
                )),
            });
        }
        if let Some(doubt) = &copy.doubt {
            self.warnings.push(Warning {
                message: format!(
                    "{doubt}: others than root could have changed this program, which systemd is to run as root"
                ),
                place: None,
            });
        }
        let cause = match copy.before {
            None => Cause::ForProject,
            Some(_) => Cause::Drifted("the units run another program"),
        };
        let step = Step::InstallProgram(Box::new(copy));
        self.draft.add(step, vec![cause])
    }

    /// The services of all containers that are there at the end and that systemd runs.
    pub(super) fn services(&self, record: Option<&ProjectRecord>) -> BTreeMap<Name, UnitSpec> {
        if self.wish.goal.takes_down().is_some() {
            return BTreeMap::new();
        }
        let supervised = self.specs.iter().filter(|(_, spec)| spec.supervised);
        let around = Around {
            names: supervised.clone().map(|(name, _)| name).collect(),
            linked: self.linked_first(),
            waits: Waits::of(self.project),
        };
        supervised
            .filter_map(|(name, spec)| {
                let old = self.observed.units.services.get(name);
                let Some(file) = self.project.containers.get(name) else {
                    return old.map(|old| (name.clone(), self.founded(old)));
                };
                // Its file alone does not tell all that it is.
                let old = old.filter(|_| !self.observed.units.lost.contains(name));
                let known = old.is_some() || !self.observed.units.lost.contains(name);
                // What nobody asked about keeps the unit that it has.
                if let Some(old) = old.filter(|_| !self.selected(name)) {
                    return Some((name.clone(), old.clone()));
                }
                let ports = self.unit_ports(spec, old, record);
                if self.wish.goal.is_of_ports() && known {
                    return old.map(|old| {
                        (
                            name.clone(),
                            UnitSpec {
                                ports,
                                ..old.clone()
                            },
                        )
                    });
                }
                if self.wish.goal == Goal::Limits && known {
                    return old.map(|old| (name.clone(), with_limits(old, spec)));
                }
                let unit = self.service(file, spec, &around);
                Some((name.clone(), UnitSpec { ports, ..unit }))
            })
            .collect()
    }

    /// A service that the file does not have (any more). What its unit file does not tell is as for the others.
    fn founded(&self, old: &UnitSpec) -> UnitSpec {
        match self.observed.units.lost.contains(&old.name) {
            false => old.clone(),
            true => UnitSpec {
                program: self.wish.program.clone(),
                directory: self.project.directory.clone(),
                state_dir: self.wish.state_dir.clone(),
                lxcpath: self.wish.lxcpath.clone(),
                engine: engine_socket(old.kind, self.observed),
                stop_timeout: usual_grace(old.kind),
                ..old.clone()
            },
        }
    }

    /// The rules that are in place while a container runs, whoever starts it.
    fn unit_ports(
        &self,
        spec: &ContainerSpec,
        old: Option<&UnitSpec>,
        record: Option<&ProjectRecord>,
    ) -> Option<Vec<PortRule>> {
        if self.wish.no_ports {
            let starts = self.has(Slot::Start, &spec.name);
            return match old.filter(|_| !starts) {
                Some(old) => old.ports.clone(),
                None => Some(self.rules_in_place(&spec.name)),
            };
        }
        let wanted = ports::wanted(self.project, record, spec);
        Some(wanted.into_iter().map(|(rule, _)| rule).collect())
    }

    fn rules_in_place(&self, name: &Name) -> Vec<PortRule> {
        let rules = self.observed.firewall.rules.iter();
        let of = |rule: &&PortRule| rule.project == self.project.name && rule.container == *name;
        rules.filter(of).cloned().collect()
    }

    fn service(&self, file: &Container, spec: &ContainerSpec, around: &Around<'_>) -> UnitSpec {
        let names = &around.names;
        let needs = needs::of(file);
        let known = |on: &&Dependency| names.contains(&on.on);
        let (must, may): (Vec<_>, Vec<_>) = needs.iter().filter(known).partition(|d| d.required);
        let requires = on(&must);
        let conditions = must.iter().map(|need| (need.on.clone(), need.condition));
        let binds = needs::shared(file).into_iter().map(|(_, with)| with);
        let mut after: BTreeSet<Name> = on(&may);
        after.extend(around.linked.get(&file.name).into_iter().flatten().cloned());
        after.retain(|name| names.contains(name) && !requires.contains(name));
        UnitSpec {
            project: self.project.name.clone(),
            name: file.name.clone(),
            kind: spec.kind(),
            program: self.wish.program.clone(),
            directory: self.project.directory.clone(),
            state_dir: self.wish.state_dir.clone(),
            lxcpath: self.wish.lxcpath.clone(),
            engine: engine_socket(spec.kind(), self.observed),
            conditions: conditions.collect(),
            requires,
            after,
            binds: binds.filter(|with| names.contains(with)).collect(),
            oneshot: self.awaited.contains(&file.name),
            groups: file.groups.iter().cloned().collect(),
            restart: file.restart,
            healthcheck: file.healthcheck.clone(),
            hooks: file.hooks.clone(),
            start_timeout: Some(around.waits.wait_of(&file.name)),
            stop_timeout: grace(file, spec),
            properties: kept(spec),
            isolate: file.isolate,
            on_demand: demand_ports(file, spec),
            idle: file.idle.filter(|_| file.on_demand),
            mounts: spec.mounts.iter().map(|mount| mount.host.clone()).collect(),
            ports: None,
            at_boot: None,
        }
    }

    /// Who goes first beside those that are depended on: links, where nobody would wait for himself,
    /// and the origins of clones.
    fn linked_first(&self) -> BTreeMap<Name, BTreeSet<Name>> {
        let names: Vec<&Name> = self.project.containers.keys().collect();
        let place = |name: &Name| names.binary_search(&name).ok();
        let mut links = BTreeMap::new();
        let mut edges = Vec::with_capacity(names.len());
        for (name, file) in &self.project.containers {
            let linked = file.links.iter().map(|(link, _)| &link.target);
            let linked: BTreeSet<Name> = linked
                .flat_map(|target| needs::bearers(self.project, target))
                .chain(origin(file))
                .collect();
            let needs = needs::of(file).into_iter().map(|dependency| dependency.on);
            let all: BTreeSet<Name> = needs.chain(linked.iter().cloned()).collect();
            edges.push(all.iter().filter_map(place).collect::<Vec<_>>());
            links.insert(name.clone(), linked);
        }
        let circle = circles(&edges);
        for (name, linked) in &mut links {
            let own = place(name).and_then(|id| circle.get(id));
            linked.retain(|other| place(other).and_then(|id| circle.get(id)) != own);
        }
        links
    }

    /// Who starts with the host: on first writing those that the file says, then as the user chose.
    fn enabled(&self, services: &BTreeMap<Name, UnitSpec>) -> BTreeSet<Name> {
        let old = &self.observed.units;
        let auto = |name: &Name| {
            let file = self.project.containers.get(name);
            file.is_some_and(|c| c.autostart)
        };
        let begun = services
            .keys()
            .filter(|name| match old.services.get(*name) {
                // The links say less: a run that was killed may not have made them.
                Some(unit) => unit.at_boot.unwrap_or_else(|| old.enabled.contains(*name)),
                None => auto(name),
            });
        let mut enabled: BTreeSet<Name> = begun.cloned().collect();
        if let Goal::Enable(on) = self.wish.goal {
            for name in services.keys().filter(|name| self.selected(name)) {
                match on {
                    true => drop(enabled.insert(name.clone())),
                    false => drop(enabled.remove(name)),
                }
            }
        }
        enabled
    }
}

/// The limits that a container's service keeps; of an application the engine's own unit keeps them.
fn kept(spec: &ContainerSpec) -> BTreeMap<String, String> {
    match spec.kind() {
        Kind::System => properties(&spec.limits, &spec.config),
        Kind::Application => BTreeMap::new(),
    }
}

/// A unit as it is, but for its limits.
fn with_limits(old: &UnitSpec, spec: &ContainerSpec) -> UnitSpec {
    UnitSpec {
        properties: kept(spec),
        ..old.clone()
    }
}

fn grace(file: &Container, spec: &ContainerSpec) -> Duration {
    let usual = || usual_grace(spec.kind());
    file.stop_grace.unwrap_or_else(usual)
}

fn on(needs: &[&Dependency]) -> BTreeSet<Name> {
    needs.iter().map(|need| need.on.clone()).collect()
}

fn origin(file: &Container) -> Option<Name> {
    match &file.source {
        Source::CloneSibling(origin) => Some(origin.clone()),
        Source::Template { .. }
        | Source::CloneHost(_)
        | Source::Download { .. }
        | Source::Rootfs(_)
        | Source::Image(_)
        | Source::Build(_) => None,
    }
}

/// The ports that systemd holds for a container that starts on demand.
fn demand_ports(file: &Container, spec: &ContainerSpec) -> Vec<DemandPort> {
    let Some(nic) = spec.nic.as_ref().filter(|_| file.on_demand) else {
        return Vec::new();
    };
    let ports = file.ports.iter().map(|(port, _)| port);
    let tcp = ports.filter(|port| port.protocol == Protocol::Tcp);
    tcp.map(|port| DemandPort {
        port: port.clone(),
        to: nic.addresses.v4,
    })
    .collect()
}

/// Whether systemd holds the ports of a container, so that it starts when somebody comes.
pub(super) fn waits_for_callers(file: &Container) -> bool {
    file.on_demand
        && file
            .ports
            .iter()
            .any(|(port, _)| is_held(file, port.protocol))
}

/// Whether systemd holds a port of this protocol.
pub(super) fn is_held(file: &Container, protocol: Protocol) -> bool {
    file.on_demand && protocol == Protocol::Tcp
}
