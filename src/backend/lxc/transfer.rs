//! The copying itself, from one open directory to another, one name at a time.
//!
//! Nothing is followed and nothing is half there: a file is written under a name of its own and renamed
//! over the old one. Who asks and what may be asked is in [`super::trees`].

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat, chownat, fstat, fstatfs, mkdirat,
    mknodat, openat, renameat, renameat_with, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::attributes::{Owners, times};
use super::inner_path::{Spot, Tree};

/// Directories below each other that are entered; more is nobody's data, and each holds descriptors.
pub(super) const DEPTH: usize = 200;
/// File systems that show the kernel, not files: /proc, /sys, cgroups, devpts, mqueue (statfs(2)).
const KERNEL: [i64; 7] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x1cd1,
    0x1980_0202,
    0x6465_6275,
];
/// What a file is called until it is whole.
const FRESH: &str = ".locker-copy-";

/// A copy from one tree to another.
#[derive(Debug)]
pub(super) struct Transfer<'a> {
    pub(super) from: &'a Tree<'a>,
    pub(super) to: &'a Tree<'a>,
    pub(super) owners: Owners<'a>,
}

/// Done, or where it failed.
pub(super) type Done = Result<(), (PathBuf, std::io::Error)>;

/// Where it failed, for `map_err`.
pub(super) fn at(path: &Path) -> impl Fn(Errno) -> (PathBuf, std::io::Error) {
    let path = path.to_owned();
    move |error| (path.clone(), error.into())
}

/// A failure of our own words.
pub(super) fn refused(path: &Path, reason: &str) -> (PathBuf, std::io::Error) {
    (path.to_owned(), std::io::Error::other(reason.to_owned()))
}

