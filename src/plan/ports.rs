//! Port rules: which are wanted, and who is in their way.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{
    ContainerSpec, Key, Listener, Nic, Place, Port, PortRange, PortRule, Project, Protocol,
};
use crate::observed::{Observed, ProjectRecord};

use super::denied::denied;
use super::pick::key;
use super::{Problem, Warning, networks, units};

/// The rules that the file and `port add` want for a container, each with its place.
pub(super) fn wanted(
    project: &Project,
    record: Option<&ProjectRecord>,
    spec: &ContainerSpec,
) -> Vec<(PortRule, Place)> {
    let file = project.containers.get(&spec.name);
    // What systemd holds is answered by it.
    let of_file = file.iter().flat_map(|c| {
        let ports = c.ports.iter();
        ports
            .filter(|(port, _)| !units::is_held(c, port.protocol))
            .cloned()
    });
    let added = record.and_then(|r| r.added_ports.get(&spec.name));
    let added = added.into_iter().flatten();
    let all = of_file.chain(added.map(|port| (port.clone(), Place::nowhere())));
    let out = record.and_then(|record| record.withdrawn.get(&spec.name));
    let all = all.filter(|(port, _)| !out.is_some_and(|out| out.contains(port)));
    let nic = spec.nic.as_ref();
    all.filter_map(|(mut port, place)| {
        if port.host.first == 0 {
            let first = *record?.picked_ports.get(&key(&spec.name, &port))?;
            let last = first.checked_add(port.container.last - port.container.first)?;
            port.host = PortRange { first, last };
        }
        Some((rule(spec, nic?, port), place))
    })
    .collect()
}

fn rule(spec: &ContainerSpec, nic: &Nic, port: Port) -> PortRule {
    PortRule {
        project: spec.project.clone(),
        container: spec.name.clone(),
        port,
        to4: nic.addresses.v4,
        to6: nic.addresses.v6,
    }
}

/// Who is in the way of `add`; `stay` are the rules that will be in place beside them, and what `goes` listens
/// no more by then.
pub(super) fn conflicts(
    observed: &Observed,
    add: &[(PortRule, Place)],
    stay: &BTreeSet<&PortRule>,
    goes: impl Fn(&Listener) -> bool,
) -> Vec<Problem> {
    let mut by_port: BTreeMap<(Protocol, u16), Vec<&PortRule>> = BTreeMap::new();
    for rule in stay.iter().copied().chain(add.iter().map(|(rule, _)| rule)) {
        for port in rule.port.host.first..=rule.port.host.last {
            by_port
                .entry((rule.port.protocol, port))
                .or_default()
                .push(rule);
        }
    }
    let mut listeners: BTreeMap<(Protocol, u16), Vec<_>> = BTreeMap::new();
    for listener in observed.listeners.iter().filter(|l| !goes(l)) {
        let key = (listener.protocol, listener.port);
        listeners.entry(key).or_default().push(listener);
    }
    let mut problems = Vec::new();
    for (rule, place) in add {
        let ports = rule.port.host.first..=rule.port.host.last;
        let mut keys = ports.map(|port| (rule.port.protocol, port));
        let owner = keys.find_map(|key| {
            let rules = by_port.get(&key).into_iter().flatten();
            let busy = listeners.get(&key).into_iter().flatten();
            owner_by_rule(rule, rules.copied()).or_else(|| {
                let mut busy = busy.filter(|l| meets(l, rule.port.host_ip));
                busy.next().map(|l| l.owner.clone())
            })
        });
        problems.extend(owner.map(|owner| in_use(rule, place, &owner)));
    }
    problems
}

/// A port on an IPv6 address of the host leads nowhere on a network without IPv6. One that systemd holds does:
/// its way goes on over IPv4.
pub(super) fn without_ipv6(rule: &PortRule, place: &Place) -> Option<Problem> {
    let six = rule.port.host_ip.is_some_and(|ip| ip.is_ipv6());
    (six && rule.to6.is_none()).then(|| Problem {
        message: format!(
            "port `{}` of container `{}` needs IPv6, which its network does not have",
            rule.port, rule.container
        ),
        container: Some(rule.container.clone()),
        key: Some(Key::Ports),
        place: place.is_somewhere().then(|| place.clone()),
        help: Some("write `enable_ipv6: true` for its network, and run `locker up`".into()),
    })
}

