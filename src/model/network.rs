//! The project's network.

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::Place;

/// The key `network` of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkWish {
    /// The IPv4 subnet; none means locker picks one that is free.
    pub subnet: Option<Ipv4Net>,
    /// The IPv6 subnet; none means locker picks one.
    pub subnet6: Option<Ipv6Net>,
    /// Whether other projects on this host are kept out.
    pub isolate: bool,
    /// Where it stands.
    pub place: Place,
}

/// The subnets that a project really has. The bridge holds the first address of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnets {
    /// IPv4.
    pub v4: Ipv4Net,
    /// IPv6.
    pub v6: Ipv6Net,
}

impl Subnets {
    /// The bridge's IPv4 address: the first of the subnet.
    pub fn gateway4(&self) -> std::net::Ipv4Addr {
        std::net::Ipv4Addr::from(u32::from(self.v4.network()) + 1)
    }

    /// The bridge's IPv6 address: the first of the subnet.
    pub fn gateway6(&self) -> std::net::Ipv6Addr {
        std::net::Ipv6Addr::from(u128::from(self.v6.network()) + 1)
    }
}

/// The firewall that the file or the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirewallChoice {
    /// What the host runs.
    #[default]
    Auto,
    /// nftables.
    Nftables,
    /// iptables and ip6tables.
    Iptables,
    /// No rules at all.
    None,
}
