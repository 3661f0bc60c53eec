//! How an included file's containers, networks and so on come into the file that includes it: the same
//! name twice is an error, since nobody said which one counts.

use std::collections::BTreeMap;

use super::desk::Desk;
use super::reader::{Unit, layout_of};
use super::tree::{Entry, Kind, Node};

/// What is taken over beside the containers.
const SHARED: [&str; 5] = ["networks", "volumes", "secrets", "configs", "groups"];
/// What only the project's own files may say.
const OWN: [&str; 5] = ["network", "firewall", "backend", "supervisor", "defaults"];

/// Puts what was included into the tree of the file that includes it.
pub(super) fn take_over(desk: &Desk<'_>, unit: &mut Unit, included: Unit) {
    unit.decision = unit.decision.or(included.decision);
    let section = layout_of(&unit.decision).section();
    let spot = unit.root.spot;
    let Kind::Mapping(mut root) = std::mem::replace(&mut unit.root.kind, Kind::Null) else {
        return;
    };
    let Kind::Mapping(taken) = included.root.kind else {
        return;
    };
    for entry in taken {
        let key = entry.key.as_str();
        if OWN.contains(&key) {
            let message = format!("`{key}` stands in a file that is included");
            let help = "move it to the project's own file";
            desk.error_help(entry.spot, message, help);
        } else if key == section || SHARED.contains(&key) {
            match root.iter_mut().find(|old| old.key == entry.key) {
                Some(old) => add_all(desk, old, entry),
                None => root.push(entry),
            }
        }
        // `name`, `version` and `x-` keys say something about the included file only.
    }
    unit.root = Node::new(spot, Kind::Mapping(root));
}

/// Adds the entries of a map to those of another one.
fn add_all(desk: &Desk<'_>, old: &mut Entry, new: Entry) {
    let spot = old.value.spot;
    let mark = old.value.mark;
    let Kind::Mapping(added) = new.value.kind else {
        return;
    };
    let mut all = match std::mem::replace(&mut old.value.kind, Kind::Null) {
        Kind::Mapping(entries) => entries,
        Kind::Null => Vec::new(),
        // Reported where it is used.
        other @ (Kind::Scalar(_) | Kind::Sequence(_)) => {
            old.value.kind = other;
            return;
        }
    };
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (at, entry) in all.iter().enumerate() {
        known.entry(entry.key.clone()).or_insert(at);
    }
    for entry in added {
        match known.get(&entry.key) {
            Some(&at) => conflict(desk, &old.key, &all[at], &entry),
            None => {
                known.insert(entry.key.clone(), all.len());
                all.push(entry);
            }
        }
    }
    old.value = Node::new(spot, Kind::Mapping(all)).marked(mark);
}

/// Whether what an entry of a section says is the same in every directory and with all variables. A container has too
/// many keys that hold paths.
fn is_portable(section: &str, node: &Node, key: &str) -> bool {
    let shared = ["networks", "volumes", "secrets", "configs"];
    let inner = match &node.kind {
        Kind::Null => true,
        Kind::Scalar(text) => {
            let is_path = matches!(key, "file" | "device");
            !text.contains('$') && (!is_path || text.starts_with('/'))
        }
        Kind::Sequence(items) => items.iter().all(|item| is_portable(section, item, key)),
        Kind::Mapping(entries) => {
            let mut entries = entries.iter();
            entries.all(|entry| is_portable(section, &entry.value, &entry.key))
        }
    };
    inner && shared.contains(&section)
}

/// Reports two different things of one name. The same file may be included on two ways.
fn conflict(desk: &Desk<'_>, section: &str, old: &Entry, new: &Entry) {
    let same_directory = desk.directory_of(old.spot) == desk.directory_of(new.spot);
    let same_place = same_directory || is_portable(section, &old.value, "");
    if same_place && old.value.says_the_same(&new.value) {
        return;
    }
    let message = format!(
        "`{}` is defined here and in a file that is included",
        old.key
    );
    let error = desk
        .about(old.spot, message)
        .with_related(desk.place(new.spot), new.spot.length, "defined here too")
        .with_help("give one of them another name, or take one away");
    desk.push(error);
}
