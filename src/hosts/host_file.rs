//! The hosts file of the host itself: read, and replaced as a whole with its owner and mode.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{HostsError, read_block, replace_block};
use crate::model::HostsLine;

/// A hosts file of the host itself, `/etc/hosts`.
#[derive(Clone, Debug)]
pub struct HostsFile {
    path: PathBuf,
}

impl HostsFile {
    /// The file at `path`; it may be a symbolic link or a mount of a single file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The lines of the block of `tag`; none when there is no block or no file.
    pub async fn read(&self, tag: &str) -> Result<Option<Vec<HostsLine>>, HostsError> {
        Ok(read_block(&self.text()?, tag))
    }

    /// Puts `lines` into the block of `tag`; no lines remove it. Writes only when something changes.
    pub async fn write(&self, tag: &str, lines: &[HostsLine]) -> Result<(), HostsError> {
        let old = self.text()?;
        let new = replace_block(&old, tag, lines)?;
        if new == old {
            return Ok(());
        }
        let path = match fs::canonicalize(&self.path) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.path.clone(),
            Err(source) => return Err(self.error("resolve", source)),
        };
        put(&path, &new).map_err(|source| self.error("write", source))
    }

    fn text(&self) -> Result<String, HostsError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(self.error("read", source)),
        }
    }

    fn error(&self, verb: &'static str, source: io::Error) -> HostsError {
        HostsError::Io {
            verb,
            path: self.path.clone(),
            source,
        }
    }
}

/// Replaces the file with its owner and mode; a file that is a mount point cannot be renamed over
/// (EBUSY, rename(2)) and is written in place.
fn put(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new()
        .prefix(".locker-hosts-")
        .tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    let mode = match fs::metadata(path) {
        Ok(old) => {
            std::os::unix::fs::fchown(file.as_file(), Some(old.uid()), Some(old.gid()))?;
            old.mode() & 0o7777
        }
        Err(_) => 0o644,
    };
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    match file.persist(path) {
        Ok(_) => fs::File::open(dir)?.sync_all(),
        Err(error) if error.error.kind() == io::ErrorKind::ResourceBusy => {
            let mut old = OpenOptions::new().write(true).truncate(true).open(path)?;
            old.write_all(text.as_bytes())?;
            old.sync_all()
        }
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<HostsLine> {
        vec![HostsLine {
            address: "10.77.0.2".parse().unwrap(),
            names: vec!["db".into()],
        }]
    }

    #[tokio::test]
    async fn the_file_keeps_its_mode_and_a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("hosts"));
        fs::write(&real, "127.0.0.1 localhost\n").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        let file = HostsFile::new(&link);
        assert_eq!(file.read("shop").await.unwrap(), None);
        file.write("shop", &lines()).await.unwrap();
        assert_eq!(file.read("shop").await.unwrap(), Some(lines()));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
        file.write("shop", &[]).await.unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "127.0.0.1 localhost\n");
    }
}
