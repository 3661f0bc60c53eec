//! Which projects this host knows: each has a directory of its name below the state directory.

use std::fs;
use std::io::ErrorKind;

use super::{Paths, StoreError};
use crate::model::Name;

/// The projects that have a directory, by name. What bears no project's name is somebody else's and passed over.
///
/// # Errors
/// The directory of the projects cannot be listed; that there is none is fine.
pub(super) fn project_names(paths: &Paths) -> Result<Vec<Name>, StoreError> {
    let dir = paths.projects();
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::io("list", &dir)(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry.map_err(StoreError::io("list", &dir))?.file_name();
        names.extend(file.to_str().and_then(|name| Name::new(name).ok()));
    }
    names.sort();
    Ok(names)
}

/// Whether a project has services: those that boot starts.
///
/// # Errors
/// The directory of the projects cannot be listed.
pub fn have_units(paths: &Paths) -> Result<bool, StoreError> {
    let filled = |project: &Name| {
        let dir = fs::read_dir(paths.unit_specs(project));
        dir.is_ok_and(|mut files| files.next().is_some())
    };
    Ok(project_names(paths)?.iter().any(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_are_told_in_order_and_what_is_none_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        assert_eq!(project_names(&paths).unwrap(), []);
        for name in ["web", "app", "No project", ".hidden"] {
            fs::create_dir_all(paths.projects().join(name)).unwrap();
        }
        let names: Vec<String> = project_names(&paths)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["app", "web"]);
        fs::remove_dir_all(paths.projects()).unwrap();
        fs::write(paths.projects(), "").unwrap();
        assert!(project_names(&paths).is_err());
    }
}
