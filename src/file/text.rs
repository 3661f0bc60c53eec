//! The texts of files that a project file names: regular files of bounded length only, since a
//! device or pipe would never end.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::tree::MAX_BYTES;

/// Reads a text of at most [`MAX_BYTES`].
///
/// # Errors
/// What the system says, or that it is no regular file, too long or not UTF-8.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let bytes = read_bytes(path, MAX_BYTES)?;
    let refused = |_| io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8");
    String::from_utf8(bytes).map_err(refused)
}

/// Reads at most `most` bytes.
///
/// # Errors
/// What the system says, or that it is no regular file or too long.
pub(super) fn read_bytes(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let refused = |reason| io::Error::new(io::ErrorKind::InvalidInput, reason);
    // Asked before it is opened: opening a pipe waits for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(refused("not a regular file"));
    }
    let mut bytes = Vec::new();
    let limit = most as u64 + 1;
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(refused("the file is too long"));
    }
    Ok(bytes)
}

/// Where a file lies: its directory without links, and its own name in it. A file that is a link is
/// read where it leads, but what is relative to it is beside the link.
///
/// # Errors
/// What the system says; also when the file is not there.
pub(super) fn place_of(path: &Path) -> io::Result<PathBuf> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return path.canonicalize();
    };
    fs::metadata(path)?;
    let directory = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    Ok(directory.canonicalize()?.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_of_bounded_length_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "text").unwrap();
        assert_eq!(read(&path).unwrap(), "text");
        fs::write(&path, vec![b'x'; MAX_BYTES + 1]).unwrap();
        for bad in [Path::new("/dev/zero"), dir.path(), &path] {
            assert_eq!(read(bad).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
