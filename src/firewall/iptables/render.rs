//! The text that is given to `iptables-restore`: the only place that writes its language.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Counts;
use super::note::{CHAIN as NOTES, State, comment_of, mark_of_network, mark_of_rule};
use crate::firewall::{FirewallError, mark};
use crate::model::{NetworkRules, PortRule};

/// An address family and its programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// A chain of ours: its table, its name, and the kernel's chain that leads there with its condition.
type Chain = (
    &'static str,
    &'static str,
    Option<(&'static str, &'static str)>,
);

/// Chains of ours. The accepts past a DROP policy are the business of [`crate::firewall::gate`].
const CHAINS: [Chain; 6] = [
    ("raw", "LOCKER-GUARD", Some(("PREROUTING", ""))),
    ("nat", "LOCKER-PUBLISH", Some(("PREROUTING", LOCAL))),
    ("nat", "LOCKER-OUTPUT", Some(("OUTPUT", LOCAL))),
    ("nat", "LOCKER-MASQ", Some(("POSTROUTING", ""))),
    ("filter", "LOCKER-ISOLATE", Some(("FORWARD", ""))),
    ("filter", NOTES, None),
];

const LOCAL: &str = "-m addrtype --dst-type LOCAL ";

/// Rules by chain: the matching part, the comment, the target.
type Rules = BTreeMap<&'static str, Vec<(String, String, String)>>;

impl Family {
    fn owns(self, address: IpAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }

    fn subnet(self, network: &NetworkRules) -> IpNet {
        match self {
            Self::V4 => network.subnets.v4.into(),
            Self::V6 => network.subnets.v6.into(),
        }
    }

    fn target(self, rule: &PortRule, port: Option<u16>) -> String {
        match (self, port) {
            (Self::V4, Some(port)) => format!("{}:{port}", rule.to4),
            (Self::V4, None) => rule.to4.to_string(),
            (Self::V6, Some(port)) => format!("[{}]:{port}", rule.to6),
            (Self::V6, None) => rule.to6.to_string(),
        }
    }

    /// Addresses that stay with the host: the kernel lets no packet of ::1 out, and a link-local
    /// client could not be answered over another link.
    fn kept(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::V4 => &[("LOCKER-PUBLISH", "127.0.0.0/8")],
            Self::V6 => &[
                ("LOCKER-PUBLISH", "fe80::/10"),
                ("LOCKER-OUTPUT", "fe80::/10"),
                ("LOCKER-OUTPUT", "::1/128"),
            ],
        }
    }
}

fn rules(family: Family, state: &State) -> Rules {
    let mut rules = Rules::new();
    let mut put = |chain, matching: String, comment: &str, target: &str| {
        let rule = (matching, comment.to_string(), target.to_string());
        rules.entry(chain).or_default().push(rule);
    };
    for (chain, net) in family.kept() {
        put(chain, format!("-d {net}"), "locker", "RETURN");
    }
    for rule in bound_first(&state.rules) {
        publish(family, rule, &mut put);
    }
    guard(family, &state.networks, &mut put);
    if family == Family::V4 {
        for note in state.notes() {
            put(NOTES, String::new(), &note, "");
        }
    }
    rules
}

