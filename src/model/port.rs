//! Published ports: which port of the host leads to which port of a container.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`, as nft and iptables write them.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One port or an unbroken range of them; `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortRange {
    /// First port.
    pub first: u16,
    /// Last port, the same as the first for a single port.
    pub last: u16,
}

impl PortRange {
    /// A single port.
    pub fn single(port: u16) -> Self {
        Self {
            first: port,
            last: port,
        }
    }

    /// How many ports.
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }

    /// Whether the two share a port.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// One published port (or range) of a container.
///
/// The container's range is as long as the host's. `host.first == 0` asks for a free port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// The host address it is bound to; none means every address of both families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
    /// Port or range on the host.
    pub host: PortRange,
    /// Port or range in the container.
    pub container: PortRange,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Who may use it; empty means everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<IpNet>,
}

impl Port {
    /// Whether both would take the same packet: same protocol, overlapping host ports, and an
    /// address in common (no address means all of them).
    pub fn collides(&self, other: &Self) -> bool {
        let share_address = match (self.host_ip, other.host_ip) {
            (Some(mine), Some(theirs)) => {
                mine == theirs
                    || (mine.is_unspecified() || theirs.is_unspecified())
                        && mine.is_ipv4() == theirs.is_ipv4()
            }
            (None, Some(_)) | (Some(_), None) | (None, None) => true,
        };
        self.protocol == other.protocol && self.host.overlaps(other.host) && share_address
    }
}

/// `[HOST_IP:]HOST[-END]:CONTAINER[-END]/protocol`: the syntax of the file, always with the protocol.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_ip {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            None => {}
        }
        write!(f, "{}:{}/{}", self.host, self.container, self.protocol)
    }
}
