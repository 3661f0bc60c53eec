//! Waiting until what a container needs is ready.
//!
//! systemd orders the starts of a boot by itself (`After=`, READY). What it cannot say without stopping
//! and restarting dependents along with what they need (`Requires=` does both) is said here: a container
//! does not start before the others are ready, whoever started them and however often they failed.

use std::fs;
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

/// Says that the container of this process is ready.
pub(super) fn open(note: &Path) {
    write(note, &std::process::id().to_string());
}

/// Says that the container has ended well and for good.
pub(super) fn done(note: &Path) {
    write(note, DONE);
}

/// It is not ready (any more).
pub(super) fn shut(note: &Path) {
    let _ = fs::remove_file(note); // Not there is what is wanted.
}

fn write(note: &Path, text: &str) {
    if let Some(dir) = note.parent() {
        let _ = fs::create_dir_all(dir);
    }
    if let Err(error) = fs::write(note, text) {
        eprintln!(
            "cannot write `{}`: {error}; what needs this container does not start",
            note.display()
        );
    }
}

/// The note of a supervisor that was killed stays behind, so the process is looked at too.
fn is_ready(note: &Path) -> bool {
    let Ok(text) = fs::read_to_string(note) else {
        return false;
    };
    if text == DONE {
        return true;
    }
    let words = fs::read(format!("/proc/{}/cmdline", text.trim())).unwrap_or_default();
    words
        .split(|byte| *byte == 0)
        .any(|word| word == super::SUPERVISE.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_while_its_supervisor_lives_or_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("run/db");
        assert!(!is_ready(&note));
        open(&note);
        assert!(!is_ready(&note), "this process is no supervisor");
        write(&note, "4194305"); // beyond the largest process id
        assert!(!is_ready(&note));
        done(&note);
        assert!(is_ready(&note));
        shut(&note);
        assert!(!is_ready(&note));
    }
}
