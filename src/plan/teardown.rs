//! Taking the project down: rules, bridge and record, each after all that needs it.

use ipnet::IpNet;

use crate::model::Subnets;

use super::addresses::recover;
use super::build::Builder;
use super::{Cause, Step};

impl Builder<'_> {
    pub(super) fn teardown(&mut self) {
        let Some(ending) = self.wish.goal.takes_down() else {
            return;
        };
        let project = &self.project.name;
        if let Some(rules) = self.observed.firewall.networks.get(&self.project.bridge()) {
            self.last(Step::CloseNetwork(rules.clone()));
        }
        let mark = format!("locker:{project}");
        let bridge = self.observed.network.bridges.get(&self.project.bridge());
        let ours = bridge.is_some_and(|bridge| bridge.mark.as_ref() == Some(&mark));
        let subnets = recover(self.observed).or_else(|| self.subnets_of_bridge());
        if let Some(subnets) = subnets.filter(|_| ours) {
            let bridge = self.project.bridge();
            self.last(Step::RemoveBridge { bridge, subnets });
        }
        let record = self.observed.record.clone().filter(|_| ending.forget);
        if let Some(record) = record {
            self.last(Step::ForgetProject(Box::new(record)));
        }
    }

    /// With the record lost and no container left the bridge itself still tells its subnets.
    fn subnets_of_bridge(&self) -> Option<Subnets> {
        let mut subnets = self.net.as_ref()?.subnets;
        let bridge = self.observed.network.bridges.get(&self.project.bridge())?;
        for address in &bridge.addresses {
            match address {
                IpNet::V4(net) => subnets.v4 = net.trunc(),
                IpNet::V6(net) => subnets.v6 = net.trunc(),
            }
        }
        Some(subnets)
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
