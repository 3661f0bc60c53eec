//! Subnets and addresses, worked out without looking at the host.
//!
//! What is recorded or written in a mark stays as it is: an address never changes without need. What
//! is new is picked stably from the project's name. Must not know steps or goals.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::model::{
    Addresses, Name, Nic, Project, Subnets, bridge_of, host_name_of, stable_hash, veth_of,
};
use crate::observed::{Observed, TakenNet};

use super::Problem;

/// The network of a project as planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// Its subnets.
    pub subnets: Subnets,
    /// Index of each container in them; 1 is the bridge.
    pub indexes: BTreeMap<Name, u32>,
}

impl Net {
    /// The network card of `container`; none when it has no index.
    pub fn nic(&self, project: &Name, container: &Name) -> Option<Nic> {
        let index = *self.indexes.get(container)?;
        let v4 = u32::from(self.subnets.v4.network()) + index;
        let v6 = u128::from(self.subnets.v6.network()) + u128::from(index);
        Some(Nic {
            bridge: bridge_of(project),
            veth: veth_of(project, container),
            mac: mac_of(project, container),
            addresses: Addresses {
                v4: Ipv4Addr::from(v4),
                v6: Ipv6Addr::from(v6),
            },
            subnets: self.subnets,
        })
    }
}

/// A locally administered unicast address (IEEE 802, second bit of the first byte), stable.
fn mac_of(project: &Name, container: &Name) -> String {
    let hash = stable_hash(&host_name_of(project, container)).to_be_bytes();
    let [a, b, c, d, e, ..] = hash;
    format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}")
}

/// The subnets that the project already has: recorded, else those of its containers' marks.
pub fn recover(observed: &Observed) -> Option<Subnets> {
    let recorded = observed.record.as_ref().map(|record| record.subnets);
    recorded.or_else(|| {
        let mut marks = observed.containers.values().filter_map(|c| c.mark.as_ref());
        marks.next().map(|mark| mark.spec.nic.subnets)
    })
}

/// Chooses the subnets and an index for each container of the file and of the host.
pub fn choose(project: &Project, observed: &Observed) -> Result<Net, Vec<Problem>> {
    let names: BTreeSet<&Name> = project
        .containers
        .keys()
        .chain(observed.containers.keys())
        .collect();
    let need = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let mut problems = Vec::new();
    let taken = &observed.network.taken;
    let mut refuse = |net: IpNet, room: u128| {
        let mut problem = |message: String, help: &str| {
            problems.push(Problem {
                message,
                container: None,
                key: None,
                place: Some(project.network.place.clone()),
                help: Some(help.into()),
            });
        };
        if let Some(other) = overlap(net, taken) {
            problem(
                format!(
                    "the subnet `{net}` overlaps `{}` of {}",
                    other.net, other.by
                ),
                "choose another subnet, or leave it out and locker picks a free one",
            );
        }
        if room < u128::from(need) {
            problem(
                format!("the subnet `{net}` has room for {room} containers and {need} are needed"),
                "choose a larger subnet",
            );
        }
    };
    if let Some(net) = project.network.subnet {
        refuse(net.into(), u128::from(room4(net)));
    }
    if let Some(net) = project.network.subnet6 {
        refuse(net.into(), room6(net));
    }
    let known = recover(observed);
    let v4 = project
        .network
        .subnet
        .or_else(|| known.map(|k| k.v4).filter(|net| room4(*net) >= need))
        .or_else(|| free4(&project.name, need, taken));
    let v6 = project
        .network
        .subnet6
        .or_else(|| {
            known
                .map(|k| k.v6)
                .filter(|n| room6(*n) >= u128::from(need))
        })
        .or_else(|| free6(&project.name, taken));
    let (Some(v4), Some(v6)) = (v4, v6) else {
        problems.push(Problem {
            message: "there is no free private subnet left (RFC 1918 and RFC 4193)".into(),
            container: None,
            key: None,
            place: None,
            help: Some("name one with `network: {subnet: …}`".into()),
        });
        return Err(problems);
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let subnets = Subnets { v4, v6 };
    Ok(Net {
        subnets,
        indexes: indexes(&names, observed, subnets),
    })
}

fn overlap(net: IpNet, taken: &[TakenNet]) -> Option<&TakenNet> {
    // The default route covers everything and takes nothing.
    taken.iter().find(|other| {
        other.net.prefix_len() > 0 && (other.net.contains(&net) || net.contains(&other.net))
    })
}

/// Containers that fit: all addresses without network, broadcast and bridge.
fn room4(net: Ipv4Net) -> u32 {
    let all = 1_u64 << (32 - u32::from(net.prefix_len()));
    u32::try_from(all.saturating_sub(3)).unwrap_or(u32::MAX)
}

fn room6(net: Ipv6Net) -> u128 {
    let bits = 128 - u32::from(net.prefix_len());
    1_u128
        .checked_shl(bits)
        .unwrap_or(u128::MAX)
        .saturating_sub(2)
}

/// Private blocks (RFC 1918), the roomiest first; a VPN often holds one of them as a whole.
const PRIVATE: [(Ipv4Addr, u8); 3] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];

