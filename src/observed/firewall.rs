//! What the firewall holds, of ours and of others.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{NetworkRules, PortRange, PortRule, Protocol};

/// What the firewall holds of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedFirewall {
    /// The driver that is in use: `nftables`, `iptables` or `none`.
    pub driver: String,
    /// Network rules of every project by bridge, only where they are complete.
    pub networks: BTreeMap<String, NetworkRules>,
    /// Port rules of every project, only those that are complete.
    pub rules: BTreeSet<PortRule>,
    /// What is there of every project and does not work as it is.
    pub torn: TornRules,
    /// What other drivers have left, of every project.
    pub left: Vec<Leftover>,
    /// What others do that makes rules of ours or theirs useless.
    pub foreign: ForeignRules,
}

/// Rules of ours of which a part is gone, or that somebody's new rules keep from working: Docker closes the
/// forward chain when it starts. What is wanted of it is made anew, and all of it is ours to take out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TornRules {
    /// Network rules by bridge.
    pub networks: BTreeMap<String, NetworkRules>,
    /// Port rules.
    pub rules: BTreeSet<PortRule>,
}

impl ObservedFirewall {
    /// The network rules that are there, whole or torn.
    pub fn all_networks(&self) -> impl Iterator<Item = &NetworkRules> {
        self.networks.values().chain(self.torn.networks.values())
    }

    /// Those of a bridge, whole or torn.
    pub fn any_network(&self, bridge: &str) -> Option<&NetworkRules> {
        let torn = || self.torn.networks.get(bridge);
        self.networks.get(bridge).or_else(torn)
    }
}

/// Rules of others that meet published ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignRules {
    /// Chains that drop forwarded packets and have no rule that lets locker's bridges pass: `inet filter forward`.
    pub closed: Vec<String>,
    /// Chains that drop what published ports lead on, and may let out what containers send.
    #[serde(default)]
    pub led: Vec<String>,
    /// Chains that let published ports pass and drop what containers send by themselves.
    #[serde(default)]
    pub one_way: Vec<String>,
    /// Ports that `ufw deny` is to close. It sees what is for the host itself, not what is led on.
    pub denied: Vec<DeniedPort>,
    /// Docker's chain for the rules of others is there, before the rules of ufw.
    pub has_docker: bool,
}

/// A port that the host's administrator denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedPort {
    /// Its protocol.
    pub protocol: Protocol,
    /// The ports.
    pub ports: PortRange,
}

/// Rules that another firewall driver than the present one has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// `nftables`, `iptables-nft` or `iptables-legacy`.
    pub driver: String,
    /// Network rules.
    pub networks: Vec<NetworkRules>,
    /// Port rules.
    pub rules: Vec<PortRule>,
}
