//! The first process of a container, told without the engine: it is late in noticing an end when it is busy.
//!
//! containerd, the engine's own supervisor, keeps a directory for each container that runs, and removes it when the
//! first process has ended. Nothing here asks the engine or changes anything.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A container's first process, as containerd has written it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Init {
    /// Its id.
    Runs(u32),
    /// There is none any more, whatever the engine says still.
    Over,
}

impl Init {
    /// None where the supervisor keeps it elsewhere; then it is told in another request for each container, which is
    /// not worth it here.
    pub(super) fn of(id: &str) -> Option<Self> {
        const PLACES: [&str; 2] = ["/run/containerd", "/run/docker/containerd/daemon"];
        PLACES.iter().find_map(|place| {
            let tasks = format!("{place}/io.containerd.runtime.v2.task/moby");
            Self::in_place(Path::new(&tasks), id)
        })
    }

    fn in_place(tasks: &Path, id: &str) -> Option<Self> {
        let mut digits = [0; 16];
        let mut file = match File::open(tasks.join(id).join("init.pid")) {
            Ok(file) => file,
            Err(_) => return tasks.is_dir().then_some(Self::Over),
        };
        let length = file.read(&mut digits).ok()?;
        let pid = std::str::from_utf8(&digits[..length]).ok()?.trim();
        pid.parse().ok().map(Self::Runs)
    }
}

/// The id of a container's first process, where it is known and there.
pub(super) fn init_of(id: &str) -> Option<u32> {
    match Init::of(id)? {
        Init::Runs(pid) => Some(pid),
        Init::Over => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_without_a_task_is_over_where_tasks_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let tasks = dir.path().join("moby");
        assert_eq!(Init::in_place(&tasks, "a1"), None);
        std::fs::create_dir_all(tasks.join("b2")).unwrap();
        assert_eq!(Init::in_place(&tasks, "a1"), Some(Init::Over));
        std::fs::write(tasks.join("b2/init.pid"), "4711").unwrap();
        assert_eq!(Init::in_place(&tasks, "b2"), Some(Init::Runs(4711)));
        // It is just being written.
        std::fs::write(tasks.join("b2/init.pid"), "").unwrap();
        assert_eq!(Init::in_place(&tasks, "b2"), None);
    }
}
