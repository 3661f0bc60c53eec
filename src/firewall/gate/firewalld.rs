//! The way past firewalld: a bridge of ours stands in the zone `trusted`, as Docker's do in theirs.
//!
//! firewalld rejects what an interface without a zone sends through the host. What is published passes
//! it in any case (`ct status dnat accept`), and what must not come in is dropped by our own rules. The
//! zone of a bridge is set for the running firewalld only, never in its files; a reload
//! forgets it. A bridge that the administrator put into another zone stays there.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::firewall::FirewallError;
use crate::model::NetworkRules;
use crate::sys::Exec;

const ZONE: &str = "trusted";

/// firewalld's table as nft prints it.
#[derive(Debug)]
pub(super) struct Zones {
    table: String,
}

impl Zones {
    /// None where firewalld does not run or does not use nftables. `chains` is as for
    /// [`super::doors`].
    pub(super) async fn look(chains: &Value) -> Result<Option<Self>, FirewallError> {
        let mut objects = chains["nftables"].as_array().into_iter().flatten();
        if !objects.any(|object| object["chain"]["table"] == "firewalld") {
            return Ok(None);
        }
        let listed = Exec::new("nft", ["list", "table", "inet", "firewalld"]);
        // Gone in between is as good as never there.
        let listed = listed.output().await?;
        Ok((listed.code == Some(0)).then_some(Self {
            table: listed.stdout,
        }))
    }

    /// Whether the bridge is in a zone, whichever.
    pub(super) fn knows(&self, bridge: &str) -> bool {
        self.table.contains(&format!("iifname \"{bridge}\" goto "))
    }

    /// Bridges of ours that are in our zone.
    fn ours(&self) -> BTreeSet<&str> {
        let lines = self.table.lines();
        let rules = lines.filter_map(|line| line.trim().strip_prefix("iifname \""));
        let goes = rules.filter_map(|rule| rule.split_once("\" goto "));
        let ours = goes.filter(|(bridge, to)| bridge.starts_with("lk-") && to.ends_with(ZONE));
        ours.map(|(bridge, _)| bridge).collect()
    }

    /// Puts the bridges of exactly `networks` into the zone.
    pub(super) async fn sync(&self, networks: &[NetworkRules]) -> Result<(), FirewallError> {
        let wanted: BTreeSet<&str> = networks.iter().map(|n| n.bridge.as_str()).collect();
        for bridge in wanted.iter().filter(|bridge| !self.knows(bridge)) {
            set(&format!("--add-interface={bridge}")).await?;
        }
        for bridge in self.ours().difference(&wanted) {
            set(&format!("--remove-interface={bridge}")).await?;
        }
        Ok(())
    }
}

async fn set(change: &str) -> Result<(), FirewallError> {
    let zone = format!("--zone={ZONE}");
    let words = ["--quiet", &zone, change];
    Exec::new("firewall-cmd", words).run().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_in_any_zone_is_known_and_only_ours_are_taken_out() {
        let table = "\tchain filter_FORWARD_ZONES {\n\
            \t\tiifname \"lk-shop\" goto filter_FWD_trusted\n\
            \t\tiifname \"lk-mine\" goto filter_FWD_work\n\
            \t\tiifname \"eth0\" goto filter_FWD_trusted\n\t\tgoto filter_FWD_public\n\t}\n";
        let zones = Zones {
            table: table.into(),
        };
        assert!(zones.knows("lk-shop") && zones.knows("lk-mine") && !zones.knows("lk-sho"));
        assert_eq!(zones.ours(), BTreeSet::from(["lk-shop"]));
    }
}
