//! The driver of nftables: one table of ours, `inet locker`, and `nft -f -` for each change.
//!
//! The table's fixed part is `templates/nftables.nft`; networks and ports are elements of its sets and maps.
//! A change is first written blind, at a cost that does not depend on what is there; only when the
//! kernel refuses it (the table was flushed, an element leads elsewhere) is the table read and the
//! exact difference made.

mod element;
mod read;
mod script;
mod seen;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use self::element::{Element, allow_chain, of_any, of_network, of_rule};
use self::read::Table;
use self::script::{DELETE_TABLE, Script};
use self::seen::At;
use super::gate::{self, Gate};
use super::{
    Firewall, FirewallChange, FirewallError, loopback6, mark, networks_after, refuse_held,
    refuse_taken,
};
use super::{elsewhere, flows};
use crate::model::{FirewallChoice, NetworkRules, PortRule};
use crate::observed::{Leftover, ObservedFirewall};
use crate::store::{Paths, acquire_host};
use crate::sys::Exec;

/// The driver.
#[derive(Clone, Debug)]
pub struct Nftables {
    paths: Paths,
    /// How the kernel's rules were numbered when this run looked. What another run has seen since is no look of this
    /// one.
    looked: Arc<Mutex<Looked>>,
}

/// What is known of this run's last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Looked {
    /// There was none.
    #[default]
    Never,
    /// At rules that may have changed meanwhile: nobody numbers them.
    Unnumbered,
    /// At these.
    At(At),
}

impl Nftables {
    /// Two runs of locker never change the table at once: the host's lock is under `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self {
            paths: paths.clone(),
            looked: Arc::default(),
        }
    }

    fn note(&self, at: Option<&At>) {
        let looked = at.map_or(Looked::Unnumbered, |at| Looked::At(at.clone()));
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = looked;
    }

    /// Whether the kernel's rules may have changed since this run has looked at them.
    fn is_outdated(&self) -> bool {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        match &*looked {
            Looked::Never => seen::is_outdated(&self.paths),
            Looked::Unnumbered => true,
            Looked::At(at) => At::now().as_ref() != Some(at),
        }
    }
}

impl Nftables {
    /// Reads the table, and what else forwarded packets must pass.
    async fn read(&self) -> Result<ObservedFirewall, FirewallError> {
        let mut observed = ObservedFirewall {
            driver: self.name().into(),
            ..ObservedFirewall::default()
        };
        let (table, doors) = tokio::join!(list("list table inet locker"), doors());
        let (doors, chains) = doors?;
        let own = Some(elsewhere::Place::Nftables);
        observed.left = elsewhere::look(own, chains.as_ref()).await?;
        observed.foreign = doors.foreign();
        let Some(table) = table?.map(|json| Table::parse(&json)) else {
            return Ok(observed);
        };
        let (rules, torn) = table.rules();
        observed.torn.rules = torn;
        let mut whole = Vec::new();
        match table.is_whole() {
            true => observed.rules = rules,
            false => observed.torn.rules.extend(rules),
        }
        if table.is_whole() && table.keeps(loopback6()) {
            whole = table.networks();
        }
        let all = elsewhere::with(&whole, &observed.left);
        for network in table.opened() {
            let works = whole.contains(&network) && doors.lets_through(&network, &all);
            let list = match works {
                true => &mut observed.networks,
                false => &mut observed.torn.networks,
            };
            list.insert(network.bridge.clone(), network);
        }
        Ok(observed)
    }
}

#[async_trait]
impl Firewall for Nftables {
    async fn sweep(&self, left: &Leftover, back: bool) -> Result<(), FirewallError> {
        elsewhere::sweep(&self.paths, left, back).await
    }