fn free4(project: &Name, need: u32, taken: &[TakenNet]) -> Option<Ipv4Net> {
    let prefix = (9..=24_u8)
        .rev()
        .find(|p| (1_u32 << (32 - p)) - 3 >= need)?;
    let blocks = PRIVATE.iter().filter(|(_, length)| *length < prefix);
    blocks.copied().find_map(|(first, length)| {
        let whole = Ipv4Net::new(first, length).ok()?;
        let covers =
            |other: &TakenNet| other.net.prefix_len() > 0 && other.net.contains(&IpNet::V4(whole));
        if taken.iter().any(covers) {
            return None; // saves a search through all of it
        }
        let count = 1_u64 << (prefix - length);
        let start = stable_hash(project.as_str()) % count;
        (0..count).find_map(|step| {
            let block = u32::try_from((start + step) % count).ok()?;
            let base = Ipv4Addr::from(u32::from(first) | (block << (32 - prefix)));
            let net = Ipv4Net::new(base, prefix).ok()?;
            overlap(net.into(), taken).is_none().then_some(net)
        })
    })
}

/// A unique local subnet (RFC 4193): `fd`, 40 hashed bits, subnet 0.
fn free6(project: &Name, taken: &[TakenNet]) -> Option<Ipv6Net> {
    let start = stable_hash(project.as_str()) >> 24;
    (0..65_536_u64).find_map(|step| {
        let global = u128::from((start + step) & 0xff_ffff_ffff);
        let base = Ipv6Addr::from((0xfd << 120) | (global << 80));
        let net = Ipv6Net::new(base, 64).ok()?;
        overlap(net.into(), taken).is_none().then_some(net)
    })
}

/// A mark shows what a container really has and wins over the record; what is left gets the lowest
/// index that is free.
fn indexes(names: &BTreeSet<&Name>, observed: &Observed, subnets: Subnets) -> BTreeMap<Name, u32> {
    let last = room4(subnets.v4).saturating_add(1);
    let mut used = BTreeSet::new();
    let mut found = BTreeMap::new();
    for (name, container) in &observed.containers {
        let Some(mark) = &container.mark else {
            continue;
        };
        let nic = &mark.spec.nic;
        if nic.subnets.v4 != subnets.v4 {
            continue;
        }
        let base = u32::from(subnets.v4.network());
        let index = u32::from(nic.addresses.v4).wrapping_sub(base);
        if (2..=last).contains(&index) && used.insert(index) {
            found.insert(name.clone(), index);
        }
    }
    let recorded = observed.record.iter().flat_map(|record| &record.addresses);
    for (name, index) in recorded.filter(|(name, _)| names.contains(name)) {
        let free = !found.contains_key(name) && (2..=last).contains(index);
        if free && used.insert(*index) {
            found.insert(name.clone(), *index);
        }
    }
    let mut next = 2;
    for name in names {
        if found.contains_key(*name) {
            continue;
        }
        while used.contains(&next) {
            next += 1;
        }
        used.insert(next);
        found.insert((*name).clone(), next);
    }
    found
}
