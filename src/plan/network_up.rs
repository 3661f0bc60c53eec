//! The networks: bridge, way out, and what the engine knows of them, put in place before anything
//! starts.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::model::{
    EngineNetwork, Kind, Name, NetworkRules, Subnets, bridge_of_network, default_network,
};
use crate::observed::ObservedBridge;

use super::build::Builder;
use super::compose::InTheWay;
use super::graph::Slot;
use super::{Cause, Problem, Step, StepId, networks};

/// `container `a`, container `b``.
pub(super) fn words(containers: &BTreeSet<String>) -> String {
    let names = containers.iter().map(|name| format!("container `{name}`"));
    names.collect::<Vec<_>>().join(", ")
}

/// Who is going to be on a network.
struct Users {
    all: Vec<Name>,
    applications: Vec<Name>,
    /// One of them runs at the end, and the goal puts networks in place.
    run: bool,
    /// An application container is made.
    made: bool,
}

impl Builder<'_> {
    /// The networks that something is going to run on or to be reached through.
    pub(super) fn networks_up(&mut self) {
        let Some(net) = &self.net else { return };
        let own = (default_network(), net.subnets);
        let all: Vec<(Name, Subnets)> = [own].into_iter().chain(net.extra.clone()).collect();
        for (network, subnets) in all {
            let users = self.users(&network);
            if users.run || users.made {
                self.network_up(&network, subnets, &users);
            }
        }
    }

    fn users(&self, network: &Name) -> Users {
        let on = self.specs.iter();
        let on: Vec<_> = on
            .filter(|(_, spec)| networks::keys(spec).contains(network))
            .collect();
        let applications = on.iter().filter(|(_, s)| s.kind() == Kind::Application);
        let applications: Vec<Name> = applications.map(|(name, _)| (*name).clone()).collect();
        let all: Vec<Name> = on.iter().map(|(name, _)| (*name).clone()).collect();
        Users {
            run: self.wish.goal.scope().network && all.iter().any(|n| self.running.contains(n)),
            made: applications.iter().any(|n| self.has(Slot::Create, n)),
            all,
            applications,
        }
    }

    fn network_up(&mut self, network: &Name, subnets: Subnets, users: &Users) {
        let engine = self.engine_network(network, subnets, users);
        let bridge = self.ensure_bridge(network, subnets, users);
        let open = match users.run {
            true => self.open_network(network, subnets),
            false => None,
        };
        for later in [open, engine].into_iter().flatten() {
            if let Some(bridge) = bridge {
                self.draft.after(later, bridge);
            }
        }
        let setups = users.all.iter();
        let setups = setups.filter_map(|name| self.draft.find(Slot::Setup, name));
        for setup in setups.collect::<Vec<_>>() {
            if let Some(open) = open {
                self.draft.after(setup, open);
            }
        }
    }

    /// The engine must know a network before a container of its is made.
    fn engine_network(
        &mut self,
        network: &Name,
        subnets: Subnets,
        users: &Users,
    ) -> Option<StepId> {
        let mut stay = users.applications.iter();
        let used = stay.any(|n| self.has(Slot::Create, n) || self.running.contains(n));
        let mtu = networks::mtu(self.project, self.observed, network);
        let wanted = networks::of_engine(self.project, network, subnets, mtu);
        let known = self.observed.engine.networks.get(network);
        let again = self.remade.contains(network);
        let lost = self.is_lost(&users.applications, &wanted.host_name());
        if !used || (known.is_some() && !again && !lost) {
            return None;
        }
        self.refuse_foreign_network(network, &wanted);
        if again && known.is_some() {
            self.refuse_guests(network, &wanted.host_name());
        }
        let cause = match (again, known) {
            (true, _) => self.network_cause(network),
            (false, Some(_)) => Cause::Drifted("containers know one that was removed"),
            (false, None) => Cause::ForProject,
        };
        let remove = known.filter(|_| again).cloned();
        let remove = remove.map(|known| self.remove_engine_network(known, cause.clone()));
        let step = Step::EnsureNetwork(Box::new(wanted));
        let id = self.draft.add(step, vec![cause]);
        if let Some(remove) = remove {
            self.draft.after(id, remove);
        }
        for name in &users.applications {
            for slot in [Slot::Create, Slot::Configure, Slot::Start] {
                if let Some(later) = self.draft.find(slot, name) {
                    self.draft.after(later, id);
                }
            }
        }
        Some(id)
    }

    /// Whether one that stays and is going to run knows the network by the id of one that was removed.
    fn is_lost(&self, applications: &[Name], network: &str) -> bool {
        let stays = |name: &&Name| self.running.contains(*name) && !self.has(Slot::Create, name);
        let there = applications.iter().filter(stays);
        let mut there = there.filter_map(|name| self.there(name));
        there.any(|found| found.estranged.contains(network))
    }

    /// Nobody else may be on a network that is made anew.
    fn refuse_guests(&mut self, network: &Name, full: &str) {
        let Some(guests) = self.observed.engine.guests.get(network) else {
            return;
        };
        let (guest, guests) = (guests.first().cloned(), words(guests));
        self.problems.push(Problem {
            message: format!(
                "network `{full}` must be made anew, and {guests}, not of this project, is on it"
            ),
            container: None,
            key: None,
            place: Some(networks::place(self.project, network).clone()),
            help: guest
                .map(|guest| format!("take it off: docker network disconnect {full} {guest}")),
        });
    }

    /// Takes a network out of the engine once nothing runs on it any more.
    pub(super) fn remove_engine_network(&mut self, known: EngineNetwork, cause: Cause) -> StepId {
        let network = known.network.clone();
        let step = Step::RemoveNetwork(Box::new(known));
        let id = self.draft.add(step, vec![cause]);
        for name in self.who_was_on(&network) {
            for slot in [Slot::Stop, Slot::StopAside] {
                if let Some(stop) = self.draft.find(slot, &name) {
                    self.draft.after(id, stop);
                }
            }
        }
        id
    }

    fn who_was_on(&self, network: &Name) -> Vec<Name> {
        let all = self.observed.containers.iter();
        let on = all.filter(|(_, found)| {
            let mark = found.mark.as_ref();
            mark.is_none_or(|mark| networks::keys(&mark.spec).contains(network))
        });
        on.map(|(name, _)| name.clone()).collect()
    }

    fn refuse_foreign_network(&mut self, network: &Name, wanted: &EngineNetwork) {
        let name = wanted.host_name();
        if !self.observed.engine.foreign_networks.contains(&name) {
            return;
        }
        let of_compose = self.observed.engine.compose.networks.contains(&name);
        let owner = self.observed.engine.network_owners.get(&name);
        let owner = owner.filter(|owner| owner.project != self.project.name.as_str());
        let alone = Problem {
            message: match owner {
                Some(owner) => format!("a network `{name}` is on the host, of {owner}"),
                None => format!("a network `{name}` is on the host and is not of this project"),
            },
            container: None,
            key: None,
            place: Some(networks::place(self.project, network).clone()),
            help: Some(match (of_compose, &wanted.name) {
                (true, _) => {
                    "docker compose made it for this project: `locker adopt` takes it over with its containers and volumes"
                        .into()
                }
                (false, Some(_)) => format!(
                    "write `external: true` at network `{network}` to use it, or give it another `name`"
                ),
                (false, None) if owner.is_some() => format!(
                    "rename the network or the project, or give network `{network}` a `name` of its own"
                ),
                (false, None) => {
                    format!("remove it (`docker network rm {name}`), or rename the project")
                }
            }),
        };
        let mut others = self.observed.engine.compose_else.iter();
        let other = others.find(|(_, compose)| compose.networks.contains(&name));
        let of = other.map(|(project, _)| project.clone());
        match of_compose || of.is_some() {
            true => self.in_the_way.push(InTheWay {
                of,
                what: format!("network `{name}`"),
                alone,
            }),
            false => self.problems.push(alone),
        }
    }

    /// The cause when a network itself changed.
    pub(super) fn network_cause(&self, network: &Name) -> Cause {
        let place = networks::place(self.project, network).clone();
        match *network == default_network() {
            true => Cause::Network(place),
            false => Cause::Networks(place),
        }
    }

    fn ensure_bridge(&mut self, network: &Name, subnets: Subnets, users: &Users) -> Option<StepId> {
        let bridge = bridge_of_network(&self.project.name, network);
        let cards = self.loose_cards(&bridge);
        let found = self.observed.network.bridges.get(&bridge);
        let adopt = found.is_some_and(|found| found.mark.is_none()) && self.is_engines(&bridge);
        let cause = match adopt {
            true => Cause::Drifted("the engine made it"),
            false => self.bridge_fault(network, &bridge, subnets, &cards)?,
        };
        let gone = found.is_none();
        let step = Step::EnsureBridge {
            bridge,
            subnets,
            cards,
            adopt,
            mtu: networks::mtu(self.project, self.observed, network),
        };
        let id = self.draft.add(step, vec![cause]);
        for name in &users.all {
            if let Some(start) = self.draft.find(Slot::Start, name) {
                self.draft.after(start, id);
            }
            // While the bridge is not there, it shows who must be started again.
            let stop = self.draft.find(Slot::Stop, name);
            if let Some(stop) = stop.filter(|_| gone && users.applications.contains(name)) {
                self.draft.after(id, stop);
            }
        }
        Some(id)
    }

    /// Whether the engine has a network of ours on this bridge: then it may have made it itself.
    pub(super) fn is_engines(&self, bridge: &str) -> bool {
        let mut known = self.observed.engine.networks.values();
        known.any(|network| network.bridge == bridge)
    }

    fn open_network(&mut self, network: &Name, subnets: Subnets) -> Option<StepId> {
        let wish = networks::wish(self.project, network);
        let rules = NetworkRules {
            project: self.project.name.clone(),
            bridge: bridge_of_network(&self.project.name, network),
            // The firewall knows nets, not who has which address in them.
            subnets: Subnets::new(subnets.v4, subnets.v6),
            isolate: wish.isolate || self.project.network.isolate,
            internal: networks::is_internal(self.project, network),
        };
        let firewall = &self.observed.firewall;
        let open = firewall.networks.get(&rules.bridge);
        if firewall.driver == "none" || open == Some(&rules) {
            return None;
        }
        let asked =
            |old: &NetworkRules| (old.isolate, old.internal) != (rules.isolate, rules.internal);
        let cause = match open {
            Some(old) if asked(old) => self.network_cause(network),
            Some(_) => self.moved(network, subnets, "its rules differ"),
            None if firewall.torn.networks.contains_key(&rules.bridge) => {
                Cause::Drifted("its rules are incomplete, or others overrule them")
            }
            None => Cause::ForProject,
        };
        Some(self.draft.add(Step::OpenNetwork(rules), vec![cause]))
    }

    /// The cards of the project's running containers that must be put on the bridge (again).
    fn loose_cards(&self, bridge: &str) -> Vec<String> {
        let strays = self.observed.network.strays.iter();
        let ours = strays.filter(|stray| stray.bridge == bridge);
        ours.filter_map(|stray| stray.card.clone()).collect()
    }

    /// Other subnets than before are the file's doing, anything else is drift.
    fn moved(&self, network: &Name, subnets: Subnets, drift: &'static str) -> Cause {
        match networks::recover(self.observed).get(network) {
            Some(old) if *old != subnets => self.network_cause(network),
            Some(_) | None => Cause::Drifted(drift),
        }
    }

    fn bridge_fault(
        &mut self,
        network: &Name,
        bridge: &str,
        subnets: Subnets,
        cards: &[String],
    ) -> Option<Cause> {
        let Some(found) = self.observed.network.bridges.get(bridge) else {
            return Some(match cards {
                [] => Cause::ForProject,
                [..] => Cause::Drifted("it is gone"),
            });
        };
        if !self.is_marked(found) {
            self.refuse_foreign_bridge(bridge);
            return None;
        }
        let has: BTreeSet<IpNet> = found.addresses.iter().copied().collect();
        let wants: BTreeSet<IpNet> = subnets.gateways().collect();
        if has != wants {
            return Some(self.moved(network, subnets, "its addresses differ"));
        }
        if !found.up {
            return Some(Cause::Drifted("it is down"));
        }
        let wish = networks::wish(self.project, network);
        let mtu = networks::mtu(self.project, self.observed, network);
        if mtu.is_some_and(|mtu| mtu != found.mtu) {
            let drift = match wish.mtu {
                Some(_) => "its MTU is not that of the file",
                None => "its MTU is not that of the host's default route",
            };
            return Some(Cause::Drifted(drift));
        }
        let strays = self.observed.network.strays.iter();
        let mut strays = strays.filter(|stray| stray.bridge == bridge && stray.card.is_some());
        if strays.any(|stray| !stray.misfit) {
            return Some(Cause::Drifted("running containers are not on it"));
        }
        if !cards.is_empty() {
            return Some(Cause::Drifted("running containers have another MTU"));
        }
        (!self.observed.network.forwarding)
            .then_some(Cause::Drifted("the kernel does not forward as it should"))
    }

    /// Whether a bridge bears the project's mark.
    pub(super) fn is_marked(&self, found: &ObservedBridge) -> bool {
        let mark = format!("locker:{}", self.project.name);
        found.mark.as_ref() == Some(&mark)
    }

    fn refuse_foreign_bridge(&mut self, bridge: &str) {
        self.problems.push(Problem {
            message: format!("interface `{bridge}` is there and is not of this project"),
            container: None,
            key: None,
            place: None,
            help: Some(format!(
                "remove it (`ip link del {bridge}`) or rename the project"
            )),
        });
    }
}
