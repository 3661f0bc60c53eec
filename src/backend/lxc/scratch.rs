//! Memory file systems of a container that starts: made as mounts that are nowhere yet.
//!
//! As the engine of application containers makes them: without programs, devices and set-id files unless the
//! options say otherwise. Where they go is the business of [`super::mounts`].

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use crate::model::IdKind;

/// A memory file system with these options (`size=64m,mode=1777,ro`). Ids in them are the container's;
/// what has no owner among them belongs to its root. `host_id` says who that is on the host.
pub(super) fn memory(
    options: &str,
    host_id: &dyn Fn(IdKind, u32) -> Option<u32>,
) -> rustix::io::Result<OwnedFd> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    // `mount` shows it so.
    fsconfig_set_string(&context, "source", "tmpfs")?;
    let words = || options.split(',').filter(|word| !word.is_empty());
    for (key, kind) in [("uid", IdKind::User), ("gid", IdKind::Group)] {
        let named = words().filter_map(|word| word.split_once('='));
        let mut asked = named
            .filter(|(name, _)| *name == key)
            .map(|(_, id)| id.parse().ok());
        let id = host_id(kind, asked.next().flatten().unwrap_or(0)).ok_or(Errno::OVERFLOW)?;
        fsconfig_set_string(&context, key, id.to_string())?;
    }
    let mut flags = usual();
    for word in words() {
        match word.split_once('=') {
            Some(("uid" | "gid", _)) => {}
            Some((key, value)) => fsconfig_set_string(&context, key, value)?,
            None => match attribute(word) {
                Some((attribute, true)) => flags |= attribute,
                Some((attribute, false)) => flags -= attribute,
                None if matches!(word, "sync" | "dirsync" | "mand") => {
                    fsconfig_set_flag(&context, word)?;
                }
                None => {}
            },
        }
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

fn usual() -> MountAttrFlags {
    MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
}

/// The attribute of a mount that a word sets or takes away (mount(8)).
fn attribute(word: &str) -> Option<(MountAttrFlags, bool)> {
    Some(match word {
        "ro" => (MountAttrFlags::MOUNT_ATTR_RDONLY, true),
        "rw" => (MountAttrFlags::MOUNT_ATTR_RDONLY, false),
        "nosuid" => (MountAttrFlags::MOUNT_ATTR_NOSUID, true),
        "suid" => (MountAttrFlags::MOUNT_ATTR_NOSUID, false),
        "nodev" => (MountAttrFlags::MOUNT_ATTR_NODEV, true),
        "dev" => (MountAttrFlags::MOUNT_ATTR_NODEV, false),
        "noexec" => (MountAttrFlags::MOUNT_ATTR_NOEXEC, true),
        "exec" => (MountAttrFlags::MOUNT_ATTR_NOEXEC, false),
        "noatime" => (MountAttrFlags::MOUNT_ATTR_NOATIME, true),
        "strictatime" => (MountAttrFlags::MOUNT_ATTR_STRICTATIME, true),
        "nodiratime" => (MountAttrFlags::MOUNT_ATTR_NODIRATIME, true),
        "diratime" => (MountAttrFlags::MOUNT_ATTR_NODIRATIME, false),
        _ => return None,
    })
}
