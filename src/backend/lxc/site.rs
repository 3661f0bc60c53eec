//! Where the things of one project's containers are, and how its files are written.
//!
//! One value that every verb gets instead of a handful of paths. It touches nothing by itself.
//!
//! ```text
//! <lxcpath>/<full>/config             the template's own words, and one line that includes ours
//! <lxcpath>/<full>/locker.conf        ours, written anew at each change and start
//! <lxcpath>/<full>/locker.json        the mark, written last: it makes a container ours and whole
//! <lxcpath>/<full>/locker.stopping    there while it is shut down, holds the pid of its init
//! <lxcpath>/<full>/locker.started     since when it runs, or ran last, and the pid of its init
//! <lxcpath>/<full>/locker.ended       when and how its last run ended
//! <lxcpath>/.<full>.locker-partial    there while it is created or destroyed
//! <lxcpath>/<full>~old                a container that was set aside
//! <lxcpath>/.<full>~gone              what is left of one while it is destroyed
//! ```

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::asked::Asked;
use super::ffi::Liblxc;
use crate::backend::{BackendError, Body, Meter};
use crate::model::{Name, host_name_of};
use crate::store::Paths;

/// Everything that the verbs share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) project: Name,
    pub(super) directory: PathBuf,
    pub(super) lxcpath: PathBuf,
    pub(super) paths: Paths,
    pub(super) program: PathBuf,
    pub(super) liblxc: OnceLock<Result<Arc<Liblxc>, String>>,
    /// Where cgroups are.
    pub(super) meter: OnceLock<Meter>,
}

impl Site {
    /// For whatever LXC has under `lxcpath`, of which nothing need be a project's.
    pub(super) fn at(project: Name, lxcpath: PathBuf, paths: Paths) -> Self {
        Self {
            project,
            directory: "/".into(),
            lxcpath,
            paths,
            program: "/proc/self/exe".into(),
            liblxc: OnceLock::new(),
            meter: OnceLock::new(),
        }
    }

    pub(super) fn full(&self, name: &Name) -> String {
        host_name_of(&self.project, name)
    }

    pub(super) fn dir(&self, name: &Name) -> PathBuf {
        self.lxcpath.join(self.full(name))
    }

    pub(super) fn aside(&self, name: &Name) -> PathBuf {
        self.lxcpath.join(format!("{}{ASIDE}", self.full(name)))
    }

    pub(super) fn body(&self, name: &Name, body: Body) -> PathBuf {
        match body {
            Body::Present => self.dir(name),
            Body::Aside => self.aside(name),
        }
    }

    pub(super) fn grave(&self, name: &Name) -> PathBuf {
        self.lxcpath.join(format!(".{}~gone", self.full(name)))
    }

    pub(super) fn rootfs(&self, name: &Name) -> PathBuf {
        self.dir(name).join("rootfs")
    }

    pub(super) fn partial(&self, name: &Name) -> PathBuf {
        self.lxcpath.join(format!(".{}{PARTIAL}", self.full(name)))
    }

    pub(super) fn console_log(&self, name: &Name) -> PathBuf {
        self.paths
            .logs(&self.project)
            .join(format!("{name}.console"))
    }

    /// Notes of when the console log grew, beside it.
    pub(super) fn console_times(&self, name: &Name) -> PathBuf {
        super::times::index_of(&self.console_log(name))
    }

    pub(super) fn engine_log(&self, name: &Name) -> PathBuf {
        self.paths.logs(&self.project).join(format!("{name}.lxc"))
    }

    /// The library, opened with the first call: who has no system containers never needs it, and need
    /// not have it.
    pub(super) fn liblxc(&self) -> Result<&Arc<Liblxc>, BackendError> {
        let open = || Liblxc::open().map(Arc::new);
        let opened = self.liblxc.get_or_init(open).as_ref();
        opened.map_err(|reason| BackendError::Unavailable {
            engine: "LXC",
            reason: reason.clone(),
            help: "apt-get install lxc".into(),
        })
    }

    /// liblxc's object of a container.
    pub(super) fn container(&self, verb: &'static str, full: &str) -> Result<Asked, BackendError> {
        Asked::open(self.liblxc()?, verb, full, &self.lxcpath)
    }

    /// State and init of a container, within `most`; none when liblxc cannot read its configuration.
    pub(super) fn look(
        &self,
        full: &str,
        most: Duration,
    ) -> Result<Option<(String, Option<u32>)>, BackendError> {
        Asked::look(self.liblxc()?, full, &self.lxcpath, most)
    }

    /// Finds cgroups; where the hierarchies are is found out once.
    pub(super) fn meter(&self) -> &Meter {
        self.meter.get_or_init(Meter::here)
    }
}

/// End of the name of a container's directory that was set aside.
pub(super) const ASIDE: &str = "~old";

/// End of the name of the file that marks an unfinished creation or destruction.
pub(super) const PARTIAL: &str = ".locker-partial";

/// Makes an I/O error of this room.
pub(super) fn io(
    verb: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> BackendError {
    let path = path.into();
    move |source| BackendError::Io { verb, path, source }
}

/// An engine error without a log.
pub(super) fn failed(
    verb: &'static str,
    container: &str,
    reason: impl Into<String>,
) -> BackendError {
    BackendError::Engine {
        verb,
        container: container.into(),
        reason: reason.into(),
        log: vec![],
    }
}

/// Replaces a file as a whole: a new file in the same directory, flushed, then renamed over it.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BackendError> {
    use std::os::unix::fs::PermissionsExt;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new()
        .prefix(".locker-")
        .permissions(std::fs::Permissions::from_mode(0o640))
        .tempfile_in(dir)
        .map_err(io("write", path))?;
    file.write_all(bytes).map_err(io("write", path))?;
    file.as_file().sync_data().map_err(io("flush", path))?;
    file.persist(path)
        .map_err(|e| io("replace", path)(e.error))?;
    Ok(())
}

/// The same without flushing: for notes that may be lost when the power fails.
pub(super) fn write_note(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new"); // one process writes each of them
    let mut options = std::fs::File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    file.open(&fresh)?.write_all(bytes)?;
    std::fs::rename(&fresh, path)
}

/// Removes a file; an absent one is fine.
pub(super) fn remove_file(path: &Path) -> Result<(), BackendError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove", path)(e)),
        Ok(()) | Err(_) => Ok(()),
    }
}
