//! One round over all projects: what is missing of what they keep is put back, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::firewall::{self, FirewallChange, FirewallError};
use crate::model::{FirewallChoice, Name, PortRule, Subnets};
use crate::network::{BridgeWish, KernelNetwork, Network, NetworkError};
use crate::observed::{ObservedBridge, ObservedFirewall, ObservedNetwork};
use crate::store::{self, Kept, KeptBridge, LockError, Paths, StoreError};
use crate::sys;

use super::calls::Call;
use super::ports::Served;

/// A container without its service keeps its rules so long: a supervisor that was killed comes back and
/// takes it over.
const GRACE: Duration = Duration::from_secs(3);

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
    /// Containers with rules and without their service, and since when.
    absent: BTreeMap<(Name, Name), Instant>,
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
    /// Cards by the bridge that they belong on.
    cards: BTreeMap<String, Vec<String>>,
    change: FirewallChange,
}

impl Missing {
    fn is_empty(&self) -> bool {
        self.bridges.is_empty() && self.cards.is_empty() && self.change == FirewallChange::default()
    }

    fn all_cards(&self) -> Vec<&str> {
        self.cards.values().flatten().map(String::as_str).collect()
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
            ("cards", self.all_cards().join(" ")),
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
        match self.change.remove.len() {
            0 => {}
            1 => words.push("1 port rule of what has ended (taken out)".into()),
            count => words.push(format!("{count} port rules of what has ended (taken out)")),
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
            absent: BTreeMap::new(),
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
        self.absent.retain(|(of, _), _| projects.contains(of));
        for project in projects {
            let done = self.project(&project, &BTreeSet::new(), &mut seen).await;
            round.busy |= self.told_of(project, done, "put back");
        }
        round.busy |= !self.absent.is_empty();
        round
    }

    /// Looks at the projects of containers that have begun to run or have ended; those that a run of locker changes just now, with
    /// its words, must be looked at again.
    pub(super) async fn called(&mut self, calls: &[Call]) -> BTreeMap<Name, String> {
        let mut projects: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for call in calls {
            let containers = projects.entry(call.project.clone()).or_default();
            containers.insert(call.container.clone());
        }
        let (mut busy, mut seen) = (BTreeMap::new(), Seen::new());
        for (project, containers) in projects {
            let done = self.project(&project, &containers, &mut seen).await;
            if let Err(KeepError::Lock(held @ LockError::Held { .. })) = &done {
                busy.insert(project.clone(), held.to_string());
            }
            self.told_of(project, done, "changed");
        }
        busy
    }

    /// Tells how a look at a project went; whether it must be looked at again soon.
    fn told_of(
        &mut self,
        project: Name,
        done: Result<Option<String>, KeepError>,
        verb: &str,
    ) -> bool {
        match done {
            Ok(None) => {
                self.told.remove(&project);
            }
            Ok(Some(words)) => {
                self.told.remove(&project);
                eprintln!("{project}: {verb} {words}");
            }
            Err(KeepError::Lock(LockError::Held { .. })) => return true,
            Err(error) => self.tell(project, error.to_string()),
        }
        false
    }

    fn tell(&mut self, project: Name, trouble: String) {
        if self.told.get(&project) != Some(&trouble) {
            eprintln!("{project}: {trouble}");
            self.told.insert(project, trouble);
        }
    }

    /// What was put back. It is looked at without the project's lock, which people wait for, and again
    /// with it when something is missing. Of `called` it is known that they have just begun or ended.
    async fn project(
        &mut self,
        project: &Name,
        called: &BTreeSet<Name>,
        seen: &mut Seen,
    ) -> Result<Option<String>, KeepError> {
        let none = Duration::ZERO;
        if !called.is_empty() {
            // A run of locker that changes the project sees to its ports itself.
            let lock = store::acquire(&self.paths, project, "look at ports", none, |_| {});
            drop(lock.await?);
        }
        let Some(kept) = store::load_kept(&self.paths, project)? else {
            return Ok(None);
        };
        // The engine of application containers does not do it for the cards that it puts there.
        kept.bridges
            .keys()
            .for_each(|bridge| sys::let_ports_reach_themselves(bridge));
        if self
            .missing((project, called), &kept, seen)
            .await?
            .is_empty()
        {
            return Ok(None);
        }
        let lock = store::acquire(&self.paths, project, "put back the network", none, |_| {});
        let _lock = lock.await?;
        // What was read before the lock may be of before somebody's change.
        seen.clear();
        let Some(kept) = store::load_kept(&self.paths, project)? else {
            return Ok(None);
        };
        let missing = self.missing((project, called), &kept, seen).await?;
        if missing.is_empty() {
            return Ok(None);
        }
        let done = self.put_back(project, &kept, &missing).await;
        seen.clear();
        done?;
        Ok(Some(missing.words()))
    }

    async fn missing(
        &mut self,
        (project, called): (&Name, &BTreeSet<Name>),
        kept: &Kept,
        seen: &mut Seen,
    ) -> Result<Missing, KeepError> {
        let names: BTreeSet<String> = kept.bridges.keys().cloned().collect();
        let network = KernelNetwork::new(&self.paths, kept.firewall);
        let there = network.observe(project, &names).await?.network;
        let cards = self.cards(kept).await?;
        let served = self.served(project)?;
        let rules = rules(&self.paths, kept.firewall, seen).await?;
        let open = kept.networks.iter();
        let open = open.filter(|network| rules.networks.get(&network.bridge) != Some(network));
        let add = served.wanted(kept).into_iter();
        let add = add.filter(|rule| !rules.rules.contains(rule));
        let stale = served.stale(project, rules.rules.iter());
        let remove = self.over(project, called, stale);
        Ok(Missing {
            bridges: missing_bridges(project, kept, &there),
            cards,
            change: FirewallChange {
                open: open.cloned().collect(),
                add: add.cloned().collect(),
                remove,
                ..FirewallChange::default()
            },
        })
    }

    /// The cards of what runs that are not on their bridges. Of a card that is not there nothing is known:
    /// its container may not run.
    async fn cards(&self, kept: &Kept) -> Result<BTreeMap<String, Vec<String>>, KeepError> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let strays = KernelNetwork::new(&self.paths, kept.firewall)
            .cards(&kept.cards)
            .await?;
        for stray in strays {
            if let Some(card) = stray
                .card
                .filter(|_| kept.bridges.contains_key(&stray.bridge))
            {
                found.entry(stray.bridge).or_default().push(card);
            }
        }
        Ok(found)
    }

