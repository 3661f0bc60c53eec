//! The shapes that values of several keys share: lists, pairs, yes and no, times.

use std::time::Duration;

use super::container::Layers;
use crate::file::desk::{Desk, Scope};
use crate::file::tree::{Entry, Kind, Node, Spot};
use crate::model::Key;

/// One `key=value` of a list or map; none means that no value was written.
pub(super) struct Pair {
    pub key: String,
    pub value: Option<String>,
    pub spot: Spot,
}

/// The items of a list; anything else is reported. Nothing counts as an empty list.
pub(super) fn items<'n>(desk: &Desk<'_>, entry: &'n Entry) -> &'n [Node] {
    match &entry.value.kind {
        Kind::Sequence(nodes) => nodes,
        Kind::Null => &[],
        Kind::Scalar(text) => {
            let key = &entry.key;
            desk.error_help(
                entry.value.spot,
                format!("`{key}` takes a list, not a single value"),
                format!("write `{key}: [\"{text}\"]`"),
            );
            &[]
        }
        Kind::Mapping(_) => {
            desk.error(
                entry.value.spot,
                format!("`{}` takes a list, not a map", entry.key),
            );
            &[]
        }
    }
}

/// The items of a list, or a single value as a list of one.
pub(super) fn one_or_more<'n>(desk: &Desk<'_>, entry: &'n Entry) -> &'n [Node] {
    match entry.value.kind {
        Kind::Scalar(_) => std::slice::from_ref(&entry.value),
        Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => items(desk, entry),
    }
}

/// The texts of a list in all layers, those of `defaults` first.
pub(super) fn texts(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> Vec<(String, Spot)> {
    let mut all = Vec::new();
    for entry in layers.of(key) {
        for item in one_or_more(desk, entry) {
            if let Some(text) = desk.text(item, layers.scope(key), key.as_str()) {
                all.push((text, item.spot));
            }
        }
    }
    all
}

/// The pairs of a list of `key=value` or a map in all layers, those of `defaults` first. With
/// `many` a value of the map may be a list, which makes a pair for each of its items.
pub(super) fn pairs(desk: &Desk<'_>, layers: &Layers<'_>, key: Key, many: bool) -> Vec<Pair> {
    let scope = layers.scope(key);
    let mut all = Vec::new();
    for entry in layers.of(key) {
        match &entry.value.kind {
            Kind::Mapping(entries) => {
                for pair in entries {
                    map_pairs(desk, pair, scope, many, &mut all);
                }
            }
            Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) => {
                for item in items(desk, entry) {
                    let Some(text) = desk.text(item, scope, key.as_str()) else {
                        continue;
                    };
                    let (name, value) = match text.split_once('=') {
                        Some((name, value)) => (name.to_string(), Some(value.to_string())),
                        None => (text, None),
                    };
                    all.push(Pair {
                        key: name,
                        value,
                        spot: item.spot,
                    });
                }
            }
        }
    }
    all
}

fn map_pairs(desk: &Desk<'_>, entry: &Entry, scope: Scope<'_>, many: bool, all: &mut Vec<Pair>) {
    let single = std::slice::from_ref(&entry.value);
    let nodes = match &entry.value.kind {
        Kind::Sequence(nodes) if many => nodes.as_slice(),
        Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) | Kind::Mapping(_) => single,
    };
    for node in nodes {
        let value = if node.is_null() {
            None
        } else {
            match desk.text(node, scope, &entry.key) {
                Some(text) => Some(text),
                None => continue,
            }
        };
        all.push(Pair {
            key: entry.key.clone(),
            value,
            spot: entry.spot,
        });
    }
}

/// `true` or `false`, as YAML 1.2 knows them.
pub(super) fn boolean(desk: &Desk<'_>, node: &Node, scope: Scope<'_>, what: &str) -> Option<bool> {
    let text = desk.text(node, scope, what)?;
    match text.as_str() {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        other => {
            let message = format!("`{what}` is `true` or `false`, not `{other}`");
            let mut error = desk.about(node.spot, message);
            error.help = match other.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "1" => Some("write `true`".into()),
                "no" | "off" | "n" | "0" => Some("write `false`".into()),
                _ => None,
            };
            desk.push(error);
            None
        }
    }
}

/// A whole number.
pub(super) fn whole(desk: &Desk<'_>, node: &Node, scope: Scope<'_>, what: &str) -> Option<u32> {
    let text = desk.text(node, scope, what)?;
    if !text.starts_with('+')
        && let Ok(number) = text.parse()
    {
        return Some(number);
    }
    desk.error(
        node.spot,
        format!("`{what}` is a whole number, not `{text}`"),
    );
    None
}

/// A time such as `30s` or `1m30s`.
pub(super) fn time(desk: &Desk<'_>, node: &Node, scope: Scope<'_>, what: &str) -> Option<Duration> {
    let text = desk.text(node, scope, what)?;
    match humantime::parse_duration(&text) {
        Ok(time) => Some(time),
        Err(_) => {
            let message = format!("`{what}` is a time such as `30s` or `1m30s`, not `{text}`");
            let mut error = desk.about(node.spot, message);
            if text.parse::<u64>().is_ok() {
                error.help = Some(format!("write `{text}s` for seconds"));
            }
            desk.push(error);
            None
        }
    }
}
