//! LXC containers that locker has frozen to copy them: who is killed meanwhile cannot thaw them again, the next run can.
//!
//! Each has a note, below /run since a reboot thaws all. Whoever copies holds it (flock(2), which the kernel lets go of
//! when the holder dies, however it dies). What is written in it is frozen, by nobody else.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Paths, make_private};
use crate::model::stable_hash;

/// One run of a container that is frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Where LXC has it.
    pub lxcpath: PathBuf,
    /// Its name there; it may be another project's, or nobody's.
    pub name: String,
    /// Process id of its init.
    pub init: u32,
    /// Start of its init after the host's boot, ticks.
    pub started: u64,
}

/// The right to freeze a container and to thaw it. Dropping it lets others have it; what is noted stays.
#[derive(Debug)]
pub struct Freezing {
    file: File,
    path: PathBuf,
}

impl Freezing {
    /// That of the container `name` of `lxcpath`; none while somebody else has it.
    ///
    /// # Errors
    /// The note cannot be opened or locked.
    pub fn of(paths: &Paths, lxcpath: &Path, name: &str) -> io::Result<Option<Self>> {
        make_private(&paths.frozen())?;
        // There may be another of that name elsewhere.
        let place = stable_hash(&lxcpath.to_string_lossy());
        let path = paths.frozen().join(format!("{place:016x}~{name}"));
        loop {
            let held = Self::open(&path, true)?;
            match held.file.try_lock() {
                Ok(()) if held.is_current() => return Ok(Some(held)),
                Ok(()) => {} // who had it has forgotten it meanwhile
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn open(path: &Path, create: bool) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(create).mode(0o600);
        let (file, path) = (options.truncate(false).open(path)?, path.to_path_buf());
        Ok(Self { file, path })
    }

    /// Whether the file is the one of that name still: who had it before may have removed it.
    fn is_current(&self) -> bool {
        let ours = self.file.metadata();
        let named = fs::metadata(&self.path);
        let inode = |found: fs::Metadata| (found.dev(), found.ino());
        ours.is_ok_and(|ours| named.is_ok_and(|named| inode(ours) == inode(named)))
    }

    /// What somebody has frozen who was killed. Nothing for half a note: it is written before anything is frozen.
    pub fn left(&mut self) -> Option<Frozen> {
        let mut text = String::new();
        self.file.rewind().ok()?;
        self.file.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Notes what is about to be frozen.
    ///
    /// # Errors
    /// It cannot be written; nothing may be frozen then.
    pub fn note(&mut self, frozen: &Frozen) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&serde_json::to_vec(frozen)?)
    }

    /// Forgets it: nothing is frozen any more.
    pub fn end(self) {
        // One that stays empties nothing: what it names has ended or was thawed, which the next run finds.
        let _ = fs::remove_file(&self.path);
    }
}

/// What was frozen by runs that were killed, each held by the caller from now on.
pub fn left_frozen(paths: &Paths) -> Vec<(Freezing, Frozen)> {
    let Ok(entries) = fs::read_dir(paths.frozen()) else {
        return Vec::new(); // most hosts never had any
    };
    let notes = entries.flatten().filter_map(|entry| {
        let mut held = Freezing::open(&entry.path(), false).ok()?;
        match held.file.try_lock() {
            Ok(()) if held.is_current() => {}
            // Somebody is at work with it.
            Ok(()) | Err(TryLockError::WouldBlock | TryLockError::Error(_)) => return None,
        }
        match held.left() {
            Some(left) => Some((held, left)),
            None => {
                held.end();
                None
            }
        }
    });
    notes.collect()
}

/// Whether there may be any, at no cost.
pub fn may_be_frozen(paths: &Paths) -> bool {
    let listed = fs::read_dir(paths.frozen());
    match listed {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_has_frozen_is_found_by_the_next_and_what_is_held_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        assert!(!may_be_frozen(&paths) && left_frozen(&paths).is_empty());
        let frozen = Frozen {
            lxcpath: "/var/lib/lxc".into(),
            name: "golden".into(),
            init: 7,
            started: 9,
        };
        let mut held = Freezing::of(&paths, &frozen.lxcpath, "golden")
            .unwrap()
            .unwrap();
        assert_eq!(held.left(), None);
        let mut other = Freezing::of(&paths, Path::new("/srv/lxc"), "golden")
            .unwrap()
            .unwrap();
        assert_eq!(other.left(), None, "another one of that name");
        other.end();
        held.note(&frozen).unwrap();
        assert!(may_be_frozen(&paths));
        assert!(left_frozen(&paths).is_empty(), "its run is at work");
        drop(held); // as the kernel does when it is killed
        let mut left = left_frozen(&paths);
        assert_eq!(left.len(), 1);
        let (held, found) = left.remove(0);
        assert_eq!(found, frozen);
        held.end();
        assert!(!may_be_frozen(&paths) && left_frozen(&paths).is_empty());
    }

    #[test]
    fn who_waits_for_one_that_is_forgotten_meanwhile_has_a_note_of_his_own() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let lxcpath = Path::new("/var/lib/lxc");
        let first = Freezing::of(&paths, lxcpath, "golden").unwrap().unwrap();
        assert!(Freezing::of(&paths, lxcpath, "golden").unwrap().is_none());
        let path = first.path.clone();
        let waits = Freezing::open(&path, false).unwrap();
        first.end();
        waits.file.try_lock().unwrap();
        assert!(!waits.is_current());
        let mut second = Freezing::of(&paths, lxcpath, "golden").unwrap().unwrap();
        assert!(second.is_current() && second.left().is_none());
    }
}
