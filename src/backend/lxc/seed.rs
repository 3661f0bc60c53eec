//! Fills empty host directories with what the container has at the same place; all or nothing.
//!
//! The copy is made beside its destination and renamed into place when it is whole; a directory that is there already
//! is filled where it is ([`super::pour`]). The container's
//! path is resolved by the kernel inside its root file system, so no link in it leads to host data; on the
//! host's side the directory that holds the destination is held open, and nothing is written by a path that
//! goes through it: it may be a user's, who can put a link in the way at any time.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid, fchmod, fchown, fstat, mkdirat, openat,
    renameat, unlinkat,
};
use rustix::io::Errno;

use super::copy::copy_tree;
use super::inner_file::resolve_in;
use super::pour::{Content, Poured, content, pour};
use super::site::{Site, failed, io};
use super::volume_ids;
use crate::backend::owners::{self, host_id};
use crate::backend::{BackendError, Seeded};
use crate::model::{ContainerSpec, IdKind, Mount};
use crate::sys::Made;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// One container at a time: those that are made side by side may have the same directories, and would take each other's
/// copies for what a killed run left.
static ONE: Mutex<()> = Mutex::new(());

/// Makes what is missing of `mounts` and, with `copy`, fills what is empty; named volumes belong to the
/// container afterwards. On an error nothing of it is left.
pub(super) fn seed(
    site: &Site,
    spec: &ContainerSpec,
    mounts: &[Mount],
    copy: bool,
) -> Result<Seeded, BackendError> {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut done = Done::default();
    for mount in mounts {
        let seeded = one(site, spec, mount, copy, &mut done)
            .and_then(|()| given(site, spec, mount, &mut done));
        if let Err(error) = seeded {
            done.undo();
            return Err(error);
        }
    }
    let Done {
        mut above,
        made,
        given,
        ..
    } = done;
    for made in made {
        // What was made in it since is ours as well.
        above.push(made.again().map_err(io("read", made.path()))?);
    }
    Ok(Seeded { made: above, given })
}

/// Gives a named volume to the container.
fn given(
    site: &Site,
    spec: &ContainerSpec,
    mount: &Mount,
    done: &mut Done,
) -> Result<(), BackendError> {
    if !mount.named {
        return Ok(());
    }
    let ids = volume_ids::of(site, spec, mount);
    let made = done.made.iter().map(Made::path);
    let mut ours = made.chain(done.filled.iter().map(|filled| filled.path.as_path()));
    let fresh = ours.any(|path| path == mount.host);
    let note = owners::note_of(&site.paths, &spec.project, &mount.host)?;
    let changed = volume_ids::give(site, spec, mount, ids, fresh, &note);
    if changed.as_ref().is_err() || changed.as_ref().is_ok_and(|changed| *changed) {
        done.given.push(note);
    }
    changed.map(drop)
}

#[derive(Default)]
struct Done {
    /// Directories that lead to what was not there.
    above: Vec<Made>,
    /// What was not there.
    made: Vec<Made>,
    /// Directories that were there, empty.
    filled: Vec<Poured>,
    /// Notes of volumes that were given.
    given: Vec<PathBuf>,
}

impl Done {
    fn undo(&self) {
        // The error that led here is the one to tell; what cannot be removed is only left over.
        for note in &self.given {
            let _ = owners::give_back(note);
        }
        self.filled.iter().for_each(Poured::take_back);
        for made in self.made.iter().rev() {
            let _ = made.remove();
        }
        for above in self.above.iter().rev() {
            let _ = above.remove_if_empty();
        }
    }
}

/// Where something is to be made: its name in a directory that is held open.
struct Spot {
    dir: OwnedFd,
    name: PathBuf,
    /// For messages, and for taking it back.
    path: PathBuf,
}

impl Spot {
    /// What bears its name now.
    fn made(&self) -> Result<Made, BackendError> {
        Made::of(&self.dir, &self.name, self.path.clone()).map_err(io("read", &self.path))
    }

    fn staging(&self) -> PathBuf {
        PathBuf::from(format!(".{}.locker-seed", self.name.display()))
    }
}

/// A path of this process's that leads to an open file whatever happens to its name.
pub(super) fn held(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        fd.as_raw_fd()
    ))
}

