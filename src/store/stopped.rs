//! Runs of application containers that were told to end: what they did until then is not done, whatever their exit code.
//!
//! The engine keeps the code alone. A note holds the engine's id of the container, so that it says nothing of a new one
//! of the name; a start takes it away, and one by hand is told by its time. It outlives a reboot, which tells all of them
//! to end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::time::SystemTime;

use jiff::Timestamp;

use super::Paths;
use crate::model::Name;

/// Notes that the container of this id, which runs, is told to end.
///
/// # Errors
/// The note cannot be written.
pub fn note_stopped(paths: &Paths, project: &Name, container: &Name, id: &str) -> io::Result<()> {
    note_stopped_at(paths, project, container, id, SystemTime::now())
}

/// The same of the run that went on at a time, or had ended by then.
///
/// # Errors
/// The note cannot be written.
pub fn note_stopped_at(
    paths: &Paths,
    project: &Name,
    container: &Name,
    id: &str,
    at: SystemTime,
) -> io::Result<()> {
    super::make_private(&paths.stopped(project))?;
    let mut file = File::create(paths.stopped(project).join(container.as_str()))?;
    file.write_all(id.as_bytes())?;
    // The kernel's own time of it lags behind by some milliseconds.
    file.set_modified(at)
}

/// The ids of the containers of a project that were told to end, by their names.
pub fn stopped(paths: &Paths, project: &Name) -> BTreeMap<Name, String> {
    let notes = fs::read_dir(paths.stopped(project)).into_iter().flatten();
    let notes = notes.flatten().filter_map(|note| {
        let name = Name::new(note.file_name().to_str()?).ok()?;
        Some((name, fs::read_to_string(note.path()).ok()?))
    });
    notes.collect()
}

/// Whether the container of this id was told to end when it ran last.
pub fn was_stopped(paths: &Paths, project: &Name, container: &Name, id: &str) -> bool {
    let note = paths.stopped(project).join(container.as_str());
    fs::read_to_string(note).is_ok_and(|noted| noted == id)
}

/// Whether its run that began at `started`, in the engine's words, was told to end: a start by hand leaves the note of the
/// run before. Where the engine's words are none, the note alone counts.
pub fn was_run_stopped(
    paths: &Paths,
    project: &Name,
    container: &Name,
    id: &str,
    started: &str,
) -> bool {
    let note = paths.stopped(project).join(container.as_str());
    let noted = fs::metadata(note).and_then(|note| note.modified());
    let is_older = match (noted, started.parse::<Timestamp>()) {
        (Ok(noted), Ok(started)) => noted < SystemTime::from(started),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => false,
    };
    !is_older && was_stopped(paths, project, container, id)
}

/// Takes the note away if it is about the container of this id, which is no more.
pub fn forget_stopped_of(paths: &Paths, project: &Name, container: &Name, id: &str) {
    if was_stopped(paths, project, container, id) {
        forget_stopped(paths, project, container);
    }
}

/// Takes the note away: the container starts, or is no more.
pub fn forget_stopped(paths: &Paths, project: &Name, container: &Name) {
    // Not there is what is wanted; one that stays makes work be done once more.
    let _ = fs::remove_file(paths.stopped(project).join(container.as_str()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_about_one_container_until_it_starts() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let name = |word: &str| Name::new(word).unwrap();
        let (shop, job) = (name("shop"), name("job"));
        let is = |id: &str| was_stopped(&paths, &shop, &job, id);
        assert!(!is("a") && stopped(&paths, &shop).is_empty());
        note_stopped(&paths, &shop, &job, "a").unwrap();
        assert!(is("a") && !is("b"));
        assert_eq!(stopped(&paths, &shop), [(job.clone(), "a".into())].into());
        forget_stopped_of(&paths, &shop, &job, "b");
        assert!(is("a"), "another self is no more");
        forget_stopped_of(&paths, &shop, &job, "a");
        assert!(!is("a"));
        note_stopped(&paths, &shop, &job, "a").unwrap();
        forget_stopped(&paths, &shop, &job);
        assert!(!is("a"));
    }

    #[test]
    fn a_note_says_nothing_of_a_run_that_began_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let name = |word: &str| Name::new(word).unwrap();
        let (shop, job) = (name("shop"), name("job"));
        let at: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
        note_stopped_at(&paths, &shop, &job, "a", at.into()).unwrap();
        let is = |id: &str, started: &str| was_run_stopped(&paths, &shop, &job, id, started);
        assert!(is("a", "2026-01-02T03:04:05.499999999Z"));
        assert!(!is("a", "2026-01-02T03:04:05.500000001Z"));
        assert!(!is("b", "2026-01-02T03:04:05Z"));
        assert!(is("a", ""), "the engine does not say when");
        forget_stopped(&paths, &shop, &job);
        assert!(!is("a", "2026-01-02T03:04:05Z"));
    }
}
