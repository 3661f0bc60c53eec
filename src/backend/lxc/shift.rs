//! Gives a root file system to the ids of an unprivileged container.
//!
//! Each owner is read with the old map and written with the new one. The kernel drops set-user-id
//! bits and file capabilities when an owner changes (chown(2)), so both are put back after it; file
//! capabilities are bound to the container's own root (`VFS_CAP_REVISION_3`, capabilities(7)).

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};

use super::site::{failed, io};
use crate::backend::BackendError;
use crate::backend::owners::{bound_to, host_id, inner_id};
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
        // The host's root keeps it: whose id map gives it nothing could open a disk of the host by it.
        if !to.is_empty() && is_host_device(&meta) {
            let closed = std::fs::Permissions::from_mode(0o0);
            std::fs::set_permissions(&path, closed).map_err(io("close", &path))?;
            lchown(&path, Some(0), Some(0)).map_err(io("change the owner of", &path))?;
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

/// Whether a device node leads to something of the host: all but what every container has (null, zero, full, random,
/// urandom, tty) and overlayfs's whiteouts, which are a device 0:0.
fn is_host_device(meta: &std::fs::Metadata) -> bool {
    const HARMLESS: [(u32, u32); 7] = [(0, 0), (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)];
    let (kind, device) = (meta.file_type(), meta.rdev());
    let number = (rustix::fs::major(device), rustix::fs::minor(device));
    kind.is_block_device() || (kind.is_char_device() && !HARMLESS.contains(&number))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_devices_that_every_container_has_go_to_the_mapped_root() {
        let is = |path: &str| is_host_device(&std::fs::metadata(path).unwrap());
        assert!(!is("/dev/null") && !is("/dev/urandom") && !is("/etc/passwd"));
        assert!(is("/dev/ptmx"));
    }
}
