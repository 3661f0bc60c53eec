//! Name servers of a container.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One entry of `dns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dns {
    /// An address.
    Address(IpAddr),
    /// `$bridge`: the address of the project's bridge on the host.
    Bridge,
    /// `$copy`: the name servers of the host, without loopback ones.
    Copy,
    /// `none`: no server; where no others are named, the container's own file stays as it is.
    None,
}

impl fmt::Display for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "{ip}"),
            Self::Bridge => f.write_str("$bridge"),
            Self::Copy => f.write_str("$copy"),
            Self::None => f.write_str("none"),
        }
    }
}

/// Why a text is not an entry of `dns`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name server; write an IP address, `$bridge`, `$copy` or `none`")]
pub struct DnsError(pub String);

impl FromStr for Dns {
    type Err = DnsError;
    fn from_str(text: &str) -> Result<Self, DnsError> {
        match text {
            "$bridge" => Ok(Self::Bridge),
            "$copy" => Ok(Self::Copy),
            "none" => Ok(Self::None),
            ip => ip
                .parse()
                .map(Self::Address)
                .map_err(|_| DnsError(ip.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_is_an_address_or_one_of_three_words() {
        for text in [
            "8.8.8.8",
            "2001:4860:4860::8888",
            "$bridge",
            "$copy",
            "none",
        ] {
            assert_eq!(text.parse::<Dns>().unwrap().to_string(), text);
        }
        for text in ["", "dns.example", "8.8.8", "$host", "8.8.8.8\nsearch x"] {
            assert_eq!(text.parse::<Dns>(), Err(DnsError(text.into())));
        }
    }
}