fn owner_by_rule<'a>(
    rule: &PortRule,
    mut others: impl Iterator<Item = &'a PortRule>,
) -> Option<String> {
    let other = others.find(|other| *other != rule && other.port.collides(&rule.port))?;
    Some(match other.project == rule.project {
        true => format!("container `{}`", other.container),
        false => format!(
            "container `{}` of project `{}`",
            other.container, other.project
        ),
    })
}

/// That `owner` has the port of a rule.
pub(super) fn in_use(rule: &PortRule, place: &Place, owner: &str) -> Problem {
    Problem {
        message: format!(
            "port `{}` of container `{}` is in use by {owner}",
            rule.port, rule.container
        ),
        container: Some(rule.container.clone()),
        key: Some(Key::Ports),
        place: place.is_somewhere().then(|| place.clone()),
        help: Some("publish another port, or free this one".into()),
    }
}

/// Whether a socket has one of the ports that a rule is for.
pub(super) fn is_taken_by(rule: &PortRule, listener: &Listener) -> bool {
    let host = rule.port.host;
    rule.port.protocol == listener.protocol
        && (host.first..=host.last).contains(&listener.port)
        && meets(listener, rule.port.host_ip)
}

/// Whether a socket that listens gets packets that a rule for `wanted` would take.
fn meets(listener: &Listener, wanted: Option<IpAddr>) -> bool {
    let Some(wanted) = wanted else { return true };
    let address = listener.address;
    // `::` takes IPv4 as well unless told otherwise (ipv6(7), IPV6_V6ONLY), as systemd is for what it holds.
    let both = address.is_ipv6() && listener.held_for.is_none();
    let same = wanted.is_ipv4() == address.is_ipv4();
    let wide = address.is_unspecified() && (both || same);
    let all = wanted.is_unspecified() && same;
    wide || all || address == wanted
}

/// Chains of others that drop what is led on to containers, or what they send; an accept of ours does not end them.
/// `publishes` is whether ports are published.
pub fn closed(observed: &Observed, publishes: bool) -> impl Iterator<Item = String> + '_ {
    let foreign = &observed.firewall.foreign;
    let let_pass = |chain: &str| {
        format!(
            "to let locker's traffic through, run: nft insert rule {chain} iifname \"lk-*\" accept && nft insert rule {chain} oifname \"lk-*\" accept"
        )
    };
    let closed = foreign.closed.iter().map(move |chain| {
        let cure = let_pass(chain);
        format!(
            "the chain `{chain}` of nftables drops what is forwarded, published ports and what containers send; {cure}"
        )
    });
    let one_way = foreign.one_way.iter().map(move |chain| {
        let cure = let_pass(chain);
        format!(
            "the chain `{chain}` of nftables lets published ports pass and drops what containers send by themselves; {cure}"
        )
    });
    let led = foreign.led.iter().filter(move |_| publishes);
    let led = led.map(move |chain| {
        let cure = let_pass(chain);
        format!("the chain `{chain}` of nftables has no rule for published ports, and drops what it has none for; {cure}")
    });
    closed.chain(one_way).chain(led)
}

/// Whether what others drop of forwarded packets concerns a container: it is on a network with a way out.
pub fn goes_out(project: &Project, spec: &ContainerSpec) -> bool {
    let keys = networks::keys(spec);
    let mut keys = keys.iter();
    keys.any(|network| !networks::is_internal(project, network))
}

/// Rules that will not do what they say.
pub(super) fn doubts(
    observed: &Observed,
    wanted: &[(PortRule, Place)],
    goes_out: bool,
) -> Vec<Warning> {
    let none = observed.firewall.driver == "none";
    let mut warnings = Vec::new();
    if none && !wanted.is_empty() {
        warnings.push(Warning {
            message: "the firewall is `none`: no port is published".into(),
            place: None,
        });
    }
    let said = |message| Warning {
        message,
        place: None,
    };
    if goes_out || !wanted.is_empty() {
        warnings.extend(closed(observed, !wanted.is_empty()).map(said));
    }
    for (rule, place) in wanted {
        warnings.extend(denied(observed, rule).map(|message| Warning {
            message,
            place: place.is_somewhere().then(|| place.clone()),
        }));
        let Some(ip) = rule.port.host_ip.filter(|ip| !ip.is_unspecified()) else {
            continue;
        };
        if !observed.host.addresses.contains(&ip) {
            warnings.push(Warning {
                message: format!("`{ip}` of port `{}` is no address of this host", rule.port),
                place: place.is_somewhere().then(|| place.clone()),
            });
        }
    }
    warnings
}
