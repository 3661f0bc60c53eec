//! The shapes that values of several keys share: lists, pairs, yes and no, times, maps of keys.

use std::fmt::Display;
use std::time::Duration;

use super::container::Layers;
use crate::file::desk::{Desk, Scope};
use crate::file::diagnostic::{Diagnostic, Severity};
use crate::file::tree::{Entry, Kind, Node, Spot};
use crate::model::{Key, TimeError, file_bits, file_mode, parse_time};

/// One `key=value` of a list or map; none means that no value was written.
pub(super) struct Pair {
    pub key: String,
    pub value: Option<String>,
    pub spot: Spot,
}

/// Tells what the user should know.
pub(super) fn warn(desk: &Desk<'_>, spot: Spot, message: impl Into<String>) {
    let warning = Diagnostic::at(Severity::Warning, message, desk.place(spot));
    desk.push(warning.with_length(spot.length));
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
                format!("write `{key}: [\"{}\"]`", text.trim()),
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
    let entries = layers.of(key);
    entries
        .flat_map(|entry| texts_of(desk, entry, layers.scope(key)))
        .collect()
}

/// The texts of one list, or a single one; an empty single one counts as absent.
pub(super) fn texts_of(desk: &Desk<'_>, entry: &Entry, scope: Scope<'_>) -> Vec<(String, Spot)> {
    let text = |item: &Node| Some((desk.text(item, scope, &entry.key)?, item.spot));
    let mut all: Vec<_> = one_or_more(desk, entry).iter().filter_map(text).collect();
    if entry.value.as_text().is_some() {
        all.retain(|(text, _)| !text.is_empty());
    }
    all
}

