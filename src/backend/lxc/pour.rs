//! Fills an empty directory that is there already, with what the container has at the same place.
//!
//! It keeps its place: others may have it mounted, or it is a mount point itself. So the copy is made in it, under a name
//! of its own, and goes up when it is whole. A run that was killed is gone on with. What others have put there meanwhile
//! wins, and nothing is followed: all is done below the directory, which is held open.

use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, RenameFlags, Stat, Uid, fchmod, fchown, fstat, openat,
    renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::copy::copy_tree;
use super::destroy::remove_tree;
use super::seed::{clear, fresh, held};
use super::site::io;
use crate::backend::BackendError;

/// The copy, as long as it is none yet.
const STAGING: &str = ".locker-seed";

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// What a directory on the host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing, or a copy that was not whole when its run was killed.
    Empty,
    /// A whole copy, a part of which has gone up.
    Begun,
    /// Something of others.
    Full,
}

/// What `dir` has.
///
/// # Errors
/// It cannot be read.
pub(super) fn content(dir: &Path) -> std::io::Result<Content> {
    let names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name()));
    let names: Vec<OsString> = names.collect::<std::io::Result<_>>()?;
    let staged = names.iter().any(|name| name == STAGING);
    Ok(match (staged, names.len()) {
        (_, 0) | (true, 1) => Content::Empty,
        (true, _) => Content::Begun,
        (false, _) => Content::Full,
    })
}

/// A directory that was filled, and what takes that back.
pub(super) struct Poured {
    /// Where it is, for messages.
    pub(super) path: PathBuf,
    dir: OwnedFd,
    names: Vec<OsString>,
    before: Stat,
}

/// Fills the directory `name` of `parent` with what `inner` has. What cannot be done leaves it as it was.
///
/// # Errors
/// The copy cannot be made or cannot go up.
pub(super) fn pour(
    container: &str,
    inner: &OwnedFd,
    (parent, name, path): (&OwnedFd, &Path, &Path),
) -> Result<Poured, BackendError> {
    let told = |e: Errno| io("fill", path)(e.into());
    let dir = openat(parent, name, DIRECTORY, Mode::empty()).map_err(told)?;
    let before = fstat(&dir).map_err(told)?;
    let begun = content(&held(&dir)).map_err(io("read", path))? == Content::Begun;
    if !begun {
        let copied = stage(container, inner, &dir, path);
        if copied.is_err() {
            let _ = clear((&dir, path), Path::new(STAGING)); // The first error counts.
            copied?;
        }
    }
    let mut poured = Poured {
        path: path.into(),
        dir,
        names: Vec::new(),
        before,
    };
    if let Err(error) = poured.rise() {
        poured.take_back();
        return Err(io("fill", path)(error));
    }
    Ok(poured)
}

fn stage(container: &str, inner: &OwnedFd, dir: &OwnedFd, path: &Path) -> Result<(), BackendError> {
    let staging = Path::new(STAGING);
    clear((dir, path), staging)?;
    let fresh = fresh(dir, staging).map_err(|e| io("fill", path)(e.into()))?;
    copy_tree(container, &held(inner).join("."), &held(&fresh).join("."))
}

impl Poured {
    /// Brings up what is whole; the directory becomes what the container's is.
    fn rise(&mut self) -> std::io::Result<()> {
        let staging = openat(&self.dir, STAGING, DIRECTORY, Mode::empty())?;
        for entry in fs::read_dir(held(&staging))? {
            let name = entry?.file_name();
            match renameat_with(&staging, &name, &self.dir, &name, RenameFlags::NOREPLACE) {
                Ok(()) => self.names.push(name),
                // Somebody who has it mounted was quicker; it is theirs.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let like = fstat(&staging)?;
        let (user, group) = (Uid::from_raw(like.st_uid), Gid::from_raw(like.st_gid));
        fchown(&self.dir, Some(user), Some(group))?;
        fchmod(&self.dir, Mode::from_raw_mode(like.st_mode & 0o7777))?;
        remove_tree(&held(&self.dir).join(STAGING)).map_err(std::io::Error::other)
    }

    /// Takes out what was filled in. The error that led here is the one to tell: what cannot go is only left over.
    pub(super) fn take_back(&self) {
        let staging = OsString::from(STAGING);
        for name in self.names.iter().chain([&staging]) {
            let gone = unlinkat(&self.dir, name, AtFlags::empty());
            if matches!(gone, Err(Errno::ISDIR | Errno::PERM)) {
                let _ = remove_tree(&held(&self.dir).join(name));
            }
        }
        let (user, group) = (
            Uid::from_raw(self.before.st_uid),
            Gid::from_raw(self.before.st_gid),
        );
        let _ = fchown(&self.dir, Some(user), Some(group));
        let _ = fchmod(&self.dir, Mode::from_raw_mode(self.before.st_mode & 0o7777));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> OwnedFd {
        openat(rustix::fs::CWD, path, DIRECTORY, Mode::empty()).unwrap()
    }

    /// A directory to fill and one to fill it with.
    fn two() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let (from, to) = (top.path().join("from"), top.path().join("to"));
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::write(from.join("deep/file"), "inside").unwrap();
        fs::write(from.join("plain"), "inside").unwrap();
        fs::create_dir(&to).unwrap();
        (top, from, to)
    }

    fn poured(from: &Path, to: &Path) -> Result<Poured, BackendError> {
        let parent = open(to.parent().unwrap());
        pour("shop_db", &open(from), (&parent, Path::new("to"), to))
    }

    #[test]
    fn a_directory_that_others_have_open_is_filled_where_it_is() {
        let (_top, from, to) = two();
        let others = open(&to);
        poured(&from, &to).unwrap();
        let seen = fs::read_to_string(held(&others).join("deep/file")).unwrap();
        assert_eq!(seen, "inside");
        assert_eq!(content(&to).unwrap(), Content::Full);
        assert!(!to.join(STAGING).exists());
    }

    #[test]
    fn a_copy_that_was_not_whole_is_begun_anew_and_one_that_was_goes_on() {
        let (_top, from, to) = two();
        fs::create_dir(to.join(STAGING)).unwrap();
        fs::write(to.join(STAGING).join("half"), "").unwrap();
        assert_eq!(content(&to).unwrap(), Content::Empty);
        poured(&from, &to).unwrap();
        assert!(!to.join("half").exists() && to.join("plain").exists());
        // Killed while it went up: what the copy had then counts, not what the container has now.
        let (_top, from, to) = two();
        fs::create_dir(to.join(STAGING)).unwrap();
        fs::write(to.join(STAGING).join("second"), "").unwrap();
        fs::write(to.join("first"), "").unwrap();
        assert_eq!(content(&to).unwrap(), Content::Begun);
        poured(&from, &to).unwrap();
        assert!(to.join("first").exists() && to.join("second").exists());
        assert!(!to.join("plain").exists() && !to.join(STAGING).exists());
    }

    #[test]
    fn what_others_have_put_there_wins_and_stays_when_it_is_taken_back() {
        let (_top, from, to) = two();
        fs::create_dir(to.join(STAGING)).unwrap();
        fs::write(to.join(STAGING).join("plain"), "inside").unwrap();
        fs::write(to.join(STAGING).join("other"), "inside").unwrap();
        fs::write(to.join("plain"), "theirs").unwrap();
        let done = poured(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("plain")).unwrap(), "theirs");
        done.take_back();
        assert!(to.join("plain").exists() && !to.join("other").exists());
    }
}
