//! The cgroup of a process (cgroups(7)): both versions, wherever their hierarchies are mounted.
//!
//! Files are read and nothing is guessed: a controller that is not there, or that keeps the process
//! in a group that is not its own, gives nothing. Whose group a path is, the caller says.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hierarchies::{Hierarchies, Hierarchy};

/// The kernel shows "no limit" of v1 as the largest multiple of a page below 2^63.
const UNLIMITED: u64 = 1 << 62;

/// Finds the end of a group's own path in that of a process within it; none when it is nobody's own.
pub type Own<'a> = &'a dyn Fn(&str) -> Option<usize>;

/// A group in all hierarchies that have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup(Vec<Place>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    dir: PathBuf,
    /// Its hierarchy's mount point: limits above it are not seen.
    top: PathBuf,
    controllers: Option<Vec<String>>,
}

/// What a group has used. None is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Processor time.
    pub cpu: Option<Duration>,
    /// Memory in bytes, without the cache of files that nobody has used lately.
    pub memory: Option<u64>,
    /// Bytes read from block devices.
    pub read: Option<u64>,
    /// Bytes written to block devices.
    pub written: Option<u64>,
    /// Threads.
    pub tasks: Option<u64>,
}

impl Cgroup {
    /// The group that the process `pid` is in, as far as it is `own`.
    pub fn of(pid: u32, hierarchies: &Hierarchies, own: Own<'_>) -> Self {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        Self::parse(&groups, hierarchies, own)
    }

    /// The same in the hierarchies that freeze, which is all that [`Cgroup::is_held`] looks at.
    pub fn that_freezes(pid: u32, hierarchies: &Hierarchies, own: Own<'_>) -> Self {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let freezes = |line: &&str| {
            let names = line.split(':').nth(1).unwrap_or_default();
            names.is_empty() || names.split(',').any(|name| name == "freezer")
        };
        let groups: Vec<&str> = groups.lines().filter(freezes).collect();
        Self::parse(&groups.join("\n"), hierarchies, own)
    }

    /// From the lines of a process's cgroup file (cgroups(7)).
    pub fn parse(groups: &str, hierarchies: &Hierarchies, own: Own<'_>) -> Self {
        let places = groups.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (id, names, path) = (parts.next()?, parts.next()?, parts.next()?);
            let path = &path[..own(path)?];
            let is_it = |h: &&Hierarchy| match &h.controllers {
                None => id == "0" && names.is_empty(),
                Some(all) => names.split(',').any(|name| all.iter().any(|c| c == name)),
            };
            let mounts = hierarchies.each().filter(is_it);
            let mut places = mounts.filter_map(|mount| place(mount, path));
            places.find(|place| place.dir.is_dir())
        });
        Self(places.collect())
    }

    /// The text of a controller's file, by its name in either version; none when it is not there.
    pub fn text(&self, controller: &str, v1: &str, v2: &str) -> Option<String> {
        self.each(controller, v1, v2, |path| {
            let text = fs::read_to_string(path).ok()?;
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        })
    }

    /// What it has used.
    pub fn figures(&self) -> Figures {
        let io = self.io();
        Figures {
            cpu: self.cpu(),
            memory: self.memory(),
            read: io.map(|(read, _)| read),
            written: io.map(|(_, written)| written),
            tasks: self
                .text("pids", "pids.current", "pids.current")
                .and_then(|text| text.parse().ok()),
        }
    }

    /// The least limit of memory of it and of all groups that it is in; none is no limit.
    pub fn memory_limit(&self) -> Option<u64> {
        let limits = self.0.iter().flat_map(|place| {
            let file = match &place.controllers {
                None => "memory.max",
                Some(_) => "memory.limit_in_bytes",
            };
            let above = place.dir.ancestors();
            let above = above.take_while(|dir| dir.starts_with(&place.top));
            above.filter_map(move |dir| fs::read_to_string(dir.join(file)).ok())
        });
        let limits = limits.filter_map(|text| text.trim().parse().ok());
        limits.filter(|limit| *limit < UNLIMITED).min()
    }

    /// All processes in it and in the groups below; none when no hierarchy has it.
    pub fn processes(&self) -> Option<Vec<u32>> {
        let place = self.0.first()?;
        let mut found = Vec::new();
        collect(&place.dir, &mut found);
        Some(found)
    }

    /// The switch that freezes all of it, on version 2; none where no such hierarchy has it.
    pub fn freezer(&self) -> Option<PathBuf> {
        let unified = self.0.iter().find(|place| place.controllers.is_none())?;
        Some(unified.dir.join(FREEZE)).filter(|switch| switch.exists())
    }

    /// Whether it is frozen or about to be, by its own switch or by one above it.
    pub fn is_held(&self) -> bool {
        let state = self.each("freezer", "freezer.state", FREEZE, |path| {
            fs::read_to_string(path).ok()
        });
        state.is_some_and(|state| matches!(state.trim(), "FROZEN" | "FREEZING"))
            || self.0.iter().any(|place| held_at(place).is_some())
    }

    fn cpu(&self) -> Option<Duration> {
        self.each("cpuacct", "cpuacct.usage", "cpu.stat", |path| {
            let text = fs::read_to_string(path).ok()?;
            match text.trim().parse() {
                Ok(nanoseconds) => Some(Duration::from_nanos(nanoseconds)),
                Err(_) => field(&text, "usage_usec").map(Duration::from_micros),
            }
        })
    }

    fn memory(&self) -> Option<u64> {
        let used = self.text("memory", "memory.usage_in_bytes", "memory.current")?;
        let stat = self.text("memory", "memory.stat", "memory.stat");
        let stat = stat.unwrap_or_default();
        // v1 counts the groups below in `total_…` only.
        let idle = field(&stat, "total_inactive_file").or_else(|| field(&stat, "inactive_file"));
        Some(used.parse::<u64>().ok()?.saturating_sub(idle.unwrap_or(0)))
    }

    fn io(&self) -> Option<(u64, u64)> {
        let whole = "blkio.throttle.io_service_bytes_recursive";
        let read = |path: PathBuf| Some(transferred(&fs::read_to_string(path).ok()?));
        self.each("blkio", whole, "io.stat", read)
            .or_else(|| self.each("blkio", "blkio.throttle.io_service_bytes", "io.stat", read))
    }

    /// What `read` makes of the first file that it can read.
    fn each<T>(
        &self,
        controller: &str,
        v1: &str,
        v2: &str,
        read: impl Fn(PathBuf) -> Option<T>,
    ) -> Option<T> {
        let file = |place: &Place| match &place.controllers {
            None => Some(place.dir.join(v2)),
            Some(all) => all
                .iter()
                .any(|c| c == controller)
                .then(|| place.dir.join(v1)),
        };
        self.0.iter().filter_map(file).find_map(read)
    }
}

