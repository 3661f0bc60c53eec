//! Makes a copy a machine of its own: another machine id, other SSH host keys.
//!
//! Both are drawn on the host and written in place of what came along, before the container ever runs: no program
//! of the container is needed or trusted for it. A machine id that is missing, empty or `uninitialized` is left to
//! the system inside, which draws its own (machine-id(5)). Host keys are made by the host's `ssh-keygen`, of
//! the types that came along. Only files of the root file system are touched; a link in their place stays, and
//! none leads out of it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{AtFlags, FileType, OFlags, Stat, fstat, unlinkat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use super::inner_file::replace;
use super::inner_path::{Tree, Way};
use super::site::{Site, failed, io};
use crate::backend::BackendError;
use crate::model::{ContainerSpec, Identity};

/// Where systems keep the id; the second is D-Bus's, a file of its own on systems without systemd.
const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// Types of host keys that a file of OpenSSH's is called by: `/etc/ssh/ssh_host_TYPE_key`.
const TYPES: [&str; 4] = ["rsa", "dsa", "ecdsa", "ed25519"];
/// One that OpenSSH has given up: it is only removed.
const GONE: &str = "dsa";

/// Makes what was just created a machine of its own, unless it is to stay that of its source.
pub(super) fn renew(site: &Site, spec: &ContainerSpec) -> Result<(), BackendError> {
    match spec.identity {
        Identity::Keep => Ok(()),
        Identity::New => {
            let rootfs = site.rootfs(&spec.name);
            renew_machine_id(&rootfs)?;
            renew_keys(&rootfs, spec)
        }
    }
}

fn renew_machine_id(rootfs: &Path) -> Result<(), BackendError> {
    let fresh = draw().map_err(io("draw", "a machine id"))?;
    for path in MACHINE_IDS {
        let told = || io("renew", rootfs.join(path.trim_start_matches('/')));
        let Some(way) = regular(rootfs, path).map_err(|e| told()(e.into()))? else {
            continue;
        };
        if is_drawn(&way).map_err(told())? {
            let stat = stat_of(&way).map_err(told())?;
            if let (Some(name), Some(stat)) = (&way.name, stat) {
                let owner = (stat.st_uid, stat.st_gid, stat.st_mode);
                replace(&way.parent.fd, name, &fresh, owner).map_err(told())?;
            }
        }
    }
    Ok(())
}

/// A version 4 UUID without its hyphens, as machine-id(5) has it.
fn draw() -> std::io::Result<String> {
    let mut bytes = [0u8; 16];
    let drawn = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if drawn < bytes.len() {
        return Err(std::io::Error::other(
            "the kernel gave too few random bytes",
        ));
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(hex + "\n")
}

/// The way to a regular file of the tree, or none when something else or nothing is there.
fn regular(rootfs: &Path, path: &str) -> rustix::io::Result<Option<Way>> {
    let way = match Tree::new(rootfs.into(), &[]).find(Path::new(path), false) {
        Ok(way) => way,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = way.found.as_ref().map(|spot| spot.kind()).transpose()?;
    Ok((kind == Some(FileType::RegularFile)).then_some(way))
}

/// Whether the file holds an id, and not a word that one is to be drawn.
fn is_drawn(way: &Way) -> std::io::Result<bool> {
    let Some(spot) = &way.found else {
        return Ok(false);
    };
    let mut text = Vec::new();
    let file = File::from(spot.reopen(OFlags::RDONLY)?);
    file.take(64).read_to_end(&mut text)?;
    let text = text.trim_ascii();
    Ok(!text.is_empty() && text != b"uninitialized")
}

/// Puts new keys in the place of those that are there; the certificates of the old ones go with them.
fn renew_keys(rootfs: &Path, spec: &ContainerSpec) -> Result<(), BackendError> {
    for kind in TYPES {
        let path = format!("/etc/ssh/ssh_host_{kind}_key");
        let told = || io("renew", rootfs.join(path.trim_start_matches('/')));
        let Some(way) = regular(rootfs, &path).map_err(|e| told()(e.into()))? else {
            continue;
        };
        if kind == GONE {
            for ending in ["-cert.pub", ".pub", ""] {
                remove(&way, ending).map_err(told())?;
            }
            continue;
        }
        let pair = make_key(kind, spec)?;
        renew_key(&way, &pair).map_err(told())?;
    }
    Ok(())
}

/// The texts of a new key: its private and its public half.
struct Pair {
    private: String,
    public: String,
}

fn make_key(kind: &str, spec: &ContainerSpec) -> Result<Pair, BackendError> {
    let full = spec.host_name();
    let dir = tempfile::tempdir().map_err(io("create", std::env::temp_dir()))?;
    let file = dir.path().join("key");
    let words = ["-q", "-t", kind, "-N", "", "-C"];
    let comment = format!("root@{}", spec.hostname);
    let mut command = Command::new("ssh-keygen");
    command.args(words).arg(comment).arg("-f").arg(&file);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => failed(
            "make the SSH host keys of",
            &full,
            "`ssh-keygen` is not installed on the host: `apt-get install openssh-client`, or write \
             `identity: keep` for a container that is to have the keys of its source",
        ),
        _ => io("run", "ssh-keygen")(error),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed(
            "make the SSH host keys of",
            &full,
            format!("`ssh-keygen`: {said}"),
        ));
    }
    let read = |path: &Path| std::fs::read_to_string(path).map_err(io("read", path));
    Ok(Pair {
        private: read(&file)?,
        public: read(&file.with_extension("pub"))?,
    })
}

/// With the owner that the old one has.
fn renew_key(way: &Way, pair: &Pair) -> std::io::Result<()> {
    let (Some(name), Some(stat)) = (&way.name, stat_of(way)?) else {
        return Ok(());
    };
    remove(way, "-cert.pub")?;
    let owner = |mode| (stat.st_uid, stat.st_gid, mode);
    let public = ended(name, ".pub");
    replace(&way.parent.fd, &public, &pair.public, owner(0o644))?;
    // Debian's is 0600; Fedora's sshd lets a group read it.
    let mode = stat.st_mode & 0o7777;
    replace(&way.parent.fd, name, &pair.private, owner(mode))
}

fn stat_of(way: &Way) -> std::io::Result<Option<Stat>> {
    Ok(way.found.as_ref().map(|spot| fstat(&spot.fd)).transpose()?)
}

fn ended(name: &OsString, ending: &str) -> OsString {
    let mut name = name.clone();
    name.push(ending);
    name
}

/// Removes a file beside the key, or with no ending the key itself.
fn remove(way: &Way, ending: &str) -> std::io::Result<()> {
    let name = ended(way.name.as_ref().unwrap_or(&OsString::new()), ending);
    match unlinkat(&way.parent.fd, &name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
