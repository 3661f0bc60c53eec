//! A host that does what the drivers promise, strictly: a step that no driver could do fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::*;
use crate::observed::*;
use crate::plan::networks;

/// Where named volumes are kept.
pub(super) const VOLUMES: &str = "/vol";

/// All that a run changes.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    /// The host; `containers` without half-made ones and older selves.
    pub(super) seen: Observed,
    /// Containers that were set aside.
    pub(super) aside: BTreeMap<Name, ObservedContainer>,
    /// Creations that were killed.
    pub(super) half: BTreeMap<Name, Kind>,
    /// Host paths of mounts.
    pub(super) paths: BTreeSet<PathBuf>,
}

fn remains(kind: Kind) -> ObservedContainer {
    ObservedContainer {
        host_name: String::new(),
        kind,
        state: State::Stopped,
        exit: None,
        health: None,
        image: None,
        unnamed: Vec::new(),
        aside_runs: false,
        mark: None,
        wreck: true,
        set_aside: false,
        stopping: false,
        parted: false,
        left_behind: false,
        estranged: Default::default(),
        unplugged: Default::default(),
        limits: Default::default(),
        broken: None,
        over: false,
        pid: None,
        names: None,
        dns: Vec::new(),
        touched: None,
    }
}

fn made(spec: &ContainerSpec) -> ObservedContainer {
    ObservedContainer {
        host_name: spec.host_name(),
        wreck: false,
        mark: Some(Mark {
            version: 1,
            directory: "/srv/shop".into(),
            spec: spec.clone(),
            setup_done: false,
            setup_failed: None,
            provisioned: Vec::new(),
            seeded: false,
        }),
        ..remains(spec.kind())
    }
}

impl World {
    /// Somebody's new rules are in the way of all of ours, as those of an engine that has just started.
    pub(super) fn tear(&mut self) {
        let firewall = &mut self.seen.firewall;
        let networks = std::mem::take(&mut firewall.networks);
        firewall.torn.networks.extend(networks);
        let rules = std::mem::take(&mut firewall.rules);
        firewall.torn.rules.extend(rules);
    }

    /// A fresh host on which `project` came up.
    pub(super) fn of(project: &Project) -> Self {
        let mut world = Self::default();
        world.run(project, &wish(Goal::Up));
        world
    }

    /// Plans and does it; the plan's text.
    pub(super) fn run(&mut self, project: &Project, wish: &Wish) -> String {
        let made = plan(project, &self.look(), wish).unwrap();
        self.follow(&made, made.steps.len());
        made.to_string()
    }

    pub(super) fn text(&self, project: &Project, wish: &Wish) -> String {
        plan(project, &self.look(), wish).unwrap().to_string()
    }

    pub(super) fn container(&mut self, word: &str) -> &mut ObservedContainer {
        self.seen.containers.get_mut(word).unwrap()
    }

    /// What the drivers would report.
    pub(super) fn look(&self) -> Observed {
        let mut seen = self.seen.clone();
        for (name, kind) in &self.half {
            seen.containers.insert(name.clone(), remains(*kind));
        }
        for (name, aside) in &self.aside {
            let entry = seen.containers.entry(name.clone());
            let found = entry.or_insert_with(|| remains(aside.kind));
            found.set_aside = true;
            found.aside_runs = aside.state != State::Stopped;
            if found.wreck {
                let told = aside.kind == Kind::Application;
                found.kind = aside.kind;
                found.mark = aside.mark.clone().filter(|_| told);
            }
        }
        let marks = seen.containers.values().filter_map(|c| c.mark.as_ref());
        let mounts = marks.flat_map(|mark| &mark.spec.mounts).map(|m| &m.host);
        seen.host.missing = mounts
            .filter(|p| !self.paths.contains(*p))
            .cloned()
            .collect();
        seen.host.volumes_dir = VOLUMES.into();
        seen.host.maps_ids = true;
        let volumes = self
            .paths
            .iter()
            .filter_map(|p| p.strip_prefix(VOLUMES).ok());
        let volumes = volumes.map(|volume| name(volume.to_str().unwrap()));
        seen.host.volumes = volumes.collect();
        seen
    }

