//! Health checks: a command that says whether a container is ready for others.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{InnerCommand, Name};

/// The key `healthcheck`, as in the Compose Specification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// Runs in the container; exit code 0 means healthy.
    pub test: InnerCommand,
    /// Time between two tries.
    pub interval: Duration,
    /// A try that takes longer has failed.
    pub timeout: Duration,
    /// How many failures in a row mean unhealthy.
    pub retries: u32,
    /// Failures within this time after the start do not count.
    pub start_period: Duration,
}

/// When a dependency counts as there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It has been started.
    Started,
    /// Its health check has passed.
    Healthy,
}

/// One entry of `depends_on`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The container that must be there first.
    pub on: Name,
    /// When it counts as there.
    pub condition: Condition,
}
