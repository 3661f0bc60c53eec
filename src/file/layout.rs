//! Which of the layouts a file has: Locker's, its early form with names at the top level, or
//! Compose's. Mixed ones and a body that lost its indentation are told apart from plain mistakes.

use super::desk::Desk;
use super::diagnostic::nearest;
use super::keys::{self, TOP};
use super::tree::{Entry, Kind, Node};

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `containers:` and the project's own keys.
    Locker,
    /// Names of containers at the top level.
    Early,
    /// `services:`, as in the Compose Specification.
    Compose,
}

/// The parts of a file, whichever layout it has.
pub(super) struct Parts<'n> {
    /// The map of the project's own keys; none in the early layout.
    pub top: Option<&'n Node>,
    /// The containers.
    pub containers: &'n [Entry],
    /// How they were laid out.
    pub layout: Layout,
}

/// Finds the parts; none when the layout is wrong, which has been reported.
pub(super) fn parts<'n>(desk: &Desk<'_>, root: &'n Node) -> Option<Parts<'n>> {
    let Some(entries) = root.entries() else {
        let message = format!("a project file is a map, not {}", root.kind_name());
        desk.error_help(
            root.spot,
            message,
            "begin with `containers:` and a name below it",
        );
        return None;
    };
    let first = |name: &str| entries.iter().find(|entry| entry.key == name);
    match (first("containers"), first("services")) {
        (Some(containers), None) => locker(desk, root, containers),
        (None, Some(services)) => services.value.entries().map(|all| Parts {
            top: Some(root),
            containers: all,
            layout: Layout::Compose,
        }),
        (Some(containers), Some(services)) => {
            let (first, second) = if containers.spot < services.spot {
                (containers, services)
            } else {
                (services, containers)
            };
            let message = format!(
                "`{}` and `{}` are two layouts; a file has one of them",
                first.key, second.key
            );
            let error = desk.about(second.spot, message);
            let place = desk.place(first.spot);
            desk.push(error.with_related(place, first.spot.length, "this one decides the layout"));
            None
        }
        (None, None) => early(desk, root, entries),
    }
}

fn locker<'n>(desk: &Desk<'_>, root: &'n Node, containers: &'n Entry) -> Option<Parts<'n>> {
    if !strangers(desk, root, containers) {
        keys::check(desk, root, TOP, "the project");
    }
    let all = match &containers.value.kind {
        Kind::Mapping(entries) => entries,
        Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) => {
            let message = format!(
                "`containers` takes a map of names, not {}",
                containers.value.kind_name()
            );
            desk.error_help(
                containers.spot,
                message,
                "write a name below it, and its keys below the name",
            );
            return None;
        }
    };
    if all.is_empty() {
        desk.error(containers.spot, "`containers` names no container");
    }
    let intact = !flattened(desk, all);
    intact.then_some(Parts {
        top: Some(root),
        containers: all,
        layout: Layout::Locker,
    })
}

/// Reports containers at the top level of a file in Locker's layout.
fn strangers(desk: &Desk<'_>, root: &Node, containers: &Entry) -> bool {
    let mut found = false;
    for entry in root.entries().unwrap_or_default() {
        if is_top(&entry.key) || !looks_like_container(&entry.value) {
            continue;
        }
        found = true;
        let message = format!(
            "`{}` stands at the top level, but this file has `containers:`",
            entry.key
        );
        let place = desk.place(containers.spot);
        let error = desk
            .about(entry.spot, message)
            .with_related(place, containers.spot.length, "this key decides the layout")
            .with_help(format!("move `{}` below `containers:`", entry.key));
        desk.push(error);
    }
    found
}

fn early<'n>(desk: &Desk<'_>, root: &'n Node, entries: &'n [Entry]) -> Option<Parts<'n>> {
    if flattened(desk, entries) || misspelt(desk, entries) {
        return None;
    }
    if entries.iter().all(|entry| is_top(&entry.key)) {
        desk.error_help(
            root.spot,
            "the file names no containers",
            "write `containers:` and below it a name with its keys",
        );
        return None;
    }
    let mut intact = true;
    for entry in entries {
        if TOP.iter().any(|spec| spec.name == entry.key) && !has_source(&entry.value) {
            intact = false;
            desk.error_help(
                entry.spot,
                format!("`{}` stands beside names of containers", entry.key),
                "put the containers below a key `containers:`",
            );
        }
    }
    intact.then_some(Parts {
        top: None,
        containers: entries,
        layout: Layout::Early,
    })
}

/// Reports a slip in the key that decides the layout.
fn misspelt(desk: &Desk<'_>, entries: &[Entry]) -> bool {
    for word in ["containers", "services"] {
        let near = |entry: &&Entry| {
            !is_top(&entry.key)
                && nearest(&entry.key, [word]).is_some()
                && !looks_like_container(&entry.value)
        };
        if let Some(entry) = entries.iter().find(near) {
            desk.error_help(
                entry.spot,
                format!("unknown key `{}` at the top level", entry.key),
                format!("did you mean `{word}`?"),
            );
            return true;
        }
    }
    false
}

fn is_top(key: &str) -> bool {
    key.starts_with("x-") || TOP.iter().any(|spec| spec.name == key)
}

fn looks_like_container(value: &Node) -> bool {
    let entries = value.entries().unwrap_or_default();
    entries.iter().any(|entry| keys::is_body_key(&entry.key))
}

fn has_source(value: &Node) -> bool {
    ["template", "clone", "download", "rootfs"]
        .iter()
        .any(|key| value.get(key).is_some())
}

/// Reports names whose keys stand beside them instead of below: for YAML the name then has no
/// value and each of its keys is a further name. The example in the first Locker's README did so.
fn flattened(desk: &Desk<'_>, entries: &[Entry]) -> bool {
    let mut found = false;
    let mut index = 0;
    while index < entries.len() {
        let name = &entries[index];
        index += 1;
        if !name.value.is_null() || keys::is_body_key(&name.key) {
            continue;
        }
        let body: Vec<&Entry> = entries[index..]
            .iter()
            .take_while(|entry| keys::is_body_key(&entry.key))
            .collect();
        if body.is_empty() {
            continue;
        }
        index += body.len();
        found = true;
        report_flattened(desk, name, &body);
    }
    found
}

fn report_flattened(desk: &Desk<'_>, name: &Entry, body: &[&Entry]) {
    let keys: Vec<String> = body.iter().map(|e| format!("`{}`", e.key)).collect();
    let Some((last, before)) = keys.split_last() else {
        return;
    };
    let (words, verb, help) = if before.is_empty() {
        let help = "indent it by two blanks, so that it belongs";
        (last.clone(), "stands", help)
    } else {
        let help = "indent them by two blanks, so that they belong";
        (format!("{} and {last}", before.join(", ")), "stand", help)
    };
    let message = format!(
        "`{}` has nothing below it: {words} {verb} beside it instead of below it",
        name.key
    );
    let place = desk.place(body[0].spot);
    let error = desk
        .about(name.spot, message)
        .with_related(
            place,
            body[0].spot.length,
            "from here on at the level of the name",
        )
        .with_help(format!("{help} to `{}`", name.key));
    desk.push(error);
}
