//! What a network and a port rule are in our table: elements of its sets and maps.
//!
//! A rule is a pure function of the model, so that it can be put in and taken out without reading
//! the table: the cost of one port does not grow with the number of the others.

use std::net::IpAddr;

use crate::firewall::{apart, mark};
use crate::model::{NetworkRules, PortRange, PortRule, Subnets};

/// What stands for the subnet of a network without IPv6.
pub(super) const NO_IPV6: &str = "-";

/// One element, in nft's own words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Element {
    /// The set or map: `any4`.
    pub(super) map: String,
    /// `tcp . 80`.
    pub(super) key: String,
    /// `10.77.0.2 . 8080`, `jump allow_…`; none in a set.
    pub(super) value: Option<String>,
    /// Our mark and what is needed to read the rule back.
    pub(super) comment: String,
}

impl Element {
    fn new(map: String, key: String, value: Option<String>, comment: &str) -> Self {
        Self {
            map,
            key,
            value,
            comment: comment.into(),
        }
    }
}

/// The elements of an open network: `home` knows who asks from the same bridge and must be answered
/// over the host (an input interface is not known everywhere once br_netfilter is on). The subnets stand in the comment, so that they are read back.
pub(super) fn of_network(network: &NetworkRules) -> Vec<Element> {
    let mark = mark::of_network(network);
    let bridge = format!("\"{}\"", network.bridge);
    let Subnets { v4, v6, .. } = network.subnets;
    let six = v6.map_or(NO_IPV6.into(), |net| net.to_string());
    let full = format!("{mark} {v4} {six}{}", kind_of(network));
    let set =
        |set: &str, key: &str, comment: &str| Element::new(set.into(), key.into(), None, comment);
    let mut elements = vec![
        set("bridges", &bridge, &full),
        set("same", &format!("{bridge} . {bridge}"), &mark),
        set("home4", &format!("{bridge} . {v4}"), &mark),
    ];
    elements.extend(v6.map(|v6| set("home6", &format!("{bridge} . {v6}"), &mark)));
    if network.isolate {
        elements.push(set("isolated", &bridge, &mark));
    }
    if network.internal {
        elements.push(set("internal", &bridge, &mark));
    }
    elements
}

/// What kind of network it is, so that the bridges alone tell it: `i` is isolated, `n` has no way out.
fn kind_of(network: &NetworkRules) -> &'static str {
    match (network.isolate, network.internal) {
        (false, false) => "",
        (true, false) => " i",
        (false, true) => " n",
        (true, true) => " in",
    }
}

/// All that a network may have, whatever it has.
pub(super) fn of_any(network: &NetworkRules) -> Vec<Element> {
    of_network(&NetworkRules {
        isolate: true,
        internal: true,
        ..network.clone()
    })
}

/// The pairs of bridges between which nothing goes but what is published.
pub(super) fn of_pairs(networks: &[NetworkRules]) -> Vec<Element> {
    let element = |(from, to): (&NetworkRules, &NetworkRules)| {
        let key = format!("\"{}\" . \"{}\"", from.bridge, to.bridge);
        Element::new("apart".into(), key, None, &mark::of_network(from))
    };
    apart(networks).into_iter().map(element).collect()
}

/// The addresses that are never led to a container, beside the link-local ones: ::1 where its answer
/// would be lost ([`crate::firewall::loopback6`]).
pub(super) fn kept(loopback6: bool) -> Vec<Element> {
    let one = || Element::new("kept6".into(), "::1".into(), None, "locker");
    (!loopback6).then(one).into_iter().collect()
}

/// `F` or `F-L`.
pub(super) fn range_text(range: PortRange) -> String {
    range.to_string()
}

/// The host address of the key in a family's maps: the rule's address, or all of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Bound(IpAddr),
    Any,
}

/// The families that the rule serves, each with its scope, where it leads and the other target.
fn families(rule: &PortRule) -> Vec<(char, Scope, IpAddr, Option<IpAddr>)> {
    let (to4, to6) = (IpAddr::V4(rule.to4), rule.to6.map(IpAddr::V6));
    let six = |scope| to6.map(|to6| ('6', scope, to6, Some(to4)));
    match rule.port.host_ip {
        None => {
            let four = ('4', Scope::Any, to4, to6);
            std::iter::once(four).chain(six(Scope::Any)).collect()
        }
        Some(ip) => {
            let scope = match ip.is_unspecified() {
                true => Scope::Any,
                false => Scope::Bound(ip),
            };
            match ip {
                IpAddr::V4(_) => vec![('4', scope, to4, to6)],
                IpAddr::V6(_) => six(scope).into_iter().collect(),
            }
        }
    }
}

/// The comment of a rule's elements: `*` serves both families, `=` one that it is bound to, `4` and `-` the
/// same for a container without IPv6; then the host's ports.
pub(super) fn comment_of(rule: &PortRule) -> String {
    let sign = match (rule.port.host_ip, rule.to6) {
        (None, Some(_)) => '*',
        (None, None) => '4',
        (Some(_), Some(_)) => '=',
        (Some(_), None) => '-',
    };
    format!("{} {sign}{}", mark::of_rule(rule), rule.port.host)
}

