//! A start that somebody asked for by name, told to the supervisor that systemd starts.
//!
//! A unit's start has no arguments. What the one who starts it knows and a boot does not is said in a
//! note that is locked while he waits: one of a process that was killed counts for nothing.

use std::fs::{self, File, TryLockError};
use std::io;
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

/// Says that this start of a container is asked for: it starts even when its work is done.
///
/// # Errors
/// The note cannot be written.
pub fn ask(paths: &Paths, project: &Name, container: &Name) -> Result<Asked, StoreError> {
    let path = paths.asked(project, container);
    let written = || -> io::Result<File> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let file = File::create(&path)?;
        file.lock()?;
        Ok(file)
    };
    match written() {
        Ok(held) => Ok(Asked { path, _held: held }),
        Err(source) => Err(StoreError::io("write", &path)(source)),
    }
}

/// Whether the start that is under way was asked for. Only the first who looks hears it, so that a
/// container which systemd starts again by itself is not taken for one that was asked for.
pub fn take_asked(paths: &Paths, project: &Name, container: &Name) -> bool {
    let path = paths.asked(project, container);
    let Ok(note) = File::open(&path) else {
        return false;
    };
    let held = matches!(note.try_lock_shared(), Err(TryLockError::WouldBlock));
    let _ = fs::remove_file(&path); // One that stays is not held for long.
    held
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
        assert!(!take_asked(&paths, &shop, &job));
        let asked = ask(&paths, &shop, &job).unwrap();
        assert!(!take_asked(&paths, &shop, &name("db")));
        assert!(take_asked(&paths, &shop, &job));
        assert!(!take_asked(&paths, &shop, &job));
        drop(asked);
        // As after a kill: the note is there, and nobody holds it.
        fs::write(paths.asked(&shop, &job), "").unwrap();
        assert!(!take_asked(&paths, &shop, &job));
        assert!(!paths.asked(&shop, &job).exists());
    }
}
