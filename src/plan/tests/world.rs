//! A host that does what the drivers promise, strictly: a step that no driver could do fails the test.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::observed::*;

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
    pub(super) half: BTreeSet<Name>,
    /// Host paths of mounts.
    pub(super) paths: BTreeSet<PathBuf>,
}

fn made(spec: &ContainerSpec) -> ObservedContainer {
    ObservedContainer {
        host_name: spec.host_name(),
        state: State::Stopped,
        mark: Some(Mark {
            version: 1,
            directory: "/srv/shop".into(),
            spec: spec.clone(),
            setup_done: false,
            seeded: false,
        }),
        wreck: false,
        set_aside: false,
        stopping: false,
        pid: None,
        names: None,
        dns: Vec::new(),
    }
}

impl World {
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
        let nothing = || ObservedContainer {
            host_name: String::new(),
            state: State::Stopped,
            mark: None,
            wreck: true,
            set_aside: false,
            stopping: false,
            pid: None,
            names: None,
            dns: Vec::new(),
        };
        for name in &self.half {
            seen.containers.insert(name.clone(), nothing());
        }
        for name in self.aside.keys() {
            let entry = seen.containers.entry(name.clone());
            entry.or_insert_with(nothing).set_aside = true;
        }
        let marks = seen.containers.values().filter_map(|c| c.mark.as_ref());
        let mounts = marks.flat_map(|mark| &mark.spec.mounts).map(|m| &m.host);
        seen.host.missing = mounts
            .filter(|p| !self.paths.contains(*p))
            .cloned()
            .collect();
        seen.host.volumes_dir = VOLUMES.into();
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
            self.half.insert(spec.name.clone());
        }
    }

    fn expect(&mut self, name: &Name, running: bool) -> &mut ObservedContainer {
        let found = self.seen.containers.get_mut(name).expect("it is there");
        assert_eq!(found.state != State::Stopped, running, "state of {name}");
        found
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::SaveRecord(record) => self.seen.record = Some((**record).clone()),
            Step::ForgetProject(_) => self.seen.record = None,
            Step::RemoveWreck { .. }
            | Step::BringBack { .. }
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
            Step::RemoveVolume { path } => assert!(self.paths.remove(path)),
            Step::EnsureBridge { .. }
            | Step::RemoveBridge { .. }
            | Step::OpenNetwork(_)
            | Step::CloseNetwork(_)
            | Step::Publish { .. }
            | Step::WriteHostNames { .. } => self.step_of_host(step),
            Step::Configure(_)
            | Step::WriteNames { .. }
            | Step::Start { .. }
            | Step::AwaitHealthy { .. }
            | Step::Setup { .. }
            | Step::Stop { .. }
            | Step::Freeze { .. }
            | Step::Unfreeze { .. } => self.step_of_container(step),
        }
    }

    fn step_of_life(&mut self, step: &Step) {
        if let Step::RemoveWreck { container } = step {
            self.half.remove(container);
        } else if let Step::BringBack { container } = step {
            let old = self.aside.remove(container).expect("an older self");
            let before = self.seen.containers.insert(container.clone(), old);
            assert!(before.is_none());
        } else if let Step::SetAside { container } = step {
            self.expect(container, false);
            let old = self.seen.containers.remove(container).unwrap();
            assert!(self.aside.insert(container.clone(), old).is_none());
        } else if let Step::Create(spec) = step {
            assert!(!self.half.contains(&spec.name), "remains of {}", spec.name);
            let before = self.seen.containers.insert(spec.name.clone(), made(spec));
            assert!(before.is_none());
        } else if let Step::Destroy { container, aside } = step {
            if *aside {
                self.aside.remove(container).expect("an older self");
            } else {
                self.expect(container, false);
                self.seen.containers.remove(container);
            }
        }
    }

    fn step_of_host(&mut self, step: &Step) {
        let network = &mut self.seen.network;
        let firewall = &mut self.seen.firewall;
        if let Step::EnsureBridge { subnets, .. } = step {
            let v4 = format!("{}/{}", subnets.gateway4(), subnets.v4.prefix_len());
            let v6 = format!("{}/{}", subnets.gateway6(), subnets.v6.prefix_len());
            network.bridge = Some(ObservedBridge {
                mark: Some("locker:shop".into()),
                up: true,
                addresses: vec![v4.parse().unwrap(), v6.parse().unwrap()],
            });
            network.forwarding = true;
            network.loose.clear();
        } else if let Step::RemoveBridge { .. } = step {
            assert!(network.bridge.take().is_some());
        } else if let Step::OpenNetwork(rules) = step {
            firewall.networks.insert(name("shop"), rules.clone());
        } else if let Step::CloseNetwork(_) = step {
            assert!(firewall.networks.remove("shop").is_some());
        } else if let Step::Publish { add, remove } = step {
            for rule in remove {
                assert!(firewall.rules.remove(rule), "no rule {}", rule.port);
            }
            for rule in add {
                assert!(firewall.rules.insert(rule.clone()), "twice {}", rule.port);
            }
        } else if let Step::WriteHostNames { hosts } = step {
            self.seen.host_names = (!hosts.is_empty()).then(|| hosts.clone());
        }
    }

    fn step_of_container(&mut self, step: &Step) {
        if let Step::Configure(spec) = step {
            let found = self.seen.containers.get_mut(&spec.name).unwrap();
            found.mark.as_mut().unwrap().spec = (**spec).clone();
        } else if let Step::WriteNames {
            container,
            hosts,
            dns,
        } = step
        {
            let found = self.seen.containers.get_mut(container).unwrap();
            (found.names, found.dns) = (Some(hosts.clone()), dns.clone());
        } else if let Step::Start { container } = step {
            assert!(self.seen.network.bridge.is_some(), "a bridge to start on");
            let paths = self.paths.clone();
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
            found.state = State::Running;
        } else if let Step::AwaitHealthy { container, .. } = step {
            assert_eq!(self.expect(container, true).state, State::Running);
        } else if let Step::Setup { container, .. } = step {
            let found = self.expect(container, true);
            found.mark.as_mut().unwrap().setup_done = true;
        } else if let Step::Stop { container, .. } = step {
            let found = self.expect(container, true);
            (found.state, found.stopping) = (State::Stopped, false);
        } else if let Step::Freeze { container } = step {
            self.expect(container, true).state = State::Frozen;
        } else if let Step::Unfreeze { container } = step {
            self.expect(container, true).state = State::Running;
        }
    }
}
