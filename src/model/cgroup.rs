//! Limits: cgroup keys and values, and what the host's cgroup layout calls them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One `key=value` of `cgroup`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Limit {
    /// File name in the cgroup directory (`memory.max`, `cpuset.cpus`, …).
    pub key: String,
    /// What is written to it.
    pub value: String,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// Which cgroup hierarchy holds a controller on this host (cgroups(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupVersion {
    /// A v1 hierarchy.
    V1,
    /// The unified hierarchy.
    V2,
}
