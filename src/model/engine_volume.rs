//! Volumes that the engine of application containers keeps, and wishes about mounts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Wishes about one mount that only application containers can have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountOptions {
    /// `rprivate`, `rslave`, …: how mounts below it travel (mount_namespaces(7)).
    pub propagation: Option<String>,
    /// The image's content is not copied to an empty volume.
    pub no_copy: bool,
}

/// A volume that the engine keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineMount {
    /// Which.
    pub volume: EngineVolume,
    /// Absolute path inside.
    pub target: PathBuf,
    /// Whether the container may only read it.
    pub read_only: bool,
    /// The image's content is not copied to an empty one.
    pub no_copy: bool,
}

/// Which volume of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineVolume {
    /// One without a name, of this container alone. Kept when the container is made anew.
    Anonymous,
    /// One that is there already and not of the project, by its name on the host.
    External(String),
    /// One of the project that another driver keeps.
    Driver {
        /// Its name on the host.
        name: String,
        /// `local` or the name of a plugin.
        driver: String,
        /// Options of the driver.
        options: BTreeMap<String, String>,
        /// The user's marks.
        labels: BTreeMap<String, String>,
    },
}