/// What serves the networks: masquerade, the answers of 127.0.0.1, and who is kept out.
fn guard(
    family: Family,
    networks: &[NetworkRules],
    put: &mut impl FnMut(&'static str, String, &str, &str),
) {
    let answered = "-m conntrack --ctstate RELATED,ESTABLISHED".to_string();
    put("LOCKER-ISOLATE", answered, "locker", "RETURN");
    for network in networks {
        let (bridge, mark) = (&network.bridge, mark_of_network(network));
        let subnet = family.subnet(network);
        let dnat = "-m conntrack --ctstate DNAT";
        put(
            "LOCKER-MASQ",
            format!("-s {subnet} -o {bridge} {dnat}"),
            &mark,
            "MASQUERADE",
        );
        put(
            "LOCKER-MASQ",
            format!("-s {subnet} ! -o {bridge}"),
            &mark,
            "MASQUERADE",
        );
        if family == Family::V4 {
            put(
                "LOCKER-MASQ",
                format!("-s 127.0.0.0/8 -o {bridge}"),
                &mark,
                "MASQUERADE",
            );
            put(
                "LOCKER-GUARD",
                format!("-d 127.0.0.0/8 -i {bridge}"),
                &mark,
                "DROP",
            );
        }
        put(
            "LOCKER-ISOLATE",
            format!("-o {bridge} {dnat}"),
            &mark,
            "RETURN",
        );
        put(
            "LOCKER-ISOLATE",
            format!("-i {bridge} -o {bridge}"),
            &mark,
            "RETURN",
        );
    }
    for network in networks.iter().filter(|network| network.isolate) {
        put(
            "LOCKER-ISOLATE",
            format!("-o {}", network.bridge),
            &mark_of_network(network),
            "DROP",
        );
    }
    for (side, target) in [("-i", "RETURN"), ("-o", "DROP")] {
        for network in networks {
            let matching = format!("{side} {}", network.bridge);
            put(
                "LOCKER-ISOLATE",
                matching,
                &mark_of_network(network),
                target,
            );
        }
    }
}

/// A rule of one address stands before those of all.
fn bound_first(rules: &[PortRule]) -> Vec<&PortRule> {
    let mut sorted: Vec<&PortRule> = rules.iter().collect();
    sorted.sort_by_key(|rule| rule.port.host_ip.is_none_or(|ip| ip.is_unspecified()));
    sorted
}

fn publish(
    family: Family,
    rule: &PortRule,
    put: &mut impl FnMut(&'static str, String, &str, &str),
) {
    let port = &rule.port;
    if port.host_ip.is_some_and(|ip| !family.owns(ip)) {
        return;
    }
    let destination = match port.host_ip {
        Some(ip) if !ip.is_unspecified() => format!("-d {} ", IpNet::from(ip)),
        Some(_) | None => String::new(),
    };
    let same = port.host == port.container;
    let mut ways = Vec::new();
    if same && port.host.count() > 1 {
        let ports = format!("{}:{}", port.host.first, port.host.last);
        ways.push((ports, family.target(rule, None)));
    } else {
        let pairs = (port.host.first..=port.host.last).zip(port.container.first..);
        ways.extend(pairs.map(|(host, to)| (host.to_string(), family.target(rule, Some(to)))));
    }
    let mark = mark_of_rule(rule);
    for (ports, target) in ways {
        let protocol = port.protocol;
        let matching = format!("{destination}-p {protocol} -m {protocol} --dport {ports}");
        let target = format!("DNAT --to-destination {target}");
        if port.allow.is_empty() {
            put("LOCKER-PUBLISH", matching.clone(), &mark, &target);
        }
        for net in port.allow.iter().filter(|net| family.owns(net.addr())) {
            let matching = format!("-s {} {matching}", net.trunc());
            put("LOCKER-PUBLISH", matching, &mark, &target);
        }
        put("LOCKER-OUTPUT", matching, &mark, &target);
    }
}

/// The restore script that makes the tables hold `state`; none when there is nothing to do.
pub(super) fn script(
    family: Family,
    state: &State,
    saved: &str,
) -> Result<Option<String>, FirewallError> {
    if state.is_empty() {
        return Ok(removal(saved));
    }
    for network in &state.networks {
        mark::interface(&network.bridge)?;
    }
    let rules = rules(family, state);
    let mut script = String::new();
    for table in ["raw", "nat", "filter"] {
        let chains = CHAINS.iter().filter(|(of, _, _)| *of == table);
        script.push_str(&format!("*{table}\n"));
        for (_, chain, _) in chains.clone() {
            script.push_str(&format!(":{chain} - [0:0]\n"));
        }
        for (_, chain, from) in chains {
            for rule in rules.get(chain).into_iter().flatten() {
                script.push_str(&line(chain, rule)?);
            }
            if let Some((from, condition)) = from
                && !jumps(saved, chain).any(|_| true)
            {
                // First, as Docker's chains and the ends of others may stand below.
                script.push_str(&format!(
                    "-I {from} 1 {condition}-m comment --comment locker -j {chain}\n"
                ));
            }
        }
        script.push_str("COMMIT\n");
    }
    Ok(Some(script))
}

fn line(chain: &str, rule: &(String, String, String)) -> Result<String, FirewallError> {
    let (matching, comment, target) = rule;
    let comment = mark::comment(comment)?;
    let mut line = format!("-A {chain} {matching} -m comment --comment \"{comment}\"");
    if !target.is_empty() {
        line.push_str(&format!(" -j {target}"));
    }
    Ok(line + "\n")
}

/// Takes every chain of ours that is there out again.
fn removal(saved: &str) -> Option<String> {
    let mut script = String::new();
    for table in ["raw", "nat", "filter"] {
        let there = |chain: &str| {
            saved
                .lines()
                .any(|line| line.starts_with(&format!(":{chain} ")))
        };
        let chains = CHAINS
            .iter()
            .filter(|(of, chain, _)| *of == table && there(chain));
        let mut body = String::new();
        for (_, chain, _) in chains {
            for jump in jumps(saved, chain) {
                body.push_str(&jump.replacen("-A", "-D", 1));
                body.push('\n');
            }
            body.push_str(&format!("-F {chain}\n-X {chain}\n"));
        }
        if !body.is_empty() {
            script.push_str(&format!("*{table}\n{body}COMMIT\n"));
        }
    }
    (!script.is_empty()).then_some(script)
}

fn jumps<'a>(saved: &'a str, chain: &str) -> impl Iterator<Item = &'a str> {
    let end = format!(" -j {chain}");
    let ours = move |line: &&str| line.starts_with("-A ") && line.ends_with(&end);
    saved.lines().filter(ours)
}

/// Whether every chain of ours is reached.
pub(super) fn has_jumps(saved: &str) -> bool {
    let reached = |(_, chain, from): &(&str, &str, Option<_>)| {
        from.is_none() || jumps(saved, chain).any(|_| true)
    };
    CHAINS.iter().all(reached)
}

/// How many rules each chain should have for each comment; notes not counted.
pub(super) fn expected(family: Family, state: &State) -> Counts {
    let mut counts = Counts::new();
    for (chain, rules) in rules(family, state) {
        for (_, comment, _) in rules.into_iter().filter(|_| chain != NOTES) {
            *counts.entry((chain.to_string(), comment)).or_insert(0) += 1;
        }
    }
    counts
}

/// How many rules each chain of ours has for each comment, in what `iptables-save` printed.
pub(super) fn count(saved: &str) -> Counts {
    let mut counts = Counts::new();
    for line in saved.lines() {
        let chain = line
            .strip_prefix("-A ")
            .and_then(|rest| rest.split(' ').next());
        let ours = chain.filter(|chain| CHAINS.iter().any(|(_, ours, _)| ours == chain));
        if let (Some(chain), Some(comment)) = (ours.filter(|c| *c != NOTES), comment_of(line)) {
            *counts.entry((chain.into(), comment.into())).or_insert(0) += 1;
        }
    }
    counts
}
