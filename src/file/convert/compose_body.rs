//! One application container of Locker's layout as a service of Compose's.

use super::super::merge::names;
use super::super::tree::{Entry, Kind, Node, Spot};
use super::compose_values::{mounts, ports};
use super::words::{WORDS, replace};
use super::{Notes, entries, map_texts};
use crate::model::{Name, Project};

/// Keys that only Locker has, with what one may do about it.
const OWN: [(&str, Option<&str>); 11] = [
    ("group", Some("`profiles` make groups of another kind")),
    ("setup", Some("run it while the image is built")),
    ("autostart", Some("`restart` starts containers at boot")),
    ("cgroup", Some("write `mem_limit`, `cpus` and the like")),
    ("config", None),
    ("idmap", None),
    ("supervisor", None),
    ("isolate", None),
    ("on_demand", None),
    ("idle", None),
    ("identity", None),
];

/// A service. `names` are all that there will be; named volumes are added to `volumes`.
pub(super) fn body(
    notes: &mut Notes<'_, '_>,
    name: &str,
    node: Node,
    known: &[String],
    project: &Project,
    volumes: &mut Vec<(String, Spot)>,
) -> Node {
    let spot = node.spot;
    let mut all = Vec::new();
    for mut entry in entries(node) {
        let key = entry.key.clone();
        if let Some((_, help)) = OWN.iter().find(|(own, _)| *own == key)
            && !(key == "cgroup" && entry.value.as_text().is_some())
        {
            let message = format!("`{key}` of `{name}` is left out; Compose has no such key");
            notes.lost(entry.spot, message, *help);
            continue;
        }
        match key.as_str() {
            "dns" => {
                entry.value = without(
                    notes,
                    entry.value,
                    &["$copy", "${copy}", "$bridge", "${bridge}", "none"],
                )
            }
            "pull" => entry.key = "pull_policy".into(),
            "depends_on" => entry.value = depends_on(notes, name, entry.value, known),
            "links" => entry.value = links(notes, name, entry.value, known),
            "ports" => entry.value = ports(notes, entry.value),
            "volumes" => entry.value = mounts(entry.value, volumes),
            "restart" => restart(notes, &mut entry),
            "healthcheck" if entry.value.get("port").is_some() => {
                let message =
                    format!("`healthcheck` of `{name}` is left out; Compose has no check by port");
                let help = "a `test` with a command that the image has does in both";
                notes.lost(entry.spot, message, Some(help));
                continue;
            }
            _ => {}
        }
        if entry.key == "fqdn" {
            all.extend(host_names(name, &entry, project));
        } else {
            all.push(entry);
        }
    }
    let node = Node::new(spot, Kind::Mapping(all));
    with_values(notes, name, node, project)
}

/// Locker's words stand for what they are in this container.
fn with_values(notes: &mut Notes<'_, '_>, name: &str, node: Node, project: &Project) -> Node {
    let container = Name::new(name)
        .ok()
        .and_then(|name| project.containers.get(&name));
    let fqdn = container.and_then(|container| container.fqdn.as_ref());
    let mut bridges = Vec::new();
    let node = map_texts(node, &mut Vec::new(), &mut |_, text, spot| {
        let mut hit = false;
        let replaced = replace(text, &mut |word| {
            hit |= WORDS.contains(&word);
            match word {
                "name" => Some(name.to_string()),
                "project" => Some(project.name.to_string()),
                "fqdn" => fqdn.map(ToString::to_string),
                "bridge" => {
                    bridges.push(spot);
                    Some(project.bridge())
                }
                _ => None,
            }
        });
        hit.then_some(replaced)
    });
    for spot in bridges {
        let message = "`$bridge` is the name of locker's bridge; Compose makes another one";
        notes.lost(spot, message, None);
    }
    node
}

/// Takes items out of a list that Compose has no word for.
fn without(notes: &mut Notes<'_, '_>, node: Node, words: &[&str]) -> Node {
    let spot = node.spot;
    let items = match node.kind {
        Kind::Sequence(items) => items,
        Kind::Scalar(_) => vec![node],
        Kind::Null | Kind::Mapping(_) => return node,
    };
    let items = items.into_iter().filter(|item| {
        let text = item.as_text().unwrap_or_default();
        let gone = words.contains(&text);
        if gone {
            let message = format!("`{text}` is left out; Compose's own resolver answers");
            notes.lost(item.spot, message, None);
        }
        !gone
    });
    let items = items.collect();
    Node::new(spot, Kind::Sequence(items))
}

