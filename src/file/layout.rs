//! Which of the layouts a file has: Locker's, its early form with names at the top level, or
//! Compose's. Mixed ones and a body that lost its indentation are told apart from plain mistakes.
//!
//! The files of a project have one layout; a file that names no containers at all fits each.

mod flattened;

use std::collections::BTreeMap;

use super::desk::Desk;
use super::diagnostic::{Diagnostic, Severity, nearest};
use super::keys::{self, TOP};
use super::tree::{Entry, Kind, Node, Spot};
use flattened::flattened;

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

impl Layout {
    /// The key of the containers. The early layout has none and is given Locker's.
    pub fn section(self) -> &'static str {
        match self {
            Self::Locker | Self::Early => "containers",
            Self::Compose => "services",
        }
    }
}

/// The layout of a project and the key that decided it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision {
    pub layout: Layout,
    pub spot: Spot,
}

/// A file whose layout is wrong, which has been reported.
pub(super) struct Wrong;

/// The parts of a project, whichever layout it has.
pub(super) struct Parts<'n> {
    /// The map of the project's own keys.
    pub top: Option<&'n Node>,
    /// The containers.
    pub containers: &'n [Entry],
    /// How they were laid out; containers of a Compose file are application containers unless
    /// their source says otherwise.
    pub layout: Layout,
    /// Containers whose profiles are not enabled, with their profiles.
    pub out: &'n BTreeMap<String, Vec<String>>,
}

/// Finds the layout of a file and checks what no later stage could tell. `before` is what the files
/// before it decided.
pub(super) fn recognise(
    desk: &Desk<'_>,
    root: &Node,
    before: Option<Decision>,
) -> Result<Option<Decision>, Wrong> {
    let Some(entries) = root.entries() else {
        let message = format!("a project file is a map, not {}", root.kind_name());
        desk.error_help(
            root.spot,
            message,
            "begin with `containers:` and a name below it",
        );
        return Err(Wrong);
    };
    let first = |name: &str| entries.iter().find(|entry| entry.key == name);
    match (first("containers"), first("services")) {
        (Some(section), None) => with_section(desk, root, section, Layout::Locker, before),
        (None, Some(section)) => with_section(desk, root, section, Layout::Compose, before),
        (Some(containers), Some(services)) => {
            let (first, second) = if containers.spot < services.spot {
                (containers, services)
            } else {
                (services, containers)
            };
            two_layouts(desk, &first.key, first.spot, second);
            Err(Wrong)
        }
        (None, None) => match before {
            Some(before) if before.layout != Layout::Early => {
                if !strangers(desk, root, before) {
                    keys::check(desk, root, TOP, "the project");
                }
                Ok(None)
            }
            Some(_) | None => early(desk, root, entries),
        },
    }
}

fn two_layouts(desk: &Desk<'_>, first: &str, place: Spot, second: &Entry) {
    let what = if place.file == second.spot.file {
        "a file has one of them"
    } else {
        "all files of a project have the same"
    };
    let message = format!("`{first}` and `{}` are two layouts; {what}", second.key);
    let error = desk.about(second.spot, message);
    let related = desk.place(place);
    desk.push(error.with_related(related, place.length, "this one decides the layout"));
}

fn with_section(
    desk: &Desk<'_>,
    root: &Node,
    section: &Entry,
    layout: Layout,
    before: Option<Decision>,
) -> Result<Option<Decision>, Wrong> {
    let mut decision = Decision {
        layout,
        spot: section.spot,
    };
    if let Some(before) = before {
        if before.layout != layout {
            let word = match before.layout {
                Layout::Locker | Layout::Compose => before.layout.section(),
                Layout::Early => "names of containers at the top level",
            };
            two_layouts(desk, word, before.spot, section);
            return Err(Wrong);
        }
        decision = before;
    }
    if !strangers(desk, root, decision) {
        keys::check(desk, root, TOP, "the project");
    }
    version(desk, root);
    match &section.value.kind {
        Kind::Mapping(entries) if flattened(desk, entries) => Err(Wrong),
        Kind::Mapping(_) => Ok(Some(decision)),
        // A file of a project may bring its containers by `include` only.
        Kind::Null if root.get("include").is_some() || before.is_some() => Ok(Some(decision)),
        Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) => {
            let kind = section.value.kind_name();
            desk.error_help(
                section.spot,
                format!("`{}` takes a map of names, not {kind}", section.key),
                "write a name below it, and its keys below the name",
            );
            Err(Wrong)
        }
    }
}

/// `version` of old Compose files.
fn version(desk: &Desk<'_>, root: &Node) {
    let Some(entry) = root.get("version") else {
        return;
    };
    let message = "`version` has no meaning any more; it is ignored";
    let warning = Diagnostic::at(Severity::Warning, message, desk.place(entry.spot));
    desk.push(
        warning
            .with_length(entry.spot.length)
            .with_help("take the line away"),
    );
}

/// Reports containers at the top level of a file that has them below a key.
fn strangers(desk: &Desk<'_>, root: &Node, decision: Decision) -> bool {
    let mut found = false;
    let section = decision.layout.section();
    for entry in root.entries().unwrap_or_default() {
        if is_top(&entry.key) || !looks_like_container(&entry.value) {
            continue;
        }
        found = true;
        let here = decision.spot.file == entry.spot.file;
        let whose = if here {
            "this file has"
        } else {
            "the project has"
        };
        let message = format!(
            "`{}` stands at the top level, but {whose} `{section}:`",
            entry.key
        );
        let (place, length) = (desk.place(decision.spot), decision.spot.length);
        let error = desk
            .about(entry.spot, message)
            .with_related(place, length, "this key decides the layout")
            .with_help(format!("move `{}` below `{section}:`", entry.key));
        desk.push(error);
    }
    found
}

/// A file without a key for its containers: they are at the top level, or there are none.
fn early(desk: &Desk<'_>, root: &Node, entries: &[Entry]) -> Result<Option<Decision>, Wrong> {
    if flattened(desk, entries) || misspelt(desk, entries) {
        return Err(Wrong);
    }
    let is_container = |entry: &&Entry| !is_top(&entry.key) || has_source(&entry.value);
    let Some(first) = entries.iter().find(is_container) else {
        version(desk, root);
        return Ok(None);
    };
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
    if !intact {
        return Err(Wrong);
    }
    Ok(Some(Decision {
        layout: Layout::Early,
        spot: first.spot,
    }))
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
    ["template", "clone", "download", "rootfs", "image", "build"]
        .iter()
        .any(|key| value.get(key).is_some())
}
