//! A container that runs and is attended to by its service: a note that is locked for as long as that is so.
//!
//! By a lock, not by a process id: it ends with the process that holds it, however that ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::model::Name;

use super::{Paths, StoreError};

/// Keeps the note.
#[derive(Debug)]
pub struct Attended {
    path: PathBuf,
    // Its lock ends with it.
    _held: File,
}

impl Drop for Attended {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // Without its lock it counts for nothing.
    }
}

/// Says that the container runs and is attended to by this process.
///
/// # Errors
/// The note cannot be written.
pub fn attend(paths: &Paths, project: &Name, container: &Name) -> Result<Attended, StoreError> {
    let path = paths.attended(project, container);
    let written = || -> io::Result<File> {
        if let Some(dir) = path.parent() {
            super::make_private(dir)?;
        }
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true);
        let file = options.mode(0o600).open(&path)?;
        file.lock()?;
        Ok(file)
    };
    match written() {
        Ok(held) => Ok(Attended { path, _held: held }),
        Err(source) => Err(StoreError::io("write", &path)(source)),
    }
}

/// Whether its service attends to the container now.
pub fn is_attended(paths: &Paths, project: &Name, container: &Name) -> bool {
    let Ok(note) = File::open(paths.attended(project, container)) else {
        return false;
    };
    // Shared, so that two who look do not take each other for the supervisor.
    matches!(note.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_attended_to_while_somebody_holds_its_note() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let (shop, web) = (Name::new("shop").unwrap(), Name::new("web").unwrap());
        assert!(!is_attended(&paths, &shop, &web));
        let held = attend(&paths, &shop, &web).unwrap();
        assert!(is_attended(&paths, &shop, &web));
        assert!(!is_attended(&paths, &web, &shop));
        drop(held);
        assert!(!is_attended(&paths, &shop, &web));
        // As after a kill: the note is there, and nobody holds it.
        fs::write(paths.attended(&shop, &web), "").unwrap();
        assert!(!is_attended(&paths, &shop, &web));
    }
}
