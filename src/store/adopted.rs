//! Volumes of docker compose that a project has taken over.
//!
//! The engine cannot change the labels of a volume, so what was taken over is only written down here. It
//! outlives `down`, as the volumes do. Without the file they are somebody else's again, and are never removed.

use std::fs;
use std::io::ErrorKind;

use crate::model::Name;
use crate::observed::Adopted;

use super::{Paths, StoreError, write_atomic};

/// The form that this program writes, and the newest that it reads.
pub const ADOPTED_VERSION: u32 = 1;

/// What `project` has taken over.
///
/// # Errors
/// The file cannot be read, is damaged, or a newer locker wrote it.
pub fn load_adopted(paths: &Paths, project: &Name) -> Result<Adopted, StoreError> {
    let path = paths.adopted(project);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Adopted::default()),
        Err(source) => return Err(StoreError::io("read", &path)(source)),
    };
    let read: Adopted = serde_json::from_slice(&bytes).map_err(|error| StoreError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    if read.version == 0 {
        return Err(StoreError::Damaged {
            path,
            reason: "it has no version".into(),
        });
    }
    if read.version > ADOPTED_VERSION {
        return Err(StoreError::Newer {
            path,
            version: read.version.into(),
            known: ADOPTED_VERSION,
        });
    }
    Ok(read)
}

/// Writes down what `project` has taken over; nothing removes the file.
///
/// # Errors
/// The file cannot be written or removed.
pub fn save_adopted(paths: &Paths, project: &Name, adopted: &Adopted) -> Result<(), StoreError> {
    let path = paths.adopted(project);
    if adopted.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StoreError::io("remove", &path)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        };
    }
    let written = Adopted {
        version: ADOPTED_VERSION,
        ..adopted.clone()
    };
    let bytes = serde_json::to_vec_pretty(&written).map_err(|error| StoreError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    write_atomic(&path, &bytes, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_over_comes_back_and_goes_with_the_last_volume() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let shop = Name::new("shop").unwrap();
        assert_eq!(load_adopted(&paths, &shop).unwrap(), Adopted::default());
        let mut adopted = Adopted::default();
        adopted.volumes.insert("shop_data".into());
        let web = adopted
            .unnamed
            .entry(Name::new("web").unwrap())
            .or_default();
        web.insert("/cache".into(), "0a".repeat(32));
        save_adopted(&paths, &shop, &adopted).unwrap();
        let back = load_adopted(&paths, &shop).unwrap();
        assert_eq!(
            (&back.volumes, &back.unnamed),
            (&adopted.volumes, &adopted.unnamed)
        );
        let mut less = back;
        less.forget("shop_data");
        less.forget(&"0a".repeat(32));
        save_adopted(&paths, &shop, &less).unwrap();
        assert!(!paths.adopted(&shop).exists());
        fs::write(paths.adopted(&shop), "{\"version\": 9}").unwrap();
        assert!(matches!(
            load_adopted(&paths, &shop),
            Err(StoreError::Newer { .. })
        ));
        for text in ["", "{", "{}", "[]", "\0\0"] {
            fs::write(paths.adopted(&shop), text).unwrap();
            let said = load_adopted(&paths, &shop).unwrap_err().to_string();
            assert!(said.contains("adopted.json` is damaged"), "{said}");
        }
    }
}
