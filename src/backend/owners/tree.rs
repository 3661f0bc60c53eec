//! Each file of a tree, and its owner. No name is followed.
//!
//! The kernel drops set-user-id bits and file capabilities when an owner changes (chown(2)), so both are put
//! back; file capabilities are bound to the container's own root (`VFS_CAP_REVISION_3`, capabilities(7)).

use std::fs::Permissions;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, XattrFlags, chownat, fstat,
    getxattr, openat, setxattr,
};
use rustix::io::Errno;

use super::{Owner, io};
use crate::backend::BackendError;
use crate::model::{IdKind, IdRange};

const CAPABILITY: &str = "security.capability";

/// A path of this process's that leads to an open file whatever happens to its name.
pub(super) fn via(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

pub(super) type Visit<'a> = &'a mut dyn FnMut(&OwnedFd, &Stat) -> std::io::Result<()>;

/// Shows each file of a tree once for each of its names, directories after what is in them.
pub(super) fn each(root: &Path, visit: Visit<'_>) -> Result<(), BackendError> {
    let mut walk = || -> std::io::Result<()> {
        let top = openat(
            CWD,
            root,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        one(&top, visit)
    };
    walk().map_err(io("change the owners in", root))
}

fn one(file: &OwnedFd, visit: Visit<'_>) -> std::io::Result<()> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let stat = fstat(file)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let dir = openat(
            file,
            c".",
            flags | OFlags::RDONLY | OFlags::DIRECTORY,
            Mode::empty(),
        )?;
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match openat(&dir, name, flags | OFlags::PATH, Mode::empty()) {
                Ok(inner) => one(&inner, visit)?,
                Err(Errno::NOENT) => {} // removed meanwhile
                Err(error) => return Err(error.into()),
            }
        }
    }
    visit(file, &stat)
}

pub(super) fn change(
    fd: &OwnedFd,
    stat: &Stat,
    (user, group): Owner,
    root: u32,
) -> std::io::Result<()> {
    if (user, group) == (stat.st_uid, stat.st_gid) {
        return Ok(());
    }
    let kind = FileType::from_raw_mode(stat.st_mode);
    let path = via(fd);
    let mut bytes = [0u8; 24];
    let capability = match kind {
        FileType::RegularFile => getxattr(&path, CAPABILITY, &mut bytes).ok(),
        _ => None,
    };
    let capability = capability
        .and_then(|length| bytes.get(..length))
        .and_then(|bytes| bound_to(bytes, root));
    let owner = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
    chownat(fd, c"", owner.0, owner.1, AtFlags::EMPTY_PATH)?;
    if kind != FileType::Symlink && stat.st_mode & 0o6000 != 0 {
        std::fs::set_permissions(&path, Permissions::from_mode(stat.st_mode & 0o7777))?;
    }
    if let Some(value) = capability {
        setxattr(&path, CAPABILITY, &value, XattrFlags::empty())?;
    }
    Ok(())
}

/// The host's id of a container's id; none when it is not mapped. Without a map they are the same.
pub(in crate::backend) fn host_id(map: &[IdRange], kind: IdKind, id: u32) -> Option<u32> {
    if map.is_empty() {
        return Some(id);
    }
    let of_kind = map.iter().filter(|range| range.kind == kind);
    of_kind
        .filter_map(|range| {
            let offset = id.checked_sub(range.container)?;
            (offset < range.count).then(|| range.host.checked_add(offset))?
        })
        .next()
}

/// The container's id of a host's id.
pub(in crate::backend) fn inner_id(map: &[IdRange], kind: IdKind, id: u32) -> Option<u32> {
    let turned = map.iter().map(|range| IdRange {
        container: range.host,
        host: range.container,
        ..*range
    });
    host_id(&turned.collect::<Vec<_>>(), kind, id)
}

/// `struct vfs_cap_data` of revision 2 or 3, bound to the user that is root in the container.
pub(in crate::backend) fn bound_to(value: &[u8], root: u32) -> Option<Vec<u8>> {
    let magic = u32::from_le_bytes(*value.first_chunk::<4>()?);
    let flags = magic & 0x00ff_ffff;
    let sets = value.get(4..20)?;
    let revision: u32 = if root == 0 { 0x0200_0000 } else { 0x0300_0000 };
    let mut bound = (revision | flags).to_le_bytes().to_vec();
    bound.extend(sets);
    if root != 0 {
        bound.extend(root.to_le_bytes());
    }
    Some(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_bound_to_the_new_root_and_back() {
        let plain: Vec<u8> = [&0x0200_0001u32.to_le_bytes()[..], &[7; 16]].concat();
        let bound = bound_to(&plain, 100_000).unwrap();
        assert_eq!((bound.len(), bound[3]), (24, 3));
        assert_eq!(bound_to(&bound, 0).unwrap(), plain);
        assert_eq!(bound_to(&[1, 2], 0), None);
    }

    #[test]
    fn ids_go_through_both_maps() {
        let map = |host| {
            vec![IdRange {
                kind: IdKind::User,
                container: 0,
                host,
                count: 10,
            }]
        };
        let (from, to) = (map(100), map(500));
        let inner = inner_id(&from, IdKind::User, 103).unwrap();
        assert_eq!(host_id(&to, IdKind::User, inner), Some(503));
        assert_eq!(inner_id(&from, IdKind::User, 0), None);
    }
}
