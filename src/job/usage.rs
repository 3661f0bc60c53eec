//! Limits and use of a running container, from its cgroup. A file that is not there gives nothing.

use std::fs;
use std::path::{Path, PathBuf};

use super::Usage;

/// The kernel shows "no limit" of v1 as the largest multiple of a page below 2^63 (cgroups(7)).
const UNLIMITED: u64 = 1 << 62;

/// Looks at the cgroup of the container `host_name` whose init is `pid`.
pub(super) fn read(pid: u32, host_name: &str) -> Usage {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    usage(&text, Path::new("/sys/fs/cgroup"), host_name)
}

fn usage(own: &str, mount: &Path, host_name: &str) -> Usage {
    let v1 = |controller: &str| v1_directory(own, mount, controller, host_name);
    let v2 = v2_directory(own, mount, host_name);
    let read = |dir: Option<PathBuf>, file: &str| {
        let text = fs::read_to_string(dir?.join(file)).ok()?;
        Some(text.trim().to_string()).filter(|text| !text.is_empty())
    };
    let either = |controller: &str, old: &str, new: &str| {
        read(v1(controller), old).or_else(|| read(v2.clone(), new))
    };
    let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
    Usage {
        cpus: either("cpuset", "cpuset.cpus", "cpuset.cpus.effective"),
        shares: either("cpu", "cpu.shares", "cpu.weight"),
        memory_peak: number(either("memory", "memory.max_usage_in_bytes", "memory.peak")),
        memory_limit: number(either("memory", "memory.limit_in_bytes", "memory.max"))
            .filter(|limit| *limit < UNLIMITED),
    }
}

fn v1_directory(own: &str, mount: &Path, controller: &str, host_name: &str) -> Option<PathBuf> {
    own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let holds = controllers.split(',').any(|name| name == controller);
        holds.then(|| mount.join(controllers).join(container_of(path, host_name)))
    })
}

fn v2_directory(own: &str, mount: &Path, host_name: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let path = container_of(path, host_name);
    let alone = mount.join(path);
    let hybrid = mount.join("unified").join(path);
    Some(if hybrid.exists() { hybrid } else { alone })
}

/// The container's own directory: its init may have moved itself deeper (`…/init.scope`).
fn container_of<'a>(path: &'a str, host_name: &str) -> &'a str {
    let path = path.trim_start_matches('/');
    let mut end = 0;
    for part in path.split('/') {
        let next = end + part.len();
        if part.ends_with(host_name) {
            return &path[..next];
        }
        end = next + 1;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn both_layouts_are_read_and_no_limit_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("memory/lxc.payload.shop_web");
        put(&old.join("memory.max_usage_in_bytes"), "4096\n");
        put(&old.join("memory.limit_in_bytes"), "9223372036854771712\n");
        let new = dir.path().join("lxc.payload.shop_web");
        put(&new.join("cpu.weight"), "100\n");
        put(&new.join("cpuset.cpus.effective"), "0-1\n");
        let own = "5:memory:/lxc.payload.shop_web/deep\n0::/lxc.payload.shop_web/init.scope\n";
        let usage = usage(own, dir.path(), "shop_web");
        assert_eq!(usage.memory_peak, Some(4096));
        assert_eq!(usage.memory_limit, None);
        assert_eq!(usage.shares.as_deref(), Some("100"));
        assert_eq!(usage.cpus.as_deref(), Some("0-1"));
    }

    #[test]
    fn nothing_known_is_nothing_said() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(usage("", dir.path(), "shop_web"), Usage::default());
    }
}
