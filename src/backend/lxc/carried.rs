//! Mounts that liblxc has made at places where a volume comes to lie: carried over to the volume.
//!
//! Volumes are mounted when liblxc's own mounts are in place. A raw `lxc.mount.entry` below a volume, or what
//! `lxc.mount.auto` made there, would be hidden. Parents come first, whoever mounts them: such a mount is taken up
//! before any volume is mounted, and put down at the same path of the volume afterwards.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::mount_point::{Making, Root};

/// A copy of a mount that is nowhere yet, with all that is mounted below it.
pub(super) struct Carried {
    at: PathBuf,
    mount: OwnedFd,
}

/// Takes up what is mounted below `volumes`; `points` are the mount points in the container.
pub(super) fn take_up(
    root: &Root,
    points: &BTreeSet<PathBuf>,
    volumes: &[PathBuf],
) -> Result<Vec<Carried>, String> {
    let below = |one: &Path, other: &Path| one != other && one.starts_with(other);
    let mut all: Vec<&PathBuf> = points
        .iter()
        .filter(|point| volumes.iter().any(|volume| below(point, volume)))
        .collect();
    // In the order of the set a parent comes first, and takes along what is below it.
    all.dedup_by(|one, parent| below(one, parent));
    // A copy: what is mounted on a shared mount cannot be moved (move_mount(2)). The other one stays hidden.
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    all.into_iter()
        .map(|at| {
            let found = root.find(at).and_then(|fd| open_tree(fd, c"", flags));
            let mount = found.map_err(|error| told(at, error))?;
            Ok(Carried {
                at: at.clone(),
                mount,
            })
        })
        .collect()
}

/// Puts everything down where it was; what is missing there is made as `making` says.
pub(super) fn put_down(root: &Root, all: Vec<Carried>, making: &Making) -> Result<(), String> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    for carried in all {
        let directory = super::mounts::is_dir(&carried.mount);
        let making = Making {
            directory: directory.map_err(|error| told(&carried.at, error))?,
            ..*making
        };
        let point = root.find_or_make(&carried.at, &making);
        let point = point.map_err(|reason| {
            format!(
                "cannot mount `{}` in a volume: {reason}",
                carried.at.display()
            )
        })?;
        move_mount(&carried.mount, c"", &point, c"", flags)
            .map_err(|error| told(&carried.at, error))?;
    }
    Ok(())
}

fn told(at: &Path, error: rustix::io::Errno) -> String {
    format!(
        "cannot mount `{}`, which lies in a volume: {error}",
        at.display()
    )
}
