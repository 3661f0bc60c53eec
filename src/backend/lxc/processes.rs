//! The processes of a running container, as the host's /proc shows them.
//! Which are its own, [`crate::sys::process`] knows.

use std::collections::BTreeMap;

use super::site::io;
use crate::backend::{BackendError, Process};
use crate::sys::process::{self, Stat, TICKS};

/// The processes of the container with this init, by their ids.
pub(super) fn of(init: u32) -> Result<Vec<Process>, BackendError> {
    let all = process::all().map_err(io("read", "/proc"))?;
    let names = users(&std::fs::read_to_string("/etc/passwd").unwrap_or_default());
    let uptime = std::fs::read_to_string("/proc/uptime").map_err(io("read", "/proc/uptime"))?;
    let uptime = seconds(&uptime);
    Ok(process::inside(init, &all)
        .into_iter()
        .filter_map(|pid| Some((pid, all.get(&pid)?)))
        .map(|(pid, stat)| shown(pid, stat, &names, uptime))
        .collect())
}

fn shown(pid: u32, stat: &Stat, names: &BTreeMap<u32, String>, uptime: u64) -> Process {
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
    fn users_are_named_by_the_first_of_their_id() {
        let names = users("root:x:0:0::/:\ntoor:x:0:0::/:\nbroken\nweb:x:33:33::/:");
        assert_eq!((names[&0].as_str(), names[&33].as_str()), ("root", "web"));
        assert_eq!(uid_of("Name:\tx\nUid:\t1\t2\t3\t4\n"), Some(2));
        assert_eq!(seconds("123.45 6.7\n"), 123);
    }
}
