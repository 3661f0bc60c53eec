//! A start that somebody asked for by name, told to the supervisor that systemd starts.
//!
//! A unit's start has no arguments. What the one who starts it knows and a boot does not is said in a
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
    Asked {
        /// It, and nothing that it depends on.
        alone: bool,
    },
}

const ALONE: &str = "alone";

/// Says that this start of a container is asked for: it starts even when its work is done, and `alone`
/// even when nothing runs that it depends on.
///
/// # Errors
/// The note cannot be written.
pub fn ask(
    paths: &Paths,
    project: &Name,
    container: &Name,
    alone: bool,
) -> Result<Asked, StoreError> {
    let path = paths.asked(project, container);
    let written = || -> io::Result<File> {
        if let Some(dir) = path.parent() {
            super::make_private(dir)?;
        }
        let mut file = super::create_private(&path)?;
        file.write_all(if alone { ALONE } else { "" }.as_bytes())?;
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
    let path = paths.asked(project, container);
    let Ok(mut note) = File::open(&path) else {
        return Why::Due;
    };
    let mut text = String::new();
    let read = note.read_to_string(&mut text).is_ok();
    let held = matches!(note.try_lock_shared(), Err(TryLockError::WouldBlock));
    let _ = fs::remove_file(&path); // One that stays is not held for long.
    match read && held {
        true => Why::Asked {
            alone: text == ALONE,
        },
        false => Why::Due,
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
        let asked = ask(&paths, &shop, &job, false).unwrap();
        assert_eq!(take("db"), Why::Due);
        assert_eq!(take("job"), Why::Asked { alone: false });
        assert_eq!(take("job"), Why::Due);
        drop(asked);
        let _asked = ask(&paths, &shop, &job, true).unwrap();
        assert_eq!(take("job"), Why::Asked { alone: true });
        // As after a kill: the note is there, and nobody holds it.
        fs::write(paths.asked(&shop, &job), "").unwrap();
        assert_eq!(take("job"), Why::Due);
        assert!(!paths.asked(&shop, &job).exists());
    }
}
