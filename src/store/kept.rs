//! What a project has in the kernel, as the last change left it: for the service that keeps it there.
//!
//! It is a note for putting things back, never the truth about what is there, and never a wish: what
//! somebody takes out with locker is taken out of it too.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use crate::model::{FirewallChoice, Name, NetworkRules, PortRule, Seat, Subnets};

use super::projects::project_names;
use super::{Paths, StoreError, write_atomic};

/// The form that this program writes, and the newest that it reads.
pub const KEPT_VERSION: u32 = 1;

/// Bridges and rules of one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// [`KEPT_VERSION`].
    pub version: u32,
    /// The firewall that holds the rules; never `auto`.
    pub firewall: FirewallChoice,
    /// Bridges by name.
    pub bridges: BTreeMap<String, KeptBridge>,
    /// Network rules.
    pub networks: Vec<NetworkRules>,
    /// Port rules.
    pub rules: Vec<PortRule>,
    /// The containers' cards, and where each belongs.
    #[serde(default)]
    pub cards: Vec<Seat>,
}

/// A bridge that is to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBridge {
    /// Its subnets; it holds the first address of each.
    pub subnets: Subnets,
    /// The engine has a network on it and may have made it without our mark.
    pub adopt: bool,
    /// The longest packet that it takes, bytes; none when nobody has said.
    #[serde(default)]
    pub mtu: Option<u32>,
}

impl Kept {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.bridges.is_empty() && self.networks.is_empty() && self.rules.is_empty()
    }
}

/// What `project` keeps; none when it keeps nothing.
///
/// # Errors
/// The file cannot be read, is damaged or of a newer locker.
pub fn load_kept(paths: &Paths, project: &Name) -> Result<Option<Kept>, StoreError> {
    let path = paths.kept(project);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::IsADirectory | ErrorKind::InvalidData
            ) =>
        {
            return Err(StoreError::Damaged {
                path,
                reason: error.to_string(),
            });
        }
        Err(source) => return Err(StoreError::io("read", &path)(source)),
    };
    let damaged = |reason: String| StoreError::Damaged {
        path: path.clone(),
        reason,
    };
    // The version is looked at before the rest: a newer form may hold anything else.
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    match value["version"].as_u64() {
        Some(version) if version > u64::from(KEPT_VERSION) => Err(StoreError::Newer {
            path: path.clone(),
            version,
            known: KEPT_VERSION,
        }),
        Some(_) => serde_json::from_value(value).map_err(|error| damaged(error.to_string())),
        None => Err(damaged("it has no version".into())),
    }
}

/// Writes what `project` keeps; without anything the file goes. One that says so already is left alone.
///
/// # Errors
/// The file cannot be written or removed.
pub fn save_kept(paths: &Paths, project: &Name, kept: &Kept) -> Result<(), StoreError> {
    let path = paths.kept(project);
    if kept.is_empty() {
        return match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(StoreError::io("remove", &path)(source)),
        };
    }
    // What cannot be read is written anew.
    if load_kept(paths, project).is_ok_and(|old| old.as_ref() == Some(kept)) {
        return Ok(());
    }
    let bytes = serde_json::to_vec(kept).map_err(|error| StoreError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    write_atomic(&path, &bytes, 0o600)
}

/// The projects that keep anything.
///
/// # Errors
/// The directory of the projects cannot be listed.
pub fn kept_projects(paths: &Paths) -> Result<Vec<Name>, StoreError> {
    let mut projects = project_names(paths)?;
    projects.retain(|name| paths.kept(name).exists());
    Ok(projects)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let subnets = Subnets::new("10.77.0.0/24".parse().unwrap(), "fd77::/64".parse().ok());
        let (adopt, mtu) = (true, Some(1400));
        Kept {
            version: KEPT_VERSION,
            firewall: FirewallChoice::Nftables,
            bridges: [(
                "lk-shop".to_string(),
                KeptBridge {
                    subnets,
                    adopt,
                    mtu,
                },
            )]
            .into(),
            networks: Vec::new(),
            rules: Vec::new(),
            cards: Vec::new(),
        }
    }

    #[test]
    fn it_comes_back_as_it_was_saved_and_goes_with_the_last_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let shop = Name::new("shop").unwrap();
        assert_eq!(load_kept(&paths, &shop).unwrap(), None);
        save_kept(&paths, &shop, &kept()).unwrap();
        assert_eq!(load_kept(&paths, &shop).unwrap(), Some(kept()));
        assert_eq!(kept_projects(&paths).unwrap(), std::slice::from_ref(&shop));
        let mut empty = kept();
        empty.bridges.clear();
        save_kept(&paths, &shop, &empty).unwrap();
        save_kept(&paths, &shop, &empty).unwrap();
        assert_eq!(kept_projects(&paths).unwrap(), []);
    }

    #[test]
    fn what_is_damaged_or_newer_is_refused_and_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let shop = Name::new("shop").unwrap();
        for (text, word) in [
            ("{", "damaged"),
            ("{}", "no version"),
            ("{\"version\": 2}", "newer"),
        ] {
            write_atomic(&paths.kept(&shop), text.as_bytes(), 0o600).unwrap();
            let error = load_kept(&paths, &shop).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        save_kept(&paths, &shop, &kept()).unwrap();
        assert_eq!(load_kept(&paths, &shop).unwrap(), Some(kept()));
    }
}
