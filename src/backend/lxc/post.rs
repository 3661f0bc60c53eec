//! What a guard has to look after: the addresses and the lease of a container, and its console log.
//!
//! Only told here, in words that fit into a request; [`super::guard`] does it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::console::Console;
use super::lease::Lease;
use crate::model::ContainerSpec;

/// What must stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Guarded {
    pub(super) v4: (Ipv4Addr, u8),
    pub(super) gateway4: Ipv4Addr,
    pub(super) v6: Option<(Ipv6Addr, u8)>,
    pub(super) gateway6: Option<Ipv6Addr>,
    /// The host's end of the veth pair.
    pub(super) veth: String,
    pub(super) lease: Lease,
}

impl Guarded {
    /// What a container of this spec must keep; none when it has no card on a bridge.
    pub(super) fn of(spec: &ContainerSpec) -> Option<Self> {
        let nic = spec.nic.as_ref().filter(|nic| !nic.bridge.is_empty())?;
        let subnets = &nic.subnets;
        let prefix = subnets.v4.prefix_len();
        Some(Self {
            v4: (nic.addresses.v4, prefix),
            gateway4: subnets.gateway4(),
            v6: (nic.addresses.v6).zip(subnets.v6.map(|net| net.prefix_len())),
            gateway6: subnets.gateway6(),
            veth: nic.veth.clone(),
            lease: Lease {
                mac: mac(&nic.mac),
                address: nic.addresses.v4,
                prefix,
                gateway: subnets.gateway4(),
                dns: servers(spec),
                search: spec.system.dns_search.clone(),
            },
        })
    }
}

/// The name servers of the lease. A client may replace resolv.conf by them, so they are all that locker
/// wrote there or none.
fn servers(spec: &ContainerSpec) -> Vec<Ipv4Addr> {
    let v4 = spec.dns.iter().map(|ip| match ip {
        std::net::IpAddr::V4(ip) => Some(*ip),
        std::net::IpAddr::V6(_) => None,
    });
    let all: Option<Vec<Ipv4Addr>> = v4.collect();
    all.filter(|all| all.len() <= super::lease::SERVERS)
        .unwrap_or_default()
}

/// `02:00:5e:…`; zeros, which no card has, for what is none.
fn mac(text: &str) -> [u8; 6] {
    let bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().unwrap_or_default();
    bytes.try_into().unwrap_or_default()
}

/// What a guard in a process of its own is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    /// Where the console log is.
    pub(super) console: PathBuf,
    /// The addresses; none when the container has no card on a bridge.
    pub(super) guarded: Option<Guarded>,
}

/// What one guard has to look after.
#[derive(Debug)]
pub(super) struct Post {
    /// The container's directory.
    pub(super) dir: PathBuf,
    /// Its console log; none when it cannot be watched.
    pub(super) console: Option<Console>,
    /// Its addresses; none when it has no card on a bridge.
    pub(super) guarded: Option<Guarded>,
    /// An eventfd(2) by which other threads of the process say that they have worked; none without such.
    pub(super) word: Option<OwnedFd>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_is_read_and_nonsense_is_nobodys() {
        assert_eq!(mac("02:00:5e:10:00:ff"), [2, 0, 0x5e, 0x10, 0, 0xff]);
        for bad in ["", "02:00", "02:00:5e:10:00:ff:01", "x"] {
            assert_eq!(mac(bad), [0; 6], "{bad}");
        }
    }

    #[test]
    fn a_lease_names_all_name_servers_or_none() {
        let mut spec = crate::backend::lxc::render::tests::spec();
        for (dns, told) in [
            (vec!["9.9.9.9", "1.1.1.1"], 2),
            (vec!["9.9.9.9", "2620:fe::fe"], 0),
            (vec![], 0),
            (vec!["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"], 0),
        ] {
            spec.dns = dns.iter().map(|ip| ip.parse().unwrap()).collect();
            assert_eq!(servers(&spec).len(), told, "{dns:?}");
        }
    }
}
