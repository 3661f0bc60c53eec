//! When a container starts: after what it depends on, and again when it ended.

use super::container::{Layers, Shared};
use super::health::is_off;
use super::reach::known;
use super::values::{Fields, items, one, parsed, warn};
use super::{deploy, source};
use crate::file::desk::{Desk, Scope};
use crate::file::keys;
use crate::file::tree::{Entry, Kind as Shape, Node, Spot};
use crate::model::{Condition, Dependency, Key, Kind, Name, Restart};

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

/// `restart`, over which `deploy.restart_policy` wins, as Compose has it. Who keeps the promise is
/// decided when the host is known.
pub(super) fn restart(desk: &Desk<'_>, layers: &Layers<'_>) -> Restart {
    let own = parsed(desk, layers, Key::Restart, str::parse).unwrap_or_default();
    deploy::restart(desk, layers).unwrap_or(own)
}
