//! Reads our table back from `nft -j list table inet locker` (libnftables-json(5)).
//!
//! Tolerant: what is not understood is passed over, so it counts as missing. A rule or network is
//! reported only when every element that it should have is there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::element::{Element, NO_IPV6, kept, of_any, of_network, of_pairs, of_rule};
use super::script::skeleton_rules;
use crate::firewall::mark;
use crate::model::{NetworkRules, Port, PortRange, PortRule, Protocol, Subnets};

/// Our table as it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// Every element of every set and map.
    pub(super) elements: BTreeSet<Element>,
    /// The rules of each chain; the source that an `allow_` chain lets through, where it is one.
    chains: BTreeMap<String, Vec<Option<IpNet>>>,
}

impl Table {
    /// From the parsed JSON.
    pub(super) fn parse(json: &Value) -> Self {
        let mut table = Self::default();
        for object in json["nftables"].as_array().into_iter().flatten() {
            for kind in ["set", "map"] {
                let set = &object[kind];
                if let Some(name) = set["name"].as_str() {
                    let elements = set["elem"].as_array().into_iter().flatten();
                    let elements = elements.filter_map(|item| element(name, item));
                    table.elements.extend(elements);
                }
            }
            let rule = &object["rule"];
            if let Some(chain) = rule["chain"].as_str() {
                let rules = table.chains.entry(chain.into()).or_default();
                rules.push(source(&rule["expr"]));
            }
        }
        table
    }

    /// Whether the fixed rules are all there.
    pub(super) fn is_whole(&self) -> bool {
        let has = |(chain, count): (&str, usize)| {
            self.chains
                .get(chain)
                .is_some_and(|rules| rules.len() == count)
        };
        skeleton_rules().into_iter().all(has)
    }

    /// Whether ::1 is treated as this host needs it now.
    pub(super) fn keeps(&self, loopback6: bool) -> bool {
        let there: Vec<_> = self.elements.iter().filter(|e| e.map == "kept6").collect();
        there == kept(loopback6).iter().collect::<Vec<_>>()
    }

    /// The networks that are open, complete or not.
    pub(super) fn opened(&self) -> Vec<NetworkRules> {
        let bridges = self.elements.iter().filter(|e| e.map == "bridges");
        bridges.filter_map(|bridge| self.network(bridge)).collect()
    }

    /// Whether there is a chain of that name with rules in it.
    pub(super) fn has_chain(&self, chain: &str) -> bool {
        self.chains.contains_key(chain)
    }

    /// The networks that are complete.
    pub(super) fn networks(&self) -> Vec<NetworkRules> {
        let opened = self.opened();
        if !self.holds(&of_pairs(&opened)) {
            return Vec::new();
        }
        let whole = |network: &&NetworkRules| {
            let wanted = of_network(network);
            let keys = of_any(network);
            let mut more = keys.iter().filter(|any| {
                let is_it = |e: &&Element| e.map == any.map && e.key == any.key;
                !wanted.iter().any(|e| is_it(&e)) && self.elements.iter().any(|e| is_it(&e))
            });
            self.holds(&wanted) && more.next().is_none()
        };
        opened.iter().filter(whole).cloned().collect()
    }

    fn network(&self, bridge: &Element) -> Option<NetworkRules> {
        let (project, None, rest) = mark::parse(&bridge.comment)? else {
            return None;
        };
        let mut words = rest.split(' ');
        let (v4, v6) = (words.next()?, words.next()?);
        let kind = words.next().unwrap_or_default();
        Some(NetworkRules {
            project,
            bridge: bridge.key.trim_matches('"').into(),
            subnets: Subnets::new(
                v4.parse().ok()?,
                match v6 {
                    NO_IPV6 => None,
                    v6 => Some(v6.parse().ok()?),
                },
            ),
            isolate: kind.contains('i'),
            internal: kind.contains('n'),
        })
    }

