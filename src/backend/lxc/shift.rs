//! Gives a root file system to the ids of an unprivileged container.
//!
//! Each owner is read with the old map and written with the new one. The kernel drops set-user-id
//! bits and file capabilities when an owner changes (chown(2)), so both are put back after it; file
//! capabilities are bound to the container's own root (`VFS_CAP_REVISION_3`, capabilities(7)).

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};

use super::inner_file::host_id;
use super::site::{failed, io};
use crate::backend::BackendError;
use crate::model::{IdKind, IdRange};

const CAPABILITY: &str = "security.capability";

/// Leads all owners below `root` from the ids of map `from` to those of map `to`. The tree must belong
/// to no running container. Ids that a map lacks are an error.
pub(super) fn shift(
    container: &str,
    root: &Path,
    from: &[IdRange],
    to: &[IdRange],
) -> Result<(), BackendError> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = std::fs::symlink_metadata(&path).map_err(io("read", &path))?;
        if meta.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(io("read", &path))? {
                todo.push(entry.map_err(io("read", &path))?.path());
            }
        }
        // A file with several names is shifted once.
        if !meta.is_dir() && meta.nlink() > 1 && !seen.insert((meta.dev(), meta.ino())) {
            continue;
        }
        let lead = |kind, id| {
            inner_id(from, kind, id)
                .and_then(|inner| host_id(to, kind, inner))
                .ok_or_else(|| {
                    let reason = format!("id {id} of `{}` is not in its id map", path.display());
                    failed("shift owners of", container, reason)
                })
        };
        let (user, group) = (
            lead(IdKind::User, meta.uid())?,
            lead(IdKind::Group, meta.gid())?,
        );
        if (user, group) == (meta.uid(), meta.gid()) {
            continue;
        }
        let root_id = host_id(to, IdKind::User, 0).unwrap_or(0);
        change(&path, &meta, (user, group), root_id).map_err(io("change the owner of", &path))?;
    }
    Ok(())
}

fn change(
    path: &Path,
    meta: &std::fs::Metadata,
    (user, group): (u32, u32),
    root: u32,
) -> std::io::Result<()> {
    let mut bytes = [0u8; 24];
    let capability = match lgetxattr(path, CAPABILITY, &mut bytes) {
        Ok(length) => bytes.get(..length).and_then(|bytes| bound_to(bytes, root)),
        Err(_) => None, // no capabilities, or a file system that has none
    };
    lchown(path, Some(user), Some(group))?;
    if !meta.file_type().is_symlink() && meta.mode() & 0o6000 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(meta.mode() & 0o7777))?;
    }
    if let Some(value) = capability {
        lsetxattr(path, CAPABILITY, &value, XattrFlags::empty())?;
    }
    Ok(())
}

/// The container's id of a host's id.
pub(super) fn inner_id(map: &[IdRange], kind: IdKind, id: u32) -> Option<u32> {
    let turned: Vec<IdRange> = map
        .iter()
        .map(|range| IdRange {
            container: range.host,
            host: range.container,
            ..*range
        })
        .collect();
    host_id(&turned, kind, id)
}

/// `struct vfs_cap_data` of revision 2 or 3, bound to the user that is root in the container.
pub(super) fn bound_to(value: &[u8], root: u32) -> Option<Vec<u8>> {
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
