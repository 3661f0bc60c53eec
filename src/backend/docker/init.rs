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
        let places = PLACES.map(|place| format!("{place}/io.containerd.runtime.v2.task/moby"));
        Self::among(&places, id)
    }

    /// One of `places` is the engine's; the other may be left over, or somebody else's.
    fn among(places: &[impl AsRef<Path>], id: &str) -> Option<Self> {
        let mut places = places.iter().map(AsRef::as_ref);
        places.clone().find(|tasks| tasks.is_dir())?;
        match places.find(|tasks| tasks.join(id).exists()) {
            None => Some(Self::Over),
            // Not every runtime writes it down.
            Some(tasks) => pid_in(&tasks.join(id)).map(Self::Runs),
        }
    }
}

fn pid_in(task: &Path) -> Option<u32> {
    let mut digits = [0; 16];
    let length = File::open(task.join("init.pid"))
        .ok()?
        .read(&mut digits)
        .ok()?;
    let pid = std::str::from_utf8(&digits[..length]).ok()?;
    pid.trim().parse().ok()
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
        let (tasks, other) = (dir.path().join("moby"), dir.path().join("other"));
        let look = |id: &str| Init::among(&[&other, &tasks], id);
        assert_eq!(look("a1"), None);
        std::fs::create_dir_all(tasks.join("b2")).unwrap();
        assert_eq!(look("a1"), Some(Init::Over));
        // It is just being written, or of a runtime that does not write it.
        assert_eq!(look("b2"), None);
        std::fs::write(tasks.join("b2/init.pid"), "").unwrap();
        assert_eq!(look("b2"), None);
        std::fs::write(tasks.join("b2/init.pid"), "4711").unwrap();
        assert_eq!(look("b2"), Some(Init::Runs(4711)));
        // Another place is no reason to call it over.
        std::fs::create_dir_all(&other).unwrap();
        assert_eq!(look("b2"), Some(Init::Runs(4711)));
    }
}
