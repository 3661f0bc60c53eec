//! What a container is inside: limits, raw lines for LXC, id map, set-up.

use super::container::Layers;
use super::values::{items, pairs, pairs_of, whole};
use crate::file::desk::{Desk, Scope};
use crate::file::diagnostic::nearest;
use crate::file::keys;
use crate::file::tree::{Kind, Node};
use crate::model::{
    self, ConfigLine, ConfigLineError, IdRange, Idmap, InnerCommand, Key, Limit, LimitError, Place,
};

/// `cgroup`: of one key the container's own wins, and in one list the last; the order stays.
/// Device rules add up.
pub(super) fn cgroup(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<(Limit, Place)> {
    let mut all: Vec<(Limit, Place)> = Vec::new();
    let scope = layers.scope(Key::Cgroup);
    // A single word is the cgroup namespace of an application container.
    let limits = layers.of(Key::Cgroup).filter(|entry| {
        let word = matches!(entry.value.kind, Kind::Scalar(_));
        !(word && layers.kind == model::Kind::Application)
    });
    for pair in limits.flat_map(|entry| pairs_of(desk, entry, scope, true)) {
        let limit = match &pair.value {
            Some(value) => Limit::new(pair.key.trim(), value.trim()),
            None => Err(LimitError::Form(pair.key.clone())),
        };
        let limit = match limit {
            Ok(limit) => limit,
            Err(error) => {
                let mut diagnostic = desk.about(pair.spot, error.to_string());
                if let LimitError::Unknown(key) = &error {
                    let near = nearest(key, Limit::known_keys());
                    diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
                }
                desk.push(diagnostic);
                continue;
            }
        };
        if !limit.key.starts_with("devices.") {
            all.retain(|(old, _)| old.key != limit.key);
        }
        all.push((limit, desk.place(pair.spot)));
    }
    all
}

/// `config`: those of `defaults` first.
pub(super) fn config(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<(ConfigLine, Place)> {
    let mut all = Vec::new();
    for pair in pairs(desk, layers, Key::Config, true) {
        let line = match &pair.value {
            Some(value) => ConfigLine::new(pair.key.trim(), value),
            None => Err(ConfigLineError::Form(pair.key.clone())),
        };
        match line {
            Ok(line) => all.push((line, desk.place(pair.spot))),
            Err(error) => {
                let mut diagnostic = desk.about(pair.spot, error.to_string());
                if let ConfigLineError::Unknown(key) = &error {
                    let near = nearest(key, ConfigLine::free_keys().iter().copied());
                    diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
                }
                desk.push(diagnostic);
            }
        }
    }
    all
}

/// `idmap`: the container's own, else that of `defaults`.
pub(super) fn idmap(desk: &Desk<'_>, layers: &Layers<'_>) -> Option<Idmap> {
    let entry = layers.last(Key::Idmap)?;
    let scope = layers.scope(Key::Idmap);
    if let Kind::Scalar(_) = entry.value.kind {
        let text = desk.text(&entry.value, scope, "idmap")?;
        if text == "auto" {
            return Some(Idmap::Auto);
        }
        desk.error_help(
            entry.value.spot,
            format!("`idmap` is `auto` or a list of id ranges, not `{text}`"),
            "write `idmap: [\"b 0 100000 65536\"]`",
        );
        return None;
    }
    let mut ranges = Vec::new();
    for item in items(desk, entry) {
        let text = match item.kind {
            Kind::Mapping(_) => range_map(desk, item, scope),
            Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) => desk.text(item, scope, "idmap"),
        };
        let range = text.and_then(|text| desk.check(item.spot, IdRange::parse(&text)));
        ranges.extend(range.unwrap_or_default());
    }
    desk.check(entry.value.spot, IdRange::check_apart(&ranges))?;
    if ranges.is_empty() && desk.is_clean() {
        desk.error(entry.spot, "`idmap` has no id ranges");
    }
    Some(Idmap::Ranges(ranges))
}

/// The map form as the text of a range.
fn range_map(desk: &Desk<'_>, map: &Node, scope: Scope<'_>) -> Option<String> {
    keys::check(desk, map, keys::IDMAP, "an id range");
    let kind = match map.get("kind") {
        Some(entry) => match desk.text(&entry.value, scope, "kind")?.as_str() {
            "user" | "u" => 'u',
            "group" | "g" => 'g',
            "both" | "b" => 'b',
            other => {
                let message =
                    format!("`{other}` is not a kind of ids; it is `user`, `group` or `both`");
                desk.error(entry.value.spot, message);
                return None;
            }
        },
        None => 'b',
    };
    let number = |key: &str| match map.get(key) {
        Some(entry) => whole(desk, &entry.value, scope, key),
        None => {
            desk.error(map.spot, format!("an id range needs `{key}`"));
            None
        }
    };
    let (container, host, count) = (number("container"), number("host"), number("count"));
    Some(format!("{kind} {} {} {}", container?, host?, count?))
}

/// `setup`: those of `defaults` first.
pub(super) fn setup(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<InnerCommand> {
    let scope = layers.scope(Key::Setup);
    let items = layers.of(Key::Setup).flat_map(|entry| items(desk, entry));
    items
        .filter_map(|item| command(desk, item, scope, "setup"))
        .collect()
}

/// A command: a text for the shell, or a list of program and arguments.
pub(super) fn command(
    desk: &Desk<'_>,
    node: &Node,
    scope: Scope<'_>,
    what: &str,
) -> Option<InnerCommand> {
    let command = match &node.kind {
        Kind::Sequence(words) => {
            let argv: Option<Vec<String>> = words
                .iter()
                .map(|word| desk.text(word, scope, what))
                .collect();
            InnerCommand::Exec(argv?)
        }
        Kind::Null | Kind::Scalar(_) | Kind::Mapping(_) => {
            InnerCommand::Shell(desk.text(node, scope, what)?)
        }
    };
    let (empty, zero) = match &command {
        InnerCommand::Shell(line) => (line.trim().is_empty(), line.contains('\0')),
        InnerCommand::Exec(argv) => (
            argv.first().is_none_or(String::is_empty),
            argv.iter().any(|word| word.contains('\0')),
        ),
    };
    if empty || zero {
        let what = format!("a command of `{what}`");
        let fault = if empty {
            "is empty"
        } else {
            "holds a zero byte"
        };
        desk.error(node.spot, format!("{what} {fault}"));
        return None;
    }
    Some(command)
}
