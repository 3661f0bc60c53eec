//! Whether a directory has files in YAML.

use std::io::ErrorKind;
use std::path::Path;

/// Whether `directory` has a file in YAML, or cannot be looked at and so may have one.
pub fn has_yaml(directory: &Path) -> bool {
    let is_file = |path: &Path| {
        let ending = path.extension().unwrap_or_default();
        (ending == "yaml" || ending == "yml") && path.is_file()
    };
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.flatten().any(|entry| is_file(&entry.path())),
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}
