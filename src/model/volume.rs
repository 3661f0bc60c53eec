//! Volumes: a host directory or file that a container sees at a path of its own.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Name;

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeSource {
    /// An absolute path of the host. Never removed by locker.
    Host(PathBuf),
    /// A named volume of the project, kept under the state directory.
    Named(Name),
}

/// One volume of a container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Volume {
    /// What is mounted.
    pub source: VolumeSource,
    /// Absolute, normalised path in the container, never `/`.
    pub target: PathBuf,
    /// Whether the container may only read it.
    #[serde(default)]
    pub read_only: bool,
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            VolumeSource::Host(path) => write!(f, "{}", path.display())?,
            VolumeSource::Named(name) => write!(f, "{name}")?,
        }
        write!(
            f,
            ":{}{}",
            self.target.display(),
            if self.read_only { ":ro" } else { "" }
        )
    }
}
