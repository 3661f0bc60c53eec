//! The project's network.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::{Name, Place};

/// The key `network` of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkWish {
    /// The IPv4 subnet; none means locker picks one that is free.
    pub subnet: Option<Ipv4Net>,
    /// The IPv6 subnet; none means locker picks one.
    pub subnet6: Option<Ipv6Net>,
    /// The bridge's address in [`Self::subnet`]; none is the first.
    pub gateway: Option<Ipv4Addr>,
    /// The bridge's address in [`Self::subnet6`]; none is the first.
    pub gateway6: Option<Ipv6Addr>,
    /// Whether it has IPv6 at all. Networks of a Compose file have it when they ask for it.
    pub ipv6: bool,
    /// Whether other projects on this host are kept out.
    pub isolate: bool,
    /// The longest packet on it, bytes; none follows the host's way out.
    pub mtu: Option<u32>,
    /// Where it stands.
    pub place: Place,
}

impl Default for NetworkWish {
    fn default() -> Self {
        Self {
            subnet: None,
            subnet6: None,
            gateway: None,
            gateway6: None,
            ipv6: true,
            isolate: false,
            mtu: None,
            place: Place::default(),
        }
    }
}

/// A network of the file beside the project's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraNetwork {
    /// What the file asks for.
    pub wish: NetworkWish,
    /// The name on the host of a network that is not of the project; it is used as it is.
    pub external: Option<String>,
    /// Its name on the host where the file gives it one; else `<project>_<network>`.
    pub name: Option<String>,
    /// No way out.
    pub internal: bool,
    /// The user's marks.
    pub labels: BTreeMap<String, String>,
}

/// What an interface takes where nobody says otherwise (Ethernet, RFC 894).
pub const USUAL_MTU: u32 = 1500;
/// What each link must take for IPv4 (RFC 791), and at least for IPv6 (RFC 8200).
pub const LEAST_MTU: u32 = 68;
/// See [`LEAST_MTU`].
pub const LEAST_MTU6: u32 = 1280;
/// The most that a bridge or a cable takes (`ETH_MAX_MTU` of the kernel).
pub const MOST_MTU: u32 = 65_535;

/// The key of the project's own network.
pub fn default_network() -> Name {
    static NAME: LazyLock<Name> = LazyLock::new(|| {
        Name::new("default").unwrap_or_else(|_| unreachable!("a constant that is a name"))
    });
    NAME.clone()
}

/// The subnets that a network really has. The bridge holds one address of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subnets {
    /// IPv4.
    pub v4: Ipv4Net,
    /// IPv6, where the network has it.
    pub v6: Option<Ipv6Net>,
    /// The bridge's IPv4 address where it is not the first of its subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at4: Option<Ipv4Addr>,
    /// The bridge's IPv6 address where it is not the first of its subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at6: Option<Ipv6Addr>,
}

impl Subnets {
    /// Subnets whose first addresses are the bridge's.
    pub fn new(v4: Ipv4Net, v6: Option<Ipv6Net>) -> Self {
        Self {
            v4,
            v6,
            at4: None,
            at6: None,
        }
    }

    /// The same with the bridge at these addresses; those that are the first, or in no subnet, say
    /// nothing.
    pub fn at(mut self, v4: Option<Ipv4Addr>, v6: Option<Ipv6Addr>) -> Self {
        let plain = Self::new(self.v4, self.v6);
        self.at4 = v4.filter(|at| *at != plain.gateway4() && self.v4.contains(at));
        self.at6 = v6.filter(|at| {
            Some(*at) != plain.gateway6() && self.v6.is_some_and(|net| net.contains(at))
        });
        self
    }

    /// The bridge's IPv4 address.
    pub fn gateway4(&self) -> Ipv4Addr {
        let first = || Ipv4Addr::from(u32::from(self.v4.network()) + 1);
        self.at4.unwrap_or_else(first)
    }

    /// The bridge's IPv6 address.
    pub fn gateway6(&self) -> Option<Ipv6Addr> {
        let first = |net: Ipv6Net| Ipv6Addr::from(u128::from(net.network()) + 1);
        self.at6.or(self.v6.map(first))
    }

    /// Both as nets.
    pub fn each(&self) -> impl Iterator<Item = IpNet> + use<> {
        let v6 = self.v6.map(IpNet::from);
        std::iter::once(IpNet::from(self.v4)).chain(v6)
    }

