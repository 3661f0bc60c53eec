//! From Locker's layout to Compose's: application containers only, with Compose's words for what
//! Compose has, and a line for everything that it does not have.

use super::super::layout::Layout;
use super::super::merge;
use super::super::tree::{Entry, Kind, Node, Spot};
use super::compose_body::body;
use super::{Notes, entries};
use crate::model::{self, Project};

/// The tree in Compose's layout.
pub(super) fn from_locker(notes: &mut Notes<'_, '_>, root: Node, project: &Project) -> Node {
    let spot = root.spot;
    let mut all: Vec<Entry> = Vec::new();
    let defaults = root.get("defaults").map(|entry| entry.value.clone());
    let mut volumes: Vec<(String, Spot)> = Vec::new();
    for mut entry in entries(root) {
        match entry.key.as_str() {
            "containers" => {
                let value = services(notes, entry.value, defaults.as_ref(), project, &mut volumes);
                all.push(Entry::new("services", entry.spot, value));
            }
            "name" => {
                name(notes, &mut entry, project);
                all.push(entry);
            }
            "network" => network(notes, &mut all, entry),
            // Merged into the containers.
            "defaults" => {}
            "firewall" | "groups" | "backend" | "supervisor" | "version" => {
                let message = format!("`{}` is left out; Compose has no such key", entry.key);
                notes.lost(entry.spot, message, None);
            }
            _ => match all.iter_mut().find(|old| old.key == entry.key) {
                // The default network may be there already.
                Some(old) => {
                    let base = std::mem::replace(&mut old.value, Node::new(spot, Kind::Null));
                    let pair = |value: Node, key: &str| {
                        let entry = Entry::new(key, value.spot, value);
                        Node::new(spot, Kind::Mapping(vec![entry]))
                    };
                    let (base, over) = (pair(base, &entry.key), pair(entry.value, &entry.key));
                    let merged = merge::files(notes.desk, base, over, Layout::Compose);
                    old.value = entries(merged).remove(0).value;
                }
                None => all.push(entry),
            },
        }
    }
    declare(&mut all, volumes, spot);
    Node::new(spot, Kind::Mapping(all))
}

/// Names of Compose projects are lower case.
fn name(notes: &mut Notes<'_, '_>, entry: &mut Entry, project: &Project) {
    let fit = project.name.as_str().to_lowercase().replace('.', "-");
    if fit != project.name.as_str() {
        let message = format!(
            "the project is called `{fit}`; Compose takes lower case, digits, `_` and `-` only"
        );
        notes.lost(entry.spot, message, None);
        entry.value = Node::scalar(entry.value.spot, fit);
    }
}

/// `network`: what Compose calls the network `default`.
fn network(notes: &mut Notes<'_, '_>, all: &mut Vec<Entry>, entry: Entry) {
    let spot = entry.spot;
    let map = |key: &str, value: Node| {
        Node::new(
            value.spot,
            Kind::Mapping(vec![Entry::new(key, value.spot, value)]),
        )
    };
    let parts = entries(entry.value);
    let gateway = |key: &str| {
        let found = parts.iter().find(|part| part.key == key)?;
        Some(Entry::new("gateway", found.spot, found.value.clone()))
    };
    // One entry of `ipam.config`.
    let subnet = |net: &Entry, gateway: Option<Entry>| {
        let net = Entry::new("subnet", net.spot, net.value.clone());
        Node::new(
            spot,
            Kind::Mapping(std::iter::once(net).chain(gateway).collect()),
        )
    };
    let mut subnets = Vec::new();
    let (mut ipv6, mut mtu) = (None, None);
    for part in &parts {
        match part.key.as_str() {
            "subnet" => subnets.push(subnet(part, gateway("gateway"))),
            "gateway" | "gateway6" => {}
            "mtu" => mtu = Some(part.value.clone()),
            // What Compose means without it.
            "enable_ipv6" if part.value.as_text() == Some("false") => {}
            "enable_ipv6" => ipv6 = Some(part.value.clone()),
            "subnet6" => {
                ipv6 = Some(Node::scalar(part.spot, "true").unquoted(true));
                subnets.push(subnet(part, gateway("gateway6")));
            }
            key => {
                let message = format!("`{key}` of `network` is left out; Compose has no such key");
                notes.lost(part.spot, message, None);
            }
        }
    }
    let mut own = Vec::new();
    if !subnets.is_empty() {
        let config = map("config", Node::new(spot, Kind::Sequence(subnets)));
        own.push(Entry::new("ipam", spot, config));
    }
    own.extend(ipv6.map(|on| Entry::new("enable_ipv6", on.spot, on)));
    own.extend(mtu.map(|mtu| {
        let options = map("com.docker.network.driver.mtu", mtu);
        Entry::new("driver_opts", options.spot, options)
    }));
    if own.is_empty() {
        return;
    }
    let value = map("default", Node::new(spot, Kind::Mapping(own)));
    match all.iter_mut().find(|old| old.key == "networks") {
        Some(old) => {
            let mut both = entries(std::mem::replace(
                &mut old.value,
                Node::new(spot, Kind::Null),
            ));
            if both.iter().all(|entry| entry.key != "default") {
                both.extend(entries(value));
            }
            old.value = Node::new(spot, Kind::Mapping(both));
        }
        None => all.push(Entry::new("networks", spot, value)),
    }
}

