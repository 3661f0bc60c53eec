//! When a container starts and whether it is well: dependencies, health check, restart.

use super::container::{Layers, Shared};
use super::inside::command;
use super::reach::known;
use super::values::{boolean, items, time, whole};
use crate::file::desk::{Desk, Scope};
use crate::file::keys;
use crate::file::tree::{Entry, Kind, Node, Spot};
use crate::model::{Condition, Dependency, Healthcheck, InnerCommand, Key, Name};

/// `depends_on`: those of `defaults` first; of one container the last condition counts.
pub(super) fn depends_on(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
) -> Vec<Dependency> {
    let mut all: Vec<Dependency> = Vec::new();
    for entry in layers.of(Key::DependsOn) {
        let inherited = layers
            .own
            .get("depends_on")
            .is_none_or(|own| own.spot != entry.spot);
        for (text, spot, condition) in written(desk, layers.scope(Key::DependsOn), entry) {
            let Some(on) = desk.check(spot, Name::new(&text)) else {
                continue;
            };
            // `defaults` may name a container that has the defaults too.
            if inherited && &on == layers.words.name {
                continue;
            }
            if !known(desk, shared, spot, &on, "depends on") {
                continue;
            }
            if condition == Condition::Healthy && !has_healthcheck(shared, &on) {
                desk.error_help(
                    spot,
                    format!("waits until `{on}` is healthy, but `{on}` has no `healthcheck`"),
                    format!("give `{on}` a `healthcheck`, or wait until it is `started`"),
                );
            }
            all.retain(|old| old.on != on);
            all.push(Dependency {
                on,
                condition,
                restart: false,
                required: true,
            });
        }
    }
    all
}

/// Names with their conditions, from the list or the map form.
fn written(desk: &Desk<'_>, scope: Scope<'_>, entry: &Entry) -> Vec<(String, Spot, Condition)> {
    let Kind::Mapping(entries) = &entry.value.kind else {
        return items(desk, entry)
            .iter()
            .filter_map(|item| {
                let text = desk.text(item, scope, "depends_on")?;
                Some((text, item.spot, Condition::Started))
            })
            .collect();
    };
    let mut all = Vec::new();
    for entry in entries {
        let what = format!("the dependency on `{}`", entry.key);
        let condition = match entry.value.kind {
            Kind::Null => Some(Condition::Started),
            Kind::Mapping(_) => {
                keys::check(desk, &entry.value, keys::DEPENDENCY, &what);
                condition(desk, scope, &entry.value)
            }
            Kind::Scalar(_) | Kind::Sequence(_) => {
                desk.error_help(
                    entry.value.spot,
                    format!("{what} is a map, not {}", entry.value.kind_name()),
                    "write `{condition: healthy}`",
                );
                None
            }
        };
        all.extend(condition.map(|condition| (entry.key.clone(), entry.spot, condition)));
    }
    all
}

fn condition(desk: &Desk<'_>, scope: Scope<'_>, map: &Node) -> Option<Condition> {
    match map.get("condition") {
        Some(entry) => {
            let text = desk.text(&entry.value, scope, "condition")?;
            desk.check(entry.value.spot, text.parse())
        }
        None => Some(Condition::Started),
    }
}

/// Whether the file gives a container a health check, as far as can be seen without reading it.
fn has_healthcheck(shared: &Shared<'_>, name: &Name) -> bool {
    let own = shared
        .entries
        .get(name)
        .and_then(|entry| entry.value.get("healthcheck"));
    let check = own.or_else(|| shared.defaults.and_then(|map| map.get("healthcheck")));
    check.is_some_and(|check| !is_off(&check.value))
}