fn one(
    site: &Site,
    spec: &ContainerSpec,
    mount: &Mount,
    copy: bool,
    done: &mut Done,
) -> Result<(), BackendError> {
    let mut host = mount.host.clone();
    let there = match std::fs::metadata(&host) {
        Ok(meta) => {
            let content = match meta.is_dir() {
                true => content(&host).map_err(io("read", &host))?,
                false => Content::Full,
            };
            if content == Content::Full || !copy {
                return Ok(());
            }
            host = std::fs::canonicalize(&host).map_err(io("resolve", &host))?;
            true
        }
        Err(e) if e.kind() == ErrorKind::NotFound => false,
        Err(e) => return Err(io("read", &host)(e)),
    };
    let inner = resolve_in(&site.rootfs(&spec.name), &mount.target)?;
    let kind = inner.as_ref().map(kind_of).transpose();
    let kind = kind.map_err(|e| io("read", &mount.target)(e.into()))?;
    match (&inner, kind) {
        (Some(inner), Some(FileType::Directory)) if copy => {
            let spot = spot(&host, mount.named, done)?;
            match there {
                true => {
                    let place = (&spot.dir, spot.name.as_path(), spot.path.as_path());
                    done.filled.push(pour(&spec.host_name(), inner, place)?);
                    Ok(())
                }
                false => fill(spec, inner, &spot, done),
            }
        }
        (Some(inner), Some(FileType::RegularFile)) if copy && !there => {
            let spot = spot(&host, mount.named, done)?;
            fill_file(inner, &spot, done)
        }
        (Some(_), Some(FileType::RegularFile)) if !there => Err(is_a_file(spec, mount)),
        (Some(_), Some(FileType::Directory)) | (None, _) if !there => {
            let spot = spot(&host, mount.named, done)?;
            make(spec, mount, &spot, done)
        }
        (Some(_) | None, Some(FileType::Directory | FileType::RegularFile) | None) => Ok(()),
        (Some(_) | None, Some(_)) => {
            let reason = format!(
                "`{}` in it is neither a directory nor a file",
                mount.target.display()
            );
            Err(failed("fill the volumes of", &spec.host_name(), reason))
        }
    }
}

fn is_a_file(spec: &ContainerSpec, mount: &Mount) -> BackendError {
    let (host, target) = (mount.host.display(), mount.target.display());
    let reason = format!(
        "`{host}` is missing on the host and is to be the file `{target}`; make the file first"
    );
    failed("make the volumes of", &spec.host_name(), reason)
}

fn kind_of(fd: &OwnedFd) -> rustix::io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode))
}

/// The place of `host`; the directories that lead there are made. What holds a named volume is nobody's but
/// ours: the mode of the volume itself is the container's affair.
fn spot(host: &Path, named: bool, done: &mut Done) -> Result<Spot, BackendError> {
    let parents: Vec<&Path> = host.ancestors().skip(1).collect();
    let missing = parents.iter().take_while(|dir| !dir.exists()).count();
    let there = parents.get(missing).copied().unwrap_or(Path::new("/"));
    let mut dir = openat(CWD, there, OFlags::PATH | DIRECTORY, Mode::empty())
        .map_err(|e| io("open", there)(e.into()))?;
    let mode = Mode::from_raw_mode(if named { 0o700 } else { 0o777 });
    for path in parents.iter().take(missing).rev() {
        let made = path.file_name().unwrap_or_default();
        match mkdirat(&dir, made, mode) {
            Ok(()) => {
                let noted = Made::of(&dir, Path::new(made), path.to_path_buf());
                done.above.push(noted.map_err(io("read", *path))?);
            }
            // Another project that has it as well was quicker: it is that one's to take back.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(io("create", *path)(error.into())),
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | DIRECTORY;
        dir = openat(&dir, made, flags, Mode::empty()).map_err(|e| io("open", *path)(e.into()))?;
    }
    Ok(Spot {
        dir,
        name: host.file_name().unwrap_or_default().into(),
        path: host.into(),
    })
}

/// Copies a directory beside the destination, then renames.
fn fill(
    spec: &ContainerSpec,
    inner: &OwnedFd,
    spot: &Spot,
    done: &mut Done,
) -> Result<(), BackendError> {
    let told = |e: Errno| io("fill", &spot.path)(e.into());
    let staging = spot.staging();
    // What a killed run left. Whoever put something else there loses it.
    clear((&spot.dir, &spot.path), &staging)?;
    let fresh = fresh(&spot.dir, &staging).map_err(told)?;
    // An open path of this process, readable by the child: nothing can be swapped under it. The
    // final `.` enters a directory instead of copying the link that stands for it.
    let copied = copy_tree(
        &spec.host_name(),
        &held(inner).join("."),
        &held(&fresh).join("."),
    );
    let placed = copied.and_then(|()| put(spot, &staging, &fresh).map_err(told));
    if let Err(error) = placed {
        let _ = clear((&spot.dir, &spot.path), &staging); // The first error counts.
        return Err(error);
    }
    done.made.push(spot.made()?);
    Ok(())
}

/// A new directory that nobody else has put there.
pub(super) fn fresh(dir: &OwnedFd, staging: &Path) -> rustix::io::Result<OwnedFd> {
    mkdirat(dir, staging, Mode::from_raw_mode(0o700))?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | DIRECTORY;
    let made = openat(dir, staging, flags, Mode::empty())?;
    let stat = fstat(&made)?;
    let ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o7777 == 0o700;
    let empty = std::fs::read_dir(held(&made)).is_ok_and(|mut entries| entries.next().is_none());
    match ours && empty {
        true => Ok(made),
        false => Err(Errno::EXIST),
    }
}

/// Gives the copy its name; what bears the name then is the copy, or it is an error.
fn put(spot: &Spot, staging: &Path, fresh: &OwnedFd) -> rustix::io::Result<()> {
    renameat(&spot.dir, staging, &spot.dir, &spot.name)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let placed = fstat(&openat(&spot.dir, &spot.name, flags, Mode::empty())?)?;
    let copy = fstat(fresh)?;
    match (placed.st_dev, placed.st_ino) == (copy.st_dev, copy.st_ino) {
        true => Ok(()),
        false => Err(Errno::EXIST),
    }
}

/// Removes what bears a name, without following it.
pub(super) fn clear((dir, path): (&OwnedFd, &Path), name: &Path) -> Result<(), BackendError> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        // It opens the directory itself without following a link.
        Err(Errno::ISDIR | Errno::PERM) => super::destroy::remove_tree(&held(dir).join(name)),
        Err(error) => Err(io("remove", path)(error.into())),
    }
}

