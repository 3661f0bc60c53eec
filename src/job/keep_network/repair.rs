//! One round over all projects: what is missing of what they keep is put back, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;

use crate::firewall::{self, FirewallChange, FirewallError};
use crate::model::{FirewallChoice, Name, Subnets, bridge_of, veth_of};
use crate::network::{BridgeWish, KernelNetwork, Network, NetworkError};
use crate::observed::{ObservedBridge, ObservedFirewall, ObservedNetwork};
use crate::store::{self, Kept, KeptBridge, LockError, Paths, StoreError};
use crate::sys;

/// Why a project's network could not be looked at or put back.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Firewall(#[from] FirewallError),
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// Puts back what is missing; says each trouble once.
#[derive(Debug)]
pub(super) struct Keeper {
    paths: Paths,
    /// The trouble of each project that was told last.
    told: BTreeMap<Name, String>,
}

/// How a round went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// How many projects keep something.
    pub(super) projects: usize,
    /// A run of locker changes a project just now: it is looked at again when that is over.
    pub(super) busy: bool,
}

/// What is missing of a project.
#[derive(Debug, Default)]
struct Missing {
    bridges: Vec<(String, KeptBridge)>,
    cards: Vec<String>,
    change: FirewallChange,
}

impl Missing {
    fn is_empty(&self) -> bool {
        self.bridges.is_empty() && self.cards.is_empty() && self.change == FirewallChange::default()
    }

    fn words(&self) -> String {
        let mut words: Vec<String> = self
            .bridges
            .iter()
            .map(|(b, _)| format!("bridge {b}"))
            .collect();
        let open: Vec<&str> = self.change.open.iter().map(|n| n.bridge.as_str()).collect();
        for (what, list) in [
            ("network rules of", open.join(" ")),
            ("cards", self.cards.join(" ")),
        ] {
            if !list.is_empty() {
                words.push(format!("{what} {list}"));
            }
        }
        match self.change.add.len() {
            0 => {}
            1 => words.push("1 port rule".into()),
            count => words.push(format!("{count} port rules")),
        }
        words.join(", ")
    }
}

/// The rules of the host in one round, read once for each driver.
type Seen = Vec<(FirewallChoice, ObservedFirewall)>;