/// The switch of a group of version 2.
const FREEZE: &str = "cgroup.freeze";

/// The group whose switch keeps a process frozen (version 2); none when it is not.
pub fn freezer_of(pid: u32, hierarchies: &Hierarchies) -> Option<PathBuf> {
    let whole = Cgroup::of(pid, hierarchies, &|path| Some(path.len()));
    whole.0.iter().find_map(held_at)
}

fn held_at(place: &Place) -> Option<PathBuf> {
    if place.controllers.is_some() {
        return None;
    }
    let above = place.dir.ancestors();
    let mut above = above.take_while(|dir| dir.starts_with(&place.top));
    let held =
        |dir: &&Path| fs::read_to_string(dir.join(FREEZE)).is_ok_and(|switch| switch.trim() == "1");
    above.find(held).map(Path::to_owned)
}

/// Where a hierarchy shows a group; none when it shows another part of the tree.
fn place(mount: &Hierarchy, path: &str) -> Option<Place> {
    let below = match mount.root.as_str() {
        "/" => path,
        root => path.strip_prefix(root)?,
    };
    if !below.is_empty() && !below.starts_with('/') {
        return None;
    }
    Some(Place {
        dir: mount.point.join(below.trim_start_matches('/')),
        top: mount.point.clone(),
        controllers: mount.controllers.clone(),
    })
}

fn collect(dir: &Path, found: &mut Vec<u32>) {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
    // A group that goes meanwhile has no processes any more.
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
    }
}

/// The number behind a word at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?.strip_prefix(' ')?;
        rest.trim().parse().ok()
    })
}

/// Bytes read and written of all devices: `8:0 Read 4096` of v1, `8:0 rbytes=4096 wbytes=0` of v2.
fn transferred(text: &str) -> (u64, u64) {
    let (mut read, mut written) = (0_u64, 0_u64);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, way @ ("Read" | "Write"), bytes] = words[..] {
            let bytes: u64 = bytes.parse().unwrap_or(0);
            match way {
                "Read" => read = read.saturating_add(bytes),
                _ => written = written.saturating_add(bytes),
            }
            continue;
        }
        for (key, bytes) in words.iter().filter_map(|word| word.split_once('=')) {
            let bytes: u64 = bytes.parse().unwrap_or(0);
            match key {
                "rbytes" => read = read.saturating_add(bytes),
                "wbytes" => written = written.saturating_add(bytes),
                _ => {}
            }
        }
    }
    (read, written)
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
mod tests;
