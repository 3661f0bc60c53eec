//! Containers that are copies: of another container, of a directory, of an archive.
//!
//! `cp -a` copies instead of liblxc, which needs rsync for it; owners, modes, extended attributes, hard
//! links and special files are kept, and blocks are shared where the file system can.

use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;

use super::inherit;
use super::monitor::HOST_DEFAULTS;
use super::render::base;
use super::shift::shift;
use super::site::{Site, failed, io, write_whole};
use super::still;
use super::view::parse_range;
use crate::backend::BackendError;
use crate::model::{ContainerSpec, IdRange};

/// Copies the container `origin`; a running one is frozen for the time it takes.
pub(super) fn clone(
    site: &Site,
    spec: &ContainerSpec,
    origin: &str,
    lines: &Sender<String>,
) -> Result<(), BackendError> {
    let full = spec.host_name();
    let origin_dir = site.lxcpath.join(origin);
    let config_path = origin_dir.join("config");
    if !config_path.exists() {
        return Err(failed(
            "create",
            &full,
            format!("its origin `{origin}` does not exist"),
        ));
    }
    let text = std::fs::read_to_string(&config_path).map_err(io("read", &config_path))?;
    if inherit::is_outdated(&text) {
        let path = config_path.display();
        let reason = format!(
            "the configuration of its origin `{origin}` is of LXC before version 3; run `lxc-update-config -c {path}`"
        );
        return Err(failed("create", &full, reason));
    }
    let container = site.container("clone", origin)?;
    let source = container.config("lxc.rootfs.path")?;
    let source = match source.split_once(':') {
        None => PathBuf::from(source),
        Some(("dir", path)) => PathBuf::from(path),
        Some((kind, _)) => {
            let reason = format!("its origin `{origin}` is kept on `{kind}`, not in a directory");
            return Err(failed("create", &full, reason));
        }
    };
    let from: Vec<IdRange> = container
        .config("lxc.idmap")?
        .lines()
        .filter_map(parse_range)
        .collect();
    let (dir, rootfs) = prepare(site, spec)?;
    still::during(site, &container, (origin, lines), || {
        copy_tree(&full, &source, &rootfs)
    })?;
    shift(&full, &rootfs, &from, &spec.idmap)?;
    let inherited = inherit::config(&text, &origin_dir, &dir);
    let mut text = inherited.config;
    if let Some(fstab) = inherited.fstab {
        let mounts = std::fs::read_to_string(&fstab).map_err(io("read", &fstab))?;
        let mounts = inherit::mounts(&mounts, &origin_dir, &dir, &spec.mounts);
        let ours = dir.join(inherit::FSTAB);
        write_whole(&ours, mounts.as_bytes())?;
        text.push_str(&format!("lxc.mount.fstab = {}\n", ours.display()));
    }
    if source != origin_dir.join("rootfs") {
        text.push_str(&format!("lxc.rootfs.path = dir:{}\n", rootfs.display()));
    }
    write_whole(&dir.join("config"), text.as_bytes())
}

/// Fills the root file system from a directory or a tar archive.
pub(super) fn rootfs(site: &Site, spec: &ContainerSpec, from: &Path) -> Result<(), BackendError> {
    let full = spec.host_name();
    let meta = std::fs::metadata(from).map_err(io("read", from))?;
    let (dir, rootfs) = prepare(site, spec)?;
    if meta.is_dir() {
        copy_tree(&full, from, &rootfs)?;
    } else {
        std::fs::create_dir(&rootfs).map_err(io("create", &rootfs))?;
        let flags = [
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            "--acls",
            "-xpf",
        ];
        let mut words: Vec<&OsStr> = flags.iter().map(OsStr::new).collect();
        words.extend([from.as_os_str(), OsStr::new("-C"), rootfs.as_os_str()]);
        run(&full, "tar", &words)?;
    }
    shift(&full, &rootfs, &[], &spec.idmap)?;
    let defaults = std::fs::read_to_string(HOST_DEFAULTS).unwrap_or_default();
    let text = base(&rootfs, &defaults).map_err(|e| failed("create", &full, e.to_string()))?;
    write_whole(&dir.join("config"), text.as_bytes())
}

/// The container's directory, closed until its settings are written, and where its tree will be.
fn prepare(site: &Site, spec: &ContainerSpec) -> Result<(PathBuf, PathBuf), BackendError> {
    let (dir, rootfs) = (site.dir(&spec.name), site.rootfs(&spec.name));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&dir);
    made.map_err(io("create", &dir))?;
    Ok((dir, rootfs))
}

/// Gives what a template made to the ids of an unprivileged container.
pub(super) fn give(site: &Site, spec: &ContainerSpec) -> Result<(), BackendError> {
    if spec.idmap.is_empty() {
        return Ok(());
    }
    shift(
        &spec.host_name(),
        &site.rootfs(&spec.name),
        &[],
        &spec.idmap,
    )
}

/// Copies the file or directory `from` to the absent path `to`, itself included, other file
/// systems below it not.
pub(super) fn copy_tree(container: &str, from: &Path, to: &Path) -> Result<(), BackendError> {
    let words = ["-a", "-x", "--reflink=auto", "-T", "--"].map(OsStr::new);
    let words: Vec<&OsStr> = words
        .into_iter()
        .chain([from.as_os_str(), to.as_os_str()])
        .collect();
    run(container, "cp", &words).map(drop)
}

/// Bytes that a tree takes on its own file system.
pub(super) fn size(container: &str, tree: &Path) -> Result<u64, BackendError> {
    let words = ["-s", "-x", "--block-size=1", "--"].map(OsStr::new);
    let words: Vec<&OsStr> = words.into_iter().chain([tree.as_os_str()]).collect();
    let said = run(container, "du", &words)?;
    said.split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| failed("measure", container, "`du` gave no number"))
}

/// Runs a tool of the host and gives its own words when it fails.
fn run(container: &str, program: &'static str, words: &[&OsStr]) -> Result<String, BackendError> {
    let output = Command::new(program)
        .args(words)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(io("run", program))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let log: Vec<String> = String::from_utf8_lossy(&output.stderr)
        .lines()
        .take(20)
        .map(String::from)
        .collect();
    let reason = log
        .first()
        .cloned()
        .unwrap_or_else(|| format!("`{program}` failed"));
    Err(BackendError::Engine {
        verb: "copy",
        container: container.into(),
        reason,
        log,
    })
}
