//! Waiting until what a container needs is ready.
//!
//! systemd orders the starts of a boot by itself (`After=`, READY). What it cannot say without stopping
//! and restarting dependents along with what they need (`Requires=` does both) is said here: a container
//! does not start before the others are ready, whoever started them and however often they failed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::model::{Name, UnitSpec};
use crate::store::Paths;
use crate::sys::Notifier;

/// How often the others are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// What is written for a container that others wait for to end, when it has ended well.
const DONE: &str = "done";

/// Waits until everything that `unit` requires is ready, as long as its start may take.
pub(super) fn wait(unit: &UnitSpec, paths: &Paths, notifier: &Notifier) -> Result<(), String> {
    let begun = Instant::now();
    let mut told = None;
    loop {
        let missing = unit.requires.iter().chain(&unit.binds);
        let mut missing = missing.filter(|name| !is_ready(&paths.ready(&unit.project, name)));
        let Some(missing) = missing.next() else {
            return Ok(());
        };
        if told != Some(missing) {
            // Without these words the start only looks slow.
            let _ = notifier.status(&format!("waiting until `{missing}` is ready"));
            told = Some(missing);
        }
        if unit
            .start_timeout
            .is_some_and(|most| begun.elapsed() > most)
        {
            return Err(late(unit, missing));
        }
        std::thread::sleep(LOOK);
    }
}

fn late(unit: &UnitSpec, missing: &Name) -> String {
    format!(
        "container `{}` needs `{missing}`, which is not ready; see `locker status {missing}` and `locker logs {missing}`",
        unit.name
    )
}

/// Says that its container is ready, for as long as this is kept: a supervisor that is killed lets go
/// of it, whatever it could not say any more.
pub(super) struct Ready(#[expect(dead_code, reason = "only held")] Option<File>);

/// Says that the container of this process is ready.
///
/// By a lock, not by a process id: a supervisor that is locked down cannot look at another one.
pub(super) fn open(note: &Path) -> Ready {
    let locked = written(note, "").and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    Ready(locked.map_err(|error| complain(note, &error)).ok())
}

/// Says that the container has ended well and for good.
pub(super) fn done(note: &Path) {
    if let Err(error) = written(note, DONE) {
        complain(note, &error);
    }
}

/// It is not ready (any more).
pub(super) fn shut(note: &Path) {
    let _ = fs::remove_file(note); // Not there is what is wanted.
}

fn written(note: &Path, text: &str) -> io::Result<File> {
    if let Some(dir) = note.parent() {
        crate::store::make_private(dir)?;
    }
    let mut file = crate::store::create_private(note)?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

fn complain(note: &Path, error: &io::Error) {
    eprintln!(
        "cannot write `{}`: {error}; what needs this container does not start",
        note.display()
    );
}

/// The note of a supervisor that was killed stays behind without its lock.
fn is_ready(note: &Path) -> bool {
    let Ok(mut file) = File::open(note) else {
        return false;
    };
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if text == DONE => true,
        // Shared, so that two who look do not take each other for the supervisor.
        Ok(_) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_while_its_supervisor_lives_or_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("run/db");
        assert!(!is_ready(&note));
        let ready = open(&note);
        assert!(is_ready(&note));
        drop(ready); // as when it is killed
        assert!(!is_ready(&note));
        done(&note);
        assert!(is_ready(&note));
        shut(&note);
        assert!(!is_ready(&note));
    }
}
