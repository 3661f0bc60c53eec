//! What lies in a container's tree before anything is made of it, for whoever plans.

use std::path::{Path, PathBuf};

use rustix::fs::{FileType, fstat};

use super::inner_file::resolve_in;
use crate::model::{Name, Source, host_name_of};

/// Where the tree lies that a container is made from, as far as it can be looked at now: a template has made nothing
/// yet, an archive is not unpacked, and a clone's origin may be of the same plan.
pub fn tree_of(source: &Source, project: &Name, lxcpath: &Path) -> Option<PathBuf> {
    let tree = match source {
        Source::Rootfs(path) => path.clone(),
        Source::CloneSibling(origin) => own_tree(&host_name_of(project, origin), lxcpath),
        Source::CloneHost(full) => own_tree(full, lxcpath),
        Source::Template { .. } | Source::Download { .. } | Source::Image(_) | Source::Build(_) => {
            return None;
        }
    };
    Some(tree).filter(|tree| tree.is_dir())
}

/// The tree of a container that is there.
pub fn own_tree(full: &str, lxcpath: &Path) -> PathBuf {
    lxcpath.join(full).join("rootfs")
}

/// What is at a place of a tree, all links resolved inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// A plain file.
    File,
    /// Something else.
    Other,
    /// Nothing.
    Absent,
}

/// What is at `path` in `tree`; none when it cannot be looked at.
pub fn look_inside(tree: &Path, path: &Path) -> Option<Inner> {
    let Some(found) = resolve_in(tree, path).ok()? else {
        return Some(Inner::Absent);
    };
    let kind = FileType::from_raw_mode(fstat(&found).ok()?.st_mode);
    Some(match kind == FileType::RegularFile {
        true => Inner::File,
        false => Inner::Other,
    })
}
