//! What an application container shares with others or with the host: namespaces and volumes.

use crate::file::desk::Desk;
use crate::file::lower::container::{Layers, Shared};
use crate::file::lower::reach::known;
use crate::file::lower::source::kind_of;
use crate::file::lower::stores::check_engine_name;
use crate::file::lower::values::{one, texts};
use crate::file::tree::{Entry, Kind as Shape, Spot};
use crate::model::{App, Key, Kind, Name, host_name_of};

/// `pid`, `ipc`, `uts`, `userns_mode`, and the word form of `cgroup`.
pub(super) fn namespaces(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>, app: &mut App) {
    let read = |key: Key, words: &[&str], others: bool| {
        let (text, spot) = one(desk, layers, key).filter(|(text, _)| !text.is_empty())?;
        if words.contains(&text.as_str()) || others && joins(desk, shared, layers, spot, &text) {
            return Some(text);
        }
        let mut known: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        if others {
            known.extend(["`service:NAME`".into(), "`container:NAME`".into()]);
        }
        if !others || !text.starts_with("service:") {
            desk.error(
                spot,
                format!("`{key}` is {}, not `{text}`", known.join(" or ")),
            );
        }
        None
    };
    app.pid = read(Key::Pid, &["host"], true);
    app.ipc = read(Key::Ipc, &["host", "shareable", "private", "none"], true);
    app.uts = read(Key::Uts, &["host"], false);
    app.userns_mode = read(Key::UsernsMode, &["host"], false);
    let is_word = |entry: &&Entry| matches!(entry.value.kind, Shape::Scalar(_));
    if let Some(word) = layers.of(Key::Cgroup).find(is_word) {
        app.cgroup = read(Key::Cgroup, &["host", "private"], false);
        if layers.of(Key::Cgroup).any(|entry| !is_word(&entry)) {
            desk.error(
                word.spot,
                "`cgroup` is a word here, and limits in `defaults`",
            );
        }
    }
}

/// Whether the text names another container whose namespace is shared; one that the project does
/// not have has been reported.
fn joins(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    spot: Spot,
    text: &str,
) -> bool {
    if let Some(name) = text.strip_prefix("container:") {
        return check_engine_name(name).is_ok();
    }
    let Some(word) = text.strip_prefix("service:") else {
        return false;
    };
    sibling(desk, shared, layers, spot, word).is_some()
}

/// Another application container of the project.
pub(super) fn sibling(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
    spot: Spot,
    word: &str,
) -> Option<Name> {
    let name = desk.check(spot, Name::new(word))?;
    if &name == layers.words.name {
        desk.error(spot, format!("`{name}` cannot share with itself"));
        return None;
    }
    if !known(desk, shared, spot, &name, "shares with") {
        return None;
    }
    let entry = shared.entries.get(&name)?;
    if kind_of(shared, &entry.value) == Kind::System {
        desk.error(
            spot,
            format!("`{name}` is an LXC container, with which a Docker container cannot share"),
        );
        return None;
    }
    Some(name)
}

/// `NAME[:ro|:rw]` or `container:NAME[:ro|:rw]`, as full names on the host.
pub(super) fn volumes_from(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    for (text, spot) in texts(desk, layers, Key::VolumesFrom) {
        let (foreign, rest) = match text.strip_prefix("container:") {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        let (name, mode) = rest.split_once(':').unwrap_or((rest, "rw"));
        if !matches!(mode, "ro" | "rw") {
            desk.error(
                spot,
                format!("`{mode}` is not a mode of `volumes_from`; it is `ro` or `rw`"),
            );
            continue;
        }
        let name = if foreign {
            desk.check(spot, check_engine_name(name))
                .map(|()| name.to_string())
        } else {
            sibling(desk, shared, layers, spot, name)
                .map(|name| host_name_of(shared.project, &name))
        };
        all.extend(name.map(|name| (name, mode == "ro")));
    }
    all
}
