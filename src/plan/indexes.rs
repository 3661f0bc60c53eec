//! The index of each container in the subnets it is on.
//!
//! A mark shows what a container really has and wins over the record; what is left gets the lowest
//! index that is free on all its networks.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Attachment, Key, Name, Project, Subnets};
use crate::observed::{Observed, ObservedContainer};

use super::fixed::{Wish, outside, taken, wished};
use super::subnets::{room4, room6};
use super::{Problem, networks};

/// The first index that a container is given; 1 is the bridge, where the file does not say another.
const FIRST: u32 = 2;

/// Who holds an index on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    Container(Name),
    /// The older self of a container, which runs beside the new one.
    Older,
}

impl Holder {
    fn is(&self, name: &Name) -> bool {
        matches!(self, Self::Container(holder) if holder == name)
    }
}

/// Indexes of containers, and who holds which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    of: BTreeMap<Name, u32>,
    held: BTreeMap<(Name, u32), Holder>,
    /// What the file gives to a container whatever its index is.
    reserved: BTreeMap<Name, BTreeSet<u32>>,
    on: BTreeMap<Name, BTreeSet<Name>>,
    last: BTreeMap<Name, u32>,
    /// Indexes of the bridges.
    gates: BTreeMap<Name, BTreeSet<u32>>,
    /// For a set of networks, an index below which each is held on one of them. What is held stays
    /// held, so the search for a free one never starts over.
    from: BTreeMap<BTreeSet<Name>, u32>,
    /// For a network, an index below which each is held on it: containers that share it need not be on the
    /// same set of networks.
    full: BTreeMap<Name, u32>,
    /// How many indexes were looked at in search of a free one.
    #[cfg(test)]
    pub(super) looks: u64,
}

impl Indexes {
    /// The index of a container; none for one that is on no network of ours.
    pub fn of(&self, container: &Name) -> Option<u32> {
        self.of.get(container).copied()
    }

    /// All of them.
    pub fn all(&self) -> &BTreeMap<Name, u32> {
        &self.of
    }

    /// Gives a container another index, beside which the old one stays its own; none when the networks
    /// are full.
    pub(super) fn renew(&mut self, container: &Name) -> Option<u32> {
        let fresh = self.lowest_unheld(container)?;
        self.give(container, fresh);
        Some(fresh)
    }

    /// Chooses all of them. What the file wishes and cannot have is told in `problems`. With `makes`
    /// a container of which only an older self is left gets a new one.
    pub(super) fn choose(
        project: &Project,
        observed: &Observed,
        subnets: &BTreeMap<Name, Subnets>,
        makes: bool,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let last = |subnets: &Subnets| {
            let room6 = subnets.v6.map(room6).unwrap_or(u128::MAX);
            let room6 = u32::try_from(room6).unwrap_or(u32::MAX);
            room4(subnets.v4).min(room6).saturating_add(1)
        };
        let last = subnets.iter().map(|(n, s)| (n.clone(), last(s)));
        let mut found = Self {
            last: last.collect(),
            gates: subnets.iter().map(|(n, s)| (n.clone(), gates(s))).collect(),
            on: whereabouts(project, observed, subnets),
            ..Self::default()
        };
        found.reserve_wishes(project, subnets, problems);
        found.keep_marks(project, observed, subnets, makes);
        let recorded = observed.record.iter().flat_map(|record| &record.addresses);
        for (name, index) in recorded {
            if found.on.contains_key(name)
                && found.of(name).is_none()
                && found.is_free(name, *index)
            {
                found.give(name, *index);
            }
        }
        let open: Vec<Name> = found.on.keys().cloned().collect();
        for name in open {
            if found.of(&name).is_some() {
                continue;
            }
            match found.lowest_own(&name) {
                Some(index) => found.give(&name, index),
                None => problems.push(full(project, &name)),
            }
        }
        found
    }

