//! Port rules: which are wanted, and who is in their way.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{
    ContainerSpec, Key, Name, Place, Port, PortRange, PortRule, Project, Protocol, stable_hash,
};
use crate::observed::{Observed, ProjectRecord};

use super::{Problem, Warning};

/// First port of the range for private use (RFC 6335), where free ports are picked.
const FIRST_FREE: u16 = 49_152;

/// The rules that the file and `port add` want for a container, each with its place.
pub(super) fn wanted(
    project: &Project,
    record: Option<&ProjectRecord>,
    spec: &ContainerSpec,
) -> Vec<(PortRule, Place)> {
    let file = project.containers.get(&spec.name);
    let of_file = file.iter().flat_map(|c| c.ports.iter().cloned());
    let added = record.and_then(|r| r.added_ports.get(&spec.name));
    let added = added.into_iter().flatten();
    let all = of_file.chain(added.map(|port| (port.clone(), Place::nowhere())));
    all.filter_map(|(mut port, place)| {
        if port.host.first == 0 {
            let first = *record?.picked_ports.get(&pick_key(&spec.name, &port))?;
            let last = first.checked_add(port.container.last - port.container.first)?;
            port.host = PortRange { first, last };
        }
        Some((rule(spec, port), place))
    })
    .collect()
}

pub(super) fn rule(spec: &ContainerSpec, port: Port) -> PortRule {
    PortRule {
        project: spec.project.clone(),
        container: spec.name.clone(),
        port,
        to4: spec.nic.addresses.v4,
        to6: spec.nic.addresses.v6,
    }
}

fn pick_key(container: &Name, port: &Port) -> String {
    format!("{container} {port}")
}

/// Picks a free port for every rule with host port 0 that has none yet.
pub(super) fn pick(project: &Project, observed: &Observed, record: &mut ProjectRecord) {
    let mut used: BTreeSet<u16> = observed.listeners.iter().map(|l| l.port).collect();
    let rules = observed.firewall.rules.iter().map(|rule| rule.port.host);
    let file = project.containers.values().flat_map(|c| &c.ports);
    for range in rules.chain(file.map(|(port, _)| port.host)) {
        used.extend(range.first..=range.last);
    }
    used.extend(record.picked_ports.values());
    for (name, container) in &project.containers {
        let added = record.added_ports.get(name).cloned().unwrap_or_default();
        let ports = container.ports.iter().map(|(port, _)| port.clone());
        for port in ports.chain(added).filter(|port| port.host.first == 0) {
            let key = pick_key(name, &port);
            if record.picked_ports.contains_key(&key) {
                continue;
            }
            let more = port.container.last - port.container.first;
            let span = u64::from(u16::MAX - FIRST_FREE).saturating_sub(u64::from(more)) + 1;
            let start = stable_hash(&key) % span;
            let free = (0..span).find_map(|step| {
                let first = FIRST_FREE + u16::try_from((start + step) % span).ok()?;
                let mut all = first..=first.checked_add(more)?;
                all.all(|port| !used.contains(&port)).then_some(first)
            });
            if let Some(first) = free {
                used.extend(first..=first.saturating_add(more));
                record.picked_ports.insert(key, first);
            }
        }
    }
}

/// Who is in the way of `add`; `stay` are the rules that will be in place beside them.
pub(super) fn conflicts(
    observed: &Observed,
    add: &[(PortRule, Place)],
    stay: &BTreeSet<&PortRule>,
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
    for listener in &observed.listeners {
        let key = (listener.protocol, listener.port);
        listeners.entry(key).or_default().push(listener);
    }
    let mut problems = Vec::new();
    for (rule, place) in add {
        let keys = rule.port.host.first..=rule.port.host.last;
        let mut keys = keys.map(|port| (rule.port.protocol, port));
        let owner = keys.find_map(|key| {
            let rules = by_port.get(&key).into_iter().flatten();
            let mut others = rules.filter(|o| **o != rule && o.port.collides(&rule.port));
            let by_rule = others
                .next()
                .map(|other| match other.project == rule.project {
                    true => format!("container `{}`", other.container),
                    false => format!(
                        "container `{}` of project `{}`",
                        other.container, other.project
                    ),
                });
            let mut busy = listeners.get(&key).into_iter().flatten();
            by_rule.or_else(|| {
                let busy = busy.find(|l| meets(l.address, rule.port.host_ip));
                busy.map(|l| l.owner.clone())
            })
        });
        if let Some(owner) = owner {
            problems.push(Problem {
                message: format!(
                    "port `{}` of container `{}` is in use by {owner}",
                    rule.port, rule.container
                ),
                container: Some(rule.container.clone()),
                key: Some(Key::Ports),
                place: place.is_somewhere().then(|| place.clone()),
                help: Some("publish another port, or free this one".into()),
            });
        }
    }
    problems
}

/// Whether a socket bound to `listener` gets packets that a rule for `wanted` would take.
fn meets(listener: IpAddr, wanted: Option<IpAddr>) -> bool {
    let Some(wanted) = wanted else { return true };
    // `::` takes IPv4 as well unless told otherwise (ipv6(7), IPV6_V6ONLY).
    let wide = listener.is_unspecified() && (listener.is_ipv6() || wanted.is_ipv4());
    let all = wanted.is_unspecified() && wanted.is_ipv4() == listener.is_ipv4();
    wide || all || listener == wanted
}

/// Rules that will not do what they say.
pub(super) fn doubts(observed: &Observed, wanted: &[(PortRule, Place)]) -> Vec<Warning> {
    let none = observed.firewall.driver == "none";
    let mut warnings = Vec::new();
    if none && !wanted.is_empty() {
        warnings.push(Warning {
            message: "the firewall is `none`: no port is published".into(),
            place: None,
        });
    }
    for (rule, place) in wanted {
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
