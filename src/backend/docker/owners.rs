//! Gives what is mounted to the one user of an isolated container.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fchown, fstat, openat,
};

use super::site::io;
use crate::backend::BackendError;
use crate::model::{ContainerSpec, IdKind};

/// A user and a group.
type Owner = (Uid, Gid);

/// The user that the container has for itself; none for one that is not isolated.
fn owner(spec: &ContainerSpec) -> Option<Owner> {
    let id = |kind| {
        spec.idmap
            .iter()
            .find(|range| range.kind == kind)
            .map(|range| range.host)
    };
    Some((
        Uid::from_raw(id(IdKind::User)?),
        Gid::from_raw(id(IdKind::Group)?),
    ))
}

/// Gives a path to the container's user, with all in it when `deep`, unless it has it already.
pub(super) fn give(spec: &ContainerSpec, path: &Path, deep: bool) -> Result<(), BackendError> {
    let Some(owner) = owner(spec) else {
        return Ok(());
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let given = || -> rustix::io::Result<()> {
        let top = openat(CWD, path, flags, Mode::empty())?;
        if fstat(&top)?.st_uid == owner.0.as_raw() {
            return Ok(());
        }
        if deep {
            below(&top, owner)?;
        }
        fchown(&top, Some(owner.0), Some(owner.1))
    };
    given().map_err(|error| io("change the owner of", path)(error.into()))
}

/// All in a directory. Another container may be at work in it: no name is followed.
fn below(dir: &OwnedFd, owner: Owner) -> rustix::io::Result<()> {
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            below(&openat(dir, name, flags, Mode::empty())?, owner)?;
        }
        let (user, group) = (Some(owner.0), Some(owner.1));
        chownat(dir, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}
