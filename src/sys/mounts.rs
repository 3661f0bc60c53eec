//! Where file systems are mounted (proc_pid_mountinfo(5)).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The mount points that this process sees.
///
/// # Errors
/// The kernel does not tell them.
pub fn mount_points() -> io::Result<BTreeSet<PathBuf>> {
    mount_points_of(Path::new("/proc/self"))
}

/// The mount points that the process of a directory below `/proc` sees.
///
/// # Errors
/// The kernel does not tell them.
pub fn mount_points_of(process: &Path) -> io::Result<BTreeSet<PathBuf>> {
    Ok(points(&std::fs::read(process.join("mountinfo"))?))
}

/// The mount point, of those in `points`, of the file system on which `path` lies, through all links.
///
/// # Errors
/// The path is not there or cannot be looked at.
pub fn mount_point_of(path: &Path, points: &BTreeSet<PathBuf>) -> io::Result<PathBuf> {
    let real = path.canonicalize()?;
    let mut above = real.ancestors();
    let point = above.find(|dir| points.contains(*dir));
    Ok(point.unwrap_or(Path::new("/")).into())
}

/// Whether a process with mounts of its own has `path`, or something below it, mounted anywhere: a container, as a rule.
///
/// # Errors
/// The path is not there, or the kernel does not tell the mounts.
pub fn is_mounted_by_others(path: &Path) -> io::Result<bool> {
    let own = std::fs::read("/proc/self/mountinfo")?;
    let real = path.canonicalize()?;
    let Some((device, wanted)) = source_of(&real, &own) else {
        return Ok(false);
    };
    let mut seen = BTreeSet::from([namespace(Path::new("/proc/self"))]);
    for process in std::fs::read_dir("/proc")?.flatten() {
        let process = process.path();
        // What has ended meanwhile, and what is no process, has none.
        let space = namespace(&process);
        if space.is_none() || !seen.insert(space) {
            continue;
        }
        let text = std::fs::read(process.join("mountinfo")).unwrap_or_default();
        let mut mounts = text.split(|byte| *byte == b'\n').filter_map(source);
        if mounts.any(|(on, from)| on == device && from.starts_with(&wanted)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The mount namespace of a process.
fn namespace(process: &Path) -> Option<PathBuf> {
    std::fs::read_link(process.join("ns/mnt")).ok()
}

/// The file system of a real path, and where the path is in it.
fn source_of(real: &Path, text: &[u8]) -> Option<(OsString, PathBuf)> {
    let lines = text.split(|byte| *byte == b'\n');
    let mounts = lines.filter_map(|line| Some((point(line)?, source(line)?)));
    // The last of two mounts on one place is the one that is seen.
    let above = mounts.filter(|(point, _)| real.starts_with(point));
    let (point, (device, root)) = above.max_by_key(|(point, _)| point.components().count())?;
    let below = real.strip_prefix(&point).ok()?;
    Some((device, root.join(below)))
}

/// Of a line: the device of the file system, and what of it is mounted.
fn source(line: &[u8]) -> Option<(OsString, PathBuf)> {
    let mut fields = line.split(|byte| *byte == b' ').skip(2);
    let device = fields.next()?;
    Some((plain(device), plain(fields.next()?).into()))
}

fn point(line: &[u8]) -> Option<PathBuf> {
    let field = line.split(|byte| *byte == b' ').nth(4)?;
    Some(plain(field).into())
}

fn points(text: &[u8]) -> BTreeSet<PathBuf> {
    text.split(|byte| *byte == b'\n')
        .filter_map(point)
        .collect()
}

/// Blanks, tabs, line breaks and backslashes are written as a backslash and three octal digits.
fn plain(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..3).filter(|_| *first == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[3..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_on_the_deepest_file_system_above_it() {
        let text = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            30 22 0:25 / /mnt/my\\040nas rw shared:9 - nfs4 nas:/x rw\n\
            31 22 0:26 / /mnt/a\\134b rw - tmpfs tmpfs rw\n";
        let points = points(text);
        let all: Vec<&str> = points.iter().filter_map(|point| point.to_str()).collect();
        assert_eq!(all, ["/", "/mnt/a\\b", "/mnt/my nas"]);
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let deep = home.join("disk/deep");
        std::fs::create_dir_all(&deep).unwrap();
        std::os::unix::fs::symlink(&deep, home.join("link")).unwrap();
        let points = [PathBuf::from("/"), home.join("disk")].into();
        let of = |path: &str| mount_point_of(&home.join(path), &points).unwrap();
        assert_eq!(of("disk/deep"), home.join("disk"));
        assert_eq!(of("link"), home.join("disk"));
        assert_eq!(of("."), Path::new("/"));
        assert!(mount_point_of(&home.join("none"), &points).is_err());
    }
}
