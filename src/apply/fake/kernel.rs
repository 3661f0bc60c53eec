//! The kernel's side of the fake: bridge and rules.

use async_trait::async_trait;

use super::Fake;
use crate::firewall::{Firewall, FirewallChange, FirewallError};
use crate::model::{Name, Subnets};
use crate::network::{Network, NetworkError, NetworkView};
use crate::observed::{ObservedBridge, ObservedFirewall, ObservedNetwork, State};

#[async_trait]
impl Network for Fake {
    async fn observe(&self, _: &str) -> Result<NetworkView, NetworkError> {
        let bridge = self.world().bridge.map(|_| ObservedBridge {
            mark: Some("locker:shop".into()),
            up: true,
            addresses: Vec::new(),
        });
        let network = ObservedNetwork {
            bridge,
            ..ObservedNetwork::default()
        };
        Ok(NetworkView {
            network,
            addresses: Vec::new(),
        })
    }

    async fn ensure(
        &self,
        _: &Name,
        _: &str,
        subnets: &Subnets,
        _: &[String],
    ) -> Result<bool, NetworkError> {
        self.call("ensure".into()).await.map_err(no_link)?;
        let old = self.world.lock().unwrap().bridge.replace(*subnets);
        Ok(old.is_none())
    }

    async fn remove(&self, _: &Name, _: &str, _: bool) -> Result<(), NetworkError> {
        self.call("remove".into()).await.map_err(no_link)?;
        let mut world = self.world.lock().unwrap();
        if world.containers.values().any(|c| c.state != State::Stopped) {
            return Err(no_link("containers run on it".into()));
        }
        world.bridge = None;
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

    async fn observe(&self) -> Result<ObservedFirewall, FirewallError> {
        let world = self.world();
        Ok(ObservedFirewall {
            driver: "fake".into(),
            networks: world.networks,
            rules: world.rules,
        })
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
            world.networks.remove(&network.project);
        }
        for network in &change.open {
            world
                .networks
                .insert(network.project.clone(), network.clone());
        }
        world.rules.retain(|rule| !change.remove.contains(rule));
        world.rules.extend(change.add.iter().cloned());
        Ok(())
    }
}
