//! Kernel settings of the whole host: changed only when needed, remembered, and given back.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::NetworkError;
use crate::store::{Paths, StoreError, write_atomic};

const ENGINE_BRIDGE: &str = "/sys/class/net/docker0";
const FORWARD4: &str = "/proc/sys/net/ipv4/ip_forward";
const FORWARD6: &str = "/proc/sys/net/ipv6/conf/all/forwarding";
const CONF6: &str = "/proc/sys/net/ipv6/conf";

/// A setting that we changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Changed {
    before: String,
    ours: String,
}

/// What was changed, by path. Whoever uses it holds the host's lock.
#[derive(Debug)]
pub(super) struct Settings {
    file: PathBuf,
    changed: BTreeMap<String, Changed>,
}

impl Settings {
    pub(super) fn load(paths: &Paths) -> Result<Self, NetworkError> {
        let file = paths.settings();
        let changed = match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| StoreError::Damaged {
                path: file.clone(),
                reason: error.to_string(),
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(StoreError::io("read", &file)(source).into()),
        };
        Ok(Self { file, changed })
    }

    /// Turns forwarding on for both families.
    ///
    /// A host that forwards IPv6 ignores router advertisements unless `accept_ra` is 2
    /// (ip-sysctl in the kernel's documentation), so interfaces that heed them are set to 2 first:
    /// else the host would lose its default route.
    pub(super) fn forward(&mut self) -> Result<(), NetworkError> {
        self.set(FORWARD4, "1")?;
        if !Path::new(FORWARD6).exists() || read(FORWARD6)? == "1" {
            return Ok(());
        }
        let entries = fs::read_dir(CONF6).map_err(|source| NetworkError::Setting {
            verb: "read",
            path: CONF6.into(),
            source,
        })?;
        for entry in entries.flatten() {
            let path = entry.path().join("accept_ra").display().to_string();
            // An interface may go while we look.
            if read(&path).is_ok_and(|value| value == "1") {
                self.set(&path, "2")?;
            }
        }
        self.set(FORWARD6, "1")
    }

    /// Gives every setting back that still is as we set it; what somebody else changed since stays.
    pub(super) fn restore(self) -> Result<(), NetworkError> {
        // Forwarding goes off before `accept_ra` goes back, for the reason it was set first.
        let (forward, rest): (Vec<_>, Vec<_>) = self
            .changed
            .iter()
            .partition(|(path, _)| path.as_str() == FORWARD4 || path.as_str() == FORWARD6);
        for (path, changed) in forward.into_iter().chain(rest) {
            // After a boot locker may have been the first to ask for forwarding; an engine that came later
            // found it on, and its own containers need it.
            if path.as_str() == FORWARD4 && Path::new(ENGINE_BRIDGE).exists() {
                continue;
            }
            // The interface may be gone.
            if read(path).is_ok_and(|value| value == changed.ours) {
                write(path, &changed.before)?;
            }
        }
        match fs::remove_file(&self.file) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(StoreError::io("remove", &self.file)(source).into()),
        }
    }

    /// Remembered before it is done: a run that is killed in between restores what never changed.
    fn set(&mut self, path: &str, value: &str) -> Result<(), NetworkError> {
        let before = read(path)?;
        if before == value {
            return Ok(());
        }
        let before = match self.changed.get(path) {
            Some(earlier) => earlier.before.clone(),
            None => before,
        };
        let ours = value.to_string();
        self.changed.insert(path.into(), Changed { before, ours });
        let bytes =
            serde_json::to_vec_pretty(&self.changed).map_err(|error| StoreError::Damaged {
                path: self.file.clone(),
                reason: error.to_string(),
            })?;
        write_atomic(&self.file, &bytes, 0o600)?;
        write(path, value)
    }
}

fn read(path: &str) -> Result<String, NetworkError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_string()),
        Err(source) => Err(NetworkError::Setting {
            verb: "read",
            path: path.into(),
            source,
        }),
    }
}

fn write(path: &str, value: &str) -> Result<(), NetworkError> {
    fs::write(path, value).map_err(|source| NetworkError::Setting {
        verb: "write",
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(dir: &Path) -> Settings {
        Settings::load(&Paths::under(dir)).unwrap()
    }

    #[test]
    fn a_setting_comes_back_as_it_was_before_the_first_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x").display().to_string();
        fs::write(&path, "0\n").unwrap();
        settings(dir.path()).set(&path, "1").unwrap();
        settings(dir.path()).set(&path, "2").unwrap();
        assert_eq!(read(&path).unwrap(), "2");
        settings(dir.path()).restore().unwrap();
        assert_eq!(read(&path).unwrap(), "0");
        assert!(settings(dir.path()).changed.is_empty());
    }

    #[test]
    fn what_somebody_else_changed_since_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x").display().to_string();
        fs::write(&path, "0\n").unwrap();
        settings(dir.path()).set(&path, "1").unwrap();
        fs::write(&path, "7").unwrap();
        settings(dir.path()).restore().unwrap();
        assert_eq!(read(&path).unwrap(), "7");
    }
}
