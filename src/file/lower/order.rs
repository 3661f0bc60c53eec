//! When a container starts and whether it is well: dependencies, health check, restart.

use super::container::{Layers, Shared};
use super::inside::command;
use super::reach::known;
use super::values::{Fields, boolean, items, one, parsed, time, warn, whole};
use super::{deploy, source};
use crate::file::desk::{Desk, Scope};
use crate::file::keys;
use crate::file::tree::{Entry, Kind as Shape, Node, Spot};
use crate::model::{Condition, Dependency, Healthcheck, InnerCommand, Key, Kind, Name, Restart};

/// A dependency as it is written.
struct Written {
    name: String,
    spot: Spot,
    condition: Condition,
    restart: bool,
    required: bool,
}

/// `depends_on`: those of `defaults` first; of one container the last condition counts. What its
/// other keys need of others comes after.
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
        for written in written(desk, layers.scope(Key::DependsOn), entry) {
            let Some(on) = desk.check(written.spot, Name::new(&written.name)) else {
                continue;
            };
            // `defaults` may name a container that has the defaults too.
            if inherited && &on == layers.words.name {
                continue;
            }
            if let Some(dependency) = dependency(desk, shared, on, &written) {
                all.retain(|old| old.on != dependency.on);
                all.push(dependency);
            }
        }
    }
    if layers.kind == Kind::Application {
        for (on, restart) in implied(desk, shared, layers) {
            let there = all.iter().any(|dependency| dependency.on == on);
            if !there && &on != layers.words.name && shared.entries.contains_key(&on) {
                all.push(Dependency {
                    on,
                    condition: Condition::Started,
                    restart,
                    required: true,
                });
            }
        }
    }
    all
}

fn dependency(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    on: Name,
    written: &Written,
) -> Option<Dependency> {
    if !written.required && !shared.entries.contains_key(&on) {
        if !shared.out.contains_key(on.as_str()) {
            let message = format!("depends on `{on}`, which this project does not have");
            warn(desk, written.spot, message);
        }
        return None;
    }
    if !known(desk, shared, written.spot, &on, "depends on") {
        return None;
    }
    if written.condition == Condition::Healthy && !may_be_healthy(shared, &on) {
        desk.error_help(
            written.spot,
            format!("waits until `{on}` is healthy, but `{on}` has no `healthcheck`"),
            format!("give `{on}` a `healthcheck`, or wait until it is `started`"),
        );
    }
    Some(Dependency {
        on,
        condition: written.condition,
        restart: written.restart,
        required: written.required,
    })
}

/// Containers whose network, processes, memory or volumes it shares, as Compose has it; and in a
/// Compose file those that it links to. With each whether it must follow a restart.
fn implied(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>) -> Vec<(Name, bool)> {
    let mut all = Vec::new();
    for key in [Key::NetworkMode, Key::Pid, Key::Ipc] {
        // What cannot be read is reported where the key is lowered.
        let word = one(desk, layers, key)
            .map(|(text, _)| text)
            .unwrap_or_default();
        let name = word
            .strip_prefix("service:")
            .and_then(|name| Name::new(name).ok());
        all.extend(name.map(|name| (name, true)));
    }
    let lists = [(Key::VolumesFrom, true), (Key::Links, shared.compose)];
    for (key, _) in lists.into_iter().filter(|(_, counts)| *counts) {
        for entry in layers.of(key) {
            let Shape::Sequence(nodes) = &entry.value.kind else {
                continue;
            };
            for node in nodes {
                let Shape::Scalar(text) = &node.kind else {
                    continue;
                };
                let text = desk
                    .expand(text, node.spot, layers.scope(key))
                    .unwrap_or_default();
                let name = text.split(':').next().and_then(|word| Name::new(word).ok());
                all.extend(name.map(|name| (name, false)));
            }
        }
    }
    all
}

/// Names with their conditions, from the list or the map form.
fn written(desk: &Desk<'_>, scope: Scope<'_>, entry: &Entry) -> Vec<Written> {
    let plain = |name: String, spot: Spot| Written {
        name,
        spot,
        condition: Condition::Started,
        restart: false,
        required: true,
    };
    let Shape::Mapping(entries) = &entry.value.kind else {
        let text = |item: &Node| Some(plain(desk.text(item, scope, "depends_on")?, item.spot));
        return items(desk, entry).iter().filter_map(text).collect();
    };
    let mut all = Vec::new();
    for entry in entries {
        let what = format!("the dependency on `{}`", entry.key);
        let mut written = plain(entry.key.clone(), entry.spot);
        match entry.value.kind {
            Shape::Null => all.push(written),
            Shape::Mapping(_) => {
                keys::check(desk, &entry.value, keys::DEPENDENCY, &what);
                let fields = Fields {
                    map: &entry.value,
                    scope,
                };
                if fields.node("condition").is_some() {
                    let Some(condition) = fields.parsed(desk, "condition", str::parse) else {
                        continue;
                    };
                    written.condition = condition;
                }
                written.restart = fields.flag(desk, "restart").unwrap_or(false);
                written.required = fields.flag(desk, "required").unwrap_or(true);
                all.push(written);
            }
            Shape::Scalar(_) | Shape::Sequence(_) => desk.error_help(
                entry.value.spot,
                format!("{what} is a map, not {}", entry.value.kind_name()),
                "write `{condition: healthy}`",
            ),
        }
    }
    all
}

