//! Owners of what is mounted: given to a container with ids of its own, and given back.
//!
//! Before the first owner changes, all old ones are written to a note in locker's state. A run that was killed
//! in the middle is gone on with from the note, and a run that fails gives the old owners back. The root of the
//! tree changes last: until then it shows that the tree is not given yet.
//!
//! No name is followed: another container may be at work in the tree.

mod note;
mod tree;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Stat;

use super::BackendError;
use crate::model::{IdKind, IdRange, Name};
use crate::store::Paths;

use note::{GIVEN, Head, Key, RETURNING, VERSION, end, read, write};
pub(super) use tree::{bound_to, host_id, inner_id};
use tree::{change, each, via};

/// A user and a group, as numbers of the host.
pub(super) type Owner = (u32, u32);

/// A tree that is given to a container.
pub(super) struct Gift<'a> {
    /// The container's full name, for messages.
    pub(super) container: &'a str,
    /// The tree. A link is refused.
    pub(super) root: &'a Path,
    /// The map that the tree has its ids from; an empty one is the host's ids.
    pub(super) from: &'a [IdRange],
    /// The map that the tree gets its ids from; an empty one is the host's ids.
    pub(super) to: &'a [IdRange],
    /// The new owner of an old one; none when the container has no such id.
    pub(super) lead: &'a dyn Fn(Owner) -> Option<Owner>,
}

/// Where the note of the tree `root` is.
///
/// # Errors
/// The tree cannot be looked at.
pub(super) fn note_of(paths: &Paths, project: &Name, root: &Path) -> Result<PathBuf, BackendError> {
    let found = std::fs::symlink_metadata(root).map_err(io("read", root))?;
    let name = format!("{:x}-{:x}", found.dev(), found.ino());
    Ok(paths.owners(project).join(name))
}

/// Whether the tree of a note was changed in part.
pub(super) fn is_under_way(note: &Path) -> bool {
    read(note).ok().flatten().is_some_and(|note| note.under_way)
}

/// Gives all owners in the tree. False when there was nothing to change.
///
/// # Errors
/// An id that the container does not have: then nothing is changed. The file system refuses: then the note
/// stays, and [`give_back`] takes back what was changed.
pub(super) fn give(note: &Path, gift: &Gift<'_>) -> Result<bool, BackendError> {
    let head = Head {
        version: VERSION,
        root: gift.root.into(),
        from: gift.from.into(),
        to: gift.to.into(),
    };
    let known = read(note)?.filter(|known| known.under_way && known.head.root == head.root);
    let owners = match known {
        Some(known) => again(known.owners, gift)?,
        None => listed(gift)?,
    };
    if owners.is_empty() {
        return Ok(false);
    }
    write(note, &head, &owners)?;
    let top = root_of(gift.to);
    each(gift.root, &mut |fd, stat| {
        let new = match owners.get(&key(stat)) {
            Some((_, new)) => *new,
            None => return Ok(()),
        };
        change(fd, stat, new, top)
    })?;
    end(note, GIVEN)?;
    Ok(true)
}

/// Gives the old owners back and forgets the note. What was made meanwhile goes through the maps as well.
///
/// # Errors
/// The file system refuses; the note stays.
pub(crate) fn give_back(note: &Path) -> Result<(), BackendError> {
    let Some(known) = read(note)? else {
        return Ok(());
    };
    let Head { root, from, to, .. } = &known.head;
    if root.symlink_metadata().is_ok() {
        end(note, RETURNING)?;
        let top = root_of(from);
        each(root, &mut |fd, stat| {
            let now = (stat.st_uid, stat.st_gid);
            let old = match known.owners.get(&key(stat)) {
                Some((old, new)) if now == *new || now == *old => *old,
                Some(_) | None => inverse(now, from, to),
            };
            change(fd, stat, old, top)
        })?;
    }
    std::fs::remove_file(note).map_err(io("remove", note))
}