/// The elements of a port rule: a range that keeps its numbers is one element, another one for each
/// port; `twin` keeps the target of the family that a bound rule does not serve.
pub(super) fn of_rule(rule: &PortRule) -> Vec<Element> {
    let comment = comment_of(rule);
    let port = &rule.port;
    let mut elements = Vec::new();
    for (family, scope, to, other) in families(rule) {
        let (kind, prefix) = match scope {
            Scope::Any => ("any", String::new()),
            Scope::Bound(ip) => ("bound", format!("{ip} . ")),
        };
        let key = |ports: String| format!("{prefix}{} . {ports}", port.protocol);
        let mut put = |map: String, ports: String, value: String| {
            elements.push(Element::new(map, key(ports), Some(value), &comment));
        };
        if port.host == port.container && port.host.count() > 1 {
            put(
                format!("{kind}_ranges{family}"),
                range_text(port.host),
                to.to_string(),
            );
        } else {
            for (host, inner) in pairs(port.host, port.container) {
                put(
                    format!("{kind}{family}"),
                    host.to_string(),
                    format!("{to} . {inner}"),
                );
            }
        }
        if !port.allow.is_empty() {
            put(
                format!("{kind}_allow{family}"),
                range_text(port.host),
                format!("jump {}", allow_chain(rule)),
            );
        }
        if let (Some(ip), Some(other)) = (port.host_ip, other) {
            let key = format!("{ip} . {} . {}", port.protocol, port.host.first);
            let twin = Some(other.to_string());
            elements.push(Element::new(format!("twin{family}"), key, twin, &comment));
        }
    }
    elements
}

fn pairs(host: PortRange, container: PortRange) -> impl Iterator<Item = (u16, u16)> {
    (host.first..=host.last).zip(container.first..=container.last)
}

/// The chain that says who may use the rule: named by what no two rules share.
pub(super) fn allow_chain(rule: &PortRule) -> String {
    let address = match rule.port.host_ip {
        None => "any".to_string(),
        Some(IpAddr::V4(ip)) => ip.octets().map(|b| b.to_string()).join("_"),
        Some(IpAddr::V6(ip)) => ip.segments().map(|s| format!("{s:x}")).join("_"),
    };
    let PortRule { port, .. } = rule;
    format!(
        "allow_{}_{}_{}_{address}",
        port.protocol, port.host.first, port.host.last
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::testing::rule;

    fn text(rule: &PortRule) -> Vec<String> {
        let line = |e: Element| format!("{} {} : {}", e.map, e.key, e.value.unwrap_or_default());
        of_rule(rule).into_iter().map(line).collect()
    }

    #[test]
    fn a_rule_becomes_the_fewest_elements() {
        let cases: [(&str, &[&str]); 4] = [
            (
                "80:8080/tcp",
                &[
                    "any4 tcp . 80 : 10.77.0.2 . 8080",
                    "any6 tcp . 80 : fd77::2 . 8080",
                ],
            ),
            (
                "9000-9100:9000-9100/udp",
                &[
                    "any_ranges4 udp . 9000-9100 : 10.77.0.2",
                    "any_ranges6 udp . 9000-9100 : fd77::2",
                ],
            ),
            (
                "127.0.0.1:80-81:90-91/tcp",
                &[
                    "bound4 127.0.0.1 . tcp . 80 : 10.77.0.2 . 90",
                    "bound4 127.0.0.1 . tcp . 81 : 10.77.0.2 . 91",
                    "twin4 127.0.0.1 . tcp . 80 : fd77::2",
                ],
            ),
            (
                "[::]:80:80/tcp",
                &[
                    "any6 tcp . 80 : fd77::2 . 80",
                    "twin6 :: . tcp . 80 : 10.77.0.2",
                ],
            ),
        ];
        for (port, expected) in cases {
            assert_eq!(text(&rule(port, &[])), expected, "{port}");
        }
    }

    #[test]
    fn a_limited_rule_asks_its_own_chain_first() {
        let limited = rule("80:80/tcp", &["192.168.0.0/16"]);
        let lines = text(&limited);
        assert!(lines.contains(&"any_allow4 tcp . 80 : jump allow_tcp_80_80_any".to_string()));
        assert!(lines.contains(&"any_allow6 tcp . 80 : jump allow_tcp_80_80_any".to_string()));
    }

    #[test]
    fn the_longest_names_fit_into_a_comment() {
        // NFTNL_UDATA_COMMENT_MAXLEN is 128.
        let mut longest = rule("10000-10010:20000-20010/tcp", &[]);
        let name = crate::model::Name::new(&"x".repeat(48)).unwrap();
        (longest.project, longest.container) = (name.clone(), name);
        assert!(comment_of(&longest).len() <= 128);
        let mut network = crate::firewall::testing::network("shop", true);
        network.project = longest.project;
        network.subnets.v4 = "255.255.255.248/29".parse().unwrap();
        network.subnets.v6 = "fd12:3456:789a:bcde:f012:3456:789a:bcd8/125".parse().ok();
        assert!(of_any(&network).iter().all(|e| e.comment.len() <= 128));
    }
}
