//! The project's file in another layout. Needs no root and looks at no container.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::file::{self, LoadError};

use super::{JobError, Setting};

pub use crate::file::convert::{Converted, Target};

/// Reads the project's files and writes them in another layout; none takes the other one.
pub fn convert(setting: &Setting, target: Option<Target>) -> Result<Converted, JobError> {
    Ok(file::convert::convert(&setting.load, target)?)
}

/// Writes a text to a file that is not there yet, or with `replace` in the place of one; all or
/// nothing. A relative path is below the directory that the user stands in.
pub fn write_file(
    setting: &Setting,
    file: &Path,
    text: &str,
    replace: bool,
) -> Result<(), JobError> {
    let path = setting.load.cwd.join(file);
    put(&path, text, replace).map_err(|source| {
        JobError::Load(LoadError::Io {
            verb: "write",
            path: PathBuf::from(file),
            source,
        })
    })
}

fn put(path: &Path, text: &str, replace: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let directory = path.parent().unwrap_or(Path::new("."));
    if !directory.is_dir() {
        let directory = directory.display();
        let reason = format!("there is no directory `{directory}`; make it: mkdir -p {directory}");
        return Err(io::Error::new(io::ErrorKind::NotFound, reason));
    }
    // The umask takes its bits away, as from any file that a user makes.
    let mut temporary = tempfile::Builder::new()
        .prefix(".locker-")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    let kept = if replace {
        temporary.persist(path)
    } else {
        temporary.persist_noclobber(path)
    };
    kept.map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_replaced_only_when_asked_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locker.yaml");
        put(&path, "one", false).unwrap();
        let error = put(&path, "two", false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        let nowhere = put(&dir.path().join("no/x"), "", false).unwrap_err();
        assert!(nowhere.to_string().contains("mkdir -p"), "{nowhere}");
        put(&path, "two", true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
