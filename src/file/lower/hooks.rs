//! `post_start` and `pre_stop`: commands around the life of a container.

use super::container::Layers;
use super::inside;
use super::values::{Fields, items, time};
use super::variables::variables;
use crate::file::desk::{Desk, Scope};
use crate::file::keys;
use crate::file::tree::{Kind as Shape, Node};
use crate::model::{Hook, Hooks, InnerCommand, Key, Kind, Ready, split_words};

/// Each the container's own, else that of `defaults`.
pub(super) fn lower(desk: &Desk<'_>, layers: &Layers<'_>) -> Hooks {
    Hooks {
        ready: ready(desk, layers),
        post_start: list(desk, layers, Key::PostStart),
        pre_stop: list(desk, layers, Key::PreStop),
    }
}

/// `ready`: a command, or a map of the command and its time.
fn ready(desk: &Desk<'_>, layers: &Layers<'_>) -> Option<Ready> {
    let entry = layers.last(Key::Ready)?;
    let (map, scope) = (&entry.value, layers.scope(Key::Ready));
    if map.entries().is_none() {
        return Some(Ready::new(inside::command(desk, map, scope, "ready")?));
    }
    keys::check(desk, map, keys::READY, "`ready`");
    let fields = Fields { map, scope };
    let Some(test) = fields.node("test") else {
        let help = "write `ready: COMMAND`, or `ready: {test: COMMAND, within: 5m}`";
        desk.error_help(map.spot, "`ready` has no `test`", help);
        return None;
    };
    let mut ready = Ready::new(inside::command(desk, test, scope, "ready")?);
    if let Some(node) = fields.node("within") {
        ready.within = time(desk, node, scope, "within")?;
    }
    Some(ready)
}

fn list(desk: &Desk<'_>, layers: &Layers<'_>, key: Key) -> Vec<Hook> {
    let Some(entry) = layers.last(key) else {
        return Vec::new();
    };
    let scope = layers.scope(key);
    let items = items(desk, entry).iter();
    items
        .filter_map(|item| hook(desk, layers.kind, scope, key, item))
        .collect()
}

fn hook(desk: &Desk<'_>, kind: Kind, scope: Scope<'_>, key: Key, map: &Node) -> Option<Hook> {
    if map.entries().is_none() {
        let message = format!("an entry of `{key}` is a map, not {}", map.kind_name());
        desk.error_help(
            map.spot,
            message,
            "write `- {command: [PROGRAM, ARGUMENT]}`",
        );
        return None;
    }
    keys::check(desk, map, keys::HOOK, &format!("an entry of `{key}`"));
    let fields = Fields { map, scope };
    let Some(node) = fields.node("command") else {
        desk.error(map.spot, format!("an entry of `{key}` has no `command`"));
        return None;
    };
    let privileged = fields.flag(desk, "privileged").unwrap_or_default();
    if privileged && kind == Kind::System {
        desk.error(
            map.spot,
            "`privileged` is for Docker containers; root of a system container has all that it can have",
        );
    }
    let text = |key: &str| fields.text(desk, key).map(|(text, _)| text);
    Some(Hook {
        command: command(desk, scope, key, node)?,
        user: text("user"),
        privileged,
        working_dir: text("working_dir"),
        environment: variables(desk, kind, fields.pairs(desk, "environment")),
    })
}

/// A list as it is, a text cut into words as a shell would: no shell runs it, as in Compose.
fn command(desk: &Desk<'_>, scope: Scope<'_>, key: Key, node: &Node) -> Option<InnerCommand> {
    let words = match &node.kind {
        Shape::Sequence(words) => {
            let words = words.iter().map(|word| desk.text(word, scope, "command"));
            words.collect::<Option<Vec<String>>>()?
        }
        Shape::Null | Shape::Scalar(_) | Shape::Mapping(_) => {
            let text = desk.text(node, scope, "command")?;
            let Some(words) = split_words(&text) else {
                let message = format!("a quote in a command of `{key}` is not closed");
                desk.error(node.spot, message);
                return None;
            };
            words
        }
    };
    if words.first().is_none_or(String::is_empty) {
        desk.error(node.spot, format!("a command of `{key}` is empty"));
        return None;
    }
    if words.iter().any(|word| word.contains('\0')) {
        let message = format!("a command of `{key}` holds a zero byte");
        desk.error(node.spot, message);
        return None;
    }
    Some(InnerCommand::Exec(words))
}
