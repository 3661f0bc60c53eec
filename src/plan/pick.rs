//! Free host ports for rules with host port 0: picked once, then recorded.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::model::{Name, Place, Port, PortRange, Project, stable_hash};
use crate::observed::{Observed, ProjectRecord};

use super::intent::runs;

/// First port of the range for private use (RFC 6335), where free ports are picked.
const PRIVATE: u16 = 49_152;
/// First port that is picked when none of those is left.
pub(super) const FIRST_FREE: u16 = 10_000;

/// Under which name the record keeps what was picked.
pub(super) fn key(container: &Name, port: &Port) -> String {
    format!("{container} {port}")
}

/// Picks a free port for every rule with host port 0 that has none yet, and gives back those rules
/// for which none is free. What no rule asks for any more is forgotten, but for containers that are left out for now: their
/// profiles are off, or their engine does not answer.
pub(super) fn pick(
    project: &Project,
    observed: &Observed,
    record: &mut ProjectRecord,
) -> Vec<(Name, Port, Place)> {
    let open = unpicked(project, record);
    let keys: BTreeSet<String> = open.iter().map(|(n, port, _)| key(n, port)).collect();
    let left_out = |key: &str| {
        let name = key.split_once(' ').map_or(key, |(name, _)| name);
        let is = |other: &Name| other.as_str() == name;
        project.disabled.keys().any(is) || observed.unknown.iter().any(is)
    };
    record.picked_ports.retain(|key, port| {
        left_out(key) || keys.contains(key) && !is_lost(observed, project, key, *port)
    });
    let mut used = used(project, observed);
    used.extend(record.picked_ports.values());
    let mut full = Vec::new();
    for (name, port, place) in open {
        let key = key(&name, &port);
        if record.picked_ports.contains_key(&key) {
            continue;
        }
        // A container of that name may be in many projects.
        let seed = format!("{} {key}", project.name);
        match free(&seed, &used, &observed.host.ephemeral) {
            Some(picked) => {
                used.insert(picked);
                record.picked_ports.insert(key, picked);
            }
            None => full.push((name, port, place)),
        }
    }
    full
}

/// Whether somebody else has had a picked port since its container rests: nobody has promised that one.
fn is_lost(observed: &Observed, project: &Project, key: &str, port: u16) -> bool {
    let name = key.split_once(' ').map_or(key, |(name, _)| name);
    let mut containers = observed.containers.iter();
    let found = containers.find(|(other, _)| other.as_str() == name);
    if runs(found.map(|(_, found)| found)) {
        return false;
    }
    let has = |range: PortRange| (range.first..=range.last).contains(&port);
    let mut rules = observed.firewall.rules.iter();
    let others = rules.any(|rule| rule.project != project.name && has(rule.port.host));
    others || observed.listeners.iter().any(|l| l.port == port)
}

/// Every rule with host port 0, of the file and by hand. Such rules have one port, never a range.
fn unpicked(project: &Project, record: &ProjectRecord) -> Vec<(Name, Port, Place)> {
    let file = project.containers.iter().flat_map(|(name, container)| {
        let ports = container.ports.iter();
        ports.map(move |(port, place)| (name.clone(), port.clone(), place.clone()))
    });
    let added = record.added_ports.iter().flat_map(|(name, ports)| {
        let ports = ports.iter();
        ports.map(move |port| (name.clone(), port.clone(), Place::nowhere()))
    });
    file.chain(added)
        .filter(|(_, port, _)| port.host.first == 0)
        .collect()
}

fn used(project: &Project, observed: &Observed) -> BTreeSet<u16> {
    let mut used: BTreeSet<u16> = observed.listeners.iter().map(|l| l.port).collect();
    let rules = observed.firewall.rules.iter().map(|rule| rule.port.host);
    let file = project.containers.values().flat_map(|c| &c.ports);
    for range in rules.chain(file.map(|(port, _)| port.host)) {
        used.extend(range.first.max(FIRST_FREE)..=range.last);
    }
    used
}

/// Never one that the kernel gives to clients by itself: a connection of this host could have it whenever the
/// rule is put in place.
fn free(key: &str, used: &BTreeSet<u16>, ephemeral: &Option<RangeInclusive<u16>>) -> Option<u16> {
    let kernels = |port: &u16| ephemeral.as_ref().is_some_and(|range| range.contains(port));
    let hash = stable_hash(key);
    let mut all = around(hash, PRIVATE, u16::MAX).chain(around(hash, FIRST_FREE, PRIVATE - 1));
    all.find(|port| !used.contains(port) && !kernels(port))
}

/// All ports from `first` to `last`, from a place that `hash` chooses.
fn around(hash: u64, first: u16, last: u16) -> impl Iterator<Item = u16> {
    let span = u64::from(last - first) + 1;
    let start = hash % span;
    (0..span).filter_map(move |step| {
        let more = u16::try_from((start + step) % span).ok()?;
        first.checked_add(more)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_the_kernel_gives_to_clients_is_never_picked() {
        let key = "web 0:80/tcp";
        for (range, from, to) in [
            (32_768..=60_999, 61_000, u16::MAX),
            (32_768..=u16::MAX, FIRST_FREE, 32_767),
            (1024..=u16::MAX, 0, 0),
        ] {
            let mut used = BTreeSet::new();
            for _ in 0..100 {
                let picked = free(key, &used, &Some(range.clone()));
                if to == 0 {
                    assert_eq!(picked, None);
                    break;
                }
                let picked = picked.unwrap();
                assert!(
                    (from..=to).contains(&picked) && used.insert(picked),
                    "{picked}"
                );
            }
        }
    }
}
