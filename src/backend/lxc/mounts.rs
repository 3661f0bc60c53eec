//! The volumes, devices and memory file systems of a container that starts: mounted by a hook of liblxc, from outside of it.
//!
//! liblxc runs the hook when the container's root file system and its own mounts are in place and before
//! its init (`lxc.hook.start-host`, lxc.container.conf(5)). It runs as the host's root: a source is opened
//! here, whoever may walk to it, and handed over as a descriptor; the mount point is found and, when it is
//! missing, made inside the container's root ([`super::mount_point`]). liblxc's own `create=` follows the
//! container's links out of its root, so no volume is ever left to it. What is to be mounted is read from
//! the container's mark. Nothing here loads what a short-lived process does not need.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::ffi::{MountChange, act_as, change_mount};
use super::mount_point::{Making, Root};
use super::site::remove_file;
use super::{carried, mark, scratch};
use crate::backend::owners::host_id;
use crate::model::{ContainerSpec, IdKind, Mount};
use crate::sys::mount_points_of;

/// The hidden first argument.
pub(super) const ARGUMENT: &str = "__lxc_mounts";

/// What liblxc gives to `sh`: the monitor, whose child it is, is this program, wherever its file is.
pub(super) const HOOK: &str = "/proc/$PPID/exe __lxc_mounts";

/// Why the last start failed, in the container's directory: liblxc drops what a hook says.
const REFUSED: &str = "locker.refused";

/// Mounts the volumes of the container that liblxc's variables name.
pub(super) fn run() -> ExitCode {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let dir = variable("LXC_CONFIG_FILE").and_then(|file| Some(Path::new(&file).parent()?.into()));
    let (Some(dir), Some(pid)): (Option<PathBuf>, _) = (dir, variable("LXC_PID")) else {
        eprintln!("`{ARGUMENT}` is for locker's own use");
        return ExitCode::from(2);
    };
    // Once it is in the container's mount namespace, no path of the host leads anywhere.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let home = openat(CWD, &dir, flags, Mode::empty());
    match mount_all(&dir, &pid) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            // Without it liblxc's own words are told.
            let _ = home.map(|home| tell(&home, &reason));
            ExitCode::FAILURE
        }
    }
}

fn tell(home: &OwnedFd, reason: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let mode = Mode::from_raw_mode(0o600);
    let note = openat(home, REFUSED, flags | OFlags::CLOEXEC, mode)?;
    std::fs::File::from(note).write_all(reason.as_bytes())
}

/// Forgets why an earlier start failed.
pub(super) fn forget(dir: &Path) -> Result<(), crate::backend::BackendError> {
    remove_file(&dir.join(REFUSED))
}

/// Why the volumes could not be mounted at the last start; none when they could.
pub(super) fn refused(dir: &Path) -> Option<String> {
    std::fs::read_to_string(dir.join(REFUSED)).ok()
}

/// Whether anything is to be mounted in a container of this kind.
pub(super) fn has_any(spec: &ContainerSpec) -> bool {
    let system = &spec.system;
    !spec.mounts.is_empty()
        || !system.granted.devices.is_empty()
        || !system.granted.memory_mounts().is_empty()
}

/// A volume, device or memory file system on its way.
struct Volume {
    /// What it is, for messages.
    name: String,
    target: PathBuf,
    /// What is mounted: a mount that is nowhere yet.
    tree: OwnedFd,
    is_dir: bool,
}

fn mount_all(dir: &Path, pid: &OsString) -> Result<(), String> {
    let mark = mark::read(dir).map_err(|error| error.to_string())?;
    let spec = mark.ok_or("its mark is missing")?.spec;
    let process = Path::new("/proc").join(pid);
    let mut volumes = all_of(&spec, &process)?;
    let told = |error: io::Error| format!("cannot enter the container: {error}");
    let points = mount_points_of(&process).map_err(told)?;
    let root = enter(&process).map_err(told)?;
    if let Making {
        user: Some(user),
        group: Some(group),
        ..
    } = making(&spec, true)
    {
        act_as(user, group).map_err(|error| told(error.into()))?;
    }
    let places = volumes.iter().map(|volume| root.place(&volume.target));
    let carried = carried::take_up(&root, &points, &places.collect::<Vec<_>>())?;
    while !volumes.is_empty() {
        let volume = volumes.swap_remove(next(&root, &volumes));
        place(&root, &spec, &volume).map_err(|error| {
            let (name, target) = (&volume.name, volume.target.display());
            format!("cannot mount {name} at `{target}`: {error}")
        })?;
    }
    carried::put_down(&root, carried, &making(&spec, true))
}