/// The texts of a list in all layers that `parse` takes, each once.
pub(super) fn parsed_list<T: PartialEq, E: Display>(
    desk: &Desk<'_>,
    layers: &Layers<'_>,
    key: Key,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Vec<T> {
    let mut all = Vec::new();
    for (text, spot) in texts(desk, layers, key) {
        let value = desk.check(spot, parse(&text));
        all.extend(value.filter(|value| !all.contains(value)));
    }
    all
}

/// The text of a key that takes one value; one that stands there without a value, or with an empty
/// one as `${X:-}` leaves it, counts as absent.
pub(super) fn one(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> Option<(String, Spot)> {
    let entry = layers.last(key).filter(|entry| !entry.value.is_null())?;
    let text = desk.text(&entry.value, layers.scope(key), key.as_str())?;
    (!text.is_empty()).then_some((text, entry.value.spot))
}

/// The value of such a key as `parse` reads it.
pub(super) fn parsed<T, E: Display>(
    desk: &Desk<'_>,
    layers: &Layers<'_>,
    key: Key,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    let (text, spot) = one(desk, layers, key)?;
    desk.check(spot, parse(&text))
}

/// The value of a key that takes `true` or `false`.
pub(super) fn flag(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> Option<bool> {
    let entry = layers.last(key).filter(|entry| !entry.value.is_null())?;
    boolean(desk, &entry.value, layers.scope(key), key.as_str())
}

/// The pairs of a list of `key=value` or a map in all layers, those of `defaults` first. With
/// `many` a value of the map may be a list, which makes a pair for each of its items.
pub(super) fn pairs(desk: &Desk<'_>, layers: &Layers<'_>, key: Key, many: bool) -> Vec<Pair> {
    let entries = layers.of(key);
    entries
        .flat_map(|entry| pairs_of(desk, entry, layers.scope(key), many))
        .collect()
}

/// The pairs of one list or map.
pub(super) fn pairs_of(desk: &Desk<'_>, entry: &Entry, scope: Scope<'_>, many: bool) -> Vec<Pair> {
    let mut all = Vec::new();
    if let Kind::Mapping(entries) = &entry.value.kind {
        for pair in entries {
            map_pairs(desk, pair, scope, many, &mut all);
        }
        return all;
    }
    for item in items(desk, entry) {
        let Some(text) = desk.text(item, scope, &entry.key) else {
            continue;
        };
        let (key, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_string(), Some(value.to_string())),
            None => (text, None),
        };
        let spot = item.spot;
        all.push(Pair { key, value, spot });
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

/// A map of known keys and whose words may stand in it.
#[derive(Clone, Copy)]
pub(super) struct Fields<'n, 's> {
    pub map: &'n Node,
    pub scope: Scope<'s>,
}

impl<'n> Fields<'n, '_> {
    /// The value of a key that has one.
    pub fn node(self, key: &str) -> Option<&'n Node> {
        let node = self.map.get(key).map(|entry| &entry.value);
        node.filter(|node| !node.is_null())
    }

    /// The text of a key that takes one value.
    pub fn text(self, desk: &Desk<'_>, key: &str) -> Option<(String, Spot)> {
        let node = self.node(key)?;
        Some((desk.text(node, self.scope, key)?, node.spot))
    }

    /// Its value as `parse` reads it; an empty one counts as absent.
    pub fn parsed<T, E: Display>(
        self,
        desk: &Desk<'_>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (text, spot) = self.text(desk, key).filter(|(text, _)| !text.is_empty())?;
        desk.check(spot, parse(&text))
    }

    /// The permission bits of a key: octal digits; in a Compose file an unquoted number is the number
    /// that YAML makes of it.
    pub fn permissions(self, desk: &Desk<'_>, key: &str) -> Option<u32> {
        let plain = self.node(key)?.plain && desk.is_compose();
        self.parsed(desk, key, |text| match text.parse() {
            Ok(number) if plain && self.is_literal(key) => file_bits(number),
            Ok(_) | Err(_) => file_mode(text),
        })
    }

    /// Whether no variable stands in the value of a key.
    fn is_literal(self, key: &str) -> bool {
        let text = self.node(key).and_then(Node::as_text);
        text.is_some_and(|text| !text.contains('$'))
    }

    /// The value of a key that takes `true` or `false`.
    pub fn flag(self, desk: &Desk<'_>, key: &str) -> Option<bool> {
        boolean(desk, self.node(key)?, self.scope, key)
    }

    /// The texts of a list, or a single one.
    pub fn texts(self, desk: &Desk<'_>, key: &str) -> Vec<(String, Spot)> {
        let entry = self.map.get(key);
        entry.map_or_else(Vec::new, |entry| texts_of(desk, entry, self.scope))
    }

    /// The pairs of a list or map.
    pub fn pairs(self, desk: &Desk<'_>, key: &str) -> Vec<Pair> {
        let entry = self.map.get(key);
        entry.map_or_else(Vec::new, |entry| pairs_of(desk, entry, self.scope, false))
    }
}

/// `true` or `false`, as YAML 1.2 knows them; an empty text is neither and counts as absent.
pub(super) fn boolean(desk: &Desk<'_>, node: &Node, scope: Scope<'_>, what: &str) -> Option<bool> {
    let text = desk.text(node, scope, what)?;
    match text.as_str() {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        "" => None,
        other => slip(desk, node.spot, what, other),
    }
}

/// The words of YAML 1.1, which Compose still takes.
fn slip(desk: &Desk<'_>, spot: Spot, what: &str, word: &str) -> Option<bool> {
    let meant = match word.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "1" => Some(true),
        "no" | "off" | "n" | "0" => Some(false),
        _ => None,
    };
    let help = meant.map(|meant| format!("write `{meant}`"));
    let taken = meant.filter(|_| desk.is_compose() && !word.starts_with(['0', '1']));
    let (severity, message) = match taken {
        Some(taken) => (
            Severity::Warning,
            format!("`{word}` is no longer a word of YAML for `{taken}`"),
        ),
        None => (
            Severity::Error,
            format!("`{what}` is `true` or `false`, not `{word}`"),
        ),
    };
    let mut diagnostic = Diagnostic::at(severity, message, desk.place(spot));
    diagnostic.length = spot.length;
    diagnostic.help = help;
    desk.push(diagnostic);
    taken
}

/// A whole number.
pub(super) fn whole(desk: &Desk<'_>, node: &Node, scope: Scope<'_>, what: &str) -> Option<u32> {
    let text = desk.text(node, scope, what)?;
    desk.check(node.spot, number(what, &text, 0, u32::MAX))
}

/// A whole number within limits, both included.
pub(super) fn number<T>(what: &str, text: &str, least: T, most: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + Display,
{
    let plain = !text.starts_with('+');
    let Some(number) = text.parse::<T>().ok().filter(|_| plain) else {
        return Err(format!("`{what}` is a whole number, not `{text}`"));
    };
    if number < least || number > most {
        return Err(format!("`{what}` is from {least} to {most}, not {number}"));
    }
    Ok(number)
}

/// A time such as `30s` or `1m30s`.
pub(super) fn time(desk: &Desk<'_>, node: &Node, scope: Scope<'_>, what: &str) -> Option<Duration> {
    let text = desk.text(node, scope, what)?;
    timed(desk, node.spot, &text, what)
}

/// The same from its text.
pub(super) fn timed(desk: &Desk<'_>, spot: Spot, text: &str, what: &str) -> Option<Duration> {
    match parse_time(text) {
        Ok(time) => Some(time),
        Err(error) => {
            let message = match &error {
                TimeError::Form(text) | TimeError::Unit(text) => {
                    format!("`{what}` is a time such as `30s` or `1m30s`, not `{text}`")
                }
                TimeError::TooLong(_) => error.to_string(),
            };
            let mut wrong = desk.about(spot, message);
            if let TimeError::Unit(text) = error {
                wrong.help = Some(format!("write `{text}s` for seconds"));
            }
            desk.push(wrong);
            None
        }
    }
}
