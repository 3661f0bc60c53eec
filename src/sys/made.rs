//! A file or a directory that was made where others may write, and taking it back.
//!
//! Whoever owns a directory above it can put something else, or a link, in the way at any time. So what is removed is
//! what was made, by its inode, in a directory that is held open meanwhile; nothing is removed by a path that goes
//! through it.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, statat};

/// Something that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl Made {
    /// What bears `name` in a directory that is held open; `path` leads there, for messages and for taking it back.
    pub fn of(dir: impl AsFd, name: &Path, path: PathBuf) -> io::Result<Self> {
        let id = id_of(&statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?);
        Ok(Self { path, id })
    }

    /// What lies at `path` now.
    pub fn at(path: PathBuf) -> io::Result<Self> {
        let (dir, name) = held(&path)?;
        Self::of(dir, &name, path)
    }

    /// Where it was made.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all that is in it. Nothing there is no error; something else there is, and stays.
    pub fn remove(&self) -> io::Result<()> {
        self.removed(|at, stat| match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => fs::remove_dir_all(at),
            _ => fs::remove_file(at),
        })
    }

    /// Removes a directory in which nothing has come to lie; nothing there, or a full one, is no error.
    pub fn remove_if_empty(&self) -> io::Result<()> {
        match self.removed(|at, _| fs::remove_dir(at)) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
            done => done,
        }
    }

    fn removed(&self, remove: impl Fn(&Path, &Stat) -> io::Result<()>) -> io::Result<()> {
        let gone = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        };
        let (dir, name) = match held(&self.path) {
            Ok(found) => found,
            Err(error) => return gone(error),
        };
        let stat = match statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return gone(error.into()),
        };
        if id_of(&stat) != self.id {
            return Err(io::Error::other(
                "something else lies there now, which is left alone",
            ));
        }
        let at = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(&name);
        remove(&at, &stat).or_else(gone)
    }
}

/// The directory that holds `path`, open, and the name in it.
fn held(path: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok((openat(CWD, dir, flags, Mode::empty())?, name.into()))
}

fn id_of(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_has_put_in_the_way_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("user/data/deep")).unwrap();
        let made = Made::at(at("user/data")).unwrap();
        // The user puts a link to somebody else's tree where the parent was.
        fs::create_dir_all(at("precious/data")).unwrap();
        fs::write(at("precious/data/file"), "x").unwrap();
        fs::rename(at("user"), at("moved")).unwrap();
        std::os::unix::fs::symlink(at("precious"), at("user")).unwrap();
        let error = made.remove().unwrap_err().to_string();
        assert!(error.contains("something else lies there now"), "{error}");
        assert!(made.remove_if_empty().is_err());
        assert!(at("precious/data/file").exists());
        // What was made goes when it is in its place.
        fs::remove_file(at("user")).unwrap();
        fs::rename(at("moved"), at("user")).unwrap();
        made.remove_if_empty().unwrap();
        assert!(at("user/data/deep").exists());
        made.remove().unwrap();
        assert!(!at("user/data").exists());
        made.remove().unwrap();
    }
}
