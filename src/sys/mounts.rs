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

fn points(text: &[u8]) -> BTreeSet<PathBuf> {
    let lines = text.split(|byte| *byte == b'\n');
    let fields = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    fields.map(|field| PathBuf::from(plain(field))).collect()
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
