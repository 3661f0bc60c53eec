//! Small files inside a container, read and written from the host without ever following a link.
//!
//! A container's root may do anything to its own tree, so every path is resolved by the kernel below
//! an open directory (openat2(2), `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`). A running container is
//! entered through `/proc/<init>/root`, where its volumes are mounted; for a stopped one a path under a
//! volume is looked up in the volume's host directory. What a running one has mounted read-only as a whole is
//! written where it lies on the host.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

use super::site::{Site, io};
use crate::backend::BackendError;
use crate::backend::owners::host_id;
use crate::model::{ContainerSpec, IdKind};

/// More than any hosts file; a container cannot make the host read without end.
const LIMIT: u64 = 1 << 20;

/// The inside of one container, as far as files are concerned.
pub(super) struct Inside<'a> {
    pub(super) spec: &'a ContainerSpec,
    rootfs: PathBuf,
    /// Its init while it runs.
    pub(super) pid: Option<u32>,
    /// The directory that was read from last: the files of interest are in one.
    last: RefCell<Option<Last>>,
}

/// A directory below a root, open.
struct Last {
    root: PathBuf,
    below: PathBuf,
    dir: Rc<OwnedFd>,
}

/// Where a file really is.
struct Spot {
    root: PathBuf,
    relative: PathBuf,
    /// A file that is itself a mount source: replaced in place, since a rename would not be seen.
    in_place: bool,
    read_only: bool,
}

impl<'a> Inside<'a> {
    pub(super) fn of(site: &Site, spec: &'a ContainerSpec, pid: Option<u32>) -> Self {
        Self {
            spec,
            rootfs: site.rootfs(&spec.name),
            pid,
            last: RefCell::default(),
        }
    }

    fn spot(&self, path: &Path) -> Spot {
        let plain = |root: PathBuf, path: &Path| Spot {
            root,
            relative: path.strip_prefix("/").unwrap_or(path).into(),
            in_place: false,
            read_only: false,
        };
        if let Some(pid) = self.pid.filter(|_| !self.shows_tree(path)) {
            return plain(format!("/proc/{pid}/root").into(), path);
        }
        let covering = self
            .spec
            .mounts
            .iter()
            .filter(|mount| path.starts_with(&mount.target));
        let Some(mount) = covering.max_by_key(|mount| mount.target.components().count()) else {
            return plain(self.rootfs.clone(), path);
        };
        let rest = path.strip_prefix(&mount.target).unwrap_or(path);
        let (root, relative, in_place) = if rest.as_os_str().is_empty() {
            let file = mount.host.file_name().unwrap_or_default();
            (
                mount.host.parent().unwrap_or(Path::new("/")).into(),
                file.into(),
                true,
            )
        } else {
            (mount.host.clone(), rest.into(), false)
        };
        Spot {
            root,
            relative,
            in_place,
            read_only: mount.read_only,
        }
    }

    /// Whether a running container sees there what its root file system has on the host, and can only read it.
    fn shows_tree(&self, path: &Path) -> bool {
        let mounts = self.spec.mounts.iter().map(|mount| &mount.target);
        let granted = &self.spec.system.granted;
        let mut covering = mounts.chain(granted.tmpfs.keys());
        granted.read_only && !covering.any(|target| path.starts_with(target))
    }

    fn link(&self, path: &Path) -> BackendError {
        BackendError::Link {
            container: self.spec.host_name(),
            path: path.into(),
        }
    }

