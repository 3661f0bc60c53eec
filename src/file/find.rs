//! Where the project file is.

use std::path::{Path, PathBuf};

use super::LoadError;

/// The names that are looked for, in this order.
pub const NAMES: [&str; 6] = [
    "locker.yaml",
    "locker.yml",
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];

/// Finds the project file: `file` if it is given (below `cwd`; reading it tells whether it is there),
/// else the first of [`NAMES`] in `cwd`, then upwards.
///
/// # Errors
/// [`LoadError::NotFound`] with every directory that was looked at.
pub fn find(cwd: &Path, file: Option<&Path>) -> Result<PathBuf, LoadError> {
    if let Some(file) = file {
        return Ok(cwd.join(file));
    }
    for directory in cwd.ancestors() {
        for name in NAMES {
            let path = directory.join(name);
            if path.is_file() {
                return Ok(path);
            }
        }
    }
    Err(LoadError::NotFound {
        searched: cwd.ancestors().map(Path::to_path_buf).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_file_wins_and_locker_before_compose() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let found = |cwd: &Path| find(cwd, None).ok();
        fs::write(dir.path().join("locker.yml"), "").unwrap();
        assert_eq!(found(&below), Some(dir.path().join("locker.yml")));
        fs::write(dir.path().join("a/docker-compose.yml"), "").unwrap();
        assert_eq!(found(&below), Some(dir.path().join("a/docker-compose.yml")));
        fs::write(dir.path().join("a/locker.yaml"), "").unwrap();
        assert_eq!(found(&below), Some(dir.path().join("a/locker.yaml")));
    }

    #[test]
    fn a_named_file_is_taken_at_its_word() {
        let found = find(Path::new("/srv/shop"), Some(Path::new("x.yaml"))).ok();
        assert_eq!(found, Some(PathBuf::from("/srv/shop/x.yaml")));
    }
}
