//! Mount points inside a container's root: found by the kernel, made where they are missing.
//!
//! The container can change its tree at any time, and its links may say anything. Each way is therefore
//! gone from the root's own descriptor: by openat2(2) with `RESOLVE_IN_ROOT`, and where something must be
//! made, step by step with no link followed by the kernel. What comes back is a descriptor; a path is
//! for messages and for the order of mounts only.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, fstat, mkdirat, openat,
    openat2, readlinkat,
};
use rustix::io::Errno;

/// As many links as the kernel follows in one path (path_resolution(7)).
const LINKS: usize = 40;

/// How often a way is looked for again that the container changes meanwhile.
const TRIES: usize = 100;

const STEP: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A container's root.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

/// What is made where nothing is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making {
    /// A directory, else an empty file; what leads there is always directories.
    pub(super) directory: bool,
    /// Who gets it: the host's ids of the container's root.
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

/// How far a way goes.
struct Way {
    stack: Vec<(OsString, OwnedFd)>,
    missing: Vec<OsString>,
}

impl Root {
    pub(super) fn new(root: OwnedFd) -> Self {
        Self(root)
    }

    /// Where `target` leads inside the root, as far as it can be told.
    pub(super) fn place(&self, target: &Path) -> PathBuf {
        let Ok(way) = self.walk(target, None) else {
            return target.into();
        };
        let names = way.stack.iter().skip(1).map(|(name, _)| name);
        Path::new("/").join(names.chain(&way.missing).collect::<PathBuf>())
    }

    /// The mount point `target`; it and what leads there is made when it is missing.
    pub(super) fn find_or_make(&self, target: &Path, making: &Making) -> Result<OwnedFd, String> {
        let place = self.place(target);
        let kernels = |path: &Path| path.starts_with("/proc") || path.starts_with("/sys");
        if place == Path::new("/") || kernels(&place) && !kernels(target) {
            return Err(format!(
                "it leads to `{}` in the container",
                place.display()
            ));
        }
        for _ in 0..TRIES {
            match self.find(target) {
                Ok(found) => return Ok(found),
                Err(Errno::NOENT) => {
                    let made = self.walk(target, Some(making));
                    made.map_err(|error| told(target, error))?;
                }
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(told(target, error)),
            }
        }
        Err("the container changes the way to it all the time".into())
    }

    /// What is at `target`, which must be there.
    pub(super) fn find(&self, target: &Path) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.0, target, flags, Mode::empty(), resolve)
    }

    /// Goes along `target`. What is missing is made, or counted.
    fn walk(&self, target: &Path, making: Option<&Making>) -> rustix::io::Result<Way> {
        let root = rustix::io::fcntl_dupfd_cloexec(&self.0, 3)?;
        let mut way = Way {
            stack: vec![(OsString::new(), root)],
            missing: Vec::new(),
        };
        let mut todo: VecDeque<OsString> = words(target).collect();
        let mut links = 0;
        while let Some(word) = todo.pop_front() {
            if word == ".." {
                // Of what is missing first; the root is its own parent.
                if way.missing.pop().is_none() && way.stack.len() > 1 {
                    way.stack.pop();
                }
                continue;
            }
            let (_, dir) = way.stack.last().ok_or(Errno::INVAL)?;
            let found = match way.missing.is_empty() {
                true => step(dir, &word, making.map(|making| (making, todo.is_empty())))?,
                false => None,
            };
            let Some(found) = found else {
                way.missing.push(word);
                continue;
            };
            match FileType::from_raw_mode(fstat(&found)?.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > LINKS {
                        return Err(Errno::LOOP);
                    }
                    let to = readlinkat(&found, c"", Vec::new())?;
                    let to = PathBuf::from(OsString::from_vec(to.into_bytes()));
                    if to.is_absolute() {
                        way.stack.truncate(1);
                    }
                    todo = words(&to).chain(todo).collect();
                }
                FileType::Directory => way.stack.push((word, found)),
                _ if todo.is_empty() => way.stack.push((word, found)),
                _ => return Err(Errno::NOTDIR),
            }
        }
        Ok(way)
    }
}

