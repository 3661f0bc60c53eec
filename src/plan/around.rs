//! The steps around the containers: record, bridge, network rules, names, ports.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::model::{ContainerSpec, HostsLine, Key, Name, NetworkRules, Place, PortRule, Subnets};
use crate::observed::{ProjectRecord, State};

use super::addresses::recover;
use super::build::Builder;
use super::graph::Slot;
use super::{Cause, Goal, Loss, Problem, Step, Warning, names, ports};

/// The form of the record that this program writes.
const RECORD_VERSION: u32 = 1;

impl Builder<'_> {
    /// What is to be remembered after this plan.
    pub(super) fn new_record(&mut self) -> Option<ProjectRecord> {
        let net = self.net.as_ref()?;
        let old = self.observed.record.clone();
        let mut record = old.unwrap_or_else(|| ProjectRecord {
            version: RECORD_VERSION,
            name: self.project.name.clone(),
            directory: self.project.directory.clone(),
            lxcpath: self.wish.lxcpath.clone(),
            subnets: net.subnets,
            addresses: BTreeMap::new(),
            added_ports: BTreeMap::new(),
            picked_ports: BTreeMap::new(),
        });
        record.subnets = net.subnets;
        let kept: BTreeSet<u32> = net.indexes.values().copied().collect();
        record.addresses.retain(|_, index| !kept.contains(index));
        record.addresses.extend(net.indexes.clone());
        self.change_ports_by_hand(&mut record);
        ports::pick(self.project, self.observed, &mut record);
        Some(record)
    }

    fn selected(&self, name: &Name) -> bool {
        self.intents.get(name).is_some_and(|i| i.chosen)
    }

    fn change_ports_by_hand(&mut self, record: &mut ProjectRecord) {
        let chosen = self.intents.iter().filter(|(_, intent)| intent.chosen);
        let names: Vec<Name> = chosen.map(|(name, _)| name.clone()).collect();
        for name in &names {
            if let Goal::PortAdd(port) = &self.wish.goal {
                let file = self.project.containers.get(name);
                let in_file = file.is_some_and(|c| c.ports.iter().any(|(p, _)| p == port));
                let list = record.added_ports.entry(name.clone()).or_default();
                if !in_file && !list.contains(port) {
                    list.push(port.clone());
                }
            } else if let Goal::PortRemove(port) = &self.wish.goal {
                let same = |p: &crate::model::Port| {
                    (p.host, p.protocol, p.host_ip) == (port.host, port.protocol, port.host_ip)
                };
                let list = record.added_ports.entry(name.clone()).or_default();
                let before = list.len();
                list.retain(|p| !same(p));
                let mut found = before > list.len();
                let file = self.project.containers.get(name);
                if file.is_some_and(|c| c.ports.iter().any(|(p, _)| same(p))) {
                    found = true;
                    self.warnings.push(Warning {
                        message: format!(
                            "the file has `{port}` of `{name}`; the next `up` puts it back"
                        ),
                        place: file.map(|c| c.place_of(Key::Ports).clone()),
                    });
                }
                let mut rules = self.observed.firewall.rules.iter();
                found |= rules.any(|r| {
                    r.project == self.project.name && &r.container == name && same(&r.port)
                });
                if !found {
                    let message = format!("container `{name}` has no rule `{port}`");
                    self.problem(
                        name,
                        Some(Key::Ports),
                        message,
                        "`locker port list` shows all",
                    );
                }
            }
        }
        record.added_ports.retain(|_, list| !list.is_empty());
    }

    pub(super) fn save_record(&mut self, record: Option<&ProjectRecord>) {
        let writes = match self.wish.goal {
            Goal::Up
            | Goal::Create
            | Goal::Start { .. }
            | Goal::Restart
            | Goal::Ports
            | Goal::PortAdd(_)
            | Goal::PortRemove(_) => true,
            Goal::Stop
            | Goal::Remove
            | Goal::Down { .. }
            | Goal::Unports
            | Goal::Links
            | Goal::Unlinks
            | Goal::Limits
            | Goal::Freeze
            | Goal::Unfreeze
            | Goal::Cleanup => false,
        };
        let Some(record) = record.filter(|r| writes && Some(*r) != self.observed.record.as_ref())
        else {
            return;
        };
        let step = Step::SaveRecord(Box::new(record.clone()));
        let first = self.draft.add(step, vec![Cause::ForProject]);
        for id in self.draft.ids() {
            self.draft.after(id, first);
        }
    }

    /// The bridge and the way out, when something is going to run.
    pub(super) fn network_up(&mut self) {
        let starts = match self.wish.goal {
            Goal::Up | Goal::Start { .. } | Goal::Restart => !self.running.is_empty(),
            Goal::Create
            | Goal::Stop
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
            | Goal::Cleanup => false,
        };
        let Some(subnets) = self.net.as_ref().map(|net| net.subnets).filter(|_| starts) else {
            return;
        };
        let bridge = self.project.bridge();
        let mut earlier = Vec::new();
        let cards = self.loose_cards(&bridge);
        if let Some(cause) = self.bridge_fault(subnets, &cards) {
            let step = Step::EnsureBridge {
                bridge: bridge.clone(),
                subnets,
                cards,
            };
            let id = self.draft.add(step, vec![cause]);
            for start in self.draft.all(Slot::Start) {
                self.draft.after(start, id);
            }
            earlier.push(id);
        }
        let rules = NetworkRules {
            project: self.project.name.clone(),
            bridge,
            subnets,
            isolate: self.project.network.isolate,
        };
        let firewall = &self.observed.firewall;
        let open = firewall.networks.get(&self.project.name);
        if firewall.driver == "none" || open == Some(&rules) {
            return;
        }
        let cause = match open {
            Some(_) => Cause::Drifted("its rules differ"),
            None => Cause::ForProject,
        };
        let id = self.draft.add(Step::OpenNetwork(rules), vec![cause]);
        for bridge in earlier {
            self.draft.after(id, bridge);
        }
        for setup in self.draft.all(Slot::Setup) {
            self.draft.after(setup, id);
        }
    }

    /// The cards of the project's running containers that are on no bridge.
    fn loose_cards(&self, bridge: &str) -> Vec<String> {
        let all = self.observed.containers.values();
        let running = all.filter(|c| c.state != State::Stopped);
        let cards = running.filter_map(|c| Some(&c.mark.as_ref()?.spec.nic));
        let loose = &self.observed.network.loose;
        let ours = cards.filter(|nic| nic.bridge == bridge && loose.contains(&nic.veth));
        ours.map(|nic| nic.veth.clone()).collect()
    }

    fn bridge_fault(&mut self, subnets: Subnets, cards: &[String]) -> Option<Cause> {
        let Some(found) = &self.observed.network.bridge else {
            return Some(match cards {
                [] => Cause::ForProject,
                [..] => Cause::Drifted("it is gone"),
            });
        };
        let mark = format!("locker:{}", self.project.name);
        if found.mark.as_deref() != Some(mark.as_str()) {
            let bridge = self.project.bridge();
            self.problems.push(Problem {
                message: format!("interface `{bridge}` is there and is not of this project"),
                container: None,
                key: None,
                place: None,
                help: Some(format!(
                    "remove it (`ip link del {bridge}`) or rename the project"
                )),
            });
            return None;
        }
        let has: BTreeSet<IpNet> = found.addresses.iter().copied().collect();
        let v4 = IpNet::new(subnets.gateway4().into(), subnets.v4.prefix_len()).ok();
        let v6 = IpNet::new(subnets.gateway6().into(), subnets.v6.prefix_len()).ok();
        let wants: BTreeSet<IpNet> = v4.into_iter().chain(v6).collect();
        if has != wants {
            return Some(Cause::Drifted("its addresses differ"));
        }
        if !found.up {
            return Some(Cause::Drifted("it is down"));
        }
        if !cards.is_empty() {
            return Some(Cause::Drifted("running containers are not on it"));
        }
        (!self.observed.network.forwarding).then_some(Cause::Drifted("forwarding is off"))
    }

    /// Takes rules, bridge and record away, each after all that needs it.
    pub(super) fn teardown(&mut self) {
        let keep = match self.wish.goal {
            Goal::Down { keep, .. } => keep,
            Goal::Cleanup => false,
            Goal::Up
            | Goal::Create
            | Goal::Start { .. }
            | Goal::Stop
            | Goal::Restart
            | Goal::Remove
            | Goal::Ports
            | Goal::Unports
            | Goal::PortAdd(_)
            | Goal::PortRemove(_)
            | Goal::Links
            | Goal::Unlinks
            | Goal::Limits
            | Goal::Freeze
            | Goal::Unfreeze => return,
        };
        let asked = || vec![Cause::Asked];
        if let Some(rules) = self.observed.firewall.networks.get(&self.project.name) {
            let id = self.draft.add(Step::CloseNetwork(rules.clone()), asked());
            self.after_all_before(id);
        }
        let mark = format!("locker:{}", self.project.name);
        let ours = self.observed.network.bridge.as_ref();
        let ours = ours.is_some_and(|b| b.mark.as_ref() == Some(&mark));
        if let Some(subnets) = recover(self.observed).filter(|_| ours) {
            let bridge = self.project.bridge();
            let id = self
                .draft
                .add(Step::RemoveBridge { bridge, subnets }, asked());
            self.after_all_before(id);
        }
        if let Some(record) = self.observed.record.clone().filter(|_| !keep) {
            let id = self
                .draft
                .add(Step::ForgetProject(Box::new(record)), asked());
            self.after_all_before(id);
        }
    }

    fn after_all_before(&mut self, id: usize) {
        for earlier in 0..id {
            if !self.draft.is_final(earlier) {
                self.draft.after(id, earlier);
            }
        }
    }

    pub(super) fn volumes(&mut self) {
        let Goal::Down {
            keep,
            volumes: true,
        } = self.wish.goal
        else {
            return;
        };
        if keep {
            self.problems.push(Problem {
                message: "containers that are kept need their volumes".into(),
                container: None,
                key: None,
                place: None,
                help: Some("leave out `--keep` or `--volumes`".into()),
            });
        }
        let marks = self
            .observed
            .containers
            .values()
            .filter_map(|c| c.mark.as_ref());
        let desired = self
            .desired
            .values()
            .filter(|_| self.observed.record.is_some());
        let specs = marks.map(|mark| &mark.spec).chain(desired);
        let mounts = specs.flat_map(|spec| &spec.mounts).filter(|m| m.named);
        let paths: BTreeSet<_> = mounts.map(|m| m.host.clone()).collect();
        for path in paths {
            self.losses.push(Loss {
                what: format!("the named volume {}", path.display()),
                container: None,
                path: Some(path.clone()),
                cause: Cause::Asked,
            });
            let id = self
                .draft
                .add(Step::RemoveVolume { path }, vec![Cause::Asked]);
            for earlier in 0..id {
                self.draft.after(id, earlier);
            }
        }
    }

    fn running_specs(&self) -> BTreeMap<&Name, &ContainerSpec> {
        let all = self.specs.iter();
        all.filter(|(name, _)| self.running.contains(*name))
            .collect()
    }

    /// The hosts files of containers.
    pub(super) fn names(&mut self) {
        let quiet = match self.wish.goal {
            Goal::Ports | Goal::Unports | Goal::PortAdd(_) | Goal::PortRemove(_) => true,
            Goal::Limits | Goal::Freeze | Goal::Unfreeze => true,
            Goal::Up
            | Goal::Create
            | Goal::Start { .. }
            | Goal::Stop
            | Goal::Restart
            | Goal::Remove
            | Goal::Down { .. }
            | Goal::Links
            | Goal::Unlinks
            | Goal::Cleanup => false,
        };
        if quiet {
            return;
        }
        let mut steps = Vec::new();
        let running = self.running_specs();
        for (name, spec) in &self.specs {
            let made = self.draft.find(Slot::Create, name).is_some();
            let starts = self.draft.find(Slot::Start, name).is_some();
            let there = self.there(name);
            let old = there.filter(|_| !made).and_then(|c| c.names.as_ref());
            // Who was not asked for and has no block is left alone.
            let follows = old.is_some() || starts || self.selected(name);
            let concerned = made || (running.contains_key(name) && follows);
            if !concerned {
                continue;
            }
            let unlinks = self.wish.goal == Goal::Unlinks;
            let leave = self.wish.no_links || (unlinks && !self.selected(name));
            let hosts = if leave {
                old.cloned().unwrap_or_else(|| names::own(spec))
            } else if unlinks {
                names::own(spec)
            } else {
                names::block(spec, self.project.containers.get(name), &running)
            };
            let dns = there.filter(|_| !made).map(|c| &c.dns);
            let dns_same = spec.dns.is_empty() || dns == Some(&spec.dns);
            if old == Some(&hosts) && dns_same {
                continue;
            }
            let cause = self.names_cause(name, spec, made, old, &hosts);
            steps.push((name.clone(), hosts, spec.dns.clone(), cause));
        }
        for (name, hosts, dns, cause) in steps {
            let step = Step::WriteNames {
                container: name.clone(),
                hosts,
                dns,
            };
            self.draft.add_in(Slot::Names, &name, step, vec![cause]);
        }
    }

    fn names_cause(
        &self,
        name: &Name,
        spec: &ContainerSpec,
        made: bool,
        old: Option<&Vec<HostsLine>>,
        hosts: &[HostsLine],
    ) -> Cause {
        let place = |key: Key| {
            let file = self.project.containers.get(name);
            file.map(|c| c.place_of(key).clone()).unwrap_or_default()
        };
        let changed = |key: Key| Cause::Changed {
            key,
            place: place(key),
        };
        let mark = self.there(name).and_then(|c| c.mark.as_ref());
        let Some(old) = old else {
            let file = self.project.containers.get(name);
            let place = file.map(|c| c.place.clone()).unwrap_or_default();
            return match made {
                true => Cause::Missing(place),
                false => Cause::Drifted("its names are not in place"),
            };
        };
        if mark.is_some_and(|m| m.spec.fqdn != spec.fqdn) {
            return changed(Key::Fqdn);
        }
        if old.as_slice() == hosts {
            return match mark.is_some_and(|m| m.spec.dns != spec.dns) {
                true => changed(Key::Dns),
                false => Cause::Drifted("its name servers differ"),
            };
        }
        if self.wish.goal == Goal::Unlinks {
            return Cause::Asked;
        }
        let file = self.project.containers.get(name);
        let mut links = file.into_iter().flat_map(|c| &c.links);
        let moved = links.find(|(link, _)| {
            let moves = [Slot::Start, Slot::Stop, Slot::Configure];
            moves
                .iter()
                .any(|slot| self.draft.find(*slot, &link.target).is_some())
        });
        match moved {
            Some((link, _)) => Cause::For(link.target.clone()),
            None => changed(Key::Links),
        }
    }

    /// The host's own hosts file; once asked for, it is kept true.
    pub(super) fn host_names(&mut self) {
        let old = self.observed.host_names.as_deref();
        let hosts = match self.wish.host_names || old.is_some() {
            true => names::host(&self.running_specs()),
            false => return,
        };
        if old.unwrap_or_default() == hosts.as_slice() {
            return;
        }
        let cause = match self.wish.host_names {
            true => Cause::Asked,
            false => Cause::Drifted("who runs changes"),
        };
        self.draft.add(Step::WriteHostNames { hosts }, vec![cause]);
    }

    /// Port rules: those of what stops go first, the rest changes at the end in one transaction.
    pub(super) fn ports(&mut self, record: Option<&ProjectRecord>) {
        if self.wish.no_ports {
            return;
        }
        let wanted = self.wanted_ports(record);
        let all = &self.observed.firewall.rules;
        let mine: BTreeSet<&PortRule> = all
            .iter()
            .filter(|r| r.project == self.project.name)
            .collect();
        let want: BTreeSet<&PortRule> = wanted.iter().map(|(rule, _)| rule).collect();
        let none = self.observed.firewall.driver == "none";
        let new = |rule: &PortRule| !none && !mine.contains(rule);
        let add: Vec<(PortRule, Place)> = wanted.iter().filter(|(r, _)| new(r)).cloned().collect();
        let gone = mine.iter().filter(|rule| !want.contains(**rule));
        let (early, late): (Vec<PortRule>, Vec<PortRule>) = gone
            .map(|rule| (*rule).clone())
            .partition(|rule| !self.running.contains(&rule.container));
        let foreign = all.iter().filter(|r| r.project != self.project.name);
        let stay: BTreeSet<&PortRule> = foreign.chain(mine.intersection(&want).copied()).collect();
        self.problems
            .extend(ports::conflicts(self.observed, &add, &stay));
        if self.starts_or_publishes() {
            self.warnings.extend(ports::doubts(self.observed, &wanted));
        }
        self.publish(add, early, late);
    }

    fn starts_or_publishes(&self) -> bool {
        matches!(
            self.wish.goal,
            Goal::Up | Goal::Start { .. } | Goal::Restart | Goal::Ports | Goal::PortAdd(_)
        )
    }

    /// The rules that will be in place of this project.
    fn wanted_ports(&self, record: Option<&ProjectRecord>) -> Vec<(PortRule, Place)> {
        let mut wanted = Vec::new();
        let mut kept: BTreeMap<&Name, Vec<&PortRule>> = BTreeMap::new();
        for rule in &self.observed.firewall.rules {
            if rule.project == self.project.name {
                kept.entry(&rule.container).or_default().push(rule);
            }
        }
        for (name, spec) in &self.specs {
            let kept = kept.remove(name).unwrap_or_default().into_iter();
            let mut kept: Vec<(PortRule, Place)> =
                kept.map(|rule| (rule.clone(), Place::nowhere())).collect();
            if !self.running.contains(name) {
                continue;
            }
            let intent = self.intents.get(name).copied().unwrap_or_default();
            let powered = matches!(
                intent.power,
                super::intent::Power::On | super::intent::Power::Cycle
            );
            let defined = self.project.containers.contains_key(name);
            let fresh = || ports::wanted(self.project, record, spec);
            match &self.wish.goal {
                Goal::Unports if intent.chosen => {}
                Goal::Ports if intent.chosen && defined => wanted.extend(fresh()),
                Goal::PortAdd(port) if intent.chosen => {
                    let mut fresh = fresh();
                    fresh.retain(|(rule, _)| rule.port == *port || port.host.first == 0);
                    fresh.retain(|new| !kept.iter().any(|(old, _)| *old == new.0));
                    wanted.append(&mut kept);
                    wanted.extend(fresh);
                }
                Goal::PortRemove(port) if intent.chosen => {
                    kept.retain(|(rule, _): &(PortRule, Place)| {
                        let p = &rule.port;
                        (p.host, p.protocol, p.host_ip) != (port.host, port.protocol, port.host_ip)
                    });
                    wanted.append(&mut kept);
                }
                _ if powered && defined => wanted.extend(fresh()),
                _ => wanted.append(&mut kept),
            }
        }
        wanted
    }

    fn publish(&mut self, add: Vec<(PortRule, Place)>, early: Vec<PortRule>, late: Vec<PortRule>) {
        if !early.is_empty() {
            let causes = self.gone_causes(&early);
            let step = Step::Publish {
                add: Vec::new(),
                remove: early,
            };
            let id = self.draft.add(step, causes);
            for stop in self.draft.all(Slot::Stop) {
                self.draft.after(stop, id);
            }
        }
        if add.is_empty() && late.is_empty() {
            return;
        }
        let mut causes = Vec::new();
        for (rule, place) in &add {
            let starts = self.draft.find(Slot::Start, &rule.container).is_some();
            let cause = match (starts, place.is_somewhere()) {
                (true, _) => Cause::For(rule.container.clone()),
                // Something else of it is in place: it is the file that changed.
                (false, true) if late.iter().any(|gone| gone.container == rule.container) => {
                    Cause::Changed {
                        key: Key::Ports,
                        place: place.clone(),
                    }
                }
                (false, true) => Cause::Absent {
                    key: Key::Ports,
                    place: place.clone(),
                },
                (false, false) if matches!(self.wish.goal, Goal::PortAdd(_)) => Cause::Asked,
                (false, false) => Cause::Drifted("not in place"),
            };
            // Rules that share a line are not told apart.
            if !causes
                .iter()
                .any(|c: &Cause| c.to_string() == cause.to_string())
            {
                causes.push(cause);
            }
        }
        causes.extend(
            self.gone_causes(&late)
                .into_iter()
                .filter(|_| add.is_empty()),
        );
        let add = add.into_iter().map(|(rule, _)| rule).collect();
        let id = self.draft.add(Step::Publish { add, remove: late }, causes);
        for slot in [Slot::Start, Slot::Stop] {
            for earlier in self.draft.all(slot) {
                self.draft.after(id, earlier);
            }
        }
    }

    fn gone_causes(&self, rules: &[PortRule]) -> Vec<Cause> {
        let mut causes = Vec::new();
        for rule in rules {
            let name = &rule.container;
            let cause = match self.project.containers.get(name) {
                None => Cause::NotInFile,
                Some(_) if self.draft.find(Slot::Stop, name).is_some() => Cause::For(name.clone()),
                Some(_) if !self.running.contains(name) => Cause::Drifted("not running"),
                Some(file) if self.wish.goal == Goal::Up => Cause::Changed {
                    key: Key::Ports,
                    place: file.place_of(Key::Ports).clone(),
                },
                Some(_) => Cause::Asked,
            };
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        causes
    }
}
