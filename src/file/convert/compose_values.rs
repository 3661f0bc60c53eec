//! Ports and mounts of Locker's layout in Compose's forms.

use super::super::tree::{Entry, Kind, Node, Spot};
use super::{Notes, entries};

/// Ports without `allow`.
pub(super) fn ports(notes: &mut Notes<'_, '_>, node: Node) -> Node {
    let spot = node.spot;
    let Kind::Sequence(items) = node.kind else {
        return node;
    };
    let items = items.into_iter().map(|item| {
        let spot = item.spot;
        if item.get("allow").is_none() {
            return item;
        }
        let mut keys = entries(item);
        keys.retain(|entry| {
            let gone = entry.key == "allow";
            if gone {
                let message =
                    "`allow` is left out; everybody reaches a port that Compose publishes";
                notes.lost(
                    entry.spot,
                    message,
                    Some("publish it on `127.0.0.1`, or use a firewall"),
                );
            }
            !gone
        });
        Node::new(spot, Kind::Mapping(keys))
    });
    let items = items.collect();
    Node::new(spot, Kind::Sequence(items))
}

/// Mounts with their type, and the named ones among them.
pub(super) fn mounts(node: Node, volumes: &mut Vec<(String, Spot)>) -> Node {
    let spot = node.spot;
    let Kind::Sequence(items) = node.kind else {
        return node;
    };
    let items = items.into_iter().map(|item| {
        let spot = item.spot;
        if let Some(text) = item.as_text() {
            let source = text.split_once(':').map(|(source, _)| source);
            volumes.extend(
                source
                    .filter(|s| !is_path(s))
                    .map(|s| (s.to_string(), spot)),
            );
            return item;
        }
        match item.kind {
            Kind::Mapping(_) => long_mount(item, volumes),
            Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) => item,
        }
    });
    let items = items.collect();
    Node::new(spot, Kind::Sequence(items))
}

/// The long form with its type.
fn long_mount(item: Node, volumes: &mut Vec<(String, Spot)>) -> Node {
    let spot = item.spot;
    let mut keys = entries(item);
    for key in &mut keys {
        if key.key == "host" {
            key.key = "source".into();
        }
    }
    let find = |keys: &[Entry], name: &str| {
        let found = keys.iter().find(|key| key.key == name);
        found.and_then(|key| key.value.as_text().map(str::to_string))
    };
    let kind = find(&keys, "type");
    if let Some(source) = find(&keys, "source") {
        let named = match kind.as_deref() {
            Some(kind) => kind == "volume",
            None => !is_path(&source),
        };
        if kind.is_none() {
            let word = if named { "volume" } else { "bind" };
            keys.insert(0, Entry::new("type", spot, Node::scalar(spot, word)));
        }
        volumes.extend(named.then_some((source, spot)));
    }
    Node::new(spot, Kind::Mapping(keys))
}

/// Whether a source is a path, or may become one.
fn is_path(source: &str) -> bool {
    source.starts_with(['/', '.', '~', '$'])
}
