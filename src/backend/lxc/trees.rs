//! Files and whole trees into a container and out of it, as `cp -a` names the target.
//!
//! From the host, so it works on stopped containers and those without any tool inside. Modes, times,
//! links as links, user attributes and owners are kept, owners through the id map; a hard link becomes a
//! file of its own. A file replaces another as a whole, and a new directory gets its name when all of it is
//! there.
//!
//! What a container made is not trusted: on the way out set-user-id bits and capabilities are dropped and device
//! nodes are refused, for on the host they would give more than they gave inside.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::attributes::{Direction, Owners};
use super::inner_path::{Spot, Tree, Way};
use super::pack::Pack;
use super::site::{Site, failed};
use super::transfer::Transfer;
use super::unpack::Unpack;
use super::{mark, view};
use crate::backend::BackendError;
use crate::model::Name;
use crate::observed::Mark;

const IN: &str = "copy into";
const OUT: &str = "copy out of";

/// Copies `from` of the host to `to` in the container.
pub(super) fn copy_in(
    site: &Site,
    name: &Name,
    from: &Path,
    to: &Path,
) -> Result<(), BackendError> {
    let (mark, root) = inside(site, IN, name)?;
    let (inner, host) = (Tree::new(root, mounts(&mark, site, name)?), Tree::host());
    let refuse = refusal(IN, site.full(name));
    let source = host.outer(from, false).map_err(|e| refuse(from, e))?;
    let target = inner.find(to, true).map_err(|e| refuse(to, e.into()))?;
    let transfer = Transfer {
        from: &host,
        to: &inner,
        owners: Owners {
            direction: Direction::In,
            map: &mark.spec.idmap,
        },
    };
    copy(&transfer, (from, source), (to, target), &refuse)
}

/// Copies `from` of the container to `to` on the host.
pub(super) fn copy_out(
    site: &Site,
    name: &Name,
    from: &Path,
    to: &Path,
) -> Result<(), BackendError> {
    let (mark, root) = inside(site, OUT, name)?;
    let (inner, host) = (Tree::new(root, mounts(&mark, site, name)?), Tree::host());
    let refuse = refusal(OUT, site.full(name));
    let source = inner
        .find(from, false)
        .map_err(|e| refuse(from, e.into()))?;
    let target = host.outer(to, true).map_err(|e| refuse(to, e))?;
    let transfer = Transfer {
        from: &inner,
        to: &host,
        owners: Owners {
            direction: Direction::Out,
            map: &mark.spec.idmap,
        },
    };
    copy(&transfer, (from, source), (to, target), &refuse)
}

/// Writes `from` of the container to standard output as an archive.
pub(super) fn pack(site: &Site, name: &Name, from: &Path) -> Result<(), BackendError> {
    let (mark, root) = inside(site, OUT, name)?;
    let inner = Tree::new(root, mounts(&mark, site, name)?);
    let refuse = refusal(OUT, site.full(name));
    let source = inner
        .find(from, false)
        .map_err(|e| refuse(from, e.into()))?;
    let missing = || refuse(from, std::io::ErrorKind::NotFound.into());
    let found = source.found.ok_or_else(missing)?;
    let top = match is_content(from) {
        true => PathBuf::new(),
        false => source.name.map(PathBuf::from).unwrap_or_default(),
    };
    let pack = Pack {
        from: &inner,
        owners: Owners {
            direction: Direction::Out,
            map: &mark.spec.idmap,
        },
        archive: tar::Builder::new(std::io::BufWriter::new(std::io::stdout().lock())),
    };
    let done = pack.all(&found, &top);
    done.map_err(|(path, error)| refuse(&path, error))
}

