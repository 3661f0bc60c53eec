//! On which file system the sources of a container's mounts were when it was last made sure of: without
//! that one it must not start, and nothing may be made in its place on the disk below.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::model::Name;

use super::{Paths, StoreError, write_atomic};

/// Of each container, the mount point for each path of the host that is mounted into it. What was on the
/// root file system is left out.
pub type Sources = BTreeMap<Name, BTreeMap<PathBuf, PathBuf>>;

/// What was written down of `project`.
///
/// # Errors
/// The file cannot be read or is damaged.
pub fn load_sources(paths: &Paths, project: &Name) -> Result<Sources, StoreError> {
    let path = paths.sources(project);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Sources::new()),
        Err(source) => return Err(StoreError::io("read", &path)(source)),
    };
    serde_json::from_str(&text).map_err(|error| StoreError::Damaged {
        path,
        reason: error.to_string(),
    })
}

/// Writes it down; without anything the file goes. One that says so already is left alone.
///
/// # Errors
/// The file cannot be written or removed.
pub fn save_sources(paths: &Paths, project: &Name, sources: &Sources) -> Result<(), StoreError> {
    let path = paths.sources(project);
    // What cannot be read is written anew.
    if load_sources(paths, project).is_ok_and(|old| old == *sources) {
        return Ok(());
    }
    if sources.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StoreError::io("remove", &path)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        };
    }
    let bytes = serde_json::to_vec(sources).map_err(|error| StoreError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    write_atomic(&path, &bytes, 0o600)
}

/// Those of `sources` whose file system is not mounted; `points` are the mount points that there are.
pub fn unmounted(sources: &Sources, points: &BTreeSet<PathBuf>) -> Sources {
    let gone = |of: &BTreeMap<PathBuf, PathBuf>| {
        let gone = of.iter().filter(|(_, point)| !points.contains(*point));
        gone.map(|(path, point)| (path.clone(), point.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    let all = sources.iter().map(|(name, of)| (name.clone(), gone(of)));
    all.filter(|(_, gone)| !gone.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_on_a_file_system_that_is_not_mounted_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let (shop, web) = (Name::new("shop").unwrap(), Name::new("web").unwrap());
        assert!(load_sources(&paths, &shop).unwrap().is_empty());
        let of = [("/mnt/nas/a".into(), "/mnt/nas".into())];
        let sources: Sources = [(web, of.into())].into();
        save_sources(&paths, &shop, &sources).unwrap();
        assert_eq!(load_sources(&paths, &shop).unwrap(), sources);
        let mounted = [PathBuf::from("/"), "/mnt/nas".into()].into();
        assert!(unmounted(&sources, &mounted).is_empty());
        assert_eq!(unmounted(&sources, &[PathBuf::from("/")].into()), sources);
        save_sources(&paths, &shop, &Sources::new()).unwrap();
        assert!(!paths.sources(&shop).exists());
    }
}
