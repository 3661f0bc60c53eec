//! What another driver than the present one has left: the file's `firewall` changed, or a program was gone for a
//! while. Its rules would go on leading to addresses that other containers get.
//!
//! Seen and taken out only; what the present driver does is its own business. The way past foreign DROP
//! policies ([`super::gate`]) is one for all: it leads to every network that any driver has open, since two projects of
//! a host may have two drivers, and one that makes no rules has no other to take it out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::gate::{self, Gate};
use super::iptables::{self, Tools};
use super::{FirewallChange, FirewallError, flows, is_installed, networks_after, nftables};
use crate::model::NetworkRules;
use crate::observed::Leftover;
use crate::store::{Paths, acquire_host};

/// Where rules of ours may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Nftables,
    Iptables(Tools),
}

const PLACES: [Place; 3] = [
    Place::Nftables,
    Place::Iptables(Tools::Nft),
    Place::Iptables(Tools::Legacy),
];

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables(tools) => tools.name(),
        }
    }

    /// Whether it may hold something, as far as that costs no process. `chains` is what `nft -j list chains`
    /// printed; none where there is no nft.
    fn may_hold(self, chains: Option<&Value>) -> bool {
        let has = |is_ours: fn(&Value) -> bool| {
            let objects = chains.map(|chains| &chains["nftables"]);
            let mut objects = objects.and_then(Value::as_array).into_iter().flatten();
            objects.any(|object| is_ours(&object["chain"]))
        };
        match self {
            Self::Nftables => has(|chain| chain["family"] == "inet" && chain["table"] == "locker"),
            Self::Iptables(Tools::Nft) => has(|chain| chain["name"] == iptables::NOTES),
            Self::Iptables(Tools::Legacy) => {
                let names = fs::read_to_string("/proc/thread-self/net/ip_tables_names");
                names.is_ok_and(|names| names.lines().any(|name| name == "filter"))
            }
        }
    }
}

/// What is left anywhere but at `own`.
pub(super) async fn look(
    own: Option<Place>,
    chains: Option<&Value>,
) -> Result<Vec<Leftover>, FirewallError> {
    let mut found = Vec::new();
    for place in PLACES {
        if Some(place) == own || !place.may_hold(chains) {
            continue;
        }
        let held = match place {
            Place::Nftables => nftables::held().await,
            Place::Iptables(tools) => iptables::held(tools).await,
        };
        let (networks, rules) = match held {
            // Tables whose program is gone cannot be read, nor changed.
            Err(FirewallError::Missing { .. }) => continue,
            held => held?,
        };
        if !networks.is_empty() || !rules.is_empty() {
            found.push(Leftover {
                driver: place.name().into(),
                networks,
                rules,
            });
        }
    }
    Ok(found)
}

/// `own` networks and those of `others`, each bridge once: all that forwarded packets may go to.
pub(super) fn with(own: &[NetworkRules], others: &[Leftover]) -> Vec<NetworkRules> {
    let known: BTreeSet<&str> = own.iter().map(|network| &*network.bridge).collect();
    let mut all: BTreeMap<&str, &NetworkRules> = BTreeMap::new();
    for network in others.iter().flat_map(|other| &other.networks) {
        if !known.contains(&*network.bridge) {
            all.entry(&network.bridge).or_insert(network);
        }
    }
    own.iter().chain(all.into_values()).cloned().collect()
}

/// What every driver holds once `change` is done to the one that has `left`; it may hold nothing yet.
fn changed(before: &[Leftover], left: &Leftover, change: &FirewallChange) -> Vec<Leftover> {
    let (own, others): (Vec<_>, Vec<_>) = before
        .iter()
        .cloned()
        .partition(|held| held.driver == left.driver);
    let networks = own.into_iter().flat_map(|held| held.networks);
    let networks: Vec<NetworkRules> = networks.collect();
    let own = Leftover {
        driver: left.driver.clone(),
        networks: networks_after(&networks, change),
        rules: Vec::new(),
    };
    others.into_iter().chain([own]).collect()
}

/// Takes `left` out, or with `back` puts it in again.
pub(super) async fn sweep(paths: &Paths, left: &Leftover, back: bool) -> Result<(), FirewallError> {
    let change = FirewallChange {
        close: left.networks.clone(),
        remove: left.rules.clone(),
        ..FirewallChange::default()
    };
    let change = if back { change.inverse() } else { change };
    let Some(place) = PLACES.into_iter().find(|place| place.name() == left.driver) else {
        return Ok(());
    };
    let _lock = acquire_host(paths, "change the firewall").await?;
    let chains = chains().await?;
    let before = look(None, chains.as_ref()).await?;
    let after = changed(&before, left, &change);
    // First, so that a killed run leaves what shows that there is something to do.
    gate_now(chains.as_ref())
        .await?
        .sync(&with(&[], &after))
        .await?;
    let done = match place {
        Place::Nftables => nftables::change_held(&change).await,
        Place::Iptables(tools) => iptables::change_held(tools, &change).await,
    };
    if done.is_err() {
        let gate = gate_now(chains.as_ref()).await?;
        gate.sync(&with(&[], &before)).await?;
    }
    done?;
    flows::follow(&change)
}

async fn gate_now(chains: Option<&Value>) -> Result<Gate, FirewallError> {
    Gate::with(gate::doors(chains, None).await?, chains).await
}

/// All chains of the host; none where there is no nft.
pub(super) async fn chains() -> Result<Option<Value>, FirewallError> {
    match is_installed("nft") {
        true => nftables::list("list chains").await,
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_way_past_others_leads_to_the_networks_of_all_drivers_to_each_once() {
        use super::super::testing::network;
        let left = |driver: &str, networks: Vec<NetworkRules>| Leftover {
            driver: driver.into(),
            networks,
            rules: Vec::new(),
        };
        let (shop, other) = (network("shop", false), network("other", true));
        let mut older = shop.clone();
        older.isolate = true;
        let others = [
            left("iptables-nft", vec![older, other.clone()]),
            left("iptables-legacy", vec![other.clone()]),
        ];
        assert_eq!(with(std::slice::from_ref(&shop), &others), [shop, other]);
        assert!(with(&[], &[]).is_empty());
        // Taken out, and put in again where nothing is any more.
        let [mine, _] = others;
        let out = FirewallChange {
            close: mine.networks.clone(),
            ..FirewallChange::default()
        };
        assert!(with(&[], &changed(std::slice::from_ref(&mine), &mine, &out)).is_empty());
        let back = changed(&[], &mine, &out.inverse());
        let bridges = |networks: &[NetworkRules]| -> BTreeSet<String> {
            networks
                .iter()
                .map(|network| network.bridge.clone())
                .collect()
        };
        assert_eq!(bridges(&with(&[], &back)), bridges(&mine.networks));
    }

    #[test]
    fn tables_of_ours_are_seen_among_the_chains_and_others_are_not() {
        let chains = |family: &str, table: &str, name: &str| json!({"nftables": [{"metainfo": {}}, {"chain": {"family": family, "table": table, "name": name}}]});
        let nft = chains("inet", "locker", "forward");
        let iptables = chains("ip", "filter", "LOCKER-NOTES");
        let foreign = chains("ip", "locker", "forward");
        for (chains, places) in [
            (&nft, [true, false]),
            (&iptables, [false, true]),
            (&foreign, [false; 2]),
        ] {
            let held = [PLACES[0], PLACES[1]].map(|place| place.may_hold(Some(chains)));
            assert_eq!(held, places, "{chains}");
        }
        assert!(!PLACES[0].may_hold(None));
    }
}
