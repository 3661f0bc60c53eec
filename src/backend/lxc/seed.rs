//! Fills empty host directories with what the container has at the same place; all or nothing.
//!
//! The copy is made beside its destination and renamed into place when it is whole. The container's
//! path is resolved by the kernel inside its root file system, so no link in it leads to host data.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, lchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, fstat};

use super::copy::copy_tree;
use super::inner_file::{host_id, resolve_in};
use super::site::{Site, failed, io};
use crate::backend::BackendError;
use crate::model::{ContainerSpec, IdKind, Mount};

/// Makes what is missing of `mounts` and, with `copy`, fills what is empty. Returns the paths it made,
/// parents first; on an error none of them is left.
pub(super) fn seed(
    site: &Site,
    spec: &ContainerSpec,
    mounts: &[Mount],
    copy: bool,
) -> Result<Vec<PathBuf>, BackendError> {
    let mut done = Done::default();
    for mount in mounts {
        if let Err(error) = one(site, spec, mount, copy, &mut done) {
            done.undo();
            return Err(error);
        }
    }
    Ok(done.made)
}

#[derive(Default)]
struct Done {
    /// Paths that were not there.
    made: Vec<PathBuf>,
    /// Directories that were there, empty.
    filled: Vec<PathBuf>,
}

impl Done {
    fn undo(&self) {
        // The error that led here is the one to tell; what cannot be removed is only left over.
        for path in &self.filled {
            let _ = std::fs::remove_dir_all(path);
            let _ = std::fs::create_dir(path);
        }
        for path in self.made.iter().rev() {
            let _ = match std::fs::symlink_metadata(path) {
                Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
                Ok(_) => std::fs::remove_file(path),
                Err(error) => Err(error),
            };
        }
    }
}

fn one(
    site: &Site,
    spec: &ContainerSpec,
    mount: &Mount,
    copy: bool,
    done: &mut Done,
) -> Result<(), BackendError> {
    let host = &mount.host;
    let there = match std::fs::metadata(host) {
        Ok(meta) => {
            let empty = meta.is_dir()
                && std::fs::read_dir(host)
                    .map_err(io("read", host))?
                    .next()
                    .is_none();
            if !empty || !copy {
                return Ok(());
            }
            true
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
        Err(e) => return Err(io("read", host)(e)),
    };
    let inner = resolve_in(&site.rootfs(&spec.name), &mount.target)?;
    let kind = inner
        .as_ref()
        .map(|fd| fstat(fd).map(|s| FileType::from_raw_mode(s.st_mode)));
    let kind = kind
        .transpose()
        .map_err(|e| io("read", &mount.target)(e.into()))?;
    if !there {
        parents(host, mount.named, done)?;
    }
    match (inner, kind) {
        (Some(inner), Some(FileType::Directory)) if copy => fill(spec, &inner, mount, there, done),
        (Some(inner), Some(FileType::RegularFile)) if copy && !there => {
            fill(spec, &inner, mount, there, done)
        }
        (Some(_), Some(FileType::Directory)) | (None, _) if !there => {
            std::fs::create_dir(host).map_err(io("create", host))?;
            made(spec, host, done)
        }
        (Some(_), Some(FileType::RegularFile)) if !there => {
            std::fs::File::create_new(host).map_err(io("create", host))?;
            made(spec, host, done)
        }
        (Some(_) | None, Some(FileType::Directory | FileType::RegularFile) | None) => Ok(()),
        (Some(_) | None, Some(_)) => {
            let reason = format!(
                "`{}` in it is neither a directory nor a file",
                mount.target.display()
            );
            Err(failed("fill the volumes of", &spec.host_name(), reason))
        }
    }
}

/// Copies beside the destination, then renames.
fn fill(
    spec: &ContainerSpec,
    inner: &OwnedFd,
    mount: &Mount,
    there: bool,
    done: &mut Done,
) -> Result<(), BackendError> {
    let host = &mount.host;
    let file = host.file_name().unwrap_or_default().to_string_lossy();
    let staging = host.with_file_name(format!(".{file}.locker-seed"));
    super::destroy::remove_tree(&staging).or_else(|_| super::site::remove_file(&staging))?;
    // An open path of this process, readable by the child: nothing can be swapped under it. The
    // final `.` enters a directory instead of copying the link that stands for it.
    let fd = PathBuf::from(format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        inner.as_raw_fd()
    ));
    let source = if is_dir(inner) { fd.join(".") } else { fd };
    let copied = if source.ends_with(".") || is_dir(inner) {
        copy_tree(&spec.host_name(), &source, &staging)
    } else {
        copy_file(&spec.host_name(), &source, &staging)
    };
    let placed =
        copied.and_then(|()| std::fs::rename(&staging, host).map_err(io("rename", &staging)));
    if let Err(error) = placed {
        // The first error counts.
        let _ = std::fs::remove_dir_all(&staging).or_else(|_| std::fs::remove_file(&staging));
        return Err(error);
    }
    if there {
        done.filled.push(host.clone())
    } else {
        done.made.push(host.clone())
    }
    Ok(())
}

fn is_dir(fd: &OwnedFd) -> bool {
    fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Copies one file through the descriptor's link, which `cp -a` would copy as a link.
fn copy_file(container: &str, from: &Path, to: &Path) -> Result<(), BackendError> {
    let output = std::process::Command::new("cp")
        .args(["-a", "-L", "--reflink=auto", "-T", "--"])
        .args([from, to])
        .env("LC_ALL", "C")
        .output()
        .map_err(io("run", "cp"))?;
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() {
        Ok(())
    } else {
        Err(failed("copy", container, reason))
    }
}

fn parents(host: &Path, named: bool, done: &mut Done) -> Result<(), BackendError> {
    let missing: Vec<&Path> = host
        .ancestors()
        .skip(1)
        .take_while(|dir| !dir.exists())
        .collect();
    // What holds a named volume is nobody's but ours; its own mode is the container's affair.
    let mode = if named { 0o700 } else { 0o777 };
    for dir in missing.into_iter().rev() {
        let made = std::fs::DirBuilder::new().mode(mode).create(dir);
        made.map_err(io("create", dir))?;
        done.made.push(dir.into());
    }
    Ok(())
}

/// Gives a made path to the container's root.
fn made(spec: &ContainerSpec, path: &Path, done: &mut Done) -> Result<(), BackendError> {
    done.made.push(path.into());
    let user = host_id(&spec.idmap, IdKind::User, 0);
    let group = host_id(&spec.idmap, IdKind::Group, 0);
    lchown(path, user, group).map_err(io("change the owner of", path))
}
