//! Keeps the rules of the house true: who may use whom, and what may stand in a source file.
//!
//! The table is the one of docs/architecture.md. Only `crate::` paths are looked at, so a room that
//! is one file and a room that is a folder are the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DRIVERS: [&str; 5] = ["backend", "firewall", "network", "hosts", "systemd"];

/// What each room may use; `/x` allows only that module of a room.
fn allowed(room: &str) -> Option<Vec<&'static str>> {
    let rooms = match room {
        "sys" | "model" => vec![],
        "store" => vec!["sys", "model", "observed"],
        "file" | "observed" => vec!["model"],
        "plan" => vec!["model", "observed"],
        "backend" | "firewall" | "network" | "hosts" | "systemd" => {
            let mut rooms = vec!["model", "observed", "store", "sys"];
            // A hosts file inside a container has the same blocks as the host's.
            rooms.extend((room == "backend").then_some("hosts"));
            rooms
        }
        // One of it stands beside every container: it knows one driver's way to start and no other.
        "supervise" => vec![
            "model",
            "store",
            "sys",
            "backend/docker/reach",
            "backend/lxc/supervised",
        ],
        "apply" => [&DRIVERS[..], &["model", "observed", "plan", "store", "sys"]].concat(),
        "job" => {
            let rest = ["apply", "file", "model", "observed", "plan", "store", "sys"];
            [&DRIVERS[..], &rest].concat()
        }
        "cli" => vec!["job", "model", "file/diagnostic"],
        _ => return None,
    };
    Some(rooms)
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let read = |path: &PathBuf| {
        let name = path
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}

/// The code without comments and without text in quotes, so that prose cannot break a rule.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        let line = line.replace("\\\"", "");
        for (at, part) in line.split('"').enumerate() {
            let (part, comment) = match part.split_once("//") {
                Some((before, _)) if at % 2 == 0 => (before, true),
                Some(_) | None => (part, false),
            };
            if at % 2 == 0 {
                code.push_str(part);
            }
            if comment {
                break;
            }
        }
        code.push('\n');
    }
    code
}

/// Every `crate::a::b` of the code; braces are opened, nested ones too: `crate::{a, b::{c, d}}`.
fn used(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '$') {
            open_braces(&code[at + "crate::".len()..], "", &mut found);
        }
    }
    found
}

/// Adds the paths at the start of `rest` below `head`, and returns how much of it was read.
fn open_braces(rest: &str, head: &str, found: &mut BTreeSet<String>) -> usize {
    if let Some(inner) = rest.strip_prefix('{') {
        let mut at = 0;
        loop {
            at += inner[at..].len() - inner[at..].trim_start().len();
            at += open_braces(&inner[at..], head, found);
            at += inner[at..].find([',', '}']).unwrap_or(inner.len() - at);
            if !inner[at..].starts_with(',') {
                return at + 2;
            }
            at += 1;
        }
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    let end = end.unwrap_or(rest.len());
    let path = match head {
        "" => rest[..end].to_string(),
        head => format!("{head}/{}", &rest[..end]),
    };
    match rest[end..].strip_prefix("::") {
        Some(deeper) => end + 2 + open_braces(deeper, &path, found),
        None => {
            found.insert(path);
            end
        }
    }
}

fn is_allowed(path: &str, own: &str, allowed: &[&str]) -> bool {
    let under = |room: &str| path == room || path.starts_with(&format!("{room}/"));
    under(own) || allowed.iter().any(|room| under(room))
}

#[test]
fn nested_braces_are_seen() {
    let code =
        "use crate::{model::{Name, port::Port}, sys};\ncrate::apply::events::Event; $crate::x";
    let expected = ["apply/events/Event", "model/Name", "model/port/Port", "sys"];
    assert_eq!(used(code), expected.map(String::from).into());
}

#[test]
fn every_room_uses_only_the_rooms_below_it() {
    let mut broken = Vec::new();
    for (name, text) in all_sources() {
        let room = name.split(['/', '.']).next().unwrap_or_default();
        if matches!(room, "lib" | "main") {
            continue;
        }
        let Some(allowed) = allowed(room) else {
            broken.push(format!("{name}: the table has no room `{room}`"));
            continue;
        };
        for path in used(&code_of(&text)) {
            if !is_allowed(&path, room, &allowed) {
                broken.push(format!("{name} uses `{path}`"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_house_rules_hold_in_every_file() {
    let mut broken = Vec::new();
    for (name, text) in all_sources() {
        let code = code_of(&text);
        for word in ["todo!", "unimplemented!", "dbg!"] {
            if code.contains(word) {
                broken.push(format!("{name} holds `{word}`"));
            }
        }
        // The type of a C function says `unsafe` and does nothing; the lint `unsafe_code` knows them apart.
        let code = code.replace("unsafe extern ", "extern ");
        let is_unsafe = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        if name != "backend/lxc/ffi.rs" && is_unsafe.into_iter().any(|word| word == "unsafe") {
            broken.push(format!("{name} holds `unsafe`"));
        }
        let stem = Path::new(&name).file_stem().and_then(|stem| stem.to_str());
        if matches!(
            stem,
            Some("util" | "utils" | "helper" | "helpers" | "common" | "misc")
        ) {
            broken.push(format!("{name} has a name that says nothing"));
        }
        if !text.starts_with("//!") {
            broken.push(format!("{name} does not say what it is"));
        }
        if name == "main.rs" && text.lines().count() > 30 {
            broken.push("main.rs has more than 30 lines".into());
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The crates that Cargo.toml names below this heading.
fn crates(heading: &str) -> BTreeSet<String> {
    let manifest = include_str!("../Cargo.toml");
    let (_, below) = manifest.split_once(heading).unwrap();
    let lines = below
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn each_dependency_is_used_and_has_its_reason_and_no_other_is_named() {
    let (crates, for_tests) = (crates("\n[dependencies]"), crates("\n[dev-dependencies]"));
    let mut code = String::new();
    for (_, text) in all_sources() {
        code.push_str(&text);
    }
    let all = || crates.union(&for_tests);
    let unused = all().filter(|name| !code.contains(&format!("{}::", name.replace('-', "_"))));
    assert_eq!(unused.collect::<Vec<_>>(), [""; 0], "nothing uses them");

    let page = include_str!("../docs/dependencies.md");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let cells = |row: &str| row.split('|').map(str::to_owned).collect::<Vec<_>>();
    let reasoned: BTreeSet<String> = rows
        .flat_map(|row| cells(row).into_iter().skip(1).take(2).collect::<Vec<_>>())
        .flat_map(|cell| {
            let words = cell.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
            words.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let untold = all().filter(|name| !reasoned.contains(*name));
    assert_eq!(
        untold.collect::<Vec<_>>(),
        [""; 0],
        "docs/dependencies.md has no reason for them"
    );

    let (_, rest) = page.split_once("\n## The rest\n").unwrap();
    let rows = rest.lines().filter(|line| line.starts_with("| ")).skip(1);
    let named: Vec<String> = rows
        .flat_map(|row| {
            cells(row)[1]
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|name| !all().any(|known| known == name))
        .collect();
    assert_eq!(
        named, [""; 0],
        "docs/dependencies.md names what Cargo.toml does not"
    );
}
