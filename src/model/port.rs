//! Published ports: which port of the host leads to which port of a container.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

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

/// Why a text is not a published port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// No colon between the host's and the container's port.
    #[error("`{0}` names one port only; a published port is `HOST_PORT:CONTAINER_PORT`")]
    OneOnly(String),
    /// Something that should be a port and is none.
    #[error("`{0}` is not a port; ports are 1 to 65535")]
    NotAPort(String),
    /// A range whose end comes first.
    #[error("the range `{0}` ends before it begins")]
    Backwards(String),
    /// Port 0 where it means nothing.
    #[error("port 0 in the container does not exist")]
    ContainerZero,
    /// Port 0 as part of a range.
    #[error("host port 0 (pick a free one) takes exactly one container port")]
    ZeroRange,
    /// Ranges that do not match.
    #[error("the host's range has {host} ports and the container's has {container}")]
    Lengths {
        /// Ports on the host.
        host: u32,
        /// Ports in the container.
        container: u32,
    },
    /// Not an address.
    #[error("`{0}` is not an IP address")]
    Address(String),
    /// An IPv6 address without brackets, or a bracket that is not closed.
    #[error("an IPv6 address of a port stands in brackets, as in `[::1]:80:80`")]
    Brackets,
    /// Not a protocol.
    #[error("`{0}` is not a protocol; it is `tcp` or `udp`")]
    Protocol(String),
}

impl FromStr for Protocol {
    type Err = PortError;
    fn from_str(word: &str) -> Result<Self, PortError> {
        match word {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            other => Err(PortError::Protocol(other.into())),
        }
    }
}

/// `80` or `8000-8010`; 0 is taken, since the host side knows it.
impl FromStr for PortRange {
    type Err = PortError;
    fn from_str(text: &str) -> Result<Self, PortError> {
        let number = |word: &str| {
            let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
            match word.parse::<u16>() {
                Ok(port) if digits => Ok(port),
                Ok(_) | Err(_) => Err(PortError::NotAPort(word.into())),
            }
        };
        let Some((first, last)) = text.split_once('-') else {
            return number(text).map(Self::single);
        };
        let (first, last) = (number(first)?, number(last)?);
        if first == 0 {
            return Err(PortError::ZeroRange);
        }
        if last < first {
            return Err(PortError::Backwards(text.into()));
        }
        Ok(Self { first, last })
    }
}

impl Port {
    /// Puts a port together and checks what its parts must have in common.
    pub fn new(
        host_ip: Option<IpAddr>,
        host: PortRange,
        container: PortRange,
        protocol: Protocol,
    ) -> Result<Self, PortError> {
        if container.first == 0 {
            return Err(PortError::ContainerZero);
        }
        if host.first == 0 && container.count() != 1 {
            return Err(PortError::ZeroRange);
        }
        if host.count() != container.count() {
            return Err(PortError::Lengths {
                host: host.count(),
                container: container.count(),
            });
        }
        Ok(Self {
            host_ip,
            host,
            container,
            protocol,
            allow: Vec::new(),
        })
    }
}

/// `[HOST_IP:]HOST[-END]:CONTAINER[-END][/tcp|/udp]`; an IPv6 address stands in brackets.
impl FromStr for Port {
    type Err = PortError;
    fn from_str(text: &str) -> Result<Self, PortError> {
        let (ports, protocol) = match text.rsplit_once('/') {
            Some((ports, word)) => (ports, word.parse()?),
            None => (text, Protocol::Tcp),
        };
        let (ip, ports) = split_address(ports)?;
        let Some((host, container)) = ports.split_once(':') else {
            return Err(PortError::OneOnly(text.into()));
        };
        let host_ip = match ip {
            Some(word) => Some(word.parse().map_err(|_| PortError::Address(word.into()))?),
            None => None,
        };
        Self::new(host_ip, host.parse()?, container.parse()?, protocol)
    }
}

/// Splits the host address off: `(address, HOST:CONTAINER)`.
fn split_address(text: &str) -> Result<(Option<&str>, &str), PortError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, ports) = rest.split_once("]:").ok_or(PortError::Brackets)?;
        return Ok((Some(ip), ports));
    }
    match text.matches(':').count() {
        0 | 1 => Ok((None, text)),
        2 => Ok(text
            .split_once(':')
            .map_or((None, text), |(ip, ports)| (Some(ip), ports))),
        _ => Err(PortError::Brackets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_port_is_read_and_written_back() {
        for (text, back) in [
            ("80:80", "80:80/tcp"),
            ("22:22/udp", "22:22/udp"),
            ("192.168.2.123:8003:8003/udp", "192.168.2.123:8003:8003/udp"),
            ("[::]:80:8080", "[::]:80:8080/tcp"),
            ("9000-9100:9000-9100", "9000-9100:9000-9100/tcp"),
            ("0:80", "0:80/tcp"),
            ("65535:1", "65535:1/tcp"),
        ] {
            let port: Port = text.parse().unwrap();
            assert_eq!(port.to_string(), back);
            assert_eq!(back.parse::<Port>().unwrap(), port);
        }
    }

    #[test]
    fn a_bad_port_is_refused_with_its_reason() {
        let lengths = PortError::Lengths {
            host: 2,
            container: 3,
        };
        for (text, error) in [
            ("80", PortError::OneOnly("80".into())),
            ("80:0", PortError::ContainerZero),
            ("99999:80", PortError::NotAPort("99999".into())),
            ("+80:80", PortError::NotAPort("+80".into())),
            ("80:x", PortError::NotAPort("x".into())),
            (":80", PortError::NotAPort(String::new())),
            ("80:80/sctp", PortError::Protocol("sctp".into())),
            ("300.1.1.1:80:80", PortError::Address("300.1.1.1".into())),
            ("[::1%eth0]:80:80", PortError::Address("::1%eth0".into())),
            ("::1:80:80", PortError::Brackets),
            ("[::1:80:80", PortError::Brackets),
            ("90-80:90-80", PortError::Backwards("90-80".into())),
            ("80-81:80-82", lengths),
            ("0:80-81", PortError::ZeroRange),
            ("0-5:80-85", PortError::ZeroRange),
            ("80:80\n", PortError::NotAPort("80\n".into())),
        ] {
            assert_eq!(text.parse::<Port>(), Err(error), "{text}");
        }
    }

    #[test]
    fn ports_collide_only_where_one_packet_could_go_to_both() {
        let port = |text: &str| text.parse::<Port>().unwrap();
        for (one, two, expected) in [
            ("80:1", "80:2", true),
            ("80:1", "80:2/udp", false),
            ("10.0.0.1:80:1", "10.0.0.2:80:1", false),
            ("10.0.0.1:80:1", "80:1", true),
            ("0.0.0.0:80:1", "[::]:80:1", false),
            ("0.0.0.0:80:1", "10.0.0.1:80:1", true),
            ("80-90:80-90", "85:1", true),
        ] {
            assert_eq!(port(one).collides(&port(two)), expected, "{one} {two}");
        }
    }
}
