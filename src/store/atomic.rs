//! Replaces a file as a whole: a reader sees the old bytes or the new ones, also after a power cut.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Why something on disk could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {verb} `{}`: {source}", path.display())]
    Io {
        /// `read`, `write`, `make`, `remove`, `list`.
        verb: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A record lies in another project's place.
    #[error("`{}` is of project `{owner}`; remove it, it is made again", path.display())]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// The project that it names.
        owner: crate::model::Name,
    },
    /// The file is not what locker writes.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer locker wrote it.
    #[error("`{}` has version {version}, written by a newer locker; this one reads up to {known}: use the newer one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
        /// The newest version that this program reads.
        known: u32,
    },
}

impl StoreError {
    /// For `map_err`: the verb and the path of a refused call.
    pub(crate) fn io(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { verb, path, source }
    }

    /// Whether the file system is full, or its owner's share of it.
    pub fn is_no_room(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_no_room(source),
            Self::Misplaced { .. } | Self::Damaged { .. } | Self::Newer { .. } => false,
        }
    }
}

/// ENOSPC and EDQUOT.
pub fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Makes `path` hold `bytes` with the permission bits `mode`: a temporary file in the same directory,
/// fsync, rename(2), fsync of the directory. Missing parent directories are made, as open as the file is.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let made = match mode & 0o077 {
        0 => super::make_private(dir),
        _ => fs::create_dir_all(dir),
    };
    made.map_err(StoreError::io("make", dir))?;
    if path.is_dir() {
        let why = "it is a directory; move it away and run this again";
        return Err(StoreError::io("write", path)(io::Error::new(
            io::ErrorKind::IsADirectory,
            why,
        )));
    }
    replace(path, dir, bytes, mode).map_err(StoreError::io("write", path))
}

/// How the name of a file begins that is not yet in its place.
const UNFINISHED: &str = ".locker-";

/// Removes what killed runs have left of files in a directory that holds nothing else, and the directory. To be called
/// where nobody else writes there.
pub(super) fn remove_unfinished(dir: &Path) -> io::Result<()> {
    let entries: Vec<_> = fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    let unfinished =
        |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
    if entries.iter().all(|entry| unfinished(&entry.file_name())) {
        entries
            .iter()
            .try_for_each(|entry| fs::remove_file(entry.path()))?;
    }
    fs::remove_dir(dir)
}

fn replace(path: &Path, dir: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(dir)?;
    file.write_all(bytes)?;
    // Not at creation: the umask would take bits away there.
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_keeps_no_directory_and_nothing_of_anybody_else_goes() {
        let dir = tempfile::tempdir().unwrap();
        let shop = dir.path().join("shop");
        fs::create_dir(&shop).unwrap();
        for name in [".locker-a1b2c3", "record.json"] {
            fs::write(shop.join(name), "{").unwrap();
        }
        assert!(remove_unfinished(&shop).is_err());
        assert_eq!(fs::read_dir(&shop).unwrap().count(), 2);
        fs::remove_file(shop.join("record.json")).unwrap();
        remove_unfinished(&shop).unwrap();
        assert!(!shop.exists());
    }

    #[test]
    fn the_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/file");
        write_atomic(&path, b"one", 0o600).unwrap();
        write_atomic(&path, b"two", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "old").unwrap();
        let error = write_atomic(&path, b"new", 0o644).unwrap_err().to_string();
        assert!(
            error.contains("cannot write") && error.contains("taken"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(path.join("inside")).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
