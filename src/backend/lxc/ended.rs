//! How a container's last run began and ended: two notes in its directory.
//!
//! The guard writes the first when init is there, the monitor the second when init has gone; a start
//! removes both. No engine keeps an exit code once the monitor is gone, and no process of locker's
//! need be there to see it. A host that loses its power leaves a run without an end.

mod runs;

use std::fs::FileTimes;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::site::{remove_file, write_note};
use crate::backend::BackendError;

pub(super) use runs::{Span, Spot, span};

const STARTED: &str = "locker.started";
const ENDED: &str = "locker.ended";

/// The exit code of what was killed without a word: its monitor was, and it with it (`SIGKILL`).
pub(super) const KILLED: i32 = 137;

/// The begin of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Started {
    /// Process id of its init.
    pub(super) pid: u32,
    /// Milliseconds since 1970.
    at: u64,
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// The exit code of its init; 128 + signal when it was killed.
    pub(super) code: i32,
    /// Milliseconds since 1970.
    at: u64,
    /// It was asked to shut down: what it was doing is not done, whatever its code.
    #[serde(default)]
    pub(super) asked: bool,
}

impl Started {
    pub(super) fn at(&self) -> SystemTime {
        time_of(self.at)
    }
}

impl Ended {
    pub(super) fn at(&self) -> SystemTime {
        time_of(self.at)
    }
}

/// Milliseconds since 1970 as a time.
pub(super) fn time_of(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// A time as milliseconds since 1970; 0 for what is before.
pub(super) fn millis_of(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Notes that it runs now.
pub(super) fn begin(dir: &Path, pid: u32) -> std::io::Result<()> {
    let at = millis_of(SystemTime::now());
    let text = serde_json::to_vec(&Started { pid, at })?;
    write_note(&dir.join(STARTED), &text)
}

/// Notes how it ended, from liblxc's status of its init.
pub(super) fn end(dir: &Path, status: i32) -> std::io::Result<()> {
    let (code, at) = (code_of(status), millis_of(SystemTime::now()));
    let asked = started(dir).is_some_and(|run| super::mark::is_stopping(dir, run.pid));
    let text = serde_json::to_vec(&Ended { code, at, asked })?;
    write_note(&dir.join(ENDED), &text)
}

/// Forgets the last run, and notes that what `console` says from now on is of another one.
pub(super) fn forget(dir: &Path, console: &Path) -> Result<(), BackendError> {
    remove_file(&dir.join(ENDED))?;
    remove_file(&dir.join(STARTED))?;
    // Without the note only the last words of a run are mixed with those of another.
    let _ = runs::begin(dir, console);
    Ok(())
}

/// Changes the times of the first note and nothing else; both, since only then inotify(7) calls it an
/// attribute.
pub(super) fn touch(dir: &Path) -> std::io::Result<()> {
    let file = std::fs::File::open(dir.join(STARTED))?;
    let now = SystemTime::now();
    file.set_times(FileTimes::new().set_accessed(now).set_modified(now))
}

/// How its last run ended; none while it runs, when it never ran, and when that is not known.
pub(super) fn ended(dir: &Path) -> Option<Ended> {
    read(&dir.join(ENDED))
}

/// How its last run began.
pub(super) fn started(dir: &Path) -> Option<Started> {
    read(&dir.join(STARTED))
}

/// The exit code of a container that does not run; none when it has not run yet.
pub(super) fn code(dir: &Path) -> Option<i32> {
    let known = ended(dir).map(|ended| ended.code);
    known.or_else(|| started(dir).map(|_| KILLED))
}

/// The exit code of its last run for whoever is told that of its service: one that was asked to end has not failed, also when it
/// had to be killed. None as with [`code`].
pub(super) fn code_of_service(dir: &Path) -> Option<i32> {
    match ended(dir) {
        Some(ended) if ended.asked => Some(0),
        Some(_) | None => code(dir),
    }
}

/// Whether its last run goes on, as far as that can be told without liblxc: its init is there, and has processes of its
/// own. Of a host that was booted since another process may have that number.
pub(super) fn may_run(dir: &Path) -> bool {
    let Some(run) = started(dir).filter(|_| ended(dir).is_none()) else {
        return false;
    };
    let space = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let theirs = space(&run.pid.to_string());
    theirs.is_some() && theirs != space("self")
}

/// Whether its last run ended by itself with 0.
pub(super) fn is_done(dir: &Path) -> bool {
    ended(dir).is_some_and(|ended| ended.code == 0 && !ended.asked)
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// An exit code from liblxc's status: `code << 8`, or `signal << 8 | 0x7f` (start.c, `signal_handler`).
/// A container that shuts itself down is ended by the kernel with `SIGINT` (reboot(2)): that is 0.
fn code_of(status: i32) -> i32 {
    let number = (status >> 8) & 0xff;
    match status & 0x7f {
        0x7f if number == 2 => 0,
        0x7f => 128 + number,
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_an_exit_code_and_a_shutdown_is_no_failure() {
        for (status, code) in [(0, 0), (0x200, 2), (0x27f, 0), (0x97f, 137), (0xff00, 255)] {
            assert_eq!(code_of(status), code, "{status:x}");
        }
    }

    #[test]
    fn a_run_without_an_end_was_killed_and_no_run_has_no_code() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(code(dir.path()), None);
        begin(dir.path(), 7).unwrap();
        assert_eq!((code(dir.path()), ended(dir.path())), (Some(KILLED), None));
        assert!(
            !may_run(dir.path()),
            "no such process has a space of its own"
        );
        end(dir.path(), 0x300).unwrap();
        assert_eq!(code(dir.path()), Some(3));
        assert_eq!(code_of_service(dir.path()), Some(3));
        assert!(!is_done(dir.path()));
        forget(dir.path(), &dir.path().join("console")).unwrap();
        assert_eq!((code(dir.path()), started(dir.path())), (None, None));
    }

    #[test]
    fn work_is_done_when_it_ended_well_and_not_because_it_was_asked_to() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert!(!is_done(dir));
        begin(dir, 7).unwrap();
        assert!(!is_done(dir), "it runs");
        end(dir, 0x27f).unwrap();
        assert!(is_done(dir));
        begin(dir, 8).unwrap();
        super::super::mark::begin_stop(dir, 8).unwrap();
        end(dir, 0x27f).unwrap();
        assert!(!is_done(dir), "it was shut down");
        end(dir, 0x97f).unwrap();
        let both = (code(dir), code_of_service(dir));
        assert_eq!(both, (Some(KILLED), Some(0)), "a stop is no failure");
        // As written by an earlier version.
        std::fs::write(dir.join(ENDED), r#"{"code":0,"at":1}"#).unwrap();
        assert!(is_done(dir));
    }
}