/// Copies one file with its owner, mode and time beside the destination, then renames.
fn fill_file(inner: &OwnedFd, spot: &Spot, done: &mut Done) -> Result<(), BackendError> {
    let staging = spot.staging();
    clear((&spot.dir, &spot.path), &staging)?;
    let copied = copy_file(inner, spot, &staging);
    if let Err(error) = copied {
        let _ = clear((&spot.dir, &spot.path), &staging); // The first error counts.
        return Err(io("fill", &spot.path)(error));
    }
    done.made.push(spot.made()?);
    Ok(())
}

fn copy_file(inner: &OwnedFd, spot: &Spot, staging: &Path) -> std::io::Result<()> {
    let stat: Stat = fstat(inner)?;
    let mut from = std::fs::File::open(held(inner))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let fresh = openat(&spot.dir, staging, flags, Mode::from_raw_mode(0o600))?;
    let mut to = std::fs::File::from(fresh.try_clone()?);
    std::io::copy(&mut from, &mut to)?;
    fchown(
        &fresh,
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
    )?;
    fchmod(&fresh, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    let modified = from.metadata()?.modified()?;
    to.set_modified(modified)?;
    Ok(put(spot, staging, &fresh)?)
}

/// Makes an empty directory, which is the container's root's.
fn make(
    spec: &ContainerSpec,
    mount: &Mount,
    spot: &Spot,
    done: &mut Done,
) -> Result<(), BackendError> {
    let told = |e: Errno| io("create", &spot.path)(e.into());
    match mkdirat(&spot.dir, &spot.name, Mode::from_raw_mode(0o755)) {
        Ok(()) => done.made.push(spot.made()?),
        // Another project that has it as well was quicker; a link that leads nowhere is an error.
        Err(Errno::EXIST) => {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | DIRECTORY;
            let there = openat(&spot.dir, &spot.name, flags, Mode::empty());
            return there.map(drop).map_err(|_| told(Errno::EXIST));
        }
        Err(error) => return Err(told(error)),
    }
    if mount.named {
        return Ok(()); // its owner comes with those of all named volumes
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | DIRECTORY;
    let made = openat(&spot.dir, &spot.name, flags, Mode::empty()).map_err(told)?;
    let user = host_id(&spec.idmap, IdKind::User, 0).map(Uid::from_raw);
    let group = host_id(&spec.idmap, IdKind::Group, 0).map(Gid::from_raw);
    fchown(&made, user, group).map_err(told)
}
