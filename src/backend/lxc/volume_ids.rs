//! Whose ids a named volume holds: the container's own, or the host's that they are mapped to.
//!
//! A volume belongs to no id map: what it holds should read the same in every container that mounts it.
//! Where its file system can map the ids of a mount (mount_setattr(2)), the data keep the container's own
//! ids and each mount translates them. Data that were written with the host's ids stay as they are.

use std::os::fd::OwnedFd;

use rustix::fs::fstat;

use super::shift::inner_id;
use crate::model::{ContainerSpec, IdKind, Mount};

/// Whether the mount of a volume is to translate ids: its owner is none of the container's ids on the host.
pub(super) fn is_to_be_mapped(
    spec: &ContainerSpec,
    mount: &Mount,
    tree: &OwnedFd,
) -> rustix::io::Result<bool> {
    if spec.idmap.is_empty() || !mount.named {
        return Ok(false);
    }
    Ok(inner_id(&spec.idmap, IdKind::User, fstat(tree)?.st_uid).is_none())
}
