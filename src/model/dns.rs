//! Name servers of a container.

use std::fmt;
use std::net::IpAddr;

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
}

impl fmt::Display for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "{ip}"),
            Self::Bridge => f.write_str("$bridge"),
            Self::Copy => f.write_str("$copy"),
        }
    }
}