    /// Does the first `count` steps. Killed before the last one, a creation leaves remains.
    pub(super) fn follow(&mut self, plan: &Plan, count: usize) {
        for planned in &plan.steps[..count] {
            self.step(&planned.step);
        }
        if let Some(Step::Create(spec)) = plan.steps.get(count).map(|planned| &planned.step) {
            self.half.insert(spec.name.clone(), spec.kind());
        }
    }

    fn expect(&mut self, name: &Name, running: bool) -> &mut ObservedContainer {
        let found = self.seen.containers.get_mut(name).expect("it is there");
        assert_eq!(found.state != State::Stopped, running, "state of {name}");
        found
    }

    /// All that hold an address of a network of ours now.
    pub(super) fn addresses_in_use(&self) -> Vec<(Name, Ipv4Addr)> {
        let all = self.seen.containers.values().chain(self.aside.values());
        let running = all.filter(|c| c.state != State::Stopped);
        let marks = running.filter_map(|c| c.mark.as_ref());
        let cards = marks.flat_map(|mark| networks::cards(&mark.spec));
        cards.map(|(key, nic)| (key, nic.addresses.v4)).collect()
    }

    pub(super) fn step(&mut self, step: &Step) {
        match step {
            Step::SaveRecord(record) => self.seen.record = Some((**record).clone()),
            Step::ForgetProject(_) => self.seen.record = None,
            Step::InstallProgram(_) => {}
            Step::RemoveWreck { .. }
            | Step::BringBack { .. }
            | Step::EndJob { .. }
            | Step::SetAside { .. }
            | Step::Create(_)
            | Step::Destroy { .. } => self.step_of_life(step),
            Step::Seed {
                container, mounts, ..
            } => {
                self.paths.extend(mounts.iter().map(|m| m.host.clone()));
                let found = self.seen.containers.get_mut(container).unwrap();
                found.mark.as_mut().unwrap().seeded = true;
            }
            Step::RemoveVolume { path, engine, .. } => {
                assert!(path.iter().all(|path| self.paths.remove(path)));
                let known = &mut self.seen.engine.volumes;
                assert!(engine.iter().all(|name| known.remove(name).is_some()));
            }
            Step::WriteUnits(change) => {
                let units = &mut self.seen.units;
                units.services = change.units.services.clone();
                units.enabled = change.enabled.clone();
                let held = units
                    .services
                    .iter()
                    .filter(|(_, unit)| !unit.on_demand.is_empty());
                let state = |name| match change.open.contains(name) {
                    true => Held::Open,
                    false => Held::Closed,
                };
                units.held = held.map(|(name, _)| (name.clone(), state(name))).collect();
                units.project_enabled = change.project_enabled;
                units.drifted = false;
                units.unkept.clear();
            }
            Step::Pull { .. }
            | Step::Build(_)
            | Step::EnsureNetwork(_)
            | Step::RemoveNetwork(_) => self.step_of_engine(step),
            Step::EnsureBridge { .. }
            | Step::RemoveBridge { .. }
            | Step::OpenNetwork(_)
            | Step::CloseNetwork(_)
            | Step::Sweep(_)
            | Step::Publish { .. }
            | Step::WriteHostNames { .. } => self.step_of_host(step),
            Step::Configure(_)
            | Step::WriteNames { .. }
            | Step::AwaitHealthy { .. }
            | Step::AwaitCompleted { .. }
            | Step::Setup { .. } => self.step_inside(step),
            Step::Start { .. }
            | Step::Stop { .. }
            | Step::Freeze { .. }
            | Step::Unfreeze { .. } => self.step_of_power(step),
        }
    }