/// `disable: true` or a test of `NONE`.
fn is_off(check: &Node) -> bool {
    let is = |node: &Node, word: &str| matches!(&node.kind, Kind::Scalar(text) if text == word);
    let disabled = check.get("disable").is_some_and(|e| is(&e.value, "true"));
    let none = check.get("test").is_some_and(|e| match &e.value.kind {
        Kind::Sequence(words) => words.first().is_some_and(|word| is(word, "NONE")),
        Kind::Scalar(text) => text == "NONE",
        Kind::Null | Kind::Mapping(_) => false,
    });
    disabled || none || check.is_null()
}

/// `healthcheck`: the container's own, else that of `defaults`.
pub(super) fn healthcheck(desk: &Desk<'_>, layers: &Layers<'_>) -> Option<Healthcheck> {
    let entry = layers.last(Key::Healthcheck)?;
    let scope = layers.scope(Key::Healthcheck);
    let map = &entry.value;
    if map.entries().is_none() {
        let message = format!("`healthcheck` takes a map, not {}", map.kind_name());
        desk.error_help(
            entry.spot,
            message,
            "write `healthcheck: {test: COMMAND, interval: 5s}`",
        );
        return None;
    }
    keys::check(desk, map, keys::HEALTHCHECK, "`healthcheck`");
    let node = |key: &str| map.get(key).map(|entry| &entry.value);
    if let Some(value) = node("disable")
        && boolean(desk, value, scope, "disable") == Some(true)
    {
        return None;
    }
    let Some(test) = node("test") else {
        desk.error(entry.spot, "`healthcheck` has no `test`");
        return None;
    };
    let mut check = Healthcheck::new(test_command(desk, scope, test)?);
    timing(desk, scope, map, &mut check);
    Some(check)
}

fn timing(desk: &Desk<'_>, scope: Scope<'_>, map: &Node, check: &mut Healthcheck) {
    let node = |key: &str| map.get(key).map(|entry| &entry.value);
    for (key, field) in [
        ("interval", &mut check.interval),
        ("timeout", &mut check.timeout),
        ("start_period", &mut check.start_period),
    ] {
        let Some(value) = node(key) else { continue };
        if let Some(time) = time(desk, value, scope, key) {
            if time.is_zero() && key != "start_period" {
                desk.error(value.spot, format!("`{key}` must be longer than nothing"));
            }
            *field = time;
        }
    }
    if let Some(value) = node("retries")
        && let Some(retries) = whole(desk, value, scope, "retries")
    {
        if retries == 0 {
            desk.error(value.spot, "`retries` must be at least 1");
        }
        check.retries = retries;
    }
}

/// The test: a text for the shell, or Compose's list that begins with `CMD`, `CMD-SHELL` or `NONE`.
fn test_command(desk: &Desk<'_>, scope: Scope<'_>, node: &Node) -> Option<InnerCommand> {
    let test = command(desk, node, scope, "test")?;
    let InnerCommand::Exec(mut argv) = test else {
        return (test != InnerCommand::Shell("NONE".into())).then_some(test);
    };
    match (argv[0].as_str(), argv.len()) {
        ("NONE", 1) => None,
        ("CMD", 2..) => {
            argv.remove(0);
            Some(InnerCommand::Exec(argv))
        }
        ("CMD-SHELL", 2) => Some(InnerCommand::Shell(argv.remove(1))),
        _ => {
            desk.error_help(
                node.spot,
                "a list as `test` begins with `CMD`, `CMD-SHELL` or `NONE`",
                "write `[CMD, program, argument]`, or one text for the shell",
            );
            None
        }
    }
}

/// `restart`: only `no`, since this version has no supervisor.
pub(super) fn restart(desk: &Desk<'_>, layers: &Layers<'_>) {
    let Some(entry) = layers.last(Key::Restart) else {
        return;
    };
    match desk.text(&entry.value, layers.scope(Key::Restart), "restart") {
        Some(text) if text == "no" => {}
        Some(text) => desk.error_help(
            entry.value.spot,
            format!("`restart: {text}` needs a supervisor, which this version does not have"),
            "write `restart: no`, or leave it out",
        ),
        None => {}
    }
}
