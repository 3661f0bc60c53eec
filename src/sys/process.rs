//! Processes as /proc shows them (proc(5)): who is in a container, and what they use together.
//!
//! A process belongs to a container when it is in the process namespace of its init (those of `exec`
//! are, too), or when its parent belongs to it (containers inside have namespaces of their own).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Pid;

use super::cgroup::Figures;

/// Ticks in a second of /proc's times (`USER_HZ`): 100 on every architecture that containers run on.
pub const TICKS: u64 = 100;

/// What /proc/<pid>/stat tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its program, at most 15 bytes of it.
    pub name: String,
    /// Its state: `R`, `S`, `D` (waits in the kernel), `T` (stopped), `t` (stopped by a tracer), `Z`, …
    pub state: char,
    /// Its parent.
    pub parent: u32,
    /// Processor time, ticks.
    pub used: u64,
    /// That of children which have ended, ticks.
    pub reaped: u64,
    /// Its threads.
    pub threads: u64,
    /// Start after the host's boot, ticks.
    pub started: u64,
}

/// The processes that `pid` began and that are its own still.
pub fn children(pid: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
    let tasks = tasks.into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let read = |text: String| -> Vec<Pid> {
        let numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
        numbers.filter_map(Pid::from_raw).collect()
    };
    texts.flat_map(read).collect()
}

/// Those, and what they began in their turn, to the last; a pipe in a shell is several.
pub fn descendants(pid: Pid) -> Vec<Pid> {
    let mut found = children(pid);
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children(*pid));
        next += 1;
    }
    found
}

impl Stat {
    /// Of a process; none when it has ended.
    pub fn of(pid: u32) -> Option<Self> {
        let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
        stat(&String::from_utf8_lossy(&text))
    }
}

/// All processes that can be seen.
pub fn all() -> io::Result<BTreeMap<u32, Stat>> {
    let listing = fs::read_dir("/proc")?;
    let pids = listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // One that has ended meanwhile has no stat.
    Ok(pids
        .filter_map(|pid: u32| Some((pid, Stat::of(pid)?)))
        .collect())
}

/// Those of `all` that belong to the container with this init.
pub fn inside(init: u32, all: &BTreeMap<u32, Stat>) -> BTreeSet<u32> {
    let Some(space) = namespace(init, "pid") else {
        return BTreeSet::new(); // it has ended meanwhile
    };
    if is_ours(init, "pid") {
        return family(all, &|pid| *pid == init);
    }
    let inside = |pid: &u32| namespace(*pid, "pid").is_some_and(|own| own == space);
    family(all, &inside)
}

/// What these processes have used, those that have ended left out as far as nobody counts them.
pub fn sum(pids: impl IntoIterator<Item = u32>) -> Figures {
    let mut sum = Figures::default();
    let add = |to: &mut Option<u64>, more: Option<u64>| {
        if let Some(more) = more {
            *to = Some(to.unwrap_or(0).saturating_add(more));
        }
    };
    for pid in pids {
        let Some(stat) = Stat::of(pid) else { continue };
        let cpu = Duration::from_millis((stat.used + stat.reaped) * 1000 / TICKS);
        sum.cpu = Some(sum.cpu.unwrap_or_default() + cpu);
        add(&mut sum.tasks, Some(stat.threads));
        let text = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
        let status = text("status").unwrap_or_default();
        add(
            &mut sum.memory,
            number(&status, "VmRSS:").map(|kib| kib * 1024),
        );
        let io = text("io").unwrap_or_default();
        add(&mut sum.read, number(&io, "read_bytes:"));
        add(&mut sum.written, number(&io, "write_bytes:"));
    }
    sum
}

/// Bytes that came in and went out over the network of a process, loopback left out; none for one that
/// has the network of this process.
pub fn traffic(pid: u32) -> Option<(u64, u64)> {
    if is_ours(pid, "net") {
        return None;
    }
    Some(counted(
        &fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?,
    ))
}

fn is_ours(pid: u32, kind: &str) -> bool {
    let ours = fs::read_link(format!("/proc/thread-self/ns/{kind}")).ok();
    ours.is_some() && ours == namespace(pid, kind)
}

fn namespace(pid: u32, kind: &str) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()
}

/// Those inside, and all that descend from them.
fn family(all: &BTreeMap<u32, Stat>, inside: &dyn Fn(&u32) -> bool) -> BTreeSet<u32> {
    let mut found: BTreeSet<u32> = all.keys().copied().filter(inside).collect();
    loop {
        let more: Vec<u32> = all
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

/// A stat line; the name of a program may hold anything, so the last parenthesis counts.
fn stat(text: &str) -> Option<Stat> {
    let (head, rest) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| words.get(at)?.parse::<u64>().ok();
    Some(Stat {
        name: name.to_owned(),
        state: words.first()?.chars().next()?,
        parent: words.get(1)?.parse().ok()?,
        used: number(11)? + number(12)?,
        reaped: number(13)? + number(14)?,
        threads: number(17)?,
        started: number(19)?,
    })
}

/// The number behind the word that a line begins with.
fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Received and sent bytes of all interfaces but loopback in a net/dev file.
fn counted(text: &str) -> (u64, u64) {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let lines = lines.filter(|(name, _)| name.trim() != "lo");
    lines.fold((0, 0), |(received, sent), (_, counts)| {
        let counts: Vec<u64> = counts
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let of = |at: usize| counts.get(at).copied().unwrap_or(0);
        (received + of(0), sent + of(8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_may_hold_what_looks_like_the_rest() {
        let line = "42 (a) S 9 (x) R 7 1 1 0 -1 4194560 1 0 0 0 150 50 4 5 20 0 3 0 300 0 0";
        let found = stat(line).unwrap();
        let wanted = Stat {
            name: "a) S 9 (x".into(),
            state: 'R',
            parent: 7,
            used: 200,
            reaped: 9,
            threads: 3,
            started: 300,
        };
        assert_eq!(found, wanted);
        assert_eq!(stat("42 (a) S"), None);
    }

    #[test]
    fn what_descends_from_inside_is_inside() {
        let stat = |parent| Stat {
            name: "x".into(),
            state: 'S',
            parent,
            used: 0,
            reaped: 0,
            threads: 1,
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
    }

    #[test]
    fn a_process_has_what_its_files_tell() {
        let own = sum([std::process::id()]);
        assert!(
            own.memory.unwrap() > 4096 && own.tasks.unwrap() >= 1,
            "{own:?}"
        );
        assert_eq!(sum([]), Figures::default());
        assert_eq!(traffic(std::process::id()), None);
        let dev = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets\n    \
            lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n  eth0: 5000 7 0 0 0 0 0 0 300 2 0 0 0 0 0 0\n  eth1:1 7 0 0 0 0 0 0 2 2 0 0 0 0 0 0\n";
        assert_eq!(counted(dev), (5001, 302));
    }

    #[test]
    fn the_processes_that_a_process_began_are_found_to_the_last() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sh -c 'sleep 60 & wait' & wait"])
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let begun = std::time::Instant::now();
        let mut found = Vec::new();
        while found.len() < 2 && begun.elapsed() < Duration::from_secs(5) {
            found = descendants(pid);
        }
        for pid in &found {
            rustix::process::kill_process(*pid, rustix::process::Signal::KILL).unwrap();
        }
        child.wait().unwrap();
        assert_eq!(found.len(), 2);
    }
}