/// What bears the name in `dir`, a link as itself; made when it is missing and `making` says what, with
/// whether it is the last step.
fn step(
    dir: &OwnedFd,
    name: &OsString,
    making: Option<(&Making, bool)>,
) -> rustix::io::Result<Option<OwnedFd>> {
    match openat(dir, name, STEP, Mode::empty()) {
        Ok(found) => return Ok(Some(found)),
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    let Some((making, last)) = making else {
        return Ok(None);
    };
    let made = if last && !making.directory {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        openat(dir, name, flags, Mode::from_raw_mode(0o644)).map(drop)
    } else {
        mkdirat(dir, name, Mode::from_raw_mode(0o755))
    };
    match made {
        Ok(()) => {
            let (user, group) = (
                making.user.map(Uid::from_raw),
                making.group.map(Gid::from_raw),
            );
            chownat(dir, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        // Somebody was quicker.
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    openat(dir, name, STEP, Mode::empty()).map(Some)
}

fn words(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(word) => Some(word.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

fn told(target: &Path, error: Errno) -> String {
    let target = target.display();
    match error {
        Errno::NOTDIR => format!("a part of `{target}` is a file in the container"),
        Errno::LOOP => format!("`{target}` is a loop of links in the container"),
        Errno::ROFS => format!(
            "`{target}` is missing in the container and cannot be made: what holds it is read-only"
        ),
        error => format!("cannot make `{target}` in the container: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::CWD;

    use super::*;

    fn rig() -> (tempfile::TempDir, PathBuf, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for path in ["usr/bin", "run", "etc", "usr/share"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        fs::create_dir(dir.path().join("etc")).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, &root, flags, Mode::empty()).unwrap();
        (dir, root, Root::new(fd))
    }

    const DIRECTORY: Making = Making {
        directory: true,
        user: None,
        group: None,
    };
    const FILE: Making = Making {
        directory: false,
        ..DIRECTORY
    };

    #[test]
    fn a_way_through_links_ends_and_is_made_inside_the_root_whatever_they_say() {
        let (dir, root, tree) = rig();
        for (to, link) in [
            ("usr/bin", "bin"),
            ("/run", "var-run"),
            ("../../../../../../etc", "up"),
            ("../usr/share/zoneinfo/UTC", "etc/localtime"),
        ] {
            symlink(to, root.join(link)).unwrap();
        }
        for (target, making, place) in [
            ("/bin/tool", FILE, "/usr/bin/tool"),
            ("/var-run/d/e", DIRECTORY, "/run/d/e"),
            ("/up/made.conf", FILE, "/etc/made.conf"),
            ("/etc/localtime", FILE, "/usr/share/zoneinfo/UTC"),
            ("/srv/a/b", DIRECTORY, "/srv/a/b"),
        ] {
            assert_eq!(tree.place(Path::new(target)), Path::new(place), "{target}");
            let found = tree.find_or_make(Path::new(target), &making).unwrap();
            let kind = FileType::from_raw_mode(fstat(&found).unwrap().st_mode);
            assert_eq!(kind == FileType::Directory, making.directory, "{target}");
            let made = fs::symlink_metadata(root.join(&place[1..])).unwrap();
            assert_eq!(made.is_dir(), making.directory, "{target}");
        }
        assert_eq!(fs::read_dir(dir.path().join("etc")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_link_to_the_root_to_the_kernel_s_files_or_in_a_loop_is_refused() {
        let (_dir, root, tree) = rig();
        fs::create_dir(root.join("proc")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        for (to, link) in [("/", "all"), ("/proc", "kernel"), ("loop", "loop")] {
            symlink(to, root.join(link)).unwrap();
        }
        for (target, reason) in [
            ("/all", "leads to `/`"),
            ("/kernel/x", "leads to `/proc/x`"),
            ("/loop/x", "loop of links"),
            ("/file/x", "is a file"),
        ] {
            let error = tree
                .find_or_make(Path::new(target), &DIRECTORY)
                .unwrap_err();
            assert!(error.contains(reason), "{target}: {error}");
        }
        assert!(tree.find_or_make(Path::new("/proc/x"), &DIRECTORY).is_ok());
    }
}
