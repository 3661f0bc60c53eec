//! What a file is besides its content: owner, mode, times and attributes, on their way through the id map.

use std::os::fd::OwnedFd;

use rustix::fs::{
    Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags, fchmod, fchown, fgetxattr, flistxattr,
    fsetxattr, futimens,
};

use crate::backend::owners::{bound_to, host_id, inner_id};
use crate::model::{IdKind, IdRange};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Into the container.
    In,
    /// Out of it.
    Out,
}

/// How owners are led from one side to the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owners<'a> {
    pub(super) direction: Direction,
    /// The container's id map.
    pub(super) map: &'a [IdRange],
}

impl Owners<'_> {
    /// Owner, mode, times and attributes of `from` for `to`.
    pub(super) fn give(&self, from: &OwnedFd, stat: &Stat, to: &OwnedFd) -> rustix::io::Result<()> {
        let (user, group) = self.owner(stat);
        fchown(to, Some(user), Some(group))?;
        let kept = match self.direction {
            Direction::In => 0o7777,
            Direction::Out => 0o1777,
        };
        fchmod(to, Mode::from_raw_mode(stat.st_mode & kept))?;
        self.extended(from, to);
        futimens(to, &times(stat))
    }

    pub(super) fn owner(&self, stat: &Stat) -> (Uid, Gid) {
        let lead = |kind, id: u32| match self.direction {
            // An owner that the container does not know is its root.
            Direction::In => host_id(self.map, kind, id).or_else(|| host_id(self.map, kind, 0)),
            Direction::Out => inner_id(self.map, kind, id),
        };
        let user = lead(IdKind::User, stat.st_uid).unwrap_or(stat.st_uid);
        let group = lead(IdKind::Group, stat.st_gid).unwrap_or(stat.st_gid);
        (Uid::from_raw(user), Gid::from_raw(group))
    }

    /// User attributes, and capabilities on the way in. A file system that has none loses them, as with
    /// `cp -a`.
    fn extended(&self, from: &OwnedFd, to: &OwnedFd) {
        let mut names = vec![0u8; 4096];
        let length = flistxattr(from, &mut names[..]).unwrap_or(0);
        let root = host_id(self.map, IdKind::User, 0).unwrap_or(0);
        for name in names
            .get(..length)
            .unwrap_or_default()
            .split(|byte| *byte == 0)
        {
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            let capability = name == "security.capability" && self.direction == Direction::In;
            if !name.starts_with("user.") && !capability {
                continue;
            }
            let mut value = vec![0u8; 65_536];
            let Ok(length) = fgetxattr(from, name, &mut value[..]) else {
                continue;
            };
            value.truncate(length);
            let value = if capability {
                bound_to(&value, root)
            } else {
                Some(value)
            };
            if let Some(value) = value {
                let _ = fsetxattr(to, name, &value, XattrFlags::empty());
            }
        }
    }
}

/// The times of a file, for another one.
pub(super) fn times(stat: &Stat) -> Timestamps {
    let time = |seconds: i64, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}
