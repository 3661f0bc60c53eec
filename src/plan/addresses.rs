//! Addresses of containers, worked out without looking at the host.
//!
//! What is recorded or written in a mark stays as it is: an address never changes without need. Must
//! not know steps or goals.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::{
    Addresses, Name, Nic, Project, Subnets, bridge_of, host_name_of, stable_hash, veth_of,
};
use crate::observed::Observed;

use super::subnets::{self, Chosen, room4};
use super::{Problem, Warning};

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
        marks.find_map(|mark| Some(mark.spec.nic.as_ref()?.subnets))
    })
}

/// Chooses the subnets and an index for each container of the file and of the host. With `moves` the
/// file's subnet counts, else the one that the project has.
pub fn choose(
    project: &Project,
    observed: &Observed,
    moves: bool,
) -> Result<(Net, Vec<Warning>), Vec<Problem>> {
    let names: BTreeSet<&Name> = project
        .containers
        .keys()
        .chain(observed.containers.keys())
        .collect();
    let need = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let Chosen { subnets, warnings } = subnets::choose(project, observed, need, moves)?;
    let indexes = indexes(&names, observed, subnets);
    Ok((Net { subnets, indexes }, warnings))
}

/// A mark shows what a container really has and wins over the record; what is left gets the lowest
/// index that is free.
fn indexes(names: &BTreeSet<&Name>, observed: &Observed, subnets: Subnets) -> BTreeMap<Name, u32> {
    let last = room4(subnets.v4).saturating_add(1);
    let mut used = BTreeSet::new();
    let mut found = BTreeMap::new();
    for (name, container) in &observed.containers {
        let nic = container.mark.as_ref().and_then(|m| m.spec.nic.as_ref());
        let Some(nic) = nic else {
            continue;
        };
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
