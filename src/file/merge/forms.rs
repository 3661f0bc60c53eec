//! The short forms of values as the long ones, so that the two can be merged.

use super::super::tree::{Entry, Kind, Node, Spot};

/// A list: of a single value, of what a map says with `separator` between key and value, of nothing.
pub(super) fn list(node: Node, separator: char) -> Node {
    let mark = node.mark;
    let spot = node.spot;
    let items = match node.kind {
        Kind::Sequence(items) => items,
        Kind::Null => Vec::new(),
        Kind::Scalar(_) => vec![node],
        Kind::Mapping(entries) => {
            let written = entries.into_iter().filter(|e| e.duplicate_of.is_none());
            written.flat_map(|entry| lines(entry, separator)).collect()
        }
    };
    Node::new(spot, Kind::Sequence(items)).marked(mark)
}

/// An entry of a map as items of a list. Keys are not interpolated, but items are.
fn lines(entry: Entry, separator: char) -> Vec<Node> {
    let mark = entry.value.mark;
    let key = entry.key.replace('$', "$$");
    let line = |value: &str| {
        let text = format!("{key}{separator}{value}");
        Node::scalar(entry.spot, text).marked(mark)
    };
    match &entry.value.kind {
        Kind::Null => vec![Node::scalar(entry.spot, key).marked(mark)],
        Kind::Scalar(text) => vec![line(text)],
        Kind::Sequence(items) if items.iter().all(|item| item.as_text().is_some()) => {
            items.iter().filter_map(Node::as_text).map(line).collect()
        }
        // Wrong wherever it stands; kept for the error about it.
        Kind::Sequence(_) | Kind::Mapping(_) => {
            let spot = entry.spot;
            vec![Node::new(spot, Kind::Mapping(vec![entry]))]
        }
    }
}

/// A map, where a single value is that of `key`.
pub(super) fn long(node: Node, key: &str) -> Node {
    match node.kind {
        Kind::Scalar(_) => {
            let (spot, mark) = (node.spot, node.mark);
            let entry = Entry::new(key, spot, node);
            Node::new(spot, Kind::Mapping(vec![entry])).marked(mark)
        }
        Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => node,
    }
}

/// A map, where a list is one of its keys; each of them stands for a map of `default`, else for
/// nothing.
pub(in crate::file) fn names(node: Node, default: &[(&str, &str)]) -> Node {
    let (spot, mark) = (node.spot, node.mark);
    let Kind::Sequence(items) = &node.kind else {
        return node;
    };
    let mut entries = Vec::with_capacity(items.len());
    for item in items {
        // Anything but a name is wrong; the list is left alone for the error about it. A name that
        // holds a variable would not be interpolated as a key.
        let Some(text) = item.as_text().filter(|text| !text.contains('$')) else {
            return node;
        };
        let value = meaning(item.spot, default).marked(item.mark);
        entries.push(Entry::new(text, item.spot, value));
    }
    Node::new(spot, Kind::Mapping(entries)).marked(mark)
}

fn meaning(spot: Spot, default: &[(&str, &str)]) -> Node {
    if default.is_empty() {
        return Node::new(spot, Kind::Null);
    }
    let entry = |(key, value): &(&str, &str)| Entry::new(*key, spot, Node::scalar(spot, *value));
    Node::new(spot, Kind::Mapping(default.iter().map(entry).collect()))
}
