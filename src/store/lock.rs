//! Locks: one for each project while it is changed, and one for what all projects of the host share
//! (the firewall, kernel settings).
//!
//! flock(2) on a file that is never removed: removing it would let two runs hold two files of one
//! name. The kernel releases the lock when the holder dies, however it dies, and the file is
//! close-on-exec, so no child inherits it. What is written in the file only tells who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::model::Name;
use crate::sys;

use super::Paths;

/// How often a waiting run looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Who holds a lock, as it wrote itself down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// What it does: `up`, `port add`.
    pub command: String,
    /// Since when, RFC 3339.
    pub since: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`{}` (pid {}) since {}",
            self.command, self.pid, self.since
        )
    }
}

/// Why a lock was not got.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file system refused.
    #[error("cannot {verb} the lock `{}`: {source}", path.display())]
    Io {
        /// `open`, `take`, `write`.
        verb: &'static str,
        /// The lock file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// What locker keeps cannot be kept from others.
    #[error(transparent)]
    Open(#[from] super::StoreError),
    /// Another run has it and did not let go in time.
    #[error("{what} is being changed by {}", holder.as_ref().map_or("another run".into(), ToString::to_string))]
    Held {
        /// `project `shop``, `the host's network`.
        what: String,
        /// Who has it; none when it has not written itself down yet.
        holder: Option<Holder>,
    },
}

/// The right to change a project. Released when dropped.
#[derive(Debug)]
pub struct ProjectLock(File);

/// The right to change what all projects share. Released when dropped.
#[derive(Debug)]
pub struct HostLock(File);

impl Drop for ProjectLock {
    fn drop(&mut self) {
        forget(&self.0);
    }
}

impl Drop for HostLock {
    fn drop(&mut self) {
        forget(&self.0);
    }
}

/// Best effort: the lock goes with the file anyway, a name left in it is only talk.
fn forget(file: &File) {
    let _ = file.set_len(0);
}

/// Takes the lock of `project` for `command`, waiting for at most `wait`; `on_wait` is told once who
/// holds it when it is not free.
pub async fn acquire(
    paths: &Paths,
    project: &Name,
    command: &str,
    wait: Duration,
    on_wait: impl FnOnce(Option<&Holder>) + Send,
) -> Result<ProjectLock, LockError> {
    super::close(paths)?;
    let what = format!("project `{project}`");
    take(&paths.lock(project), what, command, wait, on_wait)
        .await
        .map(ProjectLock)
}

/// Takes the lock of what all projects share. Held for milliseconds only, after a project's lock.
pub async fn acquire_host(paths: &Paths, command: &str) -> Result<HostLock, LockError> {
    let (what, wait) = ("the host's network".into(), Duration::from_secs(30));
    take(&paths.host_lock(), what, command, wait, |_| {})
        .await
        .map(HostLock)
}

async fn take(
    path: &Path,
    what: String,
    command: &str,
    wait: Duration,
    on_wait: impl FnOnce(Option<&Holder>) + Send,
) -> Result<File, LockError> {
    let io = |verb| {
        move |source| LockError::Io {
            verb,
            path: path.to_path_buf(),
            source,
        }
    };
    let mut file = open(path).map_err(io("open"))?;
    let deadline = Instant::now() + wait;
    let mut on_wait = Some(on_wait);
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(io("take")(source)),
        }
        let holder = holder(&mut file);
        if Instant::now() >= deadline {
            return Err(LockError::Held { what, holder });
        }
        if let Some(tell) = on_wait.take() {
            tell(holder.as_ref());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    sign(&mut file, command).map_err(io("write"))?;
    Ok(file)
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        super::make_private(dir)?;
    }
    // std opens every file close-on-exec.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        // Who can open it can hold it.
        .mode(0o600)
        .open(path)
}

fn holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn sign(file: &mut File, command: &str) -> io::Result<()> {
    let holder = Holder {
        pid: std::process::id(),
        command: command.into(),
        since: sys::now(),
    };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(serde_json::to_string(&holder)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NO_TIME: Duration = Duration::ZERO;

    fn place() -> (tempfile::TempDir, Paths, Name) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        (dir, paths, Name::new("shop").unwrap())
    }

    #[tokio::test]
    async fn a_second_run_is_told_who_holds_the_lock() {
        let (_dir, paths, name) = place();
        let first = acquire(&paths, &name, "up", NO_TIME, |_| {}).await.unwrap();
        let error = acquire(&paths, &name, "down", NO_TIME, |_| {}).await;
        let error = error.unwrap_err().to_string();
        let expected = format!(
            "project `shop` is being changed by `up` (pid {})",
            std::process::id()
        );
        assert!(error.starts_with(&expected), "{error}");
        drop(first);
        assert!(
            acquire(&paths, &name, "down", NO_TIME, |_| {})
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn a_waiting_run_hears_of_the_holder_once_and_gets_its_turn() {
        let (_dir, paths, name) = place();
        let first = acquire(&paths, &name, "up", NO_TIME, |_| {}).await.unwrap();
        let mut told = Vec::new();
        let wait = acquire(&paths, &name, "down", Duration::from_secs(5), |h| {
            told.push(h.map(|h| h.command.clone()));
        });
        let release = async {
            tokio::time::sleep(Duration::from_millis(80)).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(wait, release);
        assert!(second.is_ok());
        assert_eq!(told, [Some("up".to_string())]);
    }

    #[tokio::test]
    async fn what_a_dead_process_left_in_the_file_is_no_obstacle() {
        let (_dir, paths, name) = place();
        fs::create_dir_all(paths.lock(&name).parent().unwrap()).unwrap();
        fs::write(
            paths.lock(&name),
            "{\"pid\":1,\"command\":\"up\",\"since\":\"x\"}",
        )
        .unwrap();
        assert!(acquire(&paths, &name, "up", NO_TIME, |_| {}).await.is_ok());
    }

    #[tokio::test]
    async fn a_child_does_not_inherit_the_lock() {
        let (_dir, paths, name) = place();
        let first = acquire(&paths, &name, "up", NO_TIME, |_| {}).await.unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("5")
            .spawn()
            .unwrap();
        drop(first);
        // Other tests of this process may be between fork and exec, where they hold it for a moment.
        let a_moment = Duration::from_secs(2);
        let again = acquire(&paths, &name, "up", a_moment, |_| {}).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(again.is_ok());
    }
}
