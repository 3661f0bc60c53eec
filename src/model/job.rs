//! A command that is run in a container of its own: what is written down about it, and what systemd
//! says of it.

use serde::{Deserialize, Serialize};

use super::{Name, escaped_in_unit as escaped};

/// What is written down when such a command begins. Lost, its container is a leftover like any other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Version of this form, 1.
    pub version: u32,
    /// Its id: the short name of its container.
    pub name: Name,
    /// The container of the file whose image and settings it has.
    pub of: Name,
    /// Program and arguments as asked for; empty is what the file or the image says.
    pub argv: Vec<String>,
    /// When it was begun, RFC 3339.
    pub begun: String,
    /// Its container goes with its end.
    pub remove: bool,
    /// It is a transient service; otherwise the engine alone runs it.
    pub unit: bool,
    /// The process that stays with it; none for one that was left to the engine or to systemd.
    pub runner: Option<Runner>,
}

/// A process that cannot be mistaken for a later one of the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    /// Its id.
    pub pid: u32,
    /// When it began, ticks after the host's boot.
    pub started: u64,
}

/// What systemd says of a transient service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobState {
    /// `active`, `activating`, `deactivating`, `failed`.
    pub active: String,
    /// `running`, `exited`, `failed`, …
    pub sub: String,
    /// The exit code of its main process, once it has ended by itself.
    pub code: Option<i32>,
    /// When that was, microseconds since 1970.
    pub ended: Option<u64>,
}

impl JobState {
    /// Whether its main process is still there.
    pub fn runs(&self) -> bool {
        matches!(
            (self.active.as_str(), self.sub.as_str()),
            ("activating" | "deactivating", _) | ("active", "running")
        )
    }
}

/// The transient service of a job.
pub fn job_service_of(project: &Name, job: &Name) -> String {
    format!("locker-{}-run-{}.service", escaped(project), escaped(job))
}
