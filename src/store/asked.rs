//! A start or a stop that somebody asked for by name, told to the supervisor that systemd starts or stops.
//!
//! A unit's job has no arguments. What the one who starts it knows and a boot does not is said in a
//! note that is locked while he waits: one of a process that was killed counts for nothing.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::PathBuf;

use crate::model::Name;

use super::{Paths, StoreError};

/// Keeps the note until the start is over.
#[derive(Debug)]
pub struct Asked {
    path: PathBuf,
    // Its lock ends with it.
    _held: File,
}

impl Drop for Asked {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // The supervisor has taken it, or never came.
    }
}

/// Why a service starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// systemd does it: a boot, a restart, another one that needs it.
    Due,
    /// It was asked for by name.
    Asked(Asking),
}

/// How it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asking {
    /// It, and nothing that it depends on.
    pub alone: bool,
    /// Without what follows its start: whoever asks does that himself, after more.
    pub bare: bool,
}

const START: &str = "start";
const STOP: &str = "stop";
const ALONE: &str = "alone";
const BARE: &str = "bare";

impl Asking {
    fn words(self) -> String {
        let words = [(true, START), (self.alone, ALONE), (self.bare, BARE)];
        let said = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word);
        said.collect::<Vec<_>>().join(" ")
    }

    fn of_words(text: &str) -> Self {
        let has = |word: &str| has(text, word);
        Self {
            alone: has(ALONE),
            bare: has(BARE),
        }
    }
}

fn has(text: &str, word: &str) -> bool {
    text.split(' ').any(|said| said == word)
}

/// Says that this start of a container is asked for: it starts even when its work is done, and alone
/// even when nothing runs that it depends on.
///
/// # Errors
/// The note cannot be written.
pub fn ask(
    paths: &Paths,
    project: &Name,
    container: &Name,
    asking: Asking,
) -> Result<Asked, StoreError> {
    say(paths, project, container, &asking.words())
}

/// Says that a stop of a container is asked for, and that whoever asks ends it himself.
///
/// # Errors
/// The note cannot be written.
pub fn ask_stop(paths: &Paths, project: &Name, container: &Name) -> Result<Asked, StoreError> {
    say(paths, project, container, STOP)
}

fn say(paths: &Paths, project: &Name, container: &Name, words: &str) -> Result<Asked, StoreError> {
    let path = paths.asked(project, container);
    let written = || -> io::Result<File> {
        if let Some(dir) = path.parent() {
            super::make_private(dir)?;
        }
        let mut file = super::create_private(&path)?;
        file.write_all(words.as_bytes())?;
        file.lock()?;
        Ok(file)
    };
    match written() {
        Ok(held) => Ok(Asked { path, _held: held }),
        Err(source) => Err(StoreError::io("write", &path)(source)),
    }
}

/// Why the start that is under way happens. Only the first who looks hears that it was asked for, so that a
/// container which systemd starts again by itself is not taken for one that was.
pub fn take_asked(paths: &Paths, project: &Name, container: &Name) -> Why {
    match take(paths, project, container, STOP) {
        Some((_, text)) => Why::Asked(Asking::of_words(&text)),
        None => Why::Due,
    }
}

/// Who asked for the stop that is under way, and ends the container himself; none when nobody did. As with
/// [`take_asked`] only the first who looks is told.
pub fn take_stopper(paths: &Paths, project: &Name, container: &Name) -> Option<Asker> {
    take(paths, project, container, START).map(|(note, _)| Asker(note))
}

/// Somebody who asked.
#[derive(Debug)]
pub struct Asker(File);

impl Asker {
    /// Whether he still waits for it.
    pub fn waits(&self) -> bool {
        is_held(&self.0)
    }
}

/// Takes the note unless it is about something `other` than what is under way. One that an older locker wrote says neither.
fn take(paths: &Paths, project: &Name, container: &Name, other: &str) -> Option<(File, String)> {
    let path = paths.asked(project, container);
    let mut note = File::open(&path).ok()?;
    let mut text = String::new();
    let read = note.read_to_string(&mut text).is_ok();
    let held = is_held(&note);
    if held && has(&text, other) {
        return None;
    }
    let _ = fs::remove_file(&path); // One that stays is not held for long.
    (read && held).then_some((note, text))
}

fn is_held(note: &File) -> bool {
    match note.try_lock_shared() {
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => false,
        Ok(()) => {
            // Whoever asks next must find it free.
            let _ = note.unlock();
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_asked_for_once_and_only_while_somebody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let name = |word: &str| Name::new(word).unwrap();
        let (shop, job) = (name("shop"), name("job"));
        let take = |word: &str| take_asked(&paths, &shop, &name(word));
        assert_eq!(take("job"), Why::Due);
        let asked = ask(&paths, &shop, &job, Asking::default()).unwrap();
        assert_eq!(take("db"), Why::Due);
        assert_eq!(take("job"), Why::Asked(Asking::default()));
        assert_eq!(take("job"), Why::Due);
        drop(asked);
        for (alone, bare) in [(true, false), (false, true), (true, true)] {
            let asking = Asking { alone, bare };
            let _asked = ask(&paths, &shop, &job, asking).unwrap();
            assert_eq!(take("job"), Why::Asked(asking));
        }
        // As after a kill: the note is there, and nobody holds it.
        fs::write(paths.asked(&shop, &job), "").unwrap();
        assert_eq!(take("job"), Why::Due);
        assert!(!paths.asked(&shop, &job).exists());
    }

    #[test]
    fn who_has_asked_waits_until_he_has_what_he_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let (shop, web) = (Name::new("shop").unwrap(), Name::new("web").unwrap());
        assert!(take_stopper(&paths, &shop, &web).is_none());
        let asked = ask_stop(&paths, &shop, &web).unwrap();
        // A start just then, of systemd's, is not what was asked for.
        assert_eq!(take_asked(&paths, &shop, &web), Why::Due);
        let asker = take_stopper(&paths, &shop, &web).unwrap();
        assert!(asker.waits() && asker.waits());
        drop(asked);
        assert!(!asker.waits());
        let asking = Asking::default();
        let _asked = ask(&paths, &shop, &web, asking).unwrap();
        assert!(take_stopper(&paths, &shop, &web).is_none());
        assert_eq!(take_asked(&paths, &shop, &web), Why::Asked(asking));
    }
}