/// Unpacks the archive on standard input into the directory `to` of the container.
pub(super) fn unpack(site: &Site, name: &Name, to: &Path) -> Result<(), BackendError> {
    let (mark, root) = inside(site, IN, name)?;
    let inner = Tree::new(root, mounts(&mark, site, name)?);
    let refuse = refusal(IN, site.full(name));
    let target = inner.find(to, true).map_err(|e| refuse(to, e.into()))?;
    let directory = |spot: &Spot| spot.kind().is_ok_and(|kind| kind == FileType::Directory);
    let Some(into) = target.found.filter(directory) else {
        return Err(refuse(to, std::io::ErrorKind::NotADirectory.into()));
    };
    let unpack = Unpack {
        to: &inner,
        into: &into.place,
        map: &mark.spec.idmap,
    };
    let done = unpack.all(std::io::stdin().lock());
    done.map_err(|(path, error)| refuse(&path, error))
}

/// The container's mark, and its root: as it sees it itself while it runs.
fn inside(site: &Site, verb: &'static str, name: &Name) -> Result<(Mark, PathBuf), BackendError> {
    let mark = mark::ours(site, verb, name)?;
    let root = match view::state(site, &site.full(name))?.1 {
        Some(init) => format!("/proc/{init}/root").into(),
        None => site.rootfs(name),
    };
    Ok((mark, root))
}

/// The volumes that the kernel does not enter by itself.
fn mounts<'a>(
    mark: &'a Mark,
    site: &Site,
    name: &Name,
) -> Result<&'a [crate::model::Mount], BackendError> {
    Ok(match view::state(site, &site.full(name))?.1 {
        Some(_) => &[],
        None => &mark.spec.mounts,
    })
}

type Refuse<'a> = &'a dyn Fn(&Path, std::io::Error) -> BackendError;

fn refusal(verb: &'static str, full: String) -> impl Fn(&Path, std::io::Error) -> BackendError {
    move |path, error| failed(verb, &full, format!("`{}`: {error}", path.display()))
}

/// Copies what was found at `from` to where `to` leads: into a directory that is there, else as it.
fn copy(
    transfer: &Transfer<'_>,
    (from, source): (&Path, Way),
    (to, target): (&Path, Way),
    refuse: Refuse<'_>,
) -> Result<(), BackendError> {
    let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
    let found = source.found.ok_or_else(|| refuse(from, missing()))?;
    let kind = |spot: &Spot| spot.kind().map_err(|e| refuse(to, e.into()));
    let directory = match &target.found {
        Some(spot) => kind(spot)? == FileType::Directory,
        None => false,
    };
    let done = match (target, directory, is_content(from) || source.name.is_none()) {
        (
            Way {
                found: Some(into), ..
            },
            true,
            true,
        ) => transfer.content(&found, &into),
        (
            Way {
                found: Some(into), ..
            },
            true,
            false,
        ) => {
            let name = source.name.unwrap_or_default();
            transfer.one(&found, &into, &name)
        }
        (Way { parent, name, .. }, _, _) => {
            let name = name.unwrap_or_default();
            transfer.one(&found, &parent, &name)
        }
    };
    done.map_err(|(path, error)| refuse(&path, error))
}

/// `dir/.` and the root stand for what is in them.
fn is_content(from: &Path) -> bool {
    from.as_os_str().as_encoded_bytes().ends_with(b"/.") || from == Path::new(".")
}

impl Tree<'static> {
    /// The host's own tree.
    fn host() -> Self {
        Self::new("/".into(), &[])
    }

    /// A path of the host, of which all but the last word is the caller's own business.
    fn outer(&self, path: &Path, follow: bool) -> std::io::Result<Way> {
        let here = |path: &Path| -> std::io::Result<Way> { Ok(self.find(path, false)?) };
        let end = |word: &OsStr| matches!(word.as_encoded_bytes(), b"." | b"..");
        let last: Option<OsString> = path.file_name().map(OsStr::to_owned);
        let whole = follow && path.exists();
        match last {
            Some(last) if !whole && !end(&last) => {
                let dir = match path.parent() {
                    Some(dir) if !dir.as_os_str().is_empty() => dir,
                    Some(_) | None => Path::new("."),
                };
                here(&dir.canonicalize()?.join(last))
            }
            Some(_) | None => here(&path.canonicalize()?),
        }
    }
}
