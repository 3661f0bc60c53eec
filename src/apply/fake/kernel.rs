//! The kernel's side of the fake: bridges and rules.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{Fake, Made};
use crate::firewall::{Firewall, FirewallChange, FirewallError};
use crate::model::{FirewallChoice, Name, Seat, Subnets, USUAL_MTU};
use crate::network::{BridgeRemoval, BridgeWish, Network, NetworkError, NetworkView};
use crate::observed::{
    Leftover, ObservedBridge, ObservedFirewall, ObservedNetwork, State, StrayCard,
};

#[async_trait]
impl Network for Fake {
    async fn observe(
        &self,
        project: &Name,
        _: &BTreeSet<String>,
    ) -> Result<NetworkView, NetworkError> {
        let bridge = |(name, subnets): (String, Subnets)| {
            let bridge = ObservedBridge {
                mark: Some(format!("locker:{project}")),
                up: true,
                addresses: subnets.gateways().collect(),
                mtu: USUAL_MTU,
            };
            (name, bridge)
        };
        let network = ObservedNetwork {
            bridges: self.world().bridges.into_iter().map(bridge).collect(),
            forwarding: true,
            ..ObservedNetwork::default()
        };
        Ok(NetworkView {
            network,
            addresses: Vec::new(),
        })
    }

    async fn cards(&self, seats: &[Seat]) -> Result<Vec<StrayCard>, NetworkError> {
        let cardless = &mut self.ledger.lock().unwrap().cardless;
        let Some(left) = cardless.checked_sub(1) else {
            return Ok(Vec::new());
        };
        *cardless = left;
        let gone = seats.first().map(|seat| StrayCard {
            container: seat.container.clone(),
            bridge: seat.bridge.clone(),
            card: None,
            misfit: false,
        });
        Ok(gone.into_iter().collect())
    }

    async fn ensure(&self, _: &Name, wish: &BridgeWish<'_>) -> Result<bool, NetworkError> {
        self.call("ensure".into()).await.map_err(no_link)?;
        let bridges = &mut self.world.lock().unwrap().bridges;
        let old = bridges.insert(wish.bridge.into(), *wish.subnets);
        Ok(old.is_none())
    }

    async fn remove(&self, _: &Name, wish: &BridgeRemoval<'_>) -> Result<(), NetworkError> {
        self.call("remove".into()).await.map_err(no_link)?;
        let mut world = self.world.lock().unwrap();
        let all = world.containers.values().chain(world.aside.values());
        let mut running = all.filter(|made| made.state != State::Stopped);
        let is_on = |made: &Made| {
            let nic = made.mark.spec.nic.as_ref();
            nic.is_some_and(|nic| nic.bridge == wish.bridge)
        };
        if running.any(is_on) {
            return Err(no_link("containers run on it".into()));
        }
        world.bridges.remove(wish.bridge);
        Ok(())
    }
}

fn no_link(reason: String) -> NetworkError {
    NetworkError::Link {
        verb: "change",
        interface: "lk-shop".into(),
        reason,
    }
}

#[async_trait]
impl Firewall for Fake {
    fn name(&self) -> &'static str {
        "none"
    }

    fn choice(&self) -> FirewallChoice {
        FirewallChoice::None
    }

    async fn observe(&self) -> Result<ObservedFirewall, FirewallError> {
        let world = self.world();
        Ok(ObservedFirewall {
            driver: "fake".into(),
            networks: world.networks,
            rules: world.rules,
            left: world.old_rules,
            ..ObservedFirewall::default()
        })
    }

    async fn sweep(&self, left: &Leftover, back: bool) -> Result<(), FirewallError> {
        let lefts = &mut self.world.lock().unwrap().old_rules;
        lefts.retain(|other| other != left);
        if back {
            lefts.push(left.clone());
        }
        Ok(())
    }

    async fn apply(&self, change: &FirewallChange) -> Result<(), FirewallError> {
        let what = if change.open.len() + change.close.len() > 0 {
            "network rules"
        } else {
            "publish"
        };
        let told = self.call(what.into()).await;
        told.map_err(|stderr| FirewallError::Refused {
            program: "fake".into(),
            stderr,
        })?;
        let mut world = self.world.lock().unwrap();
        for network in &change.close {
            world.networks.remove(&network.bridge);
        }
        for network in &change.open {
            let bridge = network.bridge.clone();
            world.networks.insert(bridge, network.clone());
        }
        world.rules.retain(|rule| !change.remove.contains(rule));
        world.rules.extend(change.add.iter().cloned());
        Ok(())
    }
}