    fn name(&self) -> &'static str {
        "nftables"
    }

    fn choice(&self) -> FirewallChoice {
        FirewallChoice::Nftables
    }

    async fn observe(&self) -> Result<ObservedFirewall, FirewallError> {
        let at = At::now();
        self.note(at.as_ref());
        if let Some(seen) = at.as_ref().and_then(|at| seen::recall(&self.paths, at)) {
            return Ok(seen);
        }
        let observed = self.read().await?;
        // What changed meanwhile may have been seen or not.
        if let Some(at) = at.filter(|at| At::now().as_ref() == Some(at)) {
            seen::keep(&self.paths, at, &observed);
        }
        Ok(observed)
    }

    async fn apply(&self, change: &FirewallChange) -> Result<(), FirewallError> {
        if *change == FirewallChange::default() {
            return Ok(());
        }
        let _lock = acquire_host(&self.paths, "change the firewall").await?;
        refuse_held(&self.paths, change)?;
        // Most often nothing has changed since the look, and one more port costs no look at all others.
        if !change.add.is_empty() && self.is_outdated() {
            let there = self.observe().await?;
            refuse_taken(there.rules.iter().chain(&there.torn.rules), change)?;
        }
        if change.open.is_empty() && change.close.is_empty() {
            transact(change, None).await?;
            return flows::follow(change);
        }
        let (bridges, doors_now) = tokio::join!(list("list set inet locker bridges"), doors());
        let before = bridges?.map_or_else(Vec::new, |json| Table::parse(&json).opened());
        let after = networks_after(&before, change);
        let (gate, chains) = doors_now?;
        let others = elsewhere::look(Some(elsewhere::Place::Nftables), chains.as_ref()).await?;
        gate.sync(&elsewhere::with(&after, &others)).await?;
        let done = match after.is_empty() && change.add.is_empty() {
            // Put in before it is taken out, so that an absent table is no error.
            true => nft(&format!("add table inet locker\n{DELETE_TABLE}")).await,
            false => transact(change, Some(&after)).await,
        };
        if done.is_err() {
            let all = elsewhere::with(&before, &others);
            doors().await?.0.sync(&all).await?;
        }
        done?;
        flows::follow(change)
    }
}

/// What forwarded packets must pass, and all chains of the host.
async fn doors() -> Result<(Gate, Option<Value>), FirewallError> {
    let (chains, early) = tokio::join!(list("list chains"), gate::early());
    let chains = chains?;
    let doors = gate::doors(chains.as_ref(), early).await?;
    let gate = Gate::with(doors, chains.as_ref()).await?;
    Ok((gate, chains))
}

/// What is in our table, for another driver.
pub(super) async fn held() -> Result<(Vec<NetworkRules>, Vec<PortRule>), FirewallError> {
    let table = list("list table inet locker").await?;
    let table = table.map(|json| Table::parse(&json)).unwrap_or_default();
    let (whole, torn) = table.rules();
    Ok((table.opened(), whole.into_iter().chain(torn).collect()))
}

/// Changes our table for another driver, and takes it out when nothing is left in it.
pub(super) async fn change_held(change: &FirewallChange) -> Result<(), FirewallError> {
    let after = networks_after(&held().await?.0, change);
    transact(change, Some(&after)).await?;
    let (networks, rules) = held().await?;
    match networks.is_empty() && rules.is_empty() {
        true => nft(&format!("add table inet locker\n{DELETE_TABLE}")).await,
        false => Ok(()),
    }
}

/// The whole change in one transaction; `after` are the open networks then, when they change.
async fn transact(
    change: &FirewallChange,
    after: Option<&[NetworkRules]>,
) -> Result<(), FirewallError> {
    match nft(blind(change, after)?.text()).await {
        Err(FirewallError::Refused { .. }) => {}
        other => return other,
    }
    let table = match list("list table inet locker").await? {
        Some(json) => Table::parse(&json),
        None if change.open.is_empty() && change.add.is_empty() => return Ok(()),
        None => Table::default(),
    };
    refuse_taken(table.rules().0.iter(), change)?;
    nft(exact(change, after, &table)?.text()).await
}