    /// The port rules that are complete, and those that are not.
    pub(super) fn rules(&self) -> (BTreeSet<PortRule>, BTreeSet<PortRule>) {
        let by_key: ByKey<'_> = self
            .elements
            .iter()
            .map(|e| ((e.map.as_str(), e.key.as_str()), e))
            .collect();
        let rules = self.elements.iter().filter_map(|e| self.rule(e, &by_key));
        rules.partition(|rule| self.holds(&of_rule(rule)))
    }

    /// The rule whose first port this element is.
    fn rule(&self, element: &Element, by_key: &ByKey<'_>) -> Option<PortRule> {
        let (project, Some(container), rest) = mark::parse(&element.comment)? else {
            return None;
        };
        let sign = rest.chars().next()?;
        let (any, six) = (matches!(sign, '*' | '4'), matches!(sign, '*' | '='));
        let host = range(rest.get(1..)?)?;
        let key = Key::of(element)?;
        if key.first != host.first || any && key.family == "6" {
            return None;
        }
        let (to, start) = target(element.value.as_deref()?, host.first)?;
        let other = match six {
            true => Some(key.other(element, any, by_key)?),
            false => None,
        };
        let (to4, to6) = match (to, other) {
            (IpAddr::V4(to4), None) => (to4, None),
            (IpAddr::V4(to4), Some(IpAddr::V6(to6))) => (to4, Some(to6)),
            (IpAddr::V6(to6), Some(IpAddr::V4(to4))) => (to4, Some(to6)),
            (IpAddr::V4(_), Some(IpAddr::V4(_))) | (IpAddr::V6(_), _) => return None,
        };
        let mut rule = PortRule {
            project,
            container,
            port: Port {
                host_ip: (!any).then_some(key.host_ip),
                host,
                container: PortRange {
                    first: start,
                    last: start.checked_add(host.last - host.first)?,
                },
                protocol: key.protocol,
                allow: Vec::new(),
            },
            to4,
            to6,
        };
        rule.port.allow = self.allow(&rule, by_key)?;
        Some(rule)
    }

    /// Who may use it; none when its chain is damaged.
    fn allow(&self, rule: &PortRule, by_key: &ByKey<'_>) -> Option<Vec<IpNet>> {
        let probe = PortRule {
            port: Port {
                allow: vec![IpNet::V4(Default::default())],
                ..rule.port.clone()
            },
            ..rule.clone()
        };
        let jumps = of_rule(&probe);
        let jump = jumps.iter().find(|e| e.map.contains("_allow"))?;
        if !by_key.contains_key(&(jump.map.as_str(), jump.key.as_str())) {
            return Some(Vec::new());
        }
        let chain = jump.value.as_deref()?.strip_prefix("jump ")?;
        match self.chains.get(chain)?.split_last()? {
            (None, sources) => sources.iter().copied().collect(),
            (Some(_), _) => None,
        }
    }

    fn holds(&self, elements: &[Element]) -> bool {
        elements
            .iter()
            .all(|element| self.elements.contains(element))
    }
}

/// Elements by map and key.
type ByKey<'a> = BTreeMap<(&'a str, &'a str), &'a Element>;

/// The key of an element that leads to a container.
struct Key<'a> {
    kind: &'a str,
    family: &'static str,
    host_ip: IpAddr,
    protocol: Protocol,
    first: u16,
}

impl<'a> Key<'a> {
    /// None for an element of another map.
    fn of(element: &'a Element) -> Option<Self> {
        let (kind, family) = match element.map.strip_suffix('4') {
            Some(kind) => (kind, "4"),
            None => (element.map.strip_suffix('6')?, "6"),
        };
        let mut words: Vec<&str> = element.key.split(" . ").collect();
        let first = range(words.pop()?)?.first;
        let protocol = protocol(words.pop()?)?;
        let host_ip = match kind {
            "bound" | "bound_ranges" => words.pop()?.parse().ok()?,
            "any" | "any_ranges" if family == "4" => IpAddr::from([0; 4]),
            "any" | "any_ranges" => IpAddr::from([0; 16]),
            _ => return None,
        };
        Some(Self {
            kind,
            family,
            host_ip,
            protocol,
            first,
        })
    }
}