    /// Fixed addresses of the file belong to their containers whatever their index is.
    fn reserve_wishes(
        &mut self,
        project: &Project,
        subnets: &BTreeMap<Name, Subnets>,
        problems: &mut Vec<Problem>,
    ) {
        for (name, container) in &project.containers {
            for at in networks::attachments(container) {
                let Some(subnets) = subnets.get(&at.network) else {
                    continue;
                };
                for (wish, address) in wished(&at, *subnets) {
                    let index = match wish {
                        Wish::Far => continue,
                        Wish::At(index) if self.fits(&at.network, index) => index,
                        Wish::At(_) | Wish::Outside => {
                            problems.push(outside(project, name, &at, *subnets, &address));
                            continue;
                        }
                    };
                    let key = (at.network.clone(), index);
                    match self.held.get(&key) {
                        Some(Holder::Container(owner)) if owner != name => {
                            problems.push(taken(project, name, &address, owner));
                        }
                        Some(_) | None => {
                            self.held.insert(key, Holder::Container(name.clone()));
                            self.reserved.entry(name.clone()).or_default().insert(index);
                        }
                    }
                }
            }
        }
    }

    fn keep_marks(
        &mut self,
        project: &Project,
        observed: &Observed,
        subnets: &BTreeMap<Name, Subnets>,
        makes: bool,
    ) {
        let all = observed.containers.iter();
        let shown: Vec<_> = all
            .map(|(name, container)| {
                // An older self that still runs keeps its own address beside the new one.
                let is_older = makes && container.wreck && container.aside_runs;
                (name, is_older, marked(project, name, container, subnets))
            })
            .collect();
        for (name, is_older, found) in &shown {
            let holder = match is_older {
                true => Holder::Older,
                false => Holder::Container((*name).clone()),
            };
            for key in found {
                let holder = holder.clone();
                self.held.entry(key.clone()).or_insert(holder);
            }
        }
        self.keep_leaving(observed);
        for (name, is_older, found) in shown {
            let mine = found.iter().map(|(_, index)| *index);
            let mine = mine.filter(|index| !is_older && self.is_free(name, *index));
            if let Some(index) = mine.min() {
                self.give(name, index);
            }
        }
    }

    /// What an older self has that still runs is nobody else's.
    fn keep_leaving(&mut self, observed: &Observed) {
        let record = observed.record.iter();
        for (name, index) in record.flat_map(|record| &record.leaving) {
            let there = observed.containers.get(name);
            if !there.is_some_and(|c| c.aside_runs) {
                continue;
            }
            for network in self.on.get(name).into_iter().flatten() {
                let key = (network.clone(), *index);
                self.held.entry(key).or_insert(Holder::Older);
            }
        }
    }

    fn fits(&self, network: &Name, index: u32) -> bool {
        let last = self.last.get(network);
        let gate = self
            .gates
            .get(network)
            .is_some_and(|gates| gates.contains(&index));
        last.is_some_and(|last| (1..=*last).contains(&index)) && !gate
    }

    fn is_free(&self, name: &Name, index: u32) -> bool {
        self.is_open(name, index, |holder| holder.is(name))
    }

    /// Whether nobody but those that `may` holds `index` on a network of `name`.
    fn is_open(&self, name: &Name, index: u32, may: impl Fn(&Holder) -> bool) -> bool {
        let Some(on) = self.on.get(name) else {
            return false;
        };
        on.iter().all(|network| {
            let holder = self.held.get(&(network.clone(), index));
            self.fits(network, index) && holder.is_none_or(&may)
        })
    }

    /// The lowest index that nobody else holds; one that the file gives to `name` counts as free.
    fn lowest_own(&mut self, name: &Name) -> Option<u32> {
        let reserved = self.reserved.get(name).into_iter().flatten().copied();
        let reserved = reserved.filter(|index| self.is_free(name, *index)).min();
        [reserved, self.lowest_unheld(name)]
            .into_iter()
            .flatten()
            .min()
    }

    /// The lowest index that nobody holds on any network of `name`.
    fn lowest_unheld(&mut self, name: &Name) -> Option<u32> {
        let on = self.on.get(name)?.clone();
        let last = on.iter().filter_map(|network| self.last.get(network));
        let last = *last.min()?;
        let full = on.iter().map(|network| self.full_below(network)).max()?;
        let from = self.from.get(&on).copied().unwrap_or(FIRST).max(full);
        let found = (from..=last).find(|index| self.is_open(name, *index, |_| false));
        let next = found.unwrap_or(last.saturating_add(1));
        self.looked(from, next);
        self.from.insert(on, next);
        found
    }

