//! The text that is given to `iptables-restore`: the only place that writes its language.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::Counts;
use super::note::{CHAIN as NOTES, State, mark_of_network, mark_of_rule};
use super::saved::{jumps, removal};
use crate::firewall::{FirewallError, apart, mark};
use crate::model::{NetworkRules, PortRule};

/// An address family and its programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// A chain of ours: its table, its name, and the kernel's chain that leads there with its condition.
pub(super) type Chain = (
    &'static str,
    &'static str,
    Option<(&'static str, &'static str)>,
);

/// Chains of ours. The accepts past a DROP policy are the business of [`crate::firewall::gate`].
pub(super) const CHAINS: [Chain; 6] = [
    ("raw", "LOCKER-GUARD", Some(("PREROUTING", ""))),
    ("nat", "LOCKER-PUBLISH", Some(("PREROUTING", LOCAL))),
    ("nat", "LOCKER-OUTPUT", Some(("OUTPUT", LOCAL))),
    ("nat", "LOCKER-MASQ", Some(("POSTROUTING", ""))),
    ("filter", "LOCKER-ISOLATE", Some(("FORWARD", ""))),
    ("filter", NOTES, None),
];

const DNAT: &str = "-m conntrack --ctstate DNAT";
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

    fn subnet(self, network: &NetworkRules) -> Option<IpNet> {
        match self {
            Self::V4 => Some(network.subnets.v4.into()),
            Self::V6 => network.subnets.v6.map(IpNet::from),
        }
    }

    /// The container's address; none where its network has none of this family.
    fn target(self, rule: &PortRule) -> Option<IpAddr> {
        match self {
            Self::V4 => Some(rule.to4.into()),
            Self::V6 => rule.to6.map(IpAddr::from),
        }
    }

    /// Addresses that stay with the host: a link-local client could not be answered over another link,
    /// nor ::1 everywhere ([`crate::firewall::loopback6`]).
    fn kept(self, loopback6: bool) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::V4 => vec![("LOCKER-PUBLISH", "127.0.0.0/8")],
            Self::V6 => {
                let always = ["LOCKER-PUBLISH", "LOCKER-OUTPUT"].map(|chain| (chain, "fe80::/10"));
                let own = (!loopback6).then_some(("LOCKER-OUTPUT", "::1/128"));
                always.into_iter().chain(own).collect()
            }
        }
    }

    fn loopback(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.0/8",
            Self::V6 => "::1/128",
        }
    }
}

fn rules(family: Family, state: &State) -> Rules {
    let mut rules = Rules::new();
    let mut put = |chain, matching: String, comment: &str, target: &str| {
        let rule = (matching, comment.to_string(), target.to_string());
        rules.entry(chain).or_default().push(rule);
    };
    for (chain, net) in family.kept(state.loopback6) {
        put(chain, format!("-d {net}"), "locker", "RETURN");
    }
    for rule in bound_first(&state.rules) {
        publish(family, rule, &mut put);
    }
    masquerade(family, &state.networks, &mut put);
    isolate(&state.networks, &mut put);
    if family == Family::V4 {
        for note in state.notes() {
            put(NOTES, String::new(), &note, "");
        }
    }
    rules
}

/// Masquerade, and the way of 127.0.0.1 and ::1.
fn masquerade(
    family: Family,
    networks: &[NetworkRules],
    put: &mut impl FnMut(&'static str, String, &str, &str),
) {
    let of_family = |network| Some((network, family.subnet(network)?));
    let networks = || networks.iter().filter_map(of_family);
    for (network, subnet) in networks() {
        let (bridge, mark) = (&network.bridge, mark_of_network(network));
        let mut out = |matching| put("LOCKER-MASQ", matching, &mark, "MASQUERADE");
        out(format!("-s {subnet} -o {bridge} {DNAT}"));
        let loopback = family.loopback();
        out(format!("-s {loopback} -o {bridge}"));
        let matching = format!("-d {loopback} -i {bridge}");
        put("LOCKER-GUARD", matching, &mark, "DROP");
        // Another project of this host is seen by its own address.
        put("LOCKER-MASQ", format!("-o {bridge}"), &mark, "RETURN");
    }
    for (network, subnet) in networks().filter(|(network, _)| !network.internal) {
        let mark = mark_of_network(network);
        put("LOCKER-MASQ", format!("-s {subnet}"), &mark, "MASQUERADE");
    }
}

/// Who is kept out: what answers or stays at home passes; of an internal network nothing else does.
/// What was published passes; the rest must not come from outside, from another network of the same
/// project, nor from another project where the network is isolated.
fn isolate(networks: &[NetworkRules], put: &mut impl FnMut(&'static str, String, &str, &str)) {
    let answered = "-m conntrack --ctstate RELATED,ESTABLISHED".to_string();
    put("LOCKER-ISOLATE", answered, "locker", "RETURN");
    let mut rule = |network: &NetworkRules, matching: String, target: &str| {
        put(
            "LOCKER-ISOLATE",
            matching,
            &mark_of_network(network),
            target,
        );
    };
    for network in networks {
        let bridge = &network.bridge;
        rule(network, format!("-i {bridge} -o {bridge}"), "RETURN");
    }
    for network in networks.iter().filter(|network| network.internal) {
        rule(network, format!("-i {}", network.bridge), "DROP");
        rule(network, format!("-o {}", network.bridge), "DROP");
    }
    for network in networks {
        rule(network, format!("-o {} {DNAT}", network.bridge), "RETURN");
    }
    for (from, to) in apart(networks) {
        rule(from, format!("-i {} -o {}", from.bridge, to.bridge), "DROP");
    }
    for network in networks.iter().filter(|network| network.isolate) {
        rule(network, format!("-o {}", network.bridge), "DROP");
    }
    for (side, target) in [("-i", "RETURN"), ("-o", "DROP")] {
        for network in networks {
            rule(network, format!("{side} {}", network.bridge), target);
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
    let Some(to) = family.target(rule) else {
        return;
    };
    let destination = match port.host_ip {
        Some(ip) if !ip.is_unspecified() => format!("-d {} ", IpNet::from(ip)),
        Some(_) | None => String::new(),
    };
    let same = port.host == port.container;
    let mut ways = Vec::new();
    if same && port.host.count() > 1 {
        let ports = format!("{}:{}", port.host.first, port.host.last);
        ways.push((ports, to.to_string()));
    } else {
        let pairs = (port.host.first..=port.host.last).zip(port.container.first..);
        ways.extend(
            pairs.map(|(host, port)| (host.to_string(), SocketAddr::new(to, port).to_string())),
        );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::testing::{internal, network, rule};

    #[test]
    fn the_full_rules_of_two_projects_in_both_families() {
        let mut open = network("open", false);
        open.subnets.v4 = "10.78.0.0/24".parse().unwrap();
        open.subnets.v6 = "fd78::/64".parse().ok();
        let state = State {
            networks: vec![network("shop", true), open, internal()],
            rules: vec![
                rule("80:8080/tcp", &["192.168.0.0/16", "fd00::/8"]),
                rule("9000-9010:9000-9010/udp", &[]),
                rule("127.0.0.1:53:53/udp", &[]),
                rule("[2001:db8::1]:53-54:63-64/tcp", &[]),
            ],
            loopback6: false,
        };
        let full = |family| script(family, &state, "").unwrap().unwrap();
        assert_eq!(full(Family::V4), include_str!("golden.v4"));
        assert_eq!(full(Family::V6), include_str!("golden.v6"));
    }
}
