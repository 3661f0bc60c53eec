//! Lines of a hosts file.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One line of hosts(5): an address and its names, the canonical one first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostsLine {
    /// The address.
    pub address: IpAddr,
    /// Its names; each is a checked [`super::Name`] or [`super::Fqdn`].
    pub names: Vec<String>,
}

impl fmt::Display for HostsLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address, self.names.join(" "))
    }
}
