//! What a running container uses, read the same way for both engines: from its cgroup, and what that
//! does not tell (a controller that the host has not, or has elsewhere) from its processes.
//!
//! Knows where the engines put a container's cgroup; asks no engine.

use crate::sys::process;
use crate::sys::{Cgroup, Figures, Hierarchies};

/// Letters and digits of an engine's id.
const ID: usize = 64;

/// Reads figures of containers. Where the hierarchies are is found out once.
#[derive(Clone, Debug)]
pub struct Meter(Hierarchies);

/// What a container uses at one moment. None is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Time, memory, input and output, tasks.
    pub figures: Figures,
    /// Most memory it may have, in bytes; none is no limit.
    pub memory_limit: Option<u64>,
    /// Bytes received and sent; none for one on the host's network.
    pub traffic: Option<(u64, u64)>,
}

impl Meter {
    /// For this host.
    pub fn here() -> Self {
        Self(Hierarchies::here())
    }

    /// The cgroup of the container `host_name` whose init is `pid`.
    pub fn cgroup(&self, pid: u32, host_name: &str) -> Cgroup {
        Cgroup::of(pid, &self.0, &|path| own(path, host_name))
    }

    /// Whether that is frozen or about to be.
    pub fn is_held(&self, pid: u32, host_name: &str) -> bool {
        Cgroup::that_freezes(pid, &self.0, &|path| own(path, host_name)).is_held()
    }

    /// Its figures now; none when it has ended.
    pub fn read(&self, pid: u32, host_name: &str) -> Option<Reading> {
        process::Stat::of(pid)?;
        let cgroup = self.cgroup(pid, host_name);
        Some(Reading {
            figures: complete(cgroup.figures(), || processes(&cgroup, pid)),
            memory_limit: cgroup.memory_limit(),
            traffic: process::traffic(pid),
        })
    }
}

fn processes(cgroup: &Cgroup, init: u32) -> Vec<u32> {
    match cgroup.processes() {
        Some(found) if !found.is_empty() => found,
        Some(_) | None => {
            let all = process::all().unwrap_or_default();
            process::inside(init, &all).into_iter().collect()
        }
    }
}

/// Puts in from the processes what is missing.
fn complete(known: Figures, processes: impl FnOnce() -> Vec<u32>) -> Figures {
    let whole = known.cpu.and(known.memory).and(known.read).and(known.tasks);
    if whole.is_some() {
        return known;
    }
    let summed = process::sum(processes());
    Figures {
        cpu: known.cpu.or(summed.cpu),
        memory: known.memory.or(summed.memory),
        read: known.read.or(summed.read),
        written: known.written.or(summed.written),
        tasks: known.tasks.or(summed.tasks),
    }
}

/// The end of the container's own group in the path of its init, which may have moved itself deeper
/// (`…/init.scope`); none in a hierarchy where it shares a group with others.
///
/// LXC: `lxc.payload.<host name>`, below a service of locker's `<unit>.service/container`. Docker:
/// `docker-<id>.scope` by systemd's driver, else `<id>`.
fn own(path: &str, host_name: &str) -> Option<usize> {
    let mut end = 0;
    let mut before = "";
    for part in path.split('/') {
        let next = end + part.len();
        let scope = part
            .strip_suffix(".scope")
            .and_then(|s| s.split('-').next_back());
        let is_id = |word: &str| word.len() == ID && word.bytes().all(|b| b.is_ascii_hexdigit());
        let named = part == host_name
            || without_count(part)
                .into_iter()
                .chain([part])
                .filter_map(|part| part.strip_suffix(host_name))
                .any(|head| head.ends_with('.'));
        let supervised = part == "container" && before.ends_with(".service");
        if named || supervised || is_id(part) || scope.is_some_and(is_id) {
            return Some(next);
        }
        (end, before) = (next + 1, part);
    }
    None
}

/// A cgroup's name without the number that LXC puts behind it where the one of an earlier run is still there.
fn without_count(part: &str) -> Option<&str> {
    let (name, count) = part.rsplit_once('-')?;
    let is_count = (1..=3).contains(&count.len()) && count.bytes().all(|b| b.is_ascii_digit());
    is_count.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_own_group_is_found_where_each_engine_puts_it() {
        let id = "0123456789abcdef".repeat(4);
        for (path, found) in [
            ("/lxc.payload.shop_web/init.scope", "/lxc.payload.shop_web"),
            // The one of a run whose monitor was killed is there still.
            ("/lxc.payload.shop_web-1", "/lxc.payload.shop_web-1"),
            (
                "/locker.slice/locker-shop.slice/locker-shop-web.service/container/system.slice/a.service",
                "/locker.slice/locker-shop.slice/locker-shop-web.service/container",
            ),
            (&format!("/docker/{id}/a"), &format!("/docker/{id}")),
            (
                &format!("/locker.slice/docker-{id}.scope"),
                &format!("/locker.slice/docker-{id}.scope"),
            ),
        ] {
            assert_eq!(own(path, "shop_web").map(|end| &path[..end]), Some(found));
        }
        for path in [
            "/",
            "/user.slice",
            "/lxc.payload.big_shop_web",
            "/lxc.payload.shop_web-two",
            "/container",
        ] {
            assert_eq!(own(path, "shop_web"), None, "{path}");
        }
    }

    #[test]
    fn what_the_cgroup_does_not_tell_comes_from_the_processes() {
        let known = Figures {
            cpu: Some(Duration::from_secs(9)),
            ..Figures::default()
        };
        let completed = complete(known, || vec![std::process::id()]);
        assert_eq!(completed.cpu, known.cpu);
        assert!(completed.memory.is_some() && completed.tasks.is_some());
        let whole = Figures {
            memory: Some(1),
            read: Some(0),
            written: Some(0),
            tasks: Some(1),
            ..known
        };
        assert_eq!(complete(whole, || unreachable!()), whole);
    }
}
