//! The notes: what shall be, as comments of rules in a chain that no packet reaches.
//!
//! ```text
//! locker:<project> network <bridge> <subnet> <subnet6|-> <isolate|open> [internal]
//! locker:<project>:<name> port <port> <to4> <to6|->
//! locker:<project>:<name> allow <cidr>            (of the port before it)
//! ```

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::super::{FirewallChange, mark, networks_after};
use crate::model::{Name, NetworkRules, Port, PortRange, PortRule, Protocol, Subnets};

/// The chain of the notes, in the IPv4 filter table.
pub(in crate::firewall) const CHAIN: &str = "LOCKER-NOTES";

/// What shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) networks: Vec<NetworkRules>,
    pub(super) rules: Vec<PortRule>,
    /// Whether ::1 leads to containers: a fact of the host and no note ([`super::super::loopback6`]).
    pub(super) loopback6: bool,
}

/// The comment of every rule that serves a network.
pub(super) fn mark_of_network(network: &NetworkRules) -> String {
    mark::of_network(network)
}

/// The comment of every rule that serves a port rule.
pub(super) fn mark_of_rule(rule: &PortRule) -> String {
    format!("{} {}", mark::of_rule(rule), rule.port)
}

/// What stands where there is no IPv6.
const NO_IPV6: &str = "-";

/// Outer none: it cannot be read.
fn optional<T: FromStr>(word: &str) -> Option<Option<T>> {
    match word {
        NO_IPV6 => Some(None),
        word => word.parse().ok().map(Some),
    }
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| NO_IPV6.into(), |value| value.to_string())
}

impl State {
    /// From what `iptables-save` printed; a note that is not understood is passed over.
    pub(super) fn parse(saved: &str) -> Self {
        let mut state = Self::default();
        let start = format!("-A {CHAIN} ");
        for line in saved.lines().filter(|line| line.starts_with(&start)) {
            if let Some((project, container, text)) = comment_of(line).and_then(mark::parse) {
                state.take(project, container, text);
            }
        }
        state
    }

    fn take(&mut self, project: Name, container: Option<Name>, text: &str) -> Option<()> {
        let (kind, rest) = text.split_once(' ')?;
        let words: Vec<&str> = rest.split(' ').collect();
        match (kind, container, words.as_slice()) {
            ("network", None, [bridge, v4, v6, isolate, more @ ..]) => {
                self.networks.push(NetworkRules {
                    project,
                    bridge: (*bridge).into(),
                    subnets: Subnets::new(v4.parse().ok()?, optional(v6)?),
                    isolate: *isolate == "isolate",
                    internal: more.contains(&"internal"),
                });
            }
            ("port", Some(container), [port, to4, to6]) => self.rules.push(PortRule {
                project,
                container,
                port: parse_port(port)?,
                to4: to4.parse().ok()?,
                to6: optional(to6)?,
            }),
            ("allow", Some(container), [net]) => {
                let last = self.rules.last_mut()?;
                let net: IpNet = net.parse().ok()?;
                if last.project == project && last.container == container {
                    last.port.allow.push(net);
                }
            }
            (_, _, _) => {}
        }
        Some(())
    }

    /// The comments that say all of this.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for network in &self.networks {
            let mark = mark::of_network(network);
            let Subnets { v4, v6, .. } = network.subnets;
            let v6 = or_none(v6);
            let isolate = if network.isolate { "isolate" } else { "open" };
            let internal = if network.internal { " internal" } else { "" };
            notes.push(format!(
                "{mark} network {} {v4} {v6} {isolate}{internal}",
                network.bridge
            ));
        }
        for rule in &self.rules {
            let mark = mark::of_rule(rule);
            notes.push(format!(
                "{mark} port {} {} {}",
                rule.port,
                rule.to4,
                or_none(rule.to6)
            ));
            let allow = rule.port.allow.iter();
            notes.extend(allow.map(|net| format!("{mark} allow {net}")));
        }
        notes
    }

    /// What shall be after `change`.
    pub(super) fn after(&self, change: &FirewallChange) -> Self {
        let changed: BTreeSet<&PortRule> = change.remove.iter().chain(&change.add).collect();
        let mut rules = self.rules.clone();
        rules.retain(|rule| !changed.contains(rule));
        rules.extend(change.add.iter().cloned());
        Self {
            networks: networks_after(&self.networks, change),
            rules,
            loopback6: self.loopback6,
        }
    }

    /// Whether nothing shall be.
    pub(super) fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.rules.is_empty()
    }
}

/// The comment of a rule as `iptables-save` prints it: quoted when it holds more than one word.
pub(super) fn comment_of(line: &str) -> Option<&str> {
    let rest = line.split_once(" --comment ")?.1;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(' ').next(),
    }
}

/// A port as [`Port`] prints it.
pub(in crate::firewall) fn parse_port(text: &str) -> Option<Port> {
    let (ports, protocol) = text.rsplit_once('/')?;
    let mut parts = ports.rsplitn(3, ':');
    let container = range(parts.next()?)?;
    let host = range(parts.next()?)?;
    let host_ip: Option<IpAddr> = match parts.next() {
        Some(ip) => Some(ip.trim_matches(['[', ']']).parse().ok()?),
        None => None,
    };
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    (host.count() == container.count()).then_some(Port {
        host_ip,
        host,
        container,
        protocol,
        allow: Vec::new(),
    })
}

fn range(word: &str) -> Option<PortRange> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(PortRange { first, last })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::testing::{internal, network, rule};

    #[test]
    fn the_notes_are_read_back_exactly() {
        let state = State {
            networks: vec![network("shop", true), network("other", false), internal()],
            rules: vec![
                rule("80:8080/tcp", &[]),
                rule(
                    "[::]:9000-9010:1000-1010/udp",
                    &["10.1.2.3/8", "fd00::/8", "0.0.0.0/0"],
                ),
                rule("127.0.0.1:53:53/udp", &[]),
            ],
            loopback6: false,
        };
        let line = |note: String| format!("-A {CHAIN} -m comment --comment \"{note}\"\n");
        let saved: String = state.notes().into_iter().map(line).collect();
        assert_eq!(State::parse(&saved), state);
    }

    #[test]
    fn damaged_and_foreign_notes_are_passed_over() {
        let saved = "-A LOCKER-NOTES -m comment --comment \"locker:a:b port 80 x y\"\n\
                     -A LOCKER-NOTES -m comment --comment \"locker:a:b allow 10.0.0.0/8\"\n\
                     -A LOCKER-NOTES -j ACCEPT\n-A INPUT -m comment --comment \"locker:a network x\"\n";
        assert_eq!(State::parse(saved), State::default());
    }
}
