//! The bridge and the way out of it, put in place before anything starts.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::model::{NetworkRules, Subnets};

use super::addresses::recover;
use super::build::Builder;
use super::graph::Slot;
use super::intent::runs;
use super::{Cause, Problem, Step, StepId};

impl Builder<'_> {
    /// The bridge and the way out, when something is going to run or to be reached.
    pub(super) fn network_up(&mut self) {
        let wanted = self.wish.goal.scope().network && !self.running.is_empty();
        let Some(subnets) = self.net.as_ref().map(|net| net.subnets).filter(|_| wanted) else {
            return;
        };
        let bridge = self.ensure_bridge(subnets);
        let Some(open) = self.open_network(subnets) else {
            return;
        };
        if let Some(bridge) = bridge {
            self.draft.after(open, bridge);
        }
        for setup in self.draft.all(Slot::Setup) {
            self.draft.after(setup, open);
        }
    }

    fn ensure_bridge(&mut self, subnets: Subnets) -> Option<StepId> {
        let bridge = self.project.bridge();
        let cards = self.loose_cards(&bridge);
        let cause = self.bridge_fault(subnets, &cards)?;
        let known = self.observed.engine.networks.values();
        let adopt = known.into_iter().any(|network| network.bridge == bridge);
        let step = Step::EnsureBridge {
            bridge,
            subnets,
            cards,
            adopt,
        };
        let id = self.draft.add(step, vec![cause]);
        for start in self.draft.all(Slot::Start) {
            self.draft.after(start, id);
        }
        Some(id)
    }

    fn open_network(&mut self, subnets: Subnets) -> Option<StepId> {
        let network = &self.project.network;
        let rules = NetworkRules {
            project: self.project.name.clone(),
            bridge: self.project.bridge(),
            subnets,
            isolate: network.isolate,
            internal: false,
        };
        let firewall = &self.observed.firewall;
        let open = firewall.networks.get(&rules.bridge);
        if firewall.driver == "none" || open == Some(&rules) {
            return None;
        }
        let cause = match open {
            Some(old) if old.isolate != rules.isolate => Cause::Network(network.place.clone()),
            Some(_) => self.moved(subnets, "its rules differ"),
            None => Cause::ForProject,
        };
        Some(self.draft.add(Step::OpenNetwork(rules), vec![cause]))
    }

    /// The cards of the project's running containers that are on no bridge.
    fn loose_cards(&self, bridge: &str) -> Vec<String> {
        let all = self.observed.containers.values();
        let running = all.filter(|c| runs(Some(c)));
        let cards = running.filter_map(|c| c.mark.as_ref()?.spec.nic.as_ref());
        let loose = &self.observed.network.loose;
        let ours = cards.filter(|nic| nic.bridge == bridge && loose.contains(&nic.veth));
        ours.map(|nic| nic.veth.clone()).collect()
    }

    /// Other subnets than before are the file's doing, anything else is drift.
    fn moved(&self, subnets: Subnets, drift: &'static str) -> Cause {
        match recover(self.observed) {
            Some(old) if old != subnets => Cause::Network(self.project.network.place.clone()),
            Some(_) | None => Cause::Drifted(drift),
        }
    }

    fn bridge_fault(&mut self, subnets: Subnets, cards: &[String]) -> Option<Cause> {
        let Some(found) = self.observed.network.bridges.get(&self.project.bridge()) else {
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
            return Some(self.moved(subnets, "its addresses differ"));
        }
        if !found.up {
            return Some(Cause::Drifted("it is down"));
        }
        if !cards.is_empty() {
            return Some(Cause::Drifted("running containers are not on it"));
        }
        (!self.observed.network.forwarding).then_some(Cause::Drifted("forwarding is off"))
    }
}