    /// An index below which each is held on `network`, the lowest free one if there is one.
    fn full_below(&mut self, network: &Name) -> u32 {
        let last = self.last.get(network).copied().unwrap_or_default();
        let from = self.full.get(network).copied().unwrap_or(FIRST);
        let is_free = |index: &u32| {
            let key = (network.clone(), *index);
            self.fits(network, *index) && !self.held.contains_key(&key)
        };
        let next = (from..=last).find(is_free);
        let next = next.unwrap_or(last.saturating_add(1));
        self.looked(from, next);
        self.full.insert(network.clone(), next);
        next
    }

    /// Counts looks, for the test of how they grow.
    #[cfg_attr(not(test), expect(clippy::unused_self))]
    fn looked(&mut self, _from: u32, _next: u32) {
        #[cfg(test)]
        {
            self.looks += u64::from(_next.saturating_sub(_from)) + 1;
        }
    }

    fn give(&mut self, name: &Name, index: u32) {
        self.of.insert(name.clone(), index);
        for network in self.on.get(name).into_iter().flatten() {
            let key = (network.clone(), index);
            let holder = || Holder::Container(name.clone());
            self.held.entry(key).or_insert_with(holder);
        }
    }
}

/// The indexes of a bridge's addresses.
fn gates(subnets: &Subnets) -> BTreeSet<u32> {
    let four = u32::from(subnets.gateway4()).wrapping_sub(u32::from(subnets.v4.network()));
    let six = subnets.gateway6().zip(subnets.v6).and_then(|(gate, net)| {
        u32::try_from(u128::from(gate).wrapping_sub(u128::from(net.network()))).ok()
    });
    std::iter::once(four).chain(six).collect()
}

/// The networks that each container of the file, else of the host, is on, as far as they have subnets.
fn whereabouts(
    project: &Project,
    observed: &Observed,
    subnets: &BTreeMap<Name, Subnets>,
) -> BTreeMap<Name, BTreeSet<Name>> {
    let mut on: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for (name, found) in &observed.containers {
        let keys = found.mark.as_ref().map(|mark| networks::keys(&mark.spec));
        on.insert(name.clone(), keys.unwrap_or_default());
    }
    for (name, container) in &project.containers {
        let keys = networks::own_of(project, container);
        on.insert(name.clone(), keys.into_iter().collect());
    }
    for name in &observed.unknown {
        on.insert(name.clone(), subnets.keys().cloned().collect());
    }
    on.retain(|_, keys| {
        keys.retain(|key| subnets.contains_key(key));
        !keys.is_empty()
    });
    on
}

/// The indexes that a mark shows; fixed addresses of the file are no index.
fn marked(
    project: &Project,
    name: &Name,
    container: &ObservedContainer,
    subnets: &BTreeMap<Name, Subnets>,
) -> Vec<(Name, u32)> {
    let Some(mark) = &container.mark else {
        return Vec::new();
    };
    let file = project.containers.get(name);
    let fixed: Vec<Attachment> = file.map(networks::attachments).unwrap_or_default();
    let cards = networks::cards(&mark.spec).into_iter();
    cards
        .filter(|(network, nic)| {
            let same = |at: &&Attachment| at.network == *network;
            let wish = fixed.iter().find(same).and_then(|at| at.v4);
            wish != Some(nic.addresses.v4)
        })
        .filter_map(|(network, nic)| {
            let now = subnets.get(&network)?;
            let base = u32::from(now.v4.network());
            let index = u32::from(nic.addresses.v4).wrapping_sub(base);
            (nic.subnets.v4 == now.v4).then_some((network, index))
        })
        .collect()
}

pub(super) fn refusal(project: &Project, name: &Name, message: String, help: String) -> Problem {
    let file = project.containers.get(name);
    Problem {
        message,
        container: Some(name.clone()),
        key: Some(Key::Networks),
        place: file.map(|c| c.place_of(Key::Networks).clone()),
        help: Some(help),
    }
}

fn full(project: &Project, name: &Name) -> Problem {
    refusal(
        project,
        name,
        format!("there is no free address left for container `{name}`"),
        "choose a larger subnet".into(),
    )
}
