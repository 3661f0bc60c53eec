//! Addresses of containers, worked out without looking at the host.
//!
//! Each container has one index in all the subnets it is on; nobody else on one of them has it. What
//! is recorded or written in a mark stays as it is: an address never changes without need. Must not
//! know steps or goals.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use crate::model::{
    Addresses, Attachment, Container, Name, Nic, Project, Subnets, bridge_of_network,
    default_network, host_name_of, stable_hash, veth_of,
};
use crate::observed::{Observed, TakenNet};

use super::indexes::Indexes;
use super::subnets::Ground;
use super::{Problem, Warning, networks};

/// The networks of a project as planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// Subnets of the project's own network.
    pub subnets: Subnets,
    /// Subnets of its further networks that the file uses, by key.
    pub extra: BTreeMap<Name, Subnets>,
    /// Index of each container in them; 1 is the bridge.
    pub indexes: Indexes,
}

impl Net {
    /// The subnets of a network of the file.
    pub fn subnets_of(&self, network: &Name) -> Option<Subnets> {
        match *network == default_network() {
            true => Some(self.subnets),
            false => self.extra.get(network).copied(),
        }
    }

    /// The card of a system container.
    pub(super) fn nic(&self, project: &Name, container: &Container) -> Option<Nic> {
        let name = &container.name;
        let hash = stable_hash(&host_name_of(project, name));
        let own = || Attachment::new(default_network());
        let at = container.network.clone().unwrap_or_else(own);
        Some(Nic {
            veth: veth_of(project, name),
            mac: at.mac.clone().unwrap_or_else(|| mac_of(hash)),
            ..self.card(project, name, &at)?
        })
    }

    /// The card of an application container on a network of ours. The engine names its host end. Two
    /// selves of it may be there at the same time, so the hardware address goes with the address.
    pub(super) fn card(&self, project: &Name, container: &Name, at: &Attachment) -> Option<Nic> {
        let subnets = self.subnets_of(&at.network)?;
        let index = self.indexes.of(container)?;
        let v4 = Ipv4Addr::from(u32::from(subnets.v4.network()).checked_add(index)?);
        let nth = |net: Ipv6Net| u128::from(net.network()).checked_add(u128::from(index));
        let v6 = subnets.v6.map(|net| nth(net).map(Ipv6Addr::from));
        let v4 = at.v4.unwrap_or(v4);
        let word = format!("{}/{}/{v4}", host_name_of(project, container), at.network);
        Some(Nic {
            bridge: bridge_of_network(project, &at.network),
            veth: String::new(),
            mac: at.mac.clone().unwrap_or_else(|| mac_of(stable_hash(&word))),
            addresses: Addresses {
                v4,
                v6: at.v6.or(v6.flatten()),
            },
            subnets,
        })
    }
}

/// A locally administered unicast address (IEEE 802, second bit of the first byte), stable.
fn mac_of(hash: u64) -> String {
    let [a, b, c, d, e, ..] = hash.to_be_bytes();
    format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}")
}

/// Chooses subnets for the project's own network and for those that the file uses, and an index for
/// each container of the file and of the host. With `moves` the file's subnets count, else those that
/// the networks have. With `makes` what is missing is made.
pub(super) fn choose(
    project: &Project,
    observed: &Observed,
    moves: bool,
    makes: bool,
) -> Result<(Net, Vec<Warning>), Vec<Problem>> {
    let mut search = Search {
        project,
        observed,
        moves,
        known: networks::recover(observed),
        taken: observed.network.taken.clone(),
        chosen: BTreeMap::new(),
        warnings: Vec::new(),
        problems: Vec::new(),
    };
    let own = default_network();
    search.network(&own);
    let file = project.containers.values();
    let used: BTreeSet<Name> = file.flat_map(|c| networks::own_of(project, c)).collect();
    for network in used.iter().filter(|network| **network != own) {
        search.network(network);
    }
    let Some(subnets) = search.chosen.get(&own).copied() else {
        return Err(search.problems);
    };
    let indexes = Indexes::choose(
        project,
        observed,
        &search.chosen,
        makes,
        &mut search.problems,
    );
    if !search.problems.is_empty() {
        return Err(search.problems);
    }
    let mut extra = search.chosen;
    extra.remove(&own);
    let net = Net {
        subnets,
        extra,
        indexes,
    };
    Ok((net, search.warnings))
}

/// The search for subnets, network by network.
struct Search<'a> {
    project: &'a Project,
    observed: &'a Observed,
    moves: bool,
    known: BTreeMap<Name, Subnets>,
    taken: Vec<TakenNet>,
    chosen: BTreeMap<Name, Subnets>,
    warnings: Vec<Warning>,
    problems: Vec<Problem>,
}

impl Search<'_> {
    fn network(&mut self, network: &Name) {
        let is_own = *network == default_network();
        let seed = match is_own {
            true => self.project.name.to_string(),
            false => format!("{}/{network}", self.project.name),
        };
        let lived_in = self.is_lived_in(network);
        let taken = self.taken_beside(network);
        let ground = Ground {
            seed: &seed,
            network: (!is_own).then_some(network),
            wish: networks::wish(self.project, network),
            taken: &taken,
            known: self.known.get(network).copied(),
            need: self.need(network),
            lived_in,
            stays: lived_in && !self.moves,
        };
        match ground.choose() {
            Ok(chosen) => {
                self.warnings.extend(chosen.warnings);
                self.chosen.insert(network.clone(), chosen.subnets);
            }
            Err(problems) => self.problems.extend(problems),
        }
    }

    /// Whether a container has an address in it.
    fn is_lived_in(&self, network: &Name) -> bool {
        let marks = self.observed.containers.values();
        let mut marks = marks.filter_map(|c| c.mark.as_ref());
        marks.any(|mark| networks::keys(&mark.spec).contains(network))
    }

    /// What is taken by others, the project's other networks included.
    fn taken_beside(&self, network: &Name) -> Vec<TakenNet> {
        let mut taken = self.taken.clone();
        let known = self
            .known
            .iter()
            .filter(|(n, _)| !self.chosen.contains_key(*n));
        for (other, subnets) in known.chain(&self.chosen).filter(|(n, _)| *n != network) {
            let by = format!("network `{other}` of this project");
            for net in subnets.each() {
                let by = by.clone();
                taken.push(TakenNet { net, by });
            }
        }
        taken
    }

    /// For how many containers it must have room.
    fn need(&self, network: &Name) -> u32 {
        let file = self.project.containers.iter();
        let on = file.filter(|(_, c)| networks::own_of(self.project, c).contains(network));
        let mut names: BTreeSet<&Name> = on.map(|(name, _)| name).collect();
        let there = self.observed.containers.iter();
        names.extend(there.filter_map(|(name, found)| {
            let keys = networks::keys(&found.mark.as_ref()?.spec);
            keys.contains(network).then_some(name)
        }));
        u32::try_from(names.len()).unwrap_or(u32::MAX)
    }
}
