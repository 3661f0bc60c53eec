//! Whose ids a named volume holds: the container's own, or the host's that they are mapped to.
//!
//! A volume belongs to no id map: what it holds should read the same in every container that mounts it.
//! Where its file system can map the ids of a mount (mount_setattr(2)), the data keep the container's own
//! ids and each mount translates them. Elsewhere they have the host's ids of the one container that has the
//! volume. Data that already have those stay as they are.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::fs::{CWD, fstat};
use rustix::mount::{OpenTreeFlags, open_tree};

use super::ffi::{MountChange, change_mount};
use super::mark;
use super::site::{Site, io};
use crate::backend::BackendError;
use crate::backend::owners::{self, Gift, host_id, inner_id};
use crate::model::{ContainerSpec, IdKind, IdRange, Mount};

/// The hidden first argument of a process that is nothing but a user namespace.
pub(super) const HOLD: &str = "__lxc_users";

/// Ids that no host's user has, for trying.
const TRIED: &str = "0 1000000 65536";

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

/// In whose ids a volume is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    /// As they are.
    Left,
    /// The container's own.
    Inner,
    /// The host's.
    Outer,
}

/// In whose ids the volume of `mount` is to be.
pub(super) fn of(site: &Site, spec: &ContainerSpec, mount: &Mount) -> Ids {
    if spec.idmap.is_empty() || !mount.named {
        return Ids::Left;
    }
    match can_map(&site.program, &mount.host) {
        true => Ids::Inner,
        false => Ids::Outer,
    }
}

/// Leads the owners of a volume over; whether any changed, or may have. Older data in the host's ids stay as they
/// are: a container that runs may have them. What is `fresh` was copied out of the root file system, with its ids.
pub(super) fn give(
    site: &Site,
    spec: &ContainerSpec,
    mount: &Mount,
    ids: Ids,
    fresh: bool,
    note: &Path,
) -> Result<bool, BackendError> {
    let (map, none) = (&spec.idmap[..], &[][..]);
    let root = &mount.host;
    let owner = std::fs::metadata(root).map_err(io("read", root))?.uid();
    let outer = inner_id(map, IdKind::User, owner).is_some();
    let unfinished = owners::is_under_way(note);
    let former = former(site, spec, owner);
    let (from, to) = match (ids, outer) {
        // Without a map now.
        (Ids::Left, _) if !former.is_empty() || unfinished => (&former[..], none),
        (Ids::Left, _) => return Ok(false),
        (Ids::Inner, true) if fresh || unfinished => (map, none),
        // Data of another map of it become those of the container's own ids.
        (Ids::Inner, false) if !former.is_empty() => (&former[..], none),
        (Ids::Inner, false) if unfinished => (map, none),
        (Ids::Inner, _) => return Ok(false),
        (Ids::Outer, true) if !unfinished => return Ok(false),
        (Ids::Outer, _) => (&former[..], map),
    };
    let lead = |(user, group)| {
        let one = |kind, id| host_id(to, kind, inner_id(from, kind, id)?);
        Some((one(IdKind::User, user)?, one(IdKind::Group, group)?))
    };
    let gift = Gift {
        container: &spec.host_name(),
        root,
        from,
        to,
        lead: &lead,
    };
    owners::give(note, &gift)
}

/// The map of the container's older self, when the volume is in its ids.
fn former(site: &Site, spec: &ContainerSpec, owner: u32) -> Vec<IdRange> {
    let older = mark::read(&site.aside(&spec.name)).ok().flatten();
    let map = older.map(|older| older.spec.idmap).unwrap_or_default();
    match inner_id(&map, IdKind::User, owner) {
        Some(_) if !map.is_empty() && map != spec.idmap => map,
        Some(_) | None => Vec::new(),
    }
}

/// Whether the file system of `dir` can map the ids of a mount; tried, since no table of those that can
/// stays true.
pub(super) fn can_map(program: &Path, dir: &Path) -> bool {
    let child = Command::new(program)
        .arg(HOLD)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return false };
    let mapped = map(&mut child, dir).is_ok();
    drop(child.stdin.take()); // it ends with that
    let _ = child.wait();
    mapped
}

fn map(child: &mut Child, dir: &Path) -> std::io::Result<()> {
    if let Some(said) = child.stdout.as_mut() {
        said.read_exact(&mut [0])?;
    }
    let process = Path::new("/proc").join(child.id().to_string());
    for ids in ["uid_map", "gid_map"] {
        std::fs::write(process.join(ids), TRIED)?;
    }
    let users = File::open(process.join("ns/user"))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, dir, flags)?;
    Ok(change_mount(
        tree.as_fd(),
        false,
        MountChange::Mapped(users.as_fd()),
    )?)
}

/// Is a user namespace until standard input ends.
#[allow(deprecated)] // what is unsafe of unshare(2) is sharing descriptors, which this does not touch
pub(super) fn hold() -> ExitCode {
    let made = rustix::thread::unshare(rustix::thread::UnshareFlags::NEWUSER);
    if made.is_err()
        || std::io::stdout().write_all(b"x").is_err()
        || std::io::stdout().flush().is_err()
    {
        return ExitCode::FAILURE;
    }
    let _ = std::io::stdin().read(&mut [0]);
    ExitCode::SUCCESS
}