impl Keeper {
    pub(super) fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
            told: BTreeMap::new(),
        }
    }

    /// Looks at all projects.
    pub(super) async fn round(&mut self) -> Round {
        let mut round = Round::default();
        let projects = match store::kept_projects(&self.paths) {
            Ok(projects) => projects,
            Err(error) => {
                eprintln!("{error}");
                return round;
            }
        };
        round.projects = projects.len();
        let mut seen = Seen::new();
        for project in projects {
            match self.project(&project, &mut seen).await {
                Ok(None) => {
                    self.told.remove(&project);
                }
                Ok(Some(words)) => {
                    self.told.remove(&project);
                    eprintln!("{project}: put back {words}");
                }
                Err(KeepError::Lock(LockError::Held { .. })) => round.busy = true,
                Err(error) => self.tell(project, error.to_string()),
            }
        }
        round
    }

    fn tell(&mut self, project: Name, trouble: String) {
        if self.told.get(&project) != Some(&trouble) {
            eprintln!("{project}: {trouble}");
            self.told.insert(project, trouble);
        }
    }

    /// What was put back. It is looked at without the project's lock, which people wait for, and again
    /// with it when something is missing.
    async fn project(&self, project: &Name, seen: &mut Seen) -> Result<Option<String>, KeepError> {
        let Some(kept) = store::load_kept(&self.paths, project)? else {
            return Ok(None);
        };
        // The engine of application containers does not do it for the cards that it puts there.
        kept.bridges
            .keys()
            .for_each(|bridge| sys::let_ports_reach_themselves(bridge));
        if self.missing(project, &kept, seen).await?.is_empty() {
            return Ok(None);
        }
        let none = Duration::ZERO;
        let lock = store::acquire(&self.paths, project, "put back the network", none, |_| {});
        let _lock = lock.await?;
        // What was read before the lock may be of before somebody's change.
        seen.clear();
        let Some(kept) = store::load_kept(&self.paths, project)? else {
            return Ok(None);
        };
        let missing = self.missing(project, &kept, seen).await?;
        if missing.is_empty() {
            return Ok(None);
        }
        let done = self.put_back(project, &kept, &missing).await;
        seen.clear();
        done?;
        Ok(Some(missing.words()))
    }

    async fn missing(
        &self,
        project: &Name,
        kept: &Kept,
        seen: &mut Seen,
    ) -> Result<Missing, KeepError> {
        let names: BTreeSet<String> = kept.bridges.keys().cloned().collect();
        let network = KernelNetwork::new(&self.paths);
        let there = network.observe(project, &names).await?.network;
        let record = store::load_record(&self.paths, project)?;
        let containers = record.iter().flat_map(|record| record.addresses.keys());
        let cards = containers.map(|name| veth_of(project, name));
        let rules = self.rules(kept.firewall, seen).await?;
        let open = kept.networks.iter();
        let open = open.filter(|network| rules.networks.get(&network.bridge) != Some(network));
        let add = kept.rules.iter().filter(|rule| !rules.rules.contains(rule));
        Ok(Missing {
            bridges: missing_bridges(project, kept, &there),
            cards: cards.filter(|card| there.loose.contains(card)).collect(),
            change: FirewallChange {
                open: open.cloned().collect(),
                add: add.cloned().collect(),
                ..FirewallChange::default()
            },
        })
    }

    async fn rules<'s>(
        &self,
        choice: FirewallChoice,
        seen: &'s mut Seen,
    ) -> Result<&'s ObservedFirewall, KeepError> {
        let at = match seen.iter().position(|(of, _)| *of == choice) {
            Some(at) => at,
            None => {
                let rules = firewall::open(choice, &self.paths)?.observe().await?;
                seen.push((choice, rules));
                seen.len() - 1
            }
        };
        Ok(&seen[at].1)
    }

    async fn put_back(
        &self,
        project: &Name,
        kept: &Kept,
        missing: &Missing,
    ) -> Result<(), KeepError> {
        let network = KernelNetwork::new(&self.paths);
        let own = bridge_of(project);
        let mut bridges: BTreeMap<&String, &KeptBridge> = missing
            .bridges
            .iter()
            .map(|(name, bridge)| (name, bridge))
            .collect();
        if !missing.cards.is_empty() {
            bridges.extend(kept.bridges.get_key_value(&own));
        }
        for (bridge, wanted) in bridges {
            let cards: &[String] = if *bridge == own { &missing.cards } else { &[] };
            let wish = BridgeWish {
                bridge,
                subnets: &wanted.subnets,
                cards,
                adopt: wanted.adopt,
            };
            network.ensure(project, &wish).await?;
        }
        let firewall = firewall::open(kept.firewall, &self.paths)?;
        firewall.apply(&missing.change).await?;
        Ok(())
    }
}

/// Bridges that are gone, down or changed. One that somebody else has made is left to him.
fn missing_bridges(
    project: &Name,
    kept: &Kept,
    there: &ObservedNetwork,
) -> Vec<(String, KeptBridge)> {
    let mark = format!("locker:{project}");
    let is_missing = |(name, wanted): &(&String, &KeptBridge)| match there.bridges.get(*name) {
        None => true,
        Some(found) => match &found.mark {
            Some(alias) if *alias == mark => {
                !there.forwarding || !found.up || !has_addresses(found, &wanted.subnets)
            }
            Some(_) => false,
            None => wanted.adopt,
        },
    };
    let missing = kept.bridges.iter().filter(is_missing);
    missing
        .map(|(name, wanted)| (name.clone(), *wanted))
        .collect()
}

/// Whether all of its own are there; a kernel without IPv6 has none of those.
fn has_addresses(found: &ObservedBridge, subnets: &Subnets) -> bool {
    let has = |net: &IpNet| found.addresses.contains(net);
    let without6 = || !std::path::Path::new("/proc/sys/net/ipv6").exists();
    let mut gateways = subnets.gateways();
    gateways.all(|net| has(&net) || net.addr().is_ipv6() && without6())
}
