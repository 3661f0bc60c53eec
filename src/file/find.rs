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

/// Finds the project file: `file` if it is given (below `cwd`), else the first of [`NAMES`] in
/// `cwd`, then upwards.
///
/// # Errors
/// [`LoadError::NotFound`] with every directory that was looked at.
pub fn find(cwd: &Path, file: Option<&Path>) -> Result<PathBuf, LoadError> {
    if let Some(file) = file {
        let path = cwd.join(file);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(LoadError::NotFound {
                searched: vec![path],
            })
        };
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
    fn a_file_that_is_not_there_is_an_error_that_says_where_it_was_sought() {
        let dir = tempfile::tempdir().unwrap();
        let error = find(dir.path(), Some(Path::new("x.yaml"))).unwrap_err();
        assert!(error.to_string().contains("x.yaml"), "{error}");
    }
}
