//! Paths of a container, step by step, from open directories: no link of it leads out of it.
//!
//! A link is read and gone along by hand, an absolute one from the container's own root, `..` by the
//! steps that led here; no path is ever given to the kernel as a whole. In a running container
//! the volumes are mounted; in a stopped one a step onto the place of a volume goes to its host path.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;

use crate::model::Mount;

/// As many links as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// A file or directory that is held open, whatever happens to its name.
#[derive(Debug)]
pub(super) struct Spot {
    /// `O_PATH`: what it is can be asked, and it can be opened anew.
    pub(super) fd: OwnedFd,
    /// Where it is inside.
    pub(super) place: PathBuf,
    /// In a volume that the container may only read.
    pub(super) read_only: bool,
}

impl Spot {
    /// The type of the file.
    pub(super) fn kind(&self) -> rustix::io::Result<FileType> {
        Ok(FileType::from_raw_mode(fstat(&self.fd)?.st_mode))
    }

    /// Opens it anew, to read or write what it holds.
    pub(super) fn reopen(&self, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        openat(
            CWD,
            path,
            flags | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
        )
    }

    /// Where a link leads.
    pub(super) fn link(&self) -> rustix::io::Result<PathBuf> {
        let target = readlinkat(&self.fd, "", Vec::new())?;
        Ok(OsString::from_vec(target.into_bytes()).into())
    }

    fn again(&self) -> rustix::io::Result<Self> {
        Ok(Self {
            fd: rustix::io::fcntl_dupfd_cloexec(&self.fd, 3)?,
            place: self.place.clone(),
            read_only: self.read_only,
        })
    }
}

/// One tree: of a container, or of the host.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    root: PathBuf,
    /// Volumes that are not mounted; none for a running container and for the host.
    mounts: &'a [Mount],
}

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Way {
    /// The directory that holds it.
    pub(super) parent: Spot,
    /// Its name there; none for the root.
    pub(super) name: Option<OsString>,
    /// Itself; none when it is not there.
    pub(super) found: Option<Spot>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: PathBuf, mounts: &'a [Mount]) -> Self {
        Self { root, mounts }
    }

    fn open(&self, path: &Path, place: PathBuf, read_only: bool) -> rustix::io::Result<Spot> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        Ok(Spot {
            fd: openat(CWD, path, flags, Mode::empty())?,
            place,
            read_only,
        })
    }

    /// What bears `name` in a directory; none when nothing does. A link is itself.
    pub(super) fn enter(&self, dir: &Spot, name: &OsStr) -> rustix::io::Result<Option<Spot>> {
        let place = dir.place.join(name);
        if let Some(mount) = self.mounts.iter().find(|mount| mount.target == place) {
            return self.open(&mount.host, place, mount.read_only).map(Some);
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&dir.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Spot {
                fd,
                place,
                read_only: dir.read_only,
            })),
            Err(Errno::NOENT) => self.on_the_way(place),
            Err(error) => Err(error),
        }
    }

    /// A directory that is not there and leads to a volume: liblxc makes it at the start. Until then it is
    /// one that is empty and stays so.
    fn on_the_way(&self, place: PathBuf) -> rustix::io::Result<Option<Spot>> {
        if !self
            .mounts
            .iter()
            .any(|mount| mount.target.starts_with(&place))
        {
            return Ok(None);
        }
        let empty = tempfile::tempdir()
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        self.open(empty.path(), place, false).map(Some)
    }

    /// Whether a volume that is not mounted belongs at this place.
    pub(super) fn is_mount(&self, place: &Path) -> bool {
        self.mounts.iter().any(|mount| mount.target == place)
    }

    /// Goes along `path` from the root. With `follow` a link at its end is gone along, too.
    pub(super) fn find(&self, path: &Path, follow: bool) -> rustix::io::Result<Way> {
        let mut stack = vec![(OsString::new(), self.open(&self.root, "/".into(), false)?)];
        let mut todo: VecDeque<OsString> = words(path).collect();
        let mut links = 0;
        while let Some(word) = todo.pop_front() {
            let (_, dir) = stack.last().ok_or(Errno::INVAL)?;
            if word == ".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            let Some(next) = self.enter(dir, &word)? else {
                return match todo.is_empty() {
                    true => dir.again().map(|parent| Way {
                        parent,
                        name: Some(word),
                        found: None,
                    }),
                    false => Err(Errno::NOENT),
                };
            };
            let kind = next.kind()?;
            if kind == FileType::Symlink && (follow || !todo.is_empty()) {
                links += 1;
                let target = next.link()?;
                if target.is_absolute() {
                    stack.truncate(1);
                }
                todo = words(&target).chain(todo).collect();
            } else if kind == FileType::Directory || todo.is_empty() {
                stack.push((word, next));
            } else {
                return Err(Errno::NOTDIR);
            }
            if links > LINKS {
                return Err(Errno::LOOP);
            }
        }
        end_of(stack)
    }
}

/// The way that ends where these steps do.
fn end_of(mut stack: Vec<(OsString, Spot)>) -> rustix::io::Result<Way> {
    let (name, found) = stack.pop().ok_or(Errno::INVAL)?;
    let (parent, name) = match stack.last() {
        Some((_, parent)) => (parent.again()?, Some(name)),
        None => (found.again()?, None),
    };
    Ok(Way {
        parent,
        name,
        found: Some(found),
    })
}

fn words(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(word) => Some(word.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_and_no_dots_lead_out_and_volumes_are_entered() {
        let dir = tempfile::tempdir().unwrap();
        let (root, volume) = (dir.path().join("root"), dir.path().join("volume"));
        for path in [root.join("a/b"), root.join("srv"), volume.join("x")] {
            std::fs::create_dir_all(path).unwrap();
        }
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::create_dir(root.join("etc")).unwrap();
        for (target, link) in [
            ("/etc", "abs"),
            ("../../etc", "up"),
            ("a/b", "rel"),
            ("loop", "loop"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let mounts = [("/srv/data", true), ("/var/lib", false)].map(|(target, read_only)| Mount {
            host: volume.clone(),
            target: target.into(),
            read_only,
            named: false,
        });
        let tree = Tree::new(root, &mounts);
        let place = |path: &str| {
            let found = tree.find(Path::new(path), true).unwrap().found;
            found.map(|spot| (spot.place.display().to_string(), spot.read_only))
        };
        let at = |place: &str, read_only| Some((place.to_owned(), read_only));
        for path in ["/abs", "up", "/../../etc", "/a/b/../../../../etc/."] {
            assert_eq!(place(path), at("/etc", false), "{path}");
        }
        assert_eq!(place("/rel"), at("/a/b", false));
        assert_eq!(place("/srv/data/x"), at("/srv/data/x", true));
        assert_eq!(
            place("/var/lib/x"),
            at("/var/lib/x", false),
            "nobody made /var"
        );
        assert_eq!((place("/nothing"), place("/var/other")), (None, None));
        assert_eq!(place("/"), at("/", false));
        let fails = |path: &str| tree.find(Path::new(path), true).unwrap_err();
        assert_eq!(fails("/loop"), Errno::LOOP);
        assert_eq!(fails("/nothing/x"), Errno::NOENT);
        let link = tree.find(Path::new("/abs"), false).unwrap().found.unwrap();
        assert_eq!(link.kind().unwrap(), FileType::Symlink);
    }
}