/// The change without a look at what is there.
fn blind(change: &FirewallChange, after: Option<&[NetworkRules]>) -> Result<Script, FirewallError> {
    let mut script = Script::default();
    if !change.open.is_empty() {
        script.skeleton(loopback6())?;
    }
    for network in &change.close {
        script.close(network)?;
    }
    script.remove_rules(&change.remove)?;
    for network in &change.open {
        script.open(network)?;
    }
    if let Some(after) = after {
        script.keep_apart(after)?;
    }
    script.add_rules(&change.add)?;
    Ok(script)
}

/// The difference between what is there and what shall be. What belongs to a whole rule of somebody
/// else is never taken away: then the kernel refuses the transaction as it should.
fn exact(
    change: &FirewallChange,
    after: Option<&[NetworkRules]>,
    table: &Table,
) -> Result<Script, FirewallError> {
    let mut script = Script::default();
    script.skeleton(loopback6())?;
    let mut delete = BTreeSet::new();
    for network in change.close.iter().chain(&change.open) {
        mark::interface(&network.bridge)?;
        delete.extend(same_key(table, &of_any(network)));
    }
    let gone: Vec<Element> = change.remove.iter().flat_map(of_rule).collect();
    let led: BTreeSet<_> = gone.iter().map(|e| (&e.map, &e.key, &e.value)).collect();
    let leads_there = |there: &&Element| led.contains(&(&there.map, &there.key, &there.value));
    delete.extend(same_key(table, &gone).filter(leads_there));
    let whole: BTreeSet<Element> = table.rules().0.iter().flat_map(of_rule).collect();
    let wanted: Vec<Element> = change.add.iter().flat_map(of_rule).collect();
    delete.extend(same_key(table, &wanted).filter(|there| !whole.contains(*there)));
    let list: Vec<Element> = delete.iter().copied().cloned().collect();
    script.delete_elements(&list)?;
    for rule in &change.remove {
        if table.has_chain(&allow_chain(rule)) {
            script.delete_chain(&allow_chain(rule));
        }
    }
    for network in &change.open {
        script.add_elements(&of_network(network))?;
    }
    if let Some(after) = after {
        script.keep_apart(after)?;
    }
    for rule in &change.add {
        script.add_allow(rule)?;
    }
    let missing = |e: &Element| delete.contains(e) || !table.elements.contains(e);
    let wanted: Vec<Element> = wanted.into_iter().filter(missing).collect();
    script.add_elements(&wanted)?;
    Ok(script)
}

/// What is there under the keys of `elements`.
fn same_key<'a>(table: &'a Table, elements: &[Element]) -> impl Iterator<Item = &'a Element> {
    let keys: BTreeSet<(String, String)> = elements
        .iter()
        .map(|e| (e.map.clone(), e.key.clone()))
        .collect();
    let matches = move |e: &&Element| keys.contains(&(e.map.clone(), e.key.clone()));
    table.elements.iter().filter(matches)
}

async fn nft(script: &str) -> Result<(), FirewallError> {
    Exec::new("nft", ["-f", "-"]).stdin(script).run().await?;
    Ok(())
}

/// What `nft -j` prints for `command`; none when the table is not there.
pub(super) async fn list(command: &str) -> Result<Option<Value>, FirewallError> {
    let args = ["-j", "-p"].into_iter().chain(command.split(' '));
    let output = Exec::new("nft", args).output().await?;
    if output.code != Some(0) {
        if output.stderr.contains("No such file or directory") {
            return Ok(None);
        }
        return Err(FirewallError::Refused {
            program: "nft".into(),
            stderr: output.stderr,
        });
    }
    serde_json::from_str(&output.stdout)
        .map(Some)
        .map_err(|error| FirewallError::Unreadable {
            program: "nft".into(),
            reason: error.to_string(),
        })
}