impl Key<'_> {
    /// Where the rule of this element leads for the other family.
    fn other(&self, element: &Element, any: bool, by_key: &ByKey<'_>) -> Option<IpAddr> {
        let (map, key) = match any {
            true => (format!("{}6", self.kind), element.key.clone()),
            false => (
                format!("twin{}", self.family),
                format!("{} . {} . {}", self.host_ip, self.protocol, self.first),
            ),
        };
        let twin = by_key.get(&(map.as_str(), key.as_str()))?;
        let (other, _) = target(twin.value.as_deref()?, self.first)?;
        Some(other)
    }
}

fn protocol(word: &str) -> Option<Protocol> {
    match word {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        _ => None,
    }
}

fn range(word: &str) -> Option<PortRange> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(PortRange { first, last })
}

/// Address and first port of a map's value; a range keeps its numbers.
fn target(value: &str, host: u16) -> Option<(IpAddr, u16)> {
    match value.split_once(" . ") {
        Some((address, port)) => Some((address.parse().ok()?, port.parse().ok()?)),
        None => Some((value.parse().ok()?, host)),
    }
}

/// An element of a set, or a pair of a map.
fn element(map: &str, item: &Value) -> Option<Element> {
    let (entry, value) = match item.as_array() {
        Some(pair) => (pair.first()?, Some(word(pair.get(1)?)?)),
        None => (item, None),
    };
    let mut key = word(&entry["elem"]["val"])?;
    // nft prints the names of interfaces without the quotes in which it wants them.
    if matches!(map, "bridges" | "isolated" | "internal" | "same" | "apart") {
        let quoted: Vec<String> = key.split(" . ").map(|w| format!("\"{w}\"")).collect();
        key = quoted.join(" . ");
    } else if matches!(map, "home4" | "home6") {
        let (bridge, net) = key.split_once(" . ")?;
        key = format!("\"{bridge}\" . {net}");
    } else {
        key = named_protocol(&key);
    }
    Some(Element {
        map: map.into(),
        key,
        value,
        comment: entry["elem"]["comment"].as_str()?.into(),
    })
}

/// A key with its protocol's name: nft is asked for numbers, since it would look each name up in a file.
fn named_protocol(key: &str) -> String {
    let name = |word| match word {
        "6" => "tcp",
        "17" => "udp",
        other => other,
    };
    // The last word is the port.
    let Some((rest, port)) = key.rsplit_once(" . ") else {
        return key.into();
    };
    match rest.rsplit_once(" . ") {
        Some((address, protocol)) => format!("{address} . {} . {port}", name(protocol)),
        None => format!("{} . {port}", name(rest)),
    }
}

/// A value in nft's words, addresses as Rust prints them.
fn word(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        let address = text.parse::<IpAddr>().map(|ip| ip.to_string());
        return Some(address.unwrap_or_else(|_| text.into()));
    }
    if let Some(number) = value.as_u64() {
        return Some(number.to_string());
    }
    if let Some(target) = value["jump"]["target"].as_str() {
        return Some(format!("jump {target}"));
    }
    if let Some(address) = value["prefix"]["addr"].as_str() {
        return Some(format!("{address}/{}", value["prefix"]["len"].as_u64()?));
    }
    if let Some(parts) = value["concat"].as_array() {
        let parts: Option<Vec<String>> = parts.iter().map(word).collect();
        return Some(parts?.join(" . "));
    }
    if let [first, last] = value["range"].as_array()?.as_slice() {
        return Some(format!("{}-{}", word(first)?, word(last)?));
    }
    None
}

/// The source address that a rule matches, if that is what it does.
fn source(expr: &Value) -> Option<IpNet> {
    let right = expr
        .as_array()?
        .iter()
        .find(|part| part["match"]["left"]["payload"]["field"] == "saddr")
        .map(|part| &part["match"]["right"])?;
    if let Some(address) = right.as_str() {
        return address.parse::<IpAddr>().ok().map(IpNet::from);
    }
    let address = right["prefix"]["addr"].as_str()?.parse().ok()?;
    let length = u8::try_from(right["prefix"]["len"].as_u64()?).ok()?;
    IpNet::new(address, length).ok()
}
