//! Taking networks down: what the engine knows, rules, bridges, and at last the record, each after all
//! that needs it.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::model::{EngineNetwork, Kind, Name, Subnets, bridge_of_network, default_network};
use crate::observed::ObservedBridge;

use super::build::Builder;
use super::network_up::words;
use super::{Cause, Goal, Step, StepId, networks};

impl Builder<'_> {
    /// The end of the whole project.
    pub(super) fn teardown(&mut self) {
        let Some(ending) = self.wish.goal.takes_down() else {
            return;
        };
        let kept = self.kept_for_guests();
        let networks = self.observed.engine.networks.values();
        let networks = networks.filter(|network| !kept.contains(&network.bridge));
        for network in networks.cloned().collect::<Vec<_>>() {
            self.last(Step::RemoveNetwork(Box::new(network)));
        }
        let firewall = self.observed.firewall.all_networks();
        let open = firewall.filter(|rules| rules.project == self.project.name);
        let open = open.filter(|rules| !kept.contains(&rules.bridge));
        for rules in open.cloned().collect::<Vec<_>>() {
            self.last(Step::CloseNetwork(rules));
        }
        let bridges = self.observed.network.bridges.iter();
        let ours = bridges.filter(|(name, found)| self.is_our_bridge(name, found));
        let ours = ours.filter(|(name, _)| !kept.contains(*name));
        let removals = ours.filter_map(|(name, found)| self.removal(name, found));
        let half_made = self.observed.network.half_made.iter();
        let half_made = half_made.filter(|name| !kept.contains(*name));
        let half_made = half_made.filter_map(|name| self.removal_of_half(name));
        for step in removals.chain(half_made).collect::<Vec<_>>() {
            self.last(step);
        }
        // The subnet stays the project's for as long as somebody lives in it.
        let forget = ending.forget && kept.is_empty();
        let record = self.observed.record.clone().filter(|_| forget);
        if let Some(record) = record {
            self.last(Step::ForgetProject(Box::new(record)));
        }
    }

    /// The bridges of networks on which containers of others run. As with Docker Compose such a network stays,
    /// and all the rest is done; it is said before anything is touched.
    fn kept_for_guests(&mut self) -> BTreeSet<String> {
        let networks: Vec<_> = self.observed.engine.networks.values().cloned().collect();
        let used = networks.into_iter().filter(|n| self.keep_for_guests(n));
        used.map(|network| network.bridge).collect()
    }

    /// Whether containers of others run on the network; says so.
    fn keep_for_guests(&mut self, network: &EngineNetwork) -> bool {
        let Some(guests) = self.observed.engine.guests.get(&network.network) else {
            return false;
        };
        let (full, first) = (
            network.host_name(),
            guests.first().map_or("", String::as_str),
        );
        let guests = words(guests);
        self.notices.push(format!(
            "network `{full}` stays: {guests}, not of this project, is on it; after `docker network disconnect {full} {first}` \
             the same command removes it"
        ));
        true
    }

    /// What `up` takes down: networks that nothing of the file and of the host is on any more.
    pub(super) fn stale_networks(&mut self) {
        if self.wish.goal != Goal::Up {
            return;
        }
        for network in self.stale() {
            let known = self.observed.engine.networks.get(&network).cloned();
            if known
                .as_ref()
                .is_some_and(|known| self.keep_for_guests(known))
            {
                continue;
            }
            let known = known.map(|known| self.remove_engine_network(known, Cause::NotInFile));
            if network != default_network() {
                self.stale_bridge(&network, known);
            }
        }
    }

    fn stale_bridge(&mut self, network: &Name, mut earlier: Option<StepId>) {
        let bridge = bridge_of_network(&self.project.name, network);
        let rules = self.observed.firewall.any_network(&bridge).cloned();
        let rules = rules.filter(|rules| rules.project == self.project.name);
        let found = self.observed.network.bridges.get(&bridge);
        let found = found.filter(|found| self.is_our_bridge(&bridge, found));
        let remove = found.and_then(|found| self.removal(&bridge, found));
        let close = rules.map(Step::CloseNetwork);
        for step in close.into_iter().chain(remove) {
            let id = self.draft.add(step, vec![Cause::NotInFile]);
            if let Some(earlier) = earlier {
                self.draft.after(id, earlier);
            }
            earlier = Some(id);
        }
    }

    /// Networks of ours that are there and that nobody needs. Of the project's own network this is
    /// only what the engine knows; the bridge stays until the project is taken down.
    fn stale(&self) -> BTreeSet<Name> {
        let engine = self.observed.engine.networks.keys();
        let recorded = self.observed.record.iter();
        let recorded = recorded.flat_map(|record| record.networks.keys());
        let all: BTreeSet<Name> = engine.chain(recorded).cloned().collect();
        let stay: BTreeSet<Name> = self.specs.values().flat_map(networks::keys).collect();
        let file = self.project.containers.values();
        let wanted: BTreeSet<Name> = file
            .filter(|c| c.kind() == Kind::Application || c.network.is_some())
            .flat_map(|c| networks::own_of(self.project, c))
            .collect();
        let own = default_network();
        let system = self
            .specs
            .values()
            .filter(|s| s.kind() == Kind::Application);
        let applications: BTreeSet<Name> = system.flat_map(networks::keys).collect();
        let used = |network: &Name| {
            let there = match *network == own {
                true => applications.contains(network),
                false => stay.contains(network),
            };
            there || wanted.contains(network)
        };
        all.into_iter().filter(|network| !used(network)).collect()
    }

    fn is_our_bridge(&self, name: &str, found: &ObservedBridge) -> bool {
        self.is_marked(found) || (found.mark.is_none() && self.is_engines(name))
    }

    fn removal(&self, bridge: &str, found: &ObservedBridge) -> Option<Step> {
        Some(Step::RemoveBridge {
            bridge: bridge.into(),
            subnets: self.subnets_on(bridge, &found.addresses)?,
            adopt: found.mark.is_none(),
        })
    }

    /// One whose mark is missing; its driver knows it by its hardware address.
    fn removal_of_half(&self, bridge: &str) -> Option<Step> {
        Some(Step::RemoveBridge {
            bridge: bridge.into(),
            subnets: self.subnets_on(bridge, &[])?,
            adopt: false,
        })
    }

    /// With the record lost and no container left the bridge itself still tells its subnets.
    fn subnets_on(&self, bridge: &str, addresses: &[IpNet]) -> Option<Subnets> {
        let known = networks::recover(self.observed);
        let named = |network: &Name| bridge_of_network(&self.project.name, network) == bridge;
        let known = known.iter().find(|(network, _)| named(network));
        if let Some((_, subnets)) = known {
            return Some(*subnets);
        }
        let (mut v4, mut v6) = (None, None);
        let (mut at4, mut at6) = (None, None);
        for address in addresses {
            match address {
                IpNet::V4(net) => (v4, at4) = (Some(net.trunc()), Some(net.addr())),
                IpNet::V6(net) => (v6, at6) = (Some(net.trunc()), Some(net.addr())),
            }
        }
        let net = self.net.as_ref().map(|net| net.subnets);
        let v4 = v4.or(net.map(|net| net.v4))?;
        let subnets = Subnets::new(v4, v6.or(net.and_then(|net| net.v6)));
        Some(subnets.at(at4, at6))
    }

    /// A step after all that there is so far, except what destroys.
    fn last(&mut self, step: Step) {
        let id = self.draft.add(step, vec![Cause::Asked]);
        for earlier in 0..id {
            if !self.draft.is_final(earlier) {
                self.draft.after(id, earlier);
            }
        }
    }
}