fn services(
    notes: &mut Notes<'_, '_>,
    containers: Node,
    defaults: Option<&Node>,
    project: &Project,
    volumes: &mut Vec<(String, Spot)>,
) -> Node {
    let spot = containers.spot;
    let mut all = entries(containers);
    all.retain(|entry| {
        entry.key.starts_with("x-") || {
            let application = is_application(entry, defaults, project);
            if !application {
                let message = format!(
                    "`{}` is left out; it is an LXC container, and Compose has none",
                    entry.key
                );
                notes.lost(entry.spot, message, None);
            }
            application
        }
    });
    let names: Vec<String> = all.iter().map(|entry| entry.key.clone()).collect();
    let converted = all.into_iter().map(|mut entry| {
        if !entry.key.starts_with("x-") {
            let value = with_defaults(notes, entry.value, defaults);
            entry.value = body(notes, &entry.key, value, &names, project, volumes);
        }
        entry
    });
    let converted = converted.collect();
    Node::new(spot, Kind::Mapping(converted))
}

fn is_application(entry: &Entry, defaults: Option<&Node>, project: &Project) -> bool {
    let known = model::Name::new(&entry.key).ok();
    let container = known.and_then(|name| project.containers.get(&name));
    match container {
        Some(container) => container.kind() == model::Kind::Application,
        // One that is scaled to nothing.
        None => {
            let has = |map: &Node| map.get("image").is_some() || map.get("build").is_some();
            has(&entry.value) || defaults.is_some_and(has)
        }
    }
}

/// Keys of `defaults` add to these of a container; all others only stand in for them.
const ADDING: [&str; 10] = [
    "environment",
    "labels",
    "env_file",
    "ports",
    "volumes",
    "links",
    "dns",
    "depends_on",
    "cgroup",
    "setup",
];

fn with_defaults(notes: &Notes<'_, '_>, own: Node, defaults: Option<&Node>) -> Node {
    let Some(defaults) = defaults else {
        return own;
    };
    let sources = [
        "template", "clone", "download", "rootfs", "config", "idmap", "identity",
    ];
    let made = own.get("image").is_some() || own.get("build").is_some();
    let mut base = entries(defaults.clone());
    base.retain(|entry| {
        let key = entry.key.as_str();
        let stands = own.get(key).is_none() || ADDING.contains(&key);
        let source = made && matches!(key, "image" | "build");
        stands && !source && !sources.contains(&key)
    });
    let base = Node::new(defaults.spot, Kind::Mapping(base));
    merge::bodies(notes.desk, base, own, Layout::Locker)
}

/// Compose wants named volumes to be declared.
fn declare(all: &mut Vec<Entry>, volumes: Vec<(String, Spot)>, spot: Spot) {
    if volumes.is_empty() {
        return;
    }
    let at = all.iter().position(|entry| entry.key == "volumes");
    let at = at.unwrap_or_else(|| {
        all.push(Entry::new("volumes", spot, Node::new(spot, Kind::Null)));
        all.len() - 1
    });
    let mut declared = entries(std::mem::replace(
        &mut all[at].value,
        Node::new(spot, Kind::Null),
    ));
    for (name, spot) in volumes {
        if declared.iter().all(|entry| entry.key != name) {
            declared.push(Entry::new(name, spot, Node::new(spot, Kind::Null)));
        }
    }
    all[at].value = Node::new(spot, Kind::Mapping(declared));
}
