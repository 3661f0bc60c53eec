//! From which files a project was brought up last. Without the note nothing is lost: its own directory is looked at.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::Name;

use super::{Paths, StoreError, write_atomic};

/// The files of a project, in the order in which they were merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    /// Project files, absolute.
    pub files: Vec<PathBuf>,
    /// Those of `--env-file`, absolute; none is `.env`.
    #[serde(default)]
    pub env_files: Vec<PathBuf>,
}

/// What was written down of `project`; nothing where that cannot be read.
pub fn load_origins(paths: &Paths, project: &Name) -> Origins {
    let text = fs::read(paths.origins(project)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Writes it down; what says so already is left alone.
///
/// # Errors
/// The file cannot be written.
pub fn save_origins(paths: &Paths, project: &Name, origins: &Origins) -> Result<(), StoreError> {
    if load_origins(paths, project) == *origins {
        return Ok(());
    }
    let path = paths.origins(project);
    let bytes = serde_json::to_vec(origins).map_err(|error| StoreError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    write_atomic(&path, &bytes, 0o600)
}

/// Forgets it; nothing is fine.
///
/// # Errors
/// The file cannot be removed.
pub(super) fn remove_origins(paths: &Paths, project: &Name) -> Result<(), StoreError> {
    let path = paths.origins(project);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StoreError::io("remove", &path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_down_comes_back_and_what_cannot_be_read_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (paths, shop) = (Paths::under(dir.path()), Name::new("shop").unwrap());
        assert_eq!(load_origins(&paths, &shop), Origins::default());
        let origins = Origins {
            files: vec!["/srv/shop/compose.yaml".into(), "/etc/more.yaml".into()],
            env_files: vec!["/etc/shop.env".into()],
        };
        save_origins(&paths, &shop, &origins).unwrap();
        assert_eq!(load_origins(&paths, &shop), origins);
        write_atomic(&paths.origins(&shop), b"{\"files", 0o600).unwrap();
        assert_eq!(load_origins(&paths, &shop), Origins::default());
        remove_origins(&paths, &shop).unwrap();
        remove_origins(&paths, &shop).unwrap();
        assert!(!paths.origins(&shop).exists());
    }
}
