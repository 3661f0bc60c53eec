//! The files of `secrets` and `configs`: written beside the container, mounted into it read-only.
//!
//! They are there before the container is made and go with it. Their content is in no mark, no label
//! and no message. Only root can reach them on the host; inside, owner and mode are the file's.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::site::io;
use crate::backend::BackendError;
use crate::model::InnerFile;

/// The directory of a container's files.
fn dir(home: &Path) -> PathBuf {
    home.join("files")
}

/// Where the content of a container's file with this number is.
pub(super) fn path(home: &Path, number: usize) -> PathBuf {
    dir(home).join(number.to_string())
}

/// Writes all files of a container that is to be made.
pub(super) fn create(home: &Path, files: &[InnerFile]) -> Result<(), BackendError> {
    if files.is_empty() {
        return Ok(());
    }
    let dir = dir(home);
    fs::create_dir(&dir).map_err(io("create", &dir))?;
    for (number, file) in files.iter().enumerate() {
        let path = path(home, number);
        write(&path, file).map_err(io("write", &path))?;
    }
    Ok(())
}

/// The place is new and nobody's yet, so the file need not be replaced. Its mode comes last: nobody
/// sees the content before the owner is right.
fn write(path: &Path, file: &InnerFile) -> std::io::Result<()> {
    let mut made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    made.write_all(&file.content.0)?;
    chown(path, Some(file.uid), Some(file.gid))?;
    made.set_permissions(fs::Permissions::from_mode(file.mode & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    #[test]
    fn files_have_their_content_and_their_mode() {
        let home = tempfile::tempdir().unwrap();
        let owner = rustix::process::geteuid().as_raw();
        let file = |mode, text: &str| InnerFile {
            target: "/run/secrets/a".into(),
            uid: owner,
            gid: rustix::process::getegid().as_raw(),
            mode,
            digest: String::new(),
            origin: Default::default(),
            content: Secret(text.into()),
        };
        create(home.path(), &[file(0o400, "one"), file(0o644, "two")]).unwrap();
        for (number, mode, text) in [(0, 0o400, "one"), (1, 0o644, "two")] {
            let path = path(home.path(), number);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            let found = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o7777, mode);
        }
    }
}