/// The notes of trees that were changed in part, with their roots.
pub(crate) fn under_way(paths: &Paths, project: &Name) -> Vec<(PathBuf, PathBuf)> {
    let all = notes(paths, project).into_iter();
    all.filter_map(|(path, root)| root.map(|root| (path, root)))
        .collect()
}

/// Forgets the notes of a run that has ended well; those of trees that are not whole stay.
///
/// # Errors
/// A note cannot be removed.
pub(crate) fn settle(paths: &Paths, project: &Name) -> Result<(), BackendError> {
    for (path, root) in notes(paths, project) {
        if root.is_none() {
            std::fs::remove_file(&path).map_err(io("remove", &path))?;
        }
    }
    let _ = std::fs::remove_dir(paths.owners(project)); // unless a note has stayed
    Ok(())
}

/// All notes of a project; with the tree when that is still there and changed in part.
fn notes(paths: &Paths, project: &Name) -> Vec<(PathBuf, Option<PathBuf>)> {
    let entries = std::fs::read_dir(paths.owners(project));
    let found = entries.into_iter().flatten().flatten();
    let found = found.map(|entry| {
        let path = entry.path();
        let note = read(&path).ok().flatten().filter(|note| note.under_way);
        let root = note.map(|note| note.head.root);
        let same = |root: &PathBuf| note_of(paths, project, root).is_ok_and(|of| of == path);
        let root = root.filter(same);
        (path, root)
    });
    found.collect()
}

/// An owner that came into a tree while it was given, led back.
fn inverse((user, group): Owner, from: &[IdRange], to: &[IdRange]) -> Owner {
    let back = |kind, id| {
        let inner = inner_id(to, kind, id)?;
        host_id(from, kind, inner)
    };
    (
        back(IdKind::User, user).unwrap_or(user),
        back(IdKind::Group, group).unwrap_or(group),
    )
}

fn root_of(map: &[IdRange]) -> u32 {
    host_id(map, IdKind::User, 0).unwrap_or(0)
}

/// What a killed run had begun, towards the owners of now.
fn again(
    mut known: BTreeMap<Key, (Owner, Owner)>,
    gift: &Gift<'_>,
) -> Result<BTreeMap<Key, (Owner, Owner)>, BackendError> {
    for (old, new) in known.values_mut() {
        *new = (gift.lead)(*old).ok_or_else(|| stranger(gift, *old, gift.root))?;
    }
    Ok(known)
}

/// The files whose owner changes. All of them have a new one.
fn listed(gift: &Gift<'_>) -> Result<BTreeMap<Key, (Owner, Owner)>, BackendError> {
    let mut owners = BTreeMap::new();
    let mut lost = None;
    each(gift.root, &mut |fd, stat| {
        let old = (stat.st_uid, stat.st_gid);
        match (gift.lead)(old) {
            Some(new) if new == old => {}
            Some(new) => drop(owners.insert(key(stat), (old, new))),
            None if lost.is_none() => {
                let path = std::fs::read_link(via(fd)).unwrap_or_else(|_| gift.root.into());
                lost = Some(stranger(gift, old, &path));
            }
            None => {}
        }
        Ok(())
    })?;
    lost.map_or(Ok(owners), Err)
}

fn stranger(gift: &Gift<'_>, (user, group): Owner, path: &Path) -> BackendError {
    BackendError::Engine {
        verb: "give the volumes to",
        container: gift.container.into(),
        reason: format!(
            "`{}` belongs to {user}:{group}, which the container's id map does not have; nothing was changed",
            path.display()
        ),
        log: Vec::new(),
    }
}

fn key(stat: &Stat) -> Key {
    (stat.st_dev, stat.st_ino)
}

fn io(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BackendError {
    let path = path.to_path_buf();
    move |source| BackendError::Io { verb, path, source }
}

#[cfg(test)]
#[path = "owners_tests.rs"]
mod tests;