    fn step_of_life(&mut self, step: &Step) {
        if let Step::EndJob { job, .. } = step {
            self.seen.containers.remove(job);
            assert!(self.seen.jobs.remove(job).is_some());
        }
        if let Step::RemoveWreck { container } = step {
            self.half.remove(container);
            if let Some(whole) = self.seen.containers.remove(container) {
                assert_eq!(whole.kind, Kind::Application);
                assert_eq!(whole.state, State::Stopped);
            }
        } else if let Step::BringBack { container } = step {
            let old = self.aside.remove(container).expect("an older self");
            let before = self.seen.containers.insert(container.clone(), old);
            assert!(before.is_none());
        } else if let Step::SetAside { container } = step {
            let old = self.seen.containers.remove(container).unwrap();
            let may_run = old.kind == Kind::Application;
            assert!(may_run || old.state == State::Stopped);
            assert!(self.aside.insert(container.clone(), old).is_none());
        } else if let Step::Create(spec) = step {
            assert!(
                !self.half.contains_key(&spec.name),
                "remains of {}",
                spec.name
            );
            let mut new = made(spec);
            if let Some(image) = spec.source.image() {
                let id = self.seen.engine.images.get(image);
                new.image = Some(id.expect("the image is there").clone());
                self.expect_networks(spec);
            }
            let before = self.seen.containers.insert(spec.name.clone(), new);
            assert!(before.is_none());
        } else if let Step::Destroy {
            container, aside, ..
        } = step
        {
            if *aside {
                let old = self.aside.remove(container).expect("an older self");
                assert_eq!(old.state, State::Stopped, "older self of {container}");
            } else {
                self.expect(container, false);
                self.seen.containers.remove(container);
            }
        }
    }

    /// The engine knows each network of ours as the container has it.
    fn expect_networks(&self, spec: &ContainerSpec) {
        for (key, nic) in networks::cards(spec) {
            let known = &self.seen.engine.networks;
            let known = known.get(&key).map(|n| n.subnets);
            assert_eq!(known, Some(nic.subnets), "network {key} of {}", spec.name);
        }
    }

    fn step_of_engine(&mut self, step: &Step) {
        let engine = &mut self.seen.engine;
        if let Step::Pull { image, .. } = step {
            engine
                .images
                .insert(image.clone(), format!("id of {image}"));
        } else if let Step::Build(build) = step {
            let id = format!("id of {:?}", build.args);
            engine.images.insert(build.image.clone(), id);
        } else if let Step::EnsureNetwork(network) = step {
            assert!(self.seen.network.bridges.contains_key(&network.bridge));
            let key = network.network.clone();
            let before = engine.networks.insert(key, (**network).clone());
            assert!(before.is_none_or(|before| before == **network));
            for found in self.seen.containers.values_mut() {
                found.estranged.remove(&network.host_name());
            }
        } else if let Step::RemoveNetwork(network) = step {
            let used = self.seen.containers.values().chain(self.aside.values());
            let running = used.filter(|c| c.state != State::Stopped);
            let mut marks = running.filter(|c| c.kind == Kind::Application);
            let on = |c: &ObservedContainer| {
                networks::keys(&c.mark.as_ref().unwrap().spec).contains(&network.network)
            };
            assert!(!marks.any(on), "{} is in use", network.network);
            let known = &mut self.seen.engine.networks;
            assert!(known.remove(&network.network).is_some());
        }
    }

    fn step_of_host(&mut self, step: &Step) {
        let network = &mut self.seen.network;
        let firewall = &mut self.seen.firewall;
        if let Step::EnsureBridge {
            subnets,
            bridge,
            adopt,
            mtu,
            ..
        } = step
        {
            let new = ObservedBridge {
                mark: Some("locker:shop".into()),
                up: true,
                addresses: subnets.gateways().collect(),
                mtu: mtu.unwrap_or_else(|| {
                    network.bridges.get(bridge).map_or(USUAL_MTU, |old| old.mtu)
                }),
            };
            network.half_made.remove(bridge);
            let before = network.bridges.insert(bridge.clone(), new);
            assert!(*adopt || before.is_none_or(|b| b.mark.is_some()));
            network.forwarding = true;
            network.strays.retain(|stray| stray.card.is_none());
        } else if let Step::RemoveBridge { bridge, adopt, .. } = step {
            let half = network.half_made.remove(bridge);
            let removed = network.bridges.remove(bridge);
            assert!(half || removed.is_some_and(|removed| *adopt || removed.mark.is_some()));
            let mut known = self.seen.engine.networks.values();
            assert!(known.all(|known| known.bridge != *bridge));
        } else if let Step::Sweep(left) = step {
            for there in &mut firewall.left {
                there.rules.retain(|rule| !left.rules.contains(rule));
                there.networks.retain(|net| !left.networks.contains(net));
            }
        } else if let Step::OpenNetwork(rules) = step {
            firewall.torn.networks.remove(&rules.bridge);
            firewall
                .networks
                .insert(rules.bridge.clone(), rules.clone());
        } else if let Step::CloseNetwork(rules) = step {
            let torn = firewall.torn.networks.remove(&rules.bridge);
            let whole = firewall.networks.remove(&rules.bridge);
            assert!(whole.or(torn).is_some());
        } else if let Step::Publish { add, remove } = step {
            for rule in remove {
                let torn = firewall.torn.rules.remove(rule);
                assert!(torn || firewall.rules.remove(rule), "no rule {}", rule.port);
            }
            for rule in add {
                firewall.torn.rules.remove(rule);
                assert!(firewall.rules.insert(rule.clone()), "twice {}", rule.port);
            }
        } else if let Step::WriteHostNames { hosts } = step {
            self.seen.host_names = (!hosts.is_empty()).then(|| hosts.clone());
        }
    }

