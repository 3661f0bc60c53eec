//! What the firewall holds, of ours and of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnet::IpNet;
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
    /// What `ufw deny` is to close. It sees what is for the host itself, not what is led on.
    pub denied: Vec<Denial>,
    /// What is denied on the way to containers, before locker lets it pass.
    pub on_way: Vec<Denial>,
    /// Docker's chain for the rules of others is there, before the rules of ufw: for IPv4.
    pub has_docker: bool,
    /// The same for IPv6.
    pub has_docker6: bool,
}

/// What the host's administrator denies: the packets that are all of this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Of IPv6, else of IPv4.
    pub ipv6: bool,
    /// Answered, not dropped in silence.
    pub rejects: bool,
    /// Of this protocol; none is any.
    pub protocol: Option<Protocol>,
    /// To these ports; none is any.
    pub ports: Option<PortRange>,
    /// From these addresses; none is any.
    pub from: Option<IpNet>,
    /// To these addresses; none is any.
    pub to: Option<IpNet>,
    /// That come in there; none is anywhere.
    pub interface: Option<String>,
    /// Sent to these addresses before they were led on; none is any.
    pub sent_to: Option<IpNet>,
}

impl Denial {
    /// Whether all packets of `other` are of this one.
    pub fn covers(&self, other: &Self) -> bool {
        fn all<T>(mine: &Option<T>, theirs: &Option<T>, has: impl Fn(&T, &T) -> bool) -> bool {
            match (mine, theirs) {
                (None, _) => true,
                (Some(mine), Some(theirs)) => has(mine, theirs),
                (Some(_), None) => false,
            }
        }
        let within = |mine: &PortRange, theirs: &PortRange| {
            mine.first <= theirs.first && theirs.last <= mine.last
        };
        self.ipv6 == other.ipv6
            && all(&self.protocol, &other.protocol, |mine, theirs| {
                mine == theirs
            })
            && all(&self.ports, &other.ports, within)
            && all(&self.from, &other.from, |mine, theirs| {
                mine.contains(theirs)
            })
            && all(&self.to, &other.to, |mine, theirs| mine.contains(theirs))
            && all(&self.sent_to, &other.sent_to, |mine, theirs| {
                mine.contains(theirs)
            })
            && all(&self.interface, &other.interface, |mine, theirs| {
                mine == theirs
            })
    }
}

/// As its user has told ufw.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.rejects { "reject" } else { "deny" };
        write!(f, "ufw {verb}")?;
        let ports = self.ports.map(|ports| match ports.first == ports.last {
            true => ports.first.to_string(),
            false => format!("{}:{}", ports.first, ports.last),
        });
        let narrow = self.from.is_some() || self.to.is_some() || self.interface.is_some();
        if let (Some(ports), Some(protocol), false) = (&ports, self.protocol, narrow) {
            return write!(f, " {ports}/{protocol}");
        }
        if let Some(interface) = &self.interface {
            write!(f, " in on {interface}")?;
        }
        if let Some(protocol) = self.protocol {
            write!(f, " proto {protocol}")?;
        }
        let (from, to) = (place(self.from), place(self.to));
        write!(f, " from {from} to {to}")?;
        ports.map_or(Ok(()), |ports| write!(f, " port {ports}"))
    }
}

/// One address without the length of its network; `any` is all.
fn place(net: Option<IpNet>) -> String {
    match net {
        None => "any".into(),
        Some(net) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
        Some(net) => net.to_string(),
    }
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
