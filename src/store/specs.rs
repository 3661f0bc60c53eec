//! What the services of a project are to be, as it is written beside their unit files.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::model::{Name, UnitSpec};

use super::{Paths, StoreError};

/// The services of `project`. One that is damaged counts as not there, and the next change writes it anew.
///
/// # Errors
/// The directory or a file in it cannot be read.
pub fn load_unit_specs(
    paths: &Paths,
    project: &Name,
) -> Result<BTreeMap<Name, UnitSpec>, StoreError> {
    let dir = paths.unit_specs(project);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => return Err(StoreError::io("list", &dir)(source)),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(StoreError::io("list", &dir))?.path();
        let spec = read(&path)?;
        found.extend(spec.map(|spec| (spec.name.clone(), spec)));
    }
    Ok(found)
}

/// The service of one container, if it has one; damaged as above.
///
/// # Errors
/// Its file cannot be read.
pub fn load_unit_spec(
    paths: &Paths,
    project: &Name,
    container: &Name,
) -> Result<Option<UnitSpec>, StoreError> {
    read(&paths.unit_specs(project).join(format!("{container}.json")))
}

fn read(path: &Path) -> Result<Option<UnitSpec>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(serde_json::from_str(&text).ok()),
        // It was taken away meanwhile, or is none of ours.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::InvalidData | ErrorKind::IsADirectory
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(StoreError::io("read", path)(source)),
    }
}