    fn step_inside(&mut self, step: &Step) {
        if let Step::Configure(spec) = step {
            let found = self.seen.containers.get_mut(&spec.name).unwrap();
            assert_eq!(found.kind, spec.kind());
            found.mark.as_mut().unwrap().spec = (**spec).clone();
            for network in std::mem::take(&mut found.unplugged) {
                let mut ours = self.seen.engine.networks.values();
                let known = ours.any(|known| known.host_name() == network);
                assert!(known || self.seen.engine.foreign_networks.contains(&network));
                let strays = &mut self.seen.network.strays;
                strays.retain(|stray| stray.container != spec.name);
            }
        } else if let Step::WriteNames {
            container,
            hosts,
            dns,
        } = step
        {
            let found = self.seen.containers.get_mut(container).unwrap();
            found.names = Some(hosts.clone());
            if !dns.is_empty() {
                found.dns = dns.clone();
            }
            found.touched = None;
        } else if let Step::AwaitHealthy { container, .. } = step {
            assert_eq!(self.expect(container, true).state, State::Running);
        } else if let Step::AwaitCompleted { container, .. } = step {
            let found = self.expect(container, true);
            (found.state, found.exit) = (State::Stopped, Some(0));
        } else if let Step::Setup { container, .. } = step {
            let found = self.expect(container, true);
            let mark = found.mark.as_mut().unwrap();
            mark.setup_done = true;
            mark.provisioned.clone_from(&mark.spec.system.provisions);
        }
    }

    fn step_of_power(&mut self, step: &Step) {
        if let Step::Start { container } = step {
            self.start(container);
        } else if let Step::Stop {
            container, aside, ..
        } = step
        {
            let found = match aside {
                true => self.aside.get_mut(container).expect("an older self"),
                false => self.expect(container, true),
            };
            assert_ne!(found.state, State::Stopped);
            (found.state, found.stopping) = (State::Stopped, false);
            found.exit = Some(137);
        } else if let Step::Freeze { container } = step {
            self.expect(container, true).state = State::Frozen;
        } else if let Step::Unfreeze { container } = step {
            self.expect(container, true).state = State::Running;
        }
    }

    fn start(&mut self, container: &Name) {
        let used = self.addresses_in_use();
        let paths = self.paths.clone();
        let spec = self.expect(container, false).mark.clone().unwrap().spec;
        for (key, nic) in networks::cards(&spec) {
            assert!(self.seen.network.bridges.contains_key(&nic.bridge));
            let taken = used.contains(&(key, nic.addresses.v4));
            assert!(!taken, "{} of {container} is in use", nic.addresses.v4);
        }
        if let Some(app) = &spec.app {
            self.expect_networks(&spec);
            if let AppNetwork::Container(with) = &app.settings.network {
                assert_eq!(self.expect(with, true).state, State::Running);
            }
        }
        let found = self.expect(container, false);
        let mark = found.mark.as_ref().unwrap();
        let mounts = &mark.spec.mounts;
        assert!(
            mark.seeded || mounts.is_empty(),
            "{container} is not filled"
        );
        assert!(
            mounts.iter().all(|m| paths.contains(&m.host)),
            "{container}"
        );
        (found.state, found.exit) = (State::Running, None);
    }
}
