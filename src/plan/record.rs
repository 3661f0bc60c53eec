//! What the project remembers: identity, addresses, ports added by hand, ports picked.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{IdRange, Idmap, Key, Kind, Name, Port, default_network};
use crate::observed::ProjectRecord;

use super::build::Builder;
use super::{Cause, Goal, Step, Warning, networks, pick, units};

/// The form of the record that this program writes.
const RECORD_VERSION: u32 = 1;

/// Whether `port rm` with `asked` means `port`.
pub(super) fn is_meant(port: &Port, asked: &Port) -> bool {
    (port.host, port.protocol, port.host_ip) == (asked.host, asked.protocol, asked.host_ip)
}

impl Builder<'_> {
    /// What is to be remembered after this plan.
    pub(super) fn new_record(&mut self) -> Option<ProjectRecord> {
        let net = self.net.as_ref()?;
        let old = self.observed.record.clone();
        let mut record = old.unwrap_or_else(|| ProjectRecord {
            version: RECORD_VERSION,
            name: self.project.name.clone(),
            directory: self.project.directory.clone(),
            moved: self.wish.moved.clone(),
            lxcpath: self.wish.lxcpath.clone(),
            subnets: net.subnets,
            networks: BTreeMap::new(),
            applications: false,
            addresses: BTreeMap::new(),
            leaving: BTreeMap::new(),
            added_ports: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            ids: Vec::new(),
            picked_ports: BTreeMap::new(),
        });
        record.subnets = net.subnets;
        record.applications |= self.has_applications();
        self.keep_networks(&mut record);
        record.addresses = net.indexes.all().clone();
        record.ids = self.picked_ids();
        self.keep_leaving(&mut record);
        self.change_ports_by_hand(&mut record);
        let full = pick::pick(self.project, self.observed, &mut record);
        for (name, port, place) in full {
            let message = format!("no port from {} on is free for `{port}`", pick::FIRST_FREE);
            let help = "name a host port instead of 0";
            self.problem(&name, Some(Key::Ports), message, help);
            if let Some(problem) = self.problems.last_mut().filter(|_| place.is_somewhere()) {
                problem.place = Some(place);
            }
        }
        Some(self.without_need(record))
    }

    fn has_applications(&self) -> bool {
        let mut file = self.project.containers.values();
        let mut there = self.observed.containers.values();
        file.any(|c| c.kind() == Kind::Application) || there.any(|c| c.kind == Kind::Application)
    }

    /// The ids that locker has picked for containers; whoever writes ids may give them to several.
    fn picked_ids(&self) -> Vec<IdRange> {
        let written = |name: &Name| {
            let file = self.project.containers.get(name);
            file.is_some_and(|file| matches!(file.idmap, Some(Idmap::Ranges(_))))
        };
        let specs = self.specs.iter().filter(|(name, _)| !written(name));
        let mut ids: Vec<IdRange> = specs.flat_map(|(_, spec)| spec.idmap.clone()).collect();
        ids.sort();
        // A copy for one command has those of its original.
        ids.dedup();
        ids
    }

    /// The subnets of the file's networks, and of those that containers are still on.
    fn keep_networks(&self, record: &mut ProjectRecord) {
        let marks = self.specs.values();
        let stay: BTreeSet<Name> = marks.flat_map(networks::keys).collect();
        let old = networks::recover(self.observed).into_iter();
        let own = default_network();
        record.networks = old
            .filter(|(key, _)| stay.contains(key) && *key != own)
            .collect();
        let extra = self.net.iter().flat_map(|net| net.extra.clone());
        record.networks.extend(extra);
    }

    /// The indexes of older selves that are there, or will be while this plan is done.
    fn keep_leaving(&self, record: &mut ProjectRecord) {
        let there = |name: &Name| {
            let found = self.observed.containers.get(name);
            found.is_some_and(|c| c.set_aside)
        };
        record.leaving.retain(|name, _| there(name));
        let old = self.beside.iter().filter_map(|(name, index)| {
            let index = (*index)?;
            Some((name.clone(), index))
        });
        record.leaving.extend(old);
    }

    /// What only forgets something is no reason to write the record: it waits for the next one.
    fn without_need(&self, record: ProjectRecord) -> ProjectRecord {
        let Some(old) = &self.observed.record else {
            return record;
        };
        let mut fuller = record.clone();
        for (name, index) in &old.addresses {
            fuller.addresses.entry(name.clone()).or_insert(*index);
        }
        for (network, subnets) in &old.networks {
            fuller.networks.entry(network.clone()).or_insert(*subnets);
        }
        for (name, index) in &old.leaving {
            fuller.leaving.entry(name.clone()).or_insert(*index);
        }
        fuller.ids.extend(&old.ids);
        fuller.ids.sort();
        fuller.ids.dedup();
        match fuller == *old {
            true => fuller,
            false => record,
        }
    }

    /// Whether the user, or the whole project, means `name`.
    pub(super) fn selected(&self, name: &Name) -> bool {
        self.intents.get(name).is_some_and(|i| i.chosen)
    }

    fn change_ports_by_hand(&mut self, record: &mut ProjectRecord) {
        let goal = &self.wish.goal;
        let chosen = self.intents.iter().filter(|(_, intent)| intent.chosen);
        let names: Vec<Name> = chosen.map(|(name, _)| name.clone()).collect();
        for name in &names {
            if let Goal::PortAdd(port) = goal {
                self.add_by_hand(name, port, record);
            } else if let Goal::PortRemove(port) = goal {
                self.remove_by_hand(name, port, record);
            }
            self.withdraw_by_hand(name, record);
        }
        record.withdrawn.retain(|_, list| !list.is_empty());
        record.added_ports.retain(|_, list| !list.is_empty());
    }

    /// What was taken out by hand stays so when the container is started anew.
    fn withdraw_by_hand(&self, name: &Name, record: &mut ProjectRecord) {
        let file = self.project.containers.get(name);
        let of_file = file.iter().flat_map(|file| file.ports.iter());
        let mut of_file = of_file.map(|(port, _)| port.clone());
        let list = record.withdrawn.entry(name.clone()).or_default();
        match &self.wish.goal {
            Goal::Up if self.wish.no_ports => {}
            Goal::Up | Goal::Ports => list.clear(),
            Goal::Unports => {
                let added = record.added_ports.get(name).into_iter().flatten();
                *list = of_file.chain(added.cloned()).collect();
            }
            Goal::PortAdd(port) => list.retain(|out| !is_meant(out, port)),
            Goal::PortRemove(port) => {
                let meant = of_file.find(|out| is_meant(out, port));
                list.extend(meant.filter(|meant| !list.contains(meant)));
            }
            Goal::Create
            | Goal::Start { .. }
            | Goal::Stop
            | Goal::Restart
            | Goal::Remove
            | Goal::Down { .. }
            | Goal::Links
            | Goal::Unlinks
            | Goal::Limits
            | Goal::Freeze
            | Goal::Unfreeze
            | Goal::Pull
            | Goal::Build
            | Goal::Enable(_)
            | Goal::Cleanup => {}
        }
    }

    fn add_by_hand(&mut self, name: &Name, port: &Port, record: &mut ProjectRecord) {
        let file = self.project.containers.get(name);
        let in_file = file.is_some_and(|c| c.ports.iter().any(|(p, _)| p == port));
        if !in_file {
            self.refuse_the_files_own(name, port);
        }
        let list = record.added_ports.entry(name.clone()).or_default();
        if !in_file && !list.contains(port) {
            list.push(port.clone());
        }
        if !self.running.contains(name) {
            self.warnings.push(Warning {
                message: format!(
                    "container `{name}` does not run; `{port}` is published when it starts"
                ),
                place: None,
            });
        }
    }

    /// A host port of the file is the file's, also while it is not published: the next `up` would find both. Of one that is
    /// published it is told as of any other.
    fn refuse_the_files_own(&mut self, name: &Name, port: &Port) {
        let mut files = self.project.containers.values();
        let found = files.find_map(|file| {
            let rests = |own: &Port| {
                let mut rules = self.observed.firewall.rules.iter();
                let published = rules.any(|r| r.container == file.name && r.port == *own);
                !published && !units::is_held(file, own.protocol)
            };
            let mut ports = file.ports.iter().filter(|(own, _)| rests(own));
            let (own, _) = ports.find(|(own, _)| own.host.first != 0 && own.collides(port))?;
            Some((file.name.clone(), own.clone()))
        });
        if let Some((owner, own)) = found {
            let message = format!(
                "port `{port}` of container `{name}` cannot be added: the file has `{own}` of container `{owner}`, \
                 which the next `up` publishes"
            );
            let help =
                "write it into the file in place of the other, or add it with another host port";
            self.problem(name, Some(Key::Ports), message, help);
        }
    }

    fn remove_by_hand(&mut self, name: &Name, port: &Port, record: &mut ProjectRecord) {
        let list = record.added_ports.entry(name.clone()).or_default();
        let before = list.len();
        list.retain(|p| !is_meant(p, port));
        let mut found = before > list.len();
        let file = self.project.containers.get(name);
        let line = file.and_then(|c| c.ports.iter().find(|(p, _)| is_meant(p, port)));
        // What was added by hand is not what the file has on the same host port.
        let line = line.filter(|(own, _)| !found || own == port);
        if let Some((own, place)) = line {
            found = true;
            self.warnings.push(Warning {
                message: format!("the file has `{own}` of `{name}`; the next `up` puts it back"),
                place: Some(place.clone()),
            });
        }
        let mut rules = self.observed.firewall.rules.iter();
        found |= rules.any(|rule| {
            rule.project == self.project.name
                && &rule.container == name
                && is_meant(&rule.port, port)
        });
        if !found {
            let message = format!("container `{name}` has no rule `{port}`");
            let help = "`locker port list` shows all";
            self.problem(name, Some(Key::Ports), message, help);
        }
    }

    /// The record is written first: what follows stands on it.
    pub(super) fn save_record(&mut self, record: Option<&ProjectRecord>) {
        let scope = self.wish.goal.scope();
        let old = self.observed.record.as_ref();
        let note_fault = self.observed.network.note_fault.filter(|_| scope.network);
        let differs = |record: &&ProjectRecord| Some(*record) != old || note_fault.is_some();
        let Some(record) = record.filter(|_| scope.saves).filter(differs) else {
            return;
        };
        let step = Step::SaveRecord(Box::new(record.clone()));
        let cause = self.cause_of_record(note_fault.filter(|_| Some(record) == old));
        let first = self.draft.add(step, vec![cause]);
        for id in self.draft.ids() {
            self.draft.after(id, first);
        }
    }

    /// With the record the note of what is put back at boot is written.
    fn cause_of_record(&self, note_fault: Option<&'static str>) -> Cause {
        let lost = self.observed.record.is_none() && !self.observed.containers.is_empty();
        let lost = lost.then_some("the record of the project is lost");
        match &self.wish.goal {
            Goal::PortAdd(_) | Goal::PortRemove(_) | Goal::Unports => Cause::Asked,
            Goal::Up
            | Goal::Create
            | Goal::Start { .. }
            | Goal::Stop
            | Goal::Restart
            | Goal::Remove
            | Goal::Down { .. }
            | Goal::Ports
            | Goal::Links
            | Goal::Unlinks
            | Goal::Limits
            | Goal::Freeze
            | Goal::Unfreeze
            | Goal::Pull
            | Goal::Build
            | Goal::Enable(_)
            | Goal::Cleanup => lost
                .or(note_fault)
                .map_or(Cause::ForProject, Cause::Drifted),
        }
    }
}