fn depends_on(notes: &mut Notes<'_, '_>, name: &str, node: Node, known: &[String]) -> Node {
    let node = names(node, &[]);
    let spot = node.spot;
    let mut all = entries(node);
    all.retain(|entry| is_there(notes, name, &entry.key, entry.spot, known));
    let short = all.iter().all(|entry| entry.value.is_null());
    if short {
        let items = all
            .into_iter()
            .map(|entry| Node::scalar(entry.spot, entry.key));
        return Node::new(spot, Kind::Sequence(items.collect()));
    }
    for entry in &mut all {
        let spot = entry.spot;
        let mut keys = entries(std::mem::replace(
            &mut entry.value,
            Node::new(spot, Kind::Null),
        ));
        match keys.iter_mut().find(|key| key.key == "condition") {
            Some(condition) => {
                let word = match condition.value.as_text() {
                    Some("started") => Some("service_started"),
                    Some("healthy") => Some("service_healthy"),
                    Some("completed_successfully") => Some("service_completed_successfully"),
                    // One of Compose's words already, or a variable.
                    Some(_) | None => None,
                };
                if let Some(word) = word {
                    condition.value = Node::scalar(condition.value.spot, word);
                }
            }
            None => keys.insert(
                0,
                Entry::new("condition", spot, Node::scalar(spot, "service_started")),
            ),
        }
        entry.value = Node::new(spot, Kind::Mapping(keys));
    }
    Node::new(spot, Kind::Mapping(all))
}

fn is_there(
    notes: &mut Notes<'_, '_>,
    name: &str,
    other: &str,
    spot: Spot,
    known: &[String],
) -> bool {
    let there = known.iter().any(|known| known == other);
    if !there {
        let message = format!("`{name}` no longer names `{other}`, which is left out");
        notes.lost(spot, message, None);
    }
    there
}

/// Compose has a list of `NAME[:ALIAS]` only.
fn links(notes: &mut Notes<'_, '_>, name: &str, node: Node, known: &[String]) -> Node {
    let spot = node.spot;
    let mut all: Vec<(String, Spot)> = Vec::new();
    let with = |name: &str, alias: Option<&str>| match alias {
        Some(alias) => format!("{name}:{alias}"),
        None => name.to_string(),
    };
    match node.kind {
        Kind::Sequence(items) => {
            for item in items {
                let text = |key: &str| item.get(key).and_then(|entry| entry.value.as_text());
                let line = match item.as_text() {
                    Some(line) => line.to_string(),
                    None => with(text("name").unwrap_or_default(), text("alias")),
                };
                all.push((line, item.spot));
            }
        }
        Kind::Mapping(entries) => {
            for entry in entries {
                let aliases: Vec<Option<&str>> = match &entry.value.kind {
                    Kind::Sequence(items) => items.iter().map(Node::as_text).collect(),
                    Kind::Null | Kind::Scalar(_) | Kind::Mapping(_) => vec![entry.value.as_text()],
                };
                let lines = aliases.into_iter().map(|alias| with(&entry.key, alias));
                all.extend(lines.map(|line| (line, entry.spot)));
            }
        }
        Kind::Null | Kind::Scalar(_) => return node,
    }
    all.retain(|(line, spot)| {
        let other = line.split(':').next().unwrap_or_default();
        other.contains('$') || is_there(notes, name, other, *spot, known)
    });
    let items = all.into_iter().map(|(line, spot)| Node::scalar(spot, line));
    Node::new(spot, Kind::Sequence(items.collect()))
}

fn restart(notes: &mut Notes<'_, '_>, entry: &mut Entry) {
    if entry.value.as_text() == Some("on-unhealthy") {
        let message =
            "`on-unhealthy` becomes `always`; Compose does not restart what is not healthy";
        notes.lost(entry.value.spot, message, None);
        entry.value = Node::scalar(entry.value.spot, "always");
    }
}

/// The host name and the domain of a container's full name.
fn host_names(name: &str, entry: &Entry, project: &Project) -> Vec<Entry> {
    let container = Name::new(name)
        .ok()
        .and_then(|name| project.containers.get(&name));
    let Some(fqdn) = container.and_then(|container| container.fqdn.as_ref()) else {
        return Vec::new();
    };
    let whole = fqdn.to_string();
    let (host, domain) = match whole.split_once('.') {
        Some((host, domain)) => (host.to_string(), Some(domain.to_string())),
        None => (whole, None),
    };
    let text = |text: String| Node::scalar(entry.value.spot, text);
    let mut all = vec![Entry::new("hostname", entry.spot, text(host))];
    all.extend(domain.map(|domain| Entry::new("domainname", entry.spot, text(domain))));
    all
}
