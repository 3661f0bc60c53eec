//! A file or a directory that was made where others may write, and taking it back: only as long as nobody has written to it
//! since, and nobody but us has it mounted. Then it is theirs.
//!
//! Whoever owns a directory above it can put something else, or a link, in the way at any time. So what is removed is
//! what was made, by its inode, in a directory that is held open meanwhile; nothing is removed by a path that goes
//! through it.

use std::cell::Cell;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, statat};
use sha2::{Digest, Sha256};

use super::mounts::is_mounted_by_others;

/// Something that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
    /// What was in it when it was made.
    content: [u8; 32],
}

/// What became of something that was to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is gone.
    Back,
    /// It is left: somebody has written to it since.
    Written,
    /// It is left: somebody has it mounted.
    Mounted,
}

impl Made {
    /// What bears `name` in a directory that is held open; `path` leads there, for messages and for taking it back.
    pub fn of(dir: impl AsFd, name: &Path, path: PathBuf) -> io::Result<Self> {
        let dir = dir.as_fd();
        let id = id_of(&statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?);
        let content = content(&through(dir, name))?;
        Ok(Self { path, id, content })
    }

    /// What lies at `path` now.
    pub fn at(path: PathBuf) -> io::Result<Self> {
        let (dir, name) = held(&path)?;
        Self::of(dir, &name, path)
    }

    /// The same with all that is in it by now; what else has come to lie there is not taken for it.
    pub fn again(&self) -> io::Result<Self> {
        match Self::at(self.path.clone()) {
            Ok(now) if now.id == self.id => Ok(now),
            Ok(_) => Ok(self.clone()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.clone()),
            Err(error) => Err(error),
        }
    }

    /// Where it was made.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all that is in it, where that is what was made. Nothing there is no error; something else there is, and
    /// stays.
    pub fn remove(&self) -> io::Result<Taken> {
        let taken = Cell::new(Taken::Back);
        self.removed(|at, stat| {
            match content(at) {
                Ok(now) if now == self.content => {}
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                // Somebody is at work in it.
                Ok(_) | Err(_) => {
                    taken.set(Taken::Written);
                    return Ok(());
                }
            }
            if is_mounted_by_others(at)? {
                taken.set(Taken::Mounted);
                return Ok(());
            }
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => fs::remove_dir_all(at),
                _ => fs::remove_file(at),
            }
        })?;
        Ok(taken.get())
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
        remove(&through(dir.as_fd(), &name), &stat).or_else(gone)
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

/// A path that leads into a directory that is held open, whatever becomes of its name.
fn through(dir: BorrowedFd<'_>, name: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name)
}

/// What is in a tree, in short: names, inodes, sizes and times of what was written last. Owners and modes are not asked for: to
/// give it to a container is no writing. The size of a directory is the file system's own affair.
fn content(at: &Path) -> io::Result<[u8; 32]> {
    let mut sum = Sha256::new();
    let mut rest = vec![at.to_path_buf()];
    while let Some(path) = rest.pop() {
        let meta = fs::symlink_metadata(&path)?;
        let size = if meta.is_dir() { 0 } else { meta.len() };
        let name = path.strip_prefix(at).unwrap_or(&path).as_os_str();
        sum.update(name.as_bytes());
        sum.update([0]);
        for number in [meta.ino(), size] {
            sum.update(number.to_le_bytes());
        }
        for number in [meta.mtime(), meta.mtime_nsec()] {
            sum.update(number.to_le_bytes());
        }
        if meta.is_dir() {
            let entries = fs::read_dir(&path)?.map(|entry| entry.map(|entry| entry.path()));
            let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
            entries.sort_unstable();
            rest.extend(entries);
        }
    }
    Ok(sum.finalize().into())
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
        assert_eq!(made.remove().unwrap(), Taken::Back);
        assert!(!at("user/data").exists());
        assert_eq!(made.remove().unwrap(), Taken::Back);
    }

    #[test]
    fn what_somebody_has_written_to_since_stays_whole() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let make = || {
            let _ = fs::remove_dir_all(at("data"));
            fs::create_dir_all(at("data/deep")).unwrap();
            fs::write(at("data/deep/file"), "seed").unwrap();
            Made::at(at("data")).unwrap()
        };
        let changes: [&dyn Fn(); 4] = [
            &|| fs::write(at("data/own"), "").unwrap(),
            &|| fs::write(at("data/deep/file"), "other").unwrap(),
            &|| fs::remove_file(at("data/deep/file")).unwrap(),
            &|| fs::rename(at("data/deep/file"), at("data/deep/moved")).unwrap(),
        ];
        for change in changes {
            let made = make();
            change();
            assert_eq!(made.remove().unwrap(), Taken::Written);
            assert!(at("data/deep").exists());
        }
        let made = make();
        std::os::unix::fs::chown(at("data/deep/file"), Some(0), Some(0)).unwrap();
        assert_eq!(made.remove().unwrap(), Taken::Back);
        fs::write(at("one"), "x").unwrap();
        let made = Made::at(at("one")).unwrap();
        fs::write(at("one"), "xy").unwrap();
        assert_eq!(made.remove().unwrap(), Taken::Written);
    }
}