/// Whether a container can become healthy, as far as can be seen without reading it: the file gives
/// it a health check, or its image may.
fn may_be_healthy(shared: &Shared<'_>, name: &Name) -> bool {
    let Some(entry) = shared.entries.get(name) else {
        return false;
    };
    let own = entry.value.get("healthcheck");
    let check = own.or_else(|| shared.defaults.and_then(|map| map.get("healthcheck")));
    match check {
        Some(check) => !is_off(&check.value),
        None => source::kind_of(shared, &entry.value) == Kind::Application,
    }
}

/// `disable: true` or a test of `NONE`.
fn is_off(check: &Node) -> bool {
    let is = |node: &Node, word: &str| matches!(&node.kind, Shape::Scalar(text) if text == word);
    let disabled = check.get("disable").is_some_and(|e| is(&e.value, "true"));
    let none = check.get("test").is_some_and(|e| match &e.value.kind {
        Shape::Sequence(words) => words.first().is_some_and(|word| is(word, "NONE")),
        Shape::Scalar(text) => text == "NONE",
        Shape::Null | Shape::Mapping(_) => false,
    });
    disabled || none || check.is_null()
}

/// The key `healthcheck`.
#[derive(Default)]
pub(super) struct Health {
    /// The check, if there is one.
    pub check: Option<Healthcheck>,
    /// The file says that there is none, also where the image has one.
    pub off: bool,
}

/// `healthcheck`: the container's own, else that of `defaults`.
pub(super) fn healthcheck(desk: &Desk<'_>, layers: &Layers<'_>) -> Health {
    let Some(entry) = layers.last(Key::Healthcheck) else {
        return Health::default();
    };
    let scope = layers.scope(Key::Healthcheck);
    let map = &entry.value;
    if map.entries().is_none() {
        let message = format!("`healthcheck` takes a map, not {}", map.kind_name());
        desk.error_help(
            entry.spot,
            message,
            "write `healthcheck: {test: COMMAND, interval: 5s}`",
        );
        return Health::default();
    }
    keys::check(desk, map, keys::HEALTHCHECK, "`healthcheck`");
    let off = Health {
        check: None,
        off: true,
    };
    let node = |key: &str| map.get(key).map(|entry| &entry.value);
    if let Some(value) = node("disable")
        && boolean(desk, value, scope, "disable") == Some(true)
    {
        return off;
    }
    let Some(test) = node("test") else {
        match layers.kind {
            Kind::System => desk.error(entry.spot, "`healthcheck` has no `test`"),
            Kind::Application => untested(desk, map),
        }
        return Health::default();
    };
    if is_off(map) {
        return off;
    }
    let check = test_command(desk, scope, test).map(|test| {
        let mut check = Healthcheck::new(test);
        timing(desk, scope, map, &mut check);
        check
    });
    Health { check, off: false }
}

/// `disable: false` alone leaves the check of the image as it is, and so it is with all others.
fn untested(desk: &Desk<'_>, map: &Node) {
    let others = map.entries().unwrap_or_default().iter();
    for entry in others.filter(|entry| entry.key != "disable" && !entry.key.starts_with("x-")) {
        let message = format!(
            "`{}` has no effect here: the check of the image keeps its own times; give a `test` with it",
            entry.key
        );
        warn(desk, entry.spot, message);
    }
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
    if let Some(value) = node("start_interval") {
        check.start_interval = time(desk, value, scope, "start_interval");
        if check.start_interval.is_some_and(|time| time.is_zero()) {
            desk.error(value.spot, "`start_interval` must be longer than nothing");
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

/// `restart`, over which `deploy.restart_policy` wins, as Compose has it. Who keeps the promise is
/// decided when the host is known.
pub(super) fn restart(desk: &Desk<'_>, layers: &Layers<'_>) -> Restart {
    let own = parsed(desk, layers, Key::Restart, str::parse).unwrap_or_default();
    deploy::restart(desk, layers).unwrap_or(own)
}