/// Everything that is to be mounted, opened.
fn all_of(spec: &ContainerSpec, process: &Path) -> Result<Vec<Volume>, String> {
    let told = |path: &Path, error: Errno| match error {
        Errno::NOENT => format!("`{}` is missing on the host", path.display()),
        Errno::NOSYS => "volumes need Linux 5.12 or newer".into(),
        error => format!("cannot mount `{}`: {error}", path.display()),
    };
    let mut all = Vec::new();
    for mount in &spec.mounts {
        let tree = opened(spec, mount, process).map_err(|error| told(&mount.host, error))?;
        all.push(volume(&mount.host, &mount.target, tree)?);
    }
    for device in &spec.system.granted.devices {
        let tree = node(&device.host).map_err(|error| told(&device.host, error))?;
        all.push(volume(&device.host, &device.target, tree)?);
    }
    let ids = |kind, id| match spec.idmap.is_empty() {
        true => Some(id),
        false => host_id(&spec.idmap, kind, id),
    };
    for (target, options) in spec.system.granted.memory_mounts() {
        let tree = scratch::memory(&options, &ids);
        let error = |e| format!("cannot make a memory file system with `{options}`: {e}");
        all.push(Volume {
            name: "a memory file system".into(),
            target,
            tree: tree.map_err(error)?,
            is_dir: true,
        });
    }
    Ok(all)
}

fn volume(host: &Path, target: &Path, tree: OwnedFd) -> Result<Volume, String> {
    let name = format!("`{}`", host.display());
    let is_dir = is_dir(&tree).map_err(|error| format!("cannot look at {name}: {error}"))?;
    Ok(Volume {
        name,
        target: target.into(),
        tree,
        is_dir,
    })
}

/// A device of the host, or a directory of devices.
fn node(host: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, host, flags)?;
    change_mount(tree.as_fd(), false, MountChange::Private)?;
    Ok(tree)
}

fn opened(spec: &ContainerSpec, mount: &Mount, process: &Path) -> rustix::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    match mount.named {
        true => flags |= OpenTreeFlags::AT_SYMLINK_NOFOLLOW,
        false => flags |= OpenTreeFlags::AT_RECURSIVE,
    }
    let tree = open_tree(CWD, &mount.host, flags)?;
    let change = |change| change_mount(tree.as_fd(), !mount.named, change);
    // Else what the container mounts on it would be mounted on the host, too.
    change(MountChange::Private)?;
    if mount.read_only {
        change(MountChange::ReadOnly)?;
    }
    if super::volume_ids::is_to_be_mapped(spec, mount, &tree)? {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let users = openat(CWD, process.join("ns/user"), flags, Mode::empty())?;
        match change(MountChange::Mapped(users.as_fd())) {
            // A file system that cannot; the data then belong to nobody inside, which the plan has told.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(tree)
}

pub(super) fn is_dir(fd: &OwnedFd) -> rustix::io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode) == FileType::Directory)
}

/// Goes into the container's mount namespace; its root there. The user namespace stays the host's.
fn enter(process: &Path) -> io::Result<Root> {
    let open = |what: &str, flags| {
        let flags = flags | OFlags::CLOEXEC;
        openat(CWD, process.join(what), flags, Mode::empty())
    };
    let namespace = open("ns/mnt", OFlags::RDONLY)?;
    let root = open("root", OFlags::PATH | OFlags::DIRECTORY)?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
    Ok(Root::new(root))
}

/// The next one to be mounted: none of the others holds its mount point, as far as is known by now.
fn next(root: &Root, volumes: &[Volume]) -> usize {
    let at: Vec<PathBuf> = volumes
        .iter()
        .map(|volume| root.place(&volume.target))
        .collect();
    let below = |one: &PathBuf| {
        at.iter()
            .any(|other| one != other && one.starts_with(other))
    };
    at.iter().position(|one| !below(one)).unwrap_or_default()
}

fn making(spec: &ContainerSpec, directory: bool) -> Making {
    Making {
        directory,
        user: host_id(&spec.idmap, IdKind::User, 0),
        group: host_id(&spec.idmap, IdKind::Group, 0),
    }
}

fn place(root: &Root, spec: &ContainerSpec, volume: &Volume) -> Result<(), String> {
    let making = making(spec, volume.is_dir);
    let point = root.find_or_make(&volume.target, &making)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    let point_is_dir = is_dir(&point).map_err(|error| error.to_string())?;
    match (volume.is_dir, point_is_dir) {
        (true, false) => {
            return Err("it is a directory on the host and a file in the container".into());
        }
        (false, true) => {
            return Err("it is a file on the host and a directory in the container".into());
        }
        (true, true) | (false, false) => {}
    }
    move_mount(&volume.tree, c"", &point, c"", flags).map_err(|error| error.to_string())
}