    /// The bridge's addresses, each with its subnet's prefix length.
    pub fn gateways(&self) -> impl Iterator<Item = IpNet> + use<> {
        let v6 = self.gateway6().zip(self.v6.map(|net| net.prefix_len()));
        let v4 = (IpAddr::from(self.gateway4()), self.v4.prefix_len());
        let all = std::iter::once(v4).chain(v6.map(|(address, len)| (address.into(), len)));
        all.filter_map(|(address, len)| IpNet::new(address, len).ok())
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

/// Why a subnet cannot be a project's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubnetError {
    /// Not an address and a prefix length.
    #[error("`{0}` is not a subnet; it is an address and a prefix length, as in `10.77.0.0/24`")]
    Form(String),
    /// Address bits beyond the prefix.
    #[error("`{given}` is an address within a subnet; the subnet is `{network}`")]
    HostBits {
        /// What was written.
        given: String,
        /// The subnet that it is in.
        network: String,
    },
    /// Too few or too many addresses.
    #[error("`{given}` does not fit; its prefix length must be from {from} to {to}")]
    Size {
        /// What was written.
        given: String,
        /// Shortest prefix.
        from: u8,
        /// Longest prefix.
        to: u8,
    },
    /// Loopback, multicast and the like.
    #[error("`{given}` is {what}, which no bridge can have")]
    Special {
        /// What was written.
        given: String,
        /// What it is.
        what: &'static str,
    },
}

impl NetworkWish {
    /// Reads the key `subnet`: at least the bridge, one container, network and broadcast address.
    pub fn parse_subnet(text: &str) -> Result<Ipv4Net, SubnetError> {
        let net: Ipv4Net = text.parse().map_err(|_| SubnetError::Form(text.into()))?;
        let special = special4(&net);
        check_subnet(text, net.into(), 8, 29, special)?;
        Ok(net)
    }

    /// Reads the key `subnet6`.
    pub fn parse_subnet6(text: &str) -> Result<Ipv6Net, SubnetError> {
        let net: Ipv6Net = text.parse().map_err(|_| SubnetError::Form(text.into()))?;
        let address = net.addr();
        let special = if address.is_loopback() || address.is_unspecified() {
            Some("loopback or unspecified")
        } else if address.is_multicast() {
            Some("multicast")
        } else if address.is_unicast_link_local() {
            Some("link-local")
        } else {
            None
        };
        check_subnet(text, net.into(), 16, 125, special)?;
        Ok(net)
    }
}

fn special4(net: &Ipv4Net) -> Option<&'static str> {
    let address = net.addr();
    if address.is_loopback() || address.octets()[0] == 0 {
        Some("loopback or unspecified")
    } else if address.is_multicast() || address.octets()[0] >= 240 {
        Some("multicast or reserved")
    } else if address.is_link_local() {
        Some("link-local")
    } else {
        None
    }
}

fn check_subnet(
    text: &str,
    net: IpNet,
    from: u8,
    to: u8,
    special: Option<&'static str>,
) -> Result<(), SubnetError> {
    let given = text.to_string();
    if net.addr() != net.network() {
        let network = net.trunc().to_string();
        return Err(SubnetError::HostBits { given, network });
    }
    if !(from..=to).contains(&net.prefix_len()) {
        return Err(SubnetError::Size { given, from, to });
    }
    match special {
        Some(what) => Err(SubnetError::Special { given, what }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_has_room_and_no_host_bits() {
        for good in ["10.77.0.0/24", "192.168.0.0/29", "172.16.0.0/12"] {
            assert_eq!(NetworkWish::parse_subnet(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "10.0.0.0",
            "10.77.0.1/24",
            "10.0.0.0/30",
            "10.0.0.0/7",
            "127.0.0.0/8",
            "224.0.0.0/8",
            "169.254.0.0/16",
            "10.0.0.0/33",
            "fd77::/64",
        ] {
            assert!(NetworkWish::parse_subnet(bad).is_err(), "{bad:?} was taken");
        }
        assert!(NetworkWish::parse_subnet6("fd77::/64").is_ok());
        for bad in [
            "",
            "fd77::1/64",
            "fe80::/64",
            "ff00::/16",
            "::/16",
            "fd77::/126",
        ] {
            assert!(
                NetworkWish::parse_subnet6(bad).is_err(),
                "{bad:?} was taken"
            );
        }
    }
}