    /// The open directory that holds the file.
    fn parent(
        &self,
        spot: &Spot,
        path: &Path,
        make: bool,
    ) -> Result<Option<OwnedFd>, BackendError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match rustix::fs::open(&spot.root, flags, Mode::empty()) {
            Err(Errno::NOENT) if !make => return Ok(None),
            root => root.map_err(|e| io("open", &spot.root)(e.into()))?,
        };
        let dir = match spot.relative.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            Some(_) | None => Path::new("."),
        };
        if make {
            match rustix::fs::mkdirat(&root, dir, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(_) => {} // an existing one is what the next call wants, or it reports
            }
        }
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&root, dir, flags, Mode::empty(), resolve) {
            Ok(dir) => Ok(Some(dir)),
            Err(Errno::NOENT) if !make => Ok(None),
            Err(Errno::LOOP | Errno::XDEV) => Err(self.link(path)),
            Err(e) => Err(io("open", spot.root.join(dir))(e.into())),
        }
    }

    /// The same for a file that is only read, which may be in the directory that the one before was in.
    fn known_parent(&self, spot: &Spot, path: &Path) -> Result<Option<Rc<OwnedFd>>, BackendError> {
        let below = spot.relative.parent().unwrap_or(Path::new("."));
        if let Some(last) = &*self.last.borrow()
            && last.root == spot.root
            && last.below == below
        {
            return Ok(Some(Rc::clone(&last.dir)));
        }
        let Some(dir) = self.parent(spot, path, false)?.map(Rc::new) else {
            return Ok(None);
        };
        *self.last.borrow_mut() = Some(Last {
            root: spot.root.clone(),
            below: below.into(),
            dir: Rc::clone(&dir),
        });
        Ok(Some(dir))
    }

    /// The text of a file; none when it is missing or a link.
    pub(super) fn read(&self, path: &str) -> Result<Option<String>, BackendError> {
        let path = Path::new(path);
        let spot = self.spot(path);
        let Some(dir) = self.known_parent(&spot, path)? else {
            return Ok(None);
        };
        let name = spot.relative.file_name().unwrap_or_default();
        let real = || spot.root.join(&spot.relative);
        let found = look(&dir, name, OFlags::RDONLY).map_err(|e| io("open", real())(e.into()))?;
        let Seen::File(file) = found else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(LIMIT)
            .read_to_end(&mut bytes)
            .map_err(io("read", real()))?;
        Ok(String::from_utf8(bytes).ok())
    }

    /// Replaces a file as a whole; a link in its place is replaced, never followed. A new file is the
    /// container's root's, an existing one keeps owner and mode.
    pub(super) fn write(&self, path: &str, text: &str) -> Result<(), BackendError> {
        let path = Path::new(path);
        let spot = self.spot(path);
        let real = spot.root.join(&spot.relative);
        if spot.read_only {
            return Err(io("write", real)(Errno::ROFS.into()));
        }
        let Some(dir) = self.parent(&spot, path, true)? else {
            return Ok(());
        };
        let name = spot.relative.file_name().unwrap_or_default();
        let root = host_id(&self.spec.idmap, IdKind::User, 0).unwrap_or(0);
        let group = host_id(&self.spec.idmap, IdKind::Group, 0).unwrap_or(0);
        let (owner, group, mode) = match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                (stat.st_uid, stat.st_gid, stat.st_mode)
            }
            Ok(_) | Err(_) => (root, group, 0o644),
        };
        if spot.in_place {
            return overwrite(&dir, name, text).map_err(io("write", real));
        }
        let written = replace(&dir, name, text, (owner, group, mode));
        let Err(error) = written else { return Ok(()) };
        match Errno::from_io_error(&error) {
            // A file that is a mount point cannot be renamed over.
            Some(Errno::BUSY | Errno::XDEV) => {
                overwrite(&dir, name, text).map_err(io("write", real))
            }
            Some(_) | None => Err(io("write", real)(error)),
        }
    }
}

/// Puts a new file in the place of whatever bears the name in an open directory, as a whole: with these
/// owner, group and mode. On an error nothing of it is left.
pub(super) fn replace(
    dir: &OwnedFd,
    name: &std::ffi::OsStr,
    text: &str,
    (owner, group, mode): (u32, u32, u32),
) -> std::io::Result<()> {
    let fresh = format!(".locker-{}", name.to_string_lossy());
    // One that a killed run left, here or in the container of which this one is a copy.
    let _ = rustix::fs::unlinkat(dir, &fresh, AtFlags::empty()); // creating it reports
    let written = (|| -> std::io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, &fresh, flags, Mode::from_raw_mode(0o600))?;
        rustix::fs::fchown(
            &file,
            Some(Uid::from_raw(owner)),
            Some(Gid::from_raw(group)),
        )?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?;
        let mut file = File::from(file);
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        Ok(rustix::fs::renameat(dir, &fresh, dir, name)?)
    })();
    if written.is_err() {
        let _ = rustix::fs::unlinkat(dir, &fresh, AtFlags::empty()); // the first error counts
    }
    written
}

/// What bears a name in a directory of a container.
enum Seen {
    /// Nothing.
    Missing,
    /// A file, open.
    File(File),
    /// A link, a device node, a pipe: never opened, since opening alone makes some of them act.
    Other,
}

/// Looks before it opens: what is opened is what was looked at, whatever bears the name by then.
fn look(dir: &OwnedFd, name: &std::ffi::OsStr, flags: OFlags) -> rustix::io::Result<Seen> {
    let path = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = match rustix::fs::openat(dir, name, path, Mode::empty()) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(Seen::Missing),
        Err(error) => return Err(error),
    };
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode);
    if kind != FileType::RegularFile {
        return Ok(Seen::Other);
    }
    let again = format!("/proc/self/fd/{}", found.as_raw_fd());
    let file = rustix::fs::openat(CWD, again, flags | OFlags::CLOEXEC, Mode::empty())?;
    Ok(Seen::File(file.into()))
}

fn overwrite(dir: &OwnedFd, name: &std::ffi::OsStr, text: &str) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::TRUNC;
    let mut file = match look(dir, name, flags)? {
        Seen::File(file) => file,
        Seen::Missing => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o644))?.into()
        }
        Seen::Other => {
            return Err(std::io::Error::other("it is neither a file nor missing"));
        }
    };
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// A path of the container's own tree, all its links resolved inside it: none when it is missing.
pub(super) fn resolve_in(root: &Path, path: &Path) -> Result<Option<OwnedFd>, BackendError> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root_fd = rustix::fs::openat(CWD, root, flags | OFlags::DIRECTORY, Mode::empty())
        .map_err(|e| io("open", root)(e.into()))?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(&root_fd, path, flags, Mode::empty(), resolve) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(e) => Err(io(
            "open",
            root.join(path.strip_prefix("/").unwrap_or(path)),
        )(e.into())),
    }
}

#[cfg(test)]
#[path = "inner_file_tests.rs"]
mod tests;