    fn served(&self, project: &Name) -> Result<Served, KeepError> {
        let specs = store::load_unit_specs(&self.paths, project)?;
        let attended = specs.keys();
        let attended = attended.filter(|name| store::is_attended(&self.paths, project, name));
        Ok(Served {
            attended: attended.cloned().collect(),
            specs,
        })
    }

    /// The stale rules that go now: those of what has just ended, and of what has been without its service
    /// for a while.
    fn over(
        &mut self,
        project: &Name,
        called: &BTreeSet<Name>,
        stale: Vec<&PortRule>,
    ) -> Vec<PortRule> {
        let now = Instant::now();
        let of = |name: &Name| (project.clone(), name.clone());
        let there: BTreeSet<&Name> = stale.iter().map(|rule| &rule.container).collect();
        self.absent
            .retain(|(of, name), _| of != project || there.contains(name));
        let mut over = Vec::new();
        for rule in stale {
            let since = *self.absent.entry(of(&rule.container)).or_insert(now);
            if called.contains(&rule.container) || now.duration_since(since) >= GRACE {
                over.push(rule.clone());
            }
        }
        over
    }

    async fn put_back(
        &self,
        project: &Name,
        kept: &Kept,
        missing: &Missing,
    ) -> Result<(), KeepError> {
        let network = KernelNetwork::new(&self.paths, kept.firewall);
        let mut bridges: BTreeMap<&String, &KeptBridge> = missing
            .bridges
            .iter()
            .map(|(name, bridge)| (name, bridge))
            .collect();
        let carded = missing.cards.keys();
        bridges.extend(carded.filter_map(|bridge| kept.bridges.get_key_value(bridge)));
        for (bridge, wanted) in bridges {
            let cards = missing.cards.get(bridge).map_or(&[][..], Vec::as_slice);
            let wish = BridgeWish {
                bridge,
                subnets: &wanted.subnets,
                cards,
                adopt: wanted.adopt,
                mtu: wanted.mtu,
            };
            network.ensure(project, &wish).await?;
        }
        let firewall = firewall::open(kept.firewall, &self.paths)?;
        firewall.apply(&missing.change).await?;
        Ok(())
    }
}

async fn rules<'s>(
    paths: &Paths,
    choice: FirewallChoice,
    seen: &'s mut Seen,
) -> Result<&'s ObservedFirewall, KeepError> {
    let at = match seen.iter().position(|(of, _)| *of == choice) {
        Some(at) => at,
        None => {
            let rules = firewall::open(choice, paths)?.observe().await?;
            seen.push((choice, rules));
            seen.len() - 1
        }
    };
    Ok(&seen[at].1)
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
                !there.forwarding
                    || !found.up
                    || !has_addresses(found, &wanted.subnets)
                    || wanted.mtu.is_some_and(|mtu| mtu != found.mtu)
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
