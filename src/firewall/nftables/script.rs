//! The text that is given to `nft -f -`: the only place that writes nft's language.
//!
//! Values come typed from the model; marks and interface names pass [`mark`] once more here.

use std::collections::{BTreeMap, BTreeSet};

use super::element::{Element, allow_chain, kept, of_any, of_network, of_pairs, of_rule};
use crate::firewall::{FirewallError, mark};
use crate::model::{NetworkRules, PortRule};

/// The table with its sets, maps, chains and fixed rules; running it again changes nothing else.
pub(super) const SKELETON: &str = include_str!("../../../templates/nftables.nft");

/// The whole table goes.
pub(super) const DELETE_TABLE: &str = "delete table inet locker\n";

/// How many rules each chain of the skeleton has.
pub(super) fn skeleton_rules() -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for line in SKELETON.lines() {
        let rule = line.strip_prefix("add rule inet locker ");
        if let Some(chain) = rule.and_then(|rest| rest.split(' ').next()) {
            *counts.entry(chain).or_insert(0) += 1;
        }
    }
    counts
}

/// A transaction under construction.
#[derive(Debug, Default)]
pub(super) struct Script {
    text: String,
}

impl Script {
    /// What `nft -f -` reads.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Makes the table, or mends its fixed part; ::1 stays with the host unless `loopback6`.
    pub(super) fn skeleton(&mut self, loopback6: bool) -> Result<(), FirewallError> {
        self.text.push_str(SKELETON);
        self.add_elements(&kept(loopback6))
    }

    /// Puts a network in; one that is in already is replaced.
    pub(super) fn open(&mut self, network: &NetworkRules) -> Result<(), FirewallError> {
        self.close(network)?;
        self.add_elements(&of_network(network))
    }

    /// Takes a network out, whatever it is like.
    pub(super) fn close(&mut self, network: &NetworkRules) -> Result<(), FirewallError> {
        mark::interface(&network.bridge)?;
        self.remove_elements(&of_any(network))
    }

    /// Says which networks are kept apart, anew: they are few, and each depends on the others.
    pub(super) fn keep_apart(&mut self, networks: &[NetworkRules]) -> Result<(), FirewallError> {
        for network in networks {
            mark::interface(&network.bridge)?;
        }
        self.line("flush set inet locker apart");
        self.add_elements(&of_pairs(networks))
    }

    /// Puts port rules in, their elements in one command for each map: a command for each rule takes
    /// nft twice the time.
    pub(super) fn add_rules(&mut self, rules: &[PortRule]) -> Result<(), FirewallError> {
        for rule in rules {
            self.add_allow(rule)?;
        }
        let elements: Vec<Element> = rules.iter().flat_map(of_rule).collect();
        self.add_elements(&elements)
    }

    /// The chain that says who may use a limited rule. It is filled anew each time.
    pub(super) fn add_allow(&mut self, rule: &PortRule) -> Result<(), FirewallError> {
        if rule.port.allow.is_empty() {
            return Ok(());
        }
        let chain = allow_chain(rule);
        let mark = mark::of_rule(rule);
        let mark = mark::comment(&mark)?;
        self.line(&format!("add chain inet locker {chain}"));
        self.line(&format!("flush chain inet locker {chain}"));
        for net in &rule.port.allow {
            let family = if net.addr().is_ipv4() { "ip" } else { "ip6" };
            let net = net.trunc();
            self.line(&format!(
                "add rule inet locker {chain} {family} saddr {net} return comment \"{mark}\""
            ));
        }
        self.line(&format!(
            "add rule inet locker {chain} drop comment \"{mark}\""
        ));
        Ok(())
    }

    /// Takes port rules out. Each element is put in first, which changes nothing when it is there:
    /// so an element that is not there is no error, and one that leads elsewhere is.
    pub(super) fn remove_rules(&mut self, rules: &[PortRule]) -> Result<(), FirewallError> {
        let limited = rules.iter().filter(|rule| !rule.port.allow.is_empty());
        let chains: BTreeSet<String> = limited.map(allow_chain).collect();
        for chain in &chains {
            self.line(&format!("add chain inet locker {chain}"));
        }
        let elements: Vec<Element> = rules.iter().flat_map(of_rule).collect();
        self.remove_elements(&elements)?;
        for chain in &chains {
            self.delete_chain(chain);
        }
        Ok(())
    }

    /// Removes a chain that nothing jumps to any more.
    pub(super) fn delete_chain(&mut self, chain: &str) {
        self.line(&format!("flush chain inet locker {chain}"));
        self.line(&format!("delete chain inet locker {chain}"));
    }

    /// Puts elements in, one command for each set or map.
    pub(super) fn add_elements(&mut self, elements: &[Element]) -> Result<(), FirewallError> {
        self.elements("add", elements, true)
    }

    /// Takes out elements that are there.
    pub(super) fn delete_elements(&mut self, elements: &[Element]) -> Result<(), FirewallError> {
        self.elements("delete", elements, false)
    }

    fn remove_elements(&mut self, elements: &[Element]) -> Result<(), FirewallError> {
        self.add_elements(elements)?;
        self.delete_elements(elements)
    }

    fn elements(
        &mut self,
        verb: &str,
        elements: &[Element],
        full: bool,
    ) -> Result<(), FirewallError> {
        let mut maps: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for element in elements {
            let mut text = element.key.clone();
            if full {
                text.push_str(&format!(
                    " comment \"{}\"",
                    mark::comment(&element.comment)?
                ));
                if let Some(value) = &element.value {
                    text.push_str(&format!(" : {value}"));
                }
            }
            maps.entry(&element.map).or_default().push(text);
        }
        for (map, texts) in maps {
            let list = texts.join(", ");
            self.line(&format!("{verb} element inet locker {map} {{ {list} }}"));
        }
        Ok(())
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::testing::{internal, network, rule};

    #[test]
    fn the_full_text_of_a_small_project() {
        let mut script = Script::default();
        script.skeleton(true).unwrap();
        let networks = [network("shop", true), internal()];
        for network in &networks {
            script.open(network).unwrap();
        }
        script.keep_apart(&networks).unwrap();
        script
            .add_rules(&[rule("80:8080/tcp", &["192.168.0.0/16", "fd00::/8"])])
            .unwrap();
        script
            .remove_rules(&[rule("127.0.0.1:53:53/udp", &[])])
            .unwrap();
        let golden = include_str!("golden.nft");
        assert_eq!(script.text().strip_prefix(SKELETON).unwrap(), golden);
    }

    #[test]
    fn a_hostile_bridge_reaches_no_script() {
        let mut hostile = network("shop", false);
        hostile.bridge = "x\" }\nflush ruleset".into();
        let mut script = Script::default();
        assert!(script.open(&hostile).is_err());
        assert!(!script.text().contains("flush ruleset"));
    }

    #[test]
    fn every_fixed_rule_is_marked_as_ours() {
        let rules = SKELETON.lines().filter(|line| line.starts_with("add rule"));
        assert!(
            rules
                .clone()
                .all(|rule| rule.ends_with("comment \"locker\""))
        );
        assert_eq!(rules.count(), skeleton_rules().values().sum::<usize>());
    }
}