impl Transfer<'_> {
    /// Copies `source` to `name` in the directory `into`.
    pub(super) fn one(&self, source: &Spot, into: &Spot, name: &OsStr) -> Done {
        self.step(source, into, name, 0)
    }

    /// Copies what is in the directory `source` into the directory `into`.
    pub(super) fn content(&self, source: &Spot, into: &Spot) -> Done {
        self.entries(source, into, 0)
    }

    fn step(&self, source: &Spot, into: &Spot, name: &OsStr, depth: usize) -> Done {
        let place = into.place.join(name);
        if into.read_only {
            return Err(at(&place)(Errno::ROFS));
        }
        let stat = fstat(&source.fd).map_err(at(&source.place))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => self.directory(source, &stat, into, name, depth),
            FileType::RegularFile => self.file(source, &stat, into, name),
            FileType::Symlink | FileType::Fifo => self.node(source, &stat, into, name),
            FileType::Socket => Ok(()), // it is nothing without the process that made it
            FileType::CharacterDevice | FileType::BlockDevice => Err(refused(
                &source.place,
                "it is a device node, which is not copied",
            )),
            FileType::Unknown => Err(refused(&source.place, "it is no file that can be copied")),
        }
    }

    fn entries(&self, source: &Spot, into: &Spot, depth: usize) -> Done {
        if depth > DEPTH {
            return Err(refused(&source.place, "its directories are too deep"));
        }
        let fail = at(&source.place);
        let open = source
            .reopen(OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(&fail)?;
        if is_kernel(&open).map_err(&fail)? {
            return Ok(());
        }
        for entry in Dir::read_from(&open).map_err(&fail)? {
            let entry = entry.map_err(&fail)?;
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            use std::os::unix::ffi::OsStrExt;
            let name = OsStr::from_bytes(bytes);
            // One that has gone meanwhile was not there.
            if let Some(found) = self.from.enter(source, name).map_err(&fail)? {
                self.step(&found, into, name, depth + 1)?;
            }
        }
        Ok(())
    }

    fn directory(
        &self,
        source: &Spot,
        stat: &Stat,
        into: &Spot,
        name: &OsStr,
        depth: usize,
    ) -> Done {
        let place = into.place.join(name);
        if let Some(there) = self.to.enter(into, name).map_err(at(&place))? {
            if there.kind().map_err(at(&place))? != FileType::Directory {
                return Err(at(&place)(Errno::NOTDIR));
            }
            return self.entries(source, &there, depth);
        }
        // Below one that is made nothing can be seen before it is whole.
        let fresh = if depth == 0 { fresh() } else { name.to_owned() };
        mkdirat(&into.fd, &fresh, Mode::from_raw_mode(0o700)).map_err(at(&place))?;
        let made = self
            .fill(source, stat, into, &fresh, depth)
            .and_then(|()| match depth {
                0 => renameat_with(&into.fd, &fresh, &into.fd, name, RenameFlags::NOREPLACE)
                    .map_err(at(&place)),
                _ => Ok(()),
            });
        if made.is_err() && depth == 0 {
            // The error that led here is the one to tell. Links are not followed.
            let path = format!("/proc/self/fd/{}", into.fd.as_raw_fd());
            let _ = std::fs::remove_dir_all(Path::new(&path).join(&fresh));
        }
        made
    }

    fn fill(&self, source: &Spot, stat: &Stat, into: &Spot, name: &OsStr, depth: usize) -> Done {
        let place = into.place.join(name);
        let made = self.to.enter(into, name).map_err(at(&place))?;
        let made = made.ok_or_else(|| at(&place)(Errno::NOENT))?;
        self.entries(source, &made, depth)?;
        let open = made
            .reopen(OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(at(&place))?;
        let from = source.reopen(OFlags::RDONLY | OFlags::DIRECTORY);
        self.owners
            .give(&from.map_err(at(&source.place))?, stat, &open)
            .map_err(at(&place))
    }

    fn file(&self, source: &Spot, stat: &Stat, into: &Spot, name: &OsStr) -> Done {
        let place = into.place.join(name);
        let from = source.reopen(OFlags::RDONLY).map_err(at(&source.place))?;
        let there = self.to.enter(into, name).map_err(at(&place))?;
        if let Some(there) = there
            .as_ref()
            .filter(|there| self.to.is_mount(&there.place))
        {
            return overwrite(from, there).map_err(|e| (place, e));
        }
        let fresh = fresh();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let to = openat(&into.fd, &fresh, flags, Mode::from_raw_mode(0o600)).map_err(at(&place))?;
        let (mut reader, mut writer) = (File::from(from), File::from(to));
        let copied = std::io::copy(&mut reader, &mut writer)
            .map_err(|error| (place.clone(), error))
            .and_then(|_| {
                let (from, to) = (OwnedFd::from(reader), OwnedFd::from(writer));
                self.owners.give(&from, stat, &to).map_err(at(&place))
            })
            .and_then(|()| renameat(&into.fd, &fresh, &into.fd, name).map_err(at(&place)));
        let Err((path, error)) = copied else {
            return Ok(());
        };
        let _ = unlinkat(&into.fd, &fresh, AtFlags::empty()); // the first error counts
        match (Errno::from_io_error(&error), there) {
            // A file that is a mount point cannot be renamed over.
            (Some(Errno::BUSY), Some(there)) => {
                let from = source.reopen(OFlags::RDONLY).map_err(at(&source.place))?;
                overwrite(from, &there).map_err(|e| (place, e))
            }
            (Some(_) | None, _) => Err((path, error)),
        }
    }

    /// A symbolic link, with its text as it is, or a named pipe.
    fn node(&self, source: &Spot, stat: &Stat, into: &Spot, name: &OsStr) -> Done {
        let place = into.place.join(name);
        let fresh = fresh();
        let link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let made = if link {
            let text = source.link().map_err(at(&source.place))?;
            symlinkat(&text, &into.fd, &fresh)
        } else {
            let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
            mknodat(&into.fd, &fresh, FileType::Fifo, mode, 0)
        };
        made.map_err(at(&place))?;
        let (user, group) = self.owners.owner(stat);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let named = chownat(&into.fd, &fresh, Some(user), Some(group), flags)
            .and_then(|()| utimensat(&into.fd, &fresh, &times(stat), flags))
            .and_then(|()| renameat(&into.fd, &fresh, &into.fd, name));
        if named.is_err() {
            let _ = unlinkat(&into.fd, &fresh, AtFlags::empty()); // the first error counts
        }
        named.map_err(at(&place))
    }
}

/// Whether a directory shows the kernel and no files.
pub(super) fn is_kernel(directory: &OwnedFd) -> rustix::io::Result<bool> {
    Ok(KERNEL.contains(&fstatfs(directory)?.f_type))
}

/// A name that nobody else has.
pub(super) fn fresh() -> std::ffi::OsString {
    let mut bytes = [0u8; 8];
    // Without random bytes the name is taken, and making the file tells so.
    let _ = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty());
    format!("{FRESH}{:016x}", u64::from_ne_bytes(bytes)).into()
}

/// Writes a file that cannot be replaced, since it is a volume itself, where it is.
pub(super) fn overwrite(from: OwnedFd, there: &Spot) -> std::io::Result<()> {
    if there.read_only {
        return Err(Errno::ROFS.into());
    }
    if there.kind()? != FileType::RegularFile {
        return Err(Errno::BUSY.into());
    }
    let to = there.reopen(OFlags::WRONLY | OFlags::TRUNC)?;
    std::io::copy(&mut File::from(from), &mut File::from(to))?;
    Ok(())
}
