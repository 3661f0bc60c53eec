//! A tar archive into a directory of a container, while it is read.
//!
//! No name of the archive climbs out of the directory, and links of the container are gone along inside it, as
//! the container itself would: [`Tree`] never leads out. A file is whole or not there. Device nodes are
//! refused, for who may write an archive into a container may not make devices in it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chownat, fchmod, fchown,
    futimens, linkat, mkdirat, mknodat, openat, renameat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

use super::inner_path::{Spot, Tree};
use super::transfer::{Done, at, fresh, overwrite, refused};
use crate::backend::owners::host_id;
use crate::model::{IdKind, IdRange};

/// An archive that is unpacked into a tree.
pub(super) struct Unpack<'a> {
    pub(super) to: &'a Tree<'a>,
    /// The directory that takes it, as it is called inside, without links.
    pub(super) into: &'a Path,
    /// The container's id map.
    pub(super) map: &'a [IdRange],
}

/// What an entry says of its file.
struct Meta {
    mode: Mode,
    user: Uid,
    group: Gid,
    times: Timestamps,
}

impl Unpack<'_> {
    /// Unpacks all, up to the first error.
    pub(super) fn all(&self, input: impl Read) -> Done {
        let broken = |error| (PathBuf::from("-"), error);
        let mut archive = Archive::new(input);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let name = entry.path().map_err(broken)?.into_owned();
            let place = self.place(&name)?;
            self.one(&mut entry, &place)?;
        }
        Ok(())
    }

    /// Where a name of the archive is in the container.
    fn place(&self, name: &Path) -> Result<PathBuf, (PathBuf, io::Error)> {
        let mut place = self.into.to_owned();
        for part in name.components() {
            match part {
                Component::Normal(word) => place.push(word),
                Component::CurDir | Component::RootDir => {}
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(refused(name, "it leads out of the archive"));
                }
            }
        }
        Ok(place)
    }

    fn one(&self, entry: &mut Entry<'_, impl Read>, place: &Path) -> Done {
        let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
            return Ok(()); // the root itself, which is there
        };
        let kind = entry.header().entry_type();
        if place == self.into && kind.is_dir() {
            return Ok(());
        }
        let meta = self.meta(entry).map_err(|error| (place.into(), error))?;
        let into = self.way(parent)?;
        if into.read_only {
            return Err(at(place)(Errno::ROFS));
        }
        match kind {
            EntryType::Directory => self.directory(&into, place, name, &meta),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(entry, &into, name, &meta)
            }
            EntryType::Symlink | EntryType::Fifo => named(entry, &into, name, &meta),
            EntryType::Link => self.link(entry, &into, name),
            EntryType::Char | EntryType::Block => {
                Err(refused(place, "it is a device node, which is not copied"))
            }
            EntryType::XGlobalHeader => Ok(()),
            _ => Err(refused(place, "it is nothing that can be copied")),
        }
    }

    fn meta(&self, entry: &Entry<'_, impl Read>) -> io::Result<Meta> {
        let header = entry.header();
        let id = |kind, id: u64| {
            let known = u32::try_from(id)
                .ok()
                .and_then(|id| host_id(self.map, kind, id));
            // An owner that the container does not know is its root.
            known.or_else(|| host_id(self.map, kind, 0)).unwrap_or(0)
        };
        let time = Timespec {
            tv_sec: i64::try_from(header.mtime()?).unwrap_or(0),
            tv_nsec: 0,
        };
        Ok(Meta {
            mode: Mode::from_raw_mode(header.mode()? & 0o7777),
            user: Uid::from_raw(id(IdKind::User, header.uid()?)),
            group: Gid::from_raw(id(IdKind::Group, header.gid()?)),
            times: Timestamps {
                last_access: time,
                last_modification: time,
            },
        })
    }

    /// The directory at this place; those that the archive forgot are made, and are root's.
    fn way(&self, place: &Path) -> Result<Spot, (PathBuf, io::Error)> {
        let found = match self.to.find(place, true) {
            Ok(way) => way.found,
            Err(Errno::NOENT) => None,
            Err(error) => return Err(at(place)(error)),
        };
        match (found, place.parent(), place.file_name()) {
            (Some(spot), _, _) if spot.kind().map_err(at(place))? == FileType::Directory => {
                Ok(spot)
            }
            (None, Some(parent), Some(name)) => {
                let above = self.way(parent)?;
                let root = |kind| host_id(self.map, kind, 0).unwrap_or(0);
                mkdirat(&above.fd, name, Mode::from_raw_mode(0o755)).map_err(at(place))?;
                let owner = Uid::from_raw(root(IdKind::User));
                let group = Gid::from_raw(root(IdKind::Group));
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                chownat(&above.fd, name, Some(owner), Some(group), flags).map_err(at(place))?;
                let made = self.to.enter(&above, name).map_err(at(place))?;
                made.ok_or_else(|| at(place)(Errno::NOENT))
            }
            (Some(_) | None, _, _) => Err(at(place)(Errno::NOTDIR)),
        }
    }

    fn directory(&self, into: &Spot, place: &Path, name: &OsStr, meta: &Meta) -> Done {
        // One that is there keeps what it is; a link to one is one.
        if let Ok(way) = self.to.find(place, true)
            && let Some(there) = way.found
        {
            return match there.kind().map_err(at(place))? {
                FileType::Directory => Ok(()),
                _ => Err(at(place)(Errno::NOTDIR)),
            };
        }
        mkdirat(&into.fd, name, Mode::from_raw_mode(0o700)).map_err(at(place))?;
        let made = self.to.enter(into, name).map_err(at(place))?;
        let made = made.ok_or_else(|| at(place)(Errno::NOENT))?;
        let open = made.reopen(OFlags::RDONLY | OFlags::DIRECTORY);
        give(&open.map_err(at(place))?, meta).map_err(at(place))
    }

    fn file(
        &self,
        entry: &mut Entry<'_, impl Read>,
        into: &Spot,
        name: &OsStr,
        meta: &Meta,
    ) -> Done {
        let place = into.place.join(name);
        let fresh = fresh();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let to = openat(&into.fd, &fresh, flags, Mode::from_raw_mode(0o600)).map_err(at(&place))?;
        let mut writer = File::from(to);
        let size = entry.size();
        let copied = io::copy(entry, &mut writer).and_then(|copied| {
            if copied < size {
                return Err(io::ErrorKind::UnexpectedEof.into()); // the archive is cut off
            }
            let to = OwnedFd::from(writer);
            give(&to, meta)?;
            self.put(into, &fresh, name)
        });
        if copied.is_err() {
            let _ = unlinkat(&into.fd, &fresh, AtFlags::empty()); // the first error counts
        }
        copied.map_err(|error| (place, error))
    }

    /// Gives a whole file its name. One that is a volume itself is written where it is.
    fn put(&self, into: &Spot, fresh: &OsStr, name: &OsStr) -> io::Result<()> {
        let renamed = match self.to.is_mount(&into.place.join(name)) {
            true => Err(Errno::BUSY),
            false => renameat(&into.fd, fresh, &into.fd, name),
        };
        match renamed {
            Ok(()) => return Ok(()),
            Err(Errno::BUSY) => {} // a mount point cannot be renamed over
            Err(error) => return Err(error.into()),
        }
        let there = self.to.enter(into, name)?.ok_or(Errno::BUSY)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        overwrite(openat(&into.fd, fresh, flags, Mode::empty())?, &there)?;
        Ok(unlinkat(&into.fd, fresh, AtFlags::empty())?)
    }

    /// A second name of a file that came before.
    fn link(&self, entry: &Entry<'_, impl Read>, into: &Spot, name: &OsStr) -> Done {
        let place = into.place.join(name);
        let target = entry.link_name().map_err(|error| (place.clone(), error))?;
        let first = self.place(&target.unwrap_or_default())?;
        let way = self.to.find(&first, false).map_err(at(&first))?;
        let (Some(found), Some(word)) = (way.found, way.name) else {
            return Err(at(&first)(Errno::NOENT));
        };
        if found.kind().map_err(at(&first))? == FileType::Directory {
            return Err(at(&first)(Errno::ISDIR));
        }
        let fresh = fresh();
        linkat(&way.parent.fd, &word, &into.fd, &fresh, AtFlags::empty()).map_err(at(&place))?;
        let renamed = renameat(&into.fd, &fresh, &into.fd, name);
        // Two names of one file are not renamed over each other (rename(2)): the fresh one would stay.
        let _ = unlinkat(&into.fd, &fresh, AtFlags::empty());
        renamed.map_err(at(&place))
    }
}

fn give(to: &OwnedFd, meta: &Meta) -> rustix::io::Result<()> {
    fchown(to, Some(meta.user), Some(meta.group))?;
    fchmod(to, meta.mode)?;
    futimens(to, &meta.times)
}

/// A symbolic link, with its text as it is, or a named pipe.
fn named(entry: &Entry<'_, impl Read>, into: &Spot, name: &OsStr, meta: &Meta) -> Done {
    let place = into.place.join(name);
    let fresh: OsString = fresh();
    let made = if entry.header().entry_type() == EntryType::Symlink {
        let text = entry.link_name().map_err(|error| (place.clone(), error))?;
        symlinkat(&*text.unwrap_or_default(), &into.fd, &fresh)
    } else {
        mknodat(&into.fd, &fresh, FileType::Fifo, meta.mode, 0)
    };
    made.map_err(at(&place))?;
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let done = chownat(&into.fd, &fresh, Some(meta.user), Some(meta.group), flags)
        .and_then(|()| renameat(&into.fd, &fresh, &into.fd, name));
    if done.is_err() {
        let _ = unlinkat(&into.fd, &fresh, AtFlags::empty()); // the first error counts
    }
    done.map_err(at(&place))
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
