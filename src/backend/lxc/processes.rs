//! The processes of a running container, as the host's /proc shows them.
//!
//! A process belongs to a container when it is in the process namespace of its init (those of `exec`
//! are, too), or when its parent belongs to it (containers inside have namespaces of their own).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::site::io;
use crate::backend::{BackendError, Process};

/// Ticks in a second of /proc's times (`USER_HZ`, proc(5)): 100 on every architecture that LXC runs on.
const TICKS: u64 = 100;

/// What /proc/<pid>/stat tells.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    parent: u32,
    /// Processor time, ticks.
    used: u64,
    /// Start after the host's boot, ticks.
    started: u64,
}

/// The processes of the container with this init, by their ids.
pub(super) fn of(init: u32) -> Result<Vec<Process>, BackendError> {
    let Ok(space) = std::fs::read_link(format!("/proc/{init}/ns/pid")) else {
        return Ok(Vec::new()); // it has ended meanwhile
    };
    let listing = std::fs::read_dir("/proc").map_err(io("read", "/proc"))?;
    let pids = listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // One that has ended meanwhile has no stat.
    let stats: BTreeMap<u32, Stat> = pids
        .filter_map(|pid: u32| {
            let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, stat(&String::from_utf8_lossy(&text))?))
        })
        .collect();
    let names = users(&std::fs::read_to_string("/etc/passwd").unwrap_or_default());
    let uptime = std::fs::read_to_string("/proc/uptime").map_err(io("read", "/proc/uptime"))?;
    let uptime = seconds(&uptime);
    let inside = |pid: &u32| space_of(*pid).is_some_and(|own| own == space);
    Ok(family(&stats, &inside)
        .into_iter()
        .filter_map(|pid| Some((pid, stats.get(&pid)?)))
        .map(|(pid, stat)| process(pid, stat, &names, uptime))
        .collect())
}

fn space_of(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

/// Those inside, and all that descend from them.
fn family(stats: &BTreeMap<u32, Stat>, inside: &dyn Fn(&u32) -> bool) -> BTreeSet<u32> {
    let mut found: BTreeSet<u32> = stats.keys().copied().filter(inside).collect();
    loop {
        let more: Vec<u32> = stats
            .iter()
            .filter(|(pid, stat)| !found.contains(*pid) && found.contains(&stat.parent))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn process(pid: u32, stat: &Stat, names: &BTreeMap<u32, String>, uptime: u64) -> Process {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let command = match line.trim() {
        "" => format!("[{}]", stat.name), // it has ended and waits for its parent, or changed its line
        line => line.to_owned(),
    };
    let uid = uid_of(&std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default());
    Process {
        pid,
        parent: stat.parent,
        user: match uid {
            Some(uid) => names.get(&uid).cloned().unwrap_or_else(|| uid.to_string()),
            None => "?".into(),
        },
        seconds: uptime.saturating_sub(stat.started / TICKS),
        cpu: stat.used as f64 / TICKS as f64,
        command,
    }
}

/// A stat(5) line; the name of a program may hold anything, so the last parenthesis counts.
fn stat(text: &str) -> Option<Stat> {
    let (head, rest) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| words.get(at)?.parse::<u64>().ok();
    Some(Stat {
        name: name.to_owned(),
        parent: words.get(1)?.parse().ok()?,
        used: number(11)? + number(12)?,
        started: number(19)?,
    })
}

/// The effective user in a status file.
fn uid_of(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Names of users by their ids (passwd(5)); the first of an id counts.
fn users(passwd: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for line in passwd.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(uid))) = (fields.next(), fields.nth(1).map(str::parse)) {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// Whole seconds of /proc/uptime.
fn seconds(uptime: &str) -> u64 {
    let whole = uptime.split(['.', ' ']).next();
    whole.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_may_hold_what_looks_like_the_rest() {
        let line = "42 (a) S 9 (x) R 7 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 300 0 0";
        let found = stat(line).unwrap();
        let wanted = Stat {
            name: "a) S 9 (x".into(),
            parent: 7,
            used: 200,
            started: 300,
        };
        assert_eq!(found, wanted);
        assert_eq!(stat("42 (a) S"), None);
    }

    #[test]
    fn users_are_named_and_what_descends_from_inside_is_inside() {
        let names = users("root:x:0:0::/:\ntoor:x:0:0::/:\nbroken\nweb:x:33:33::/:");
        assert_eq!((names[&0].as_str(), names[&33].as_str()), ("root", "web"));
        assert_eq!(uid_of("Name:\tx\nUid:\t1\t2\t3\t4\n"), Some(2));
        let stat = |parent| Stat {
            name: "x".into(),
            parent,
            used: 0,
            started: 0,
        };
        let stats = [
            (1, stat(0)),
            (5, stat(1)),
            (6, stat(5)),
            (7, stat(6)),
            (8, stat(1)),
        ];
        let found = family(&BTreeMap::from(stats), &|pid| *pid == 5);
        assert_eq!(found, BTreeSet::from([5, 6, 7]));
        assert_eq!(seconds("123.45 6.7\n"), 123);
    }
}
