//! systemd: the containers of a project as units, over D-Bus.
//!
//! A project is a target and a slice, each group a target, each container a service whose main process
//! is `locker __supervise`. This room renders and writes unit files, talks to the manager and reads the
//! journal; it decides nothing and never touches a unit file without our mark.

mod dbus;
mod drop_ins;
mod files;
mod journal;
mod kept;
mod left_over;
pub mod names;
mod none;
mod printed;
mod render;
mod sandbox;
#[cfg(test)]
mod tests;
mod write;

#[cfg(test)]
pub(crate) use tests::unit as a_unit;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::model::{JobState, Name, Port, PortRule, PortTaken, Supervisor, UnitState, UnitsChange};
use crate::observed::ObservedUnits;
use crate::store::{LockError, Paths, StoreError};

pub use dbus::Systemd;
pub use journal::{JournalReader, PrintedStream, Span};
pub use none::NoUnits;
pub use printed::{Dropped, Printed};

/// What becomes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// It is started, with what it requires.
    Start,
    /// It is stopped, if it runs, and started.
    Restart,
    /// It is started, and nothing else; what it requires may not run.
    StartAlone,
    /// It is stopped, and it alone.
    Stop,
}

/// The end of a job that is queued.
pub type Queued<'a> = BoxFuture<'a, Result<(), UnitsError>>;

/// The manager of units.
#[async_trait]
pub trait Units: Send + Sync {
    /// What is there. Called before every plan and after every change.
    async fn observe(&self, project: &Name) -> Result<ObservedUnits, UnitsError>;

    /// Whether [`Self::write`] could write these files: changes nothing.
    ///
    /// # Errors
    /// A file where one of ours belongs is somebody else's, or a value cannot stand in a unit file.
    fn check(&self, change: &UnitsChange) -> Result<(), UnitsError>;

    /// Writes, removes and enables files, all or nothing, and lets systemd read them once. Ports are opened under
    /// the host's lock, and only where neither one of `rules` nor another project has them.
    async fn write(&self, change: &UnitsChange, rules: &dyn Rules) -> Result<(), UnitsError>;

    /// Queues a job for a container's service and waits until it is done. A start is done when the
    /// container is ready. The error of a failed start tells the service's result and its last words.
    async fn run(&self, project: &Name, name: &Name, job: Job) -> Result<(), UnitsError>;

    /// As [`Self::run`], and returns as soon as the job is queued; what it returns waits for its end.
    async fn queue<'a>(
        &'a self,
        project: &Name,
        name: &Name,
        job: Job,
    ) -> Result<Queued<'a>, UnitsError>;

    /// `active` and `sub` of a container's service, for one question.
    async fn brief(&self, project: &Name, name: &Name) -> Result<UnitState, UnitsError>;

    /// The states of the services of `names`, in full; [`Self::observe`] tells `active` and `sub` alone.
    async fn states(
        &self,
        project: &Name,
        names: &BTreeSet<Name>,
    ) -> Result<BTreeMap<Name, UnitState>, UnitsError>;

    /// Forgets failures and their counts, so that a start by hand is a new one.
    async fn reset(&self, project: &Name, name: &Name) -> Result<(), UnitsError>;

    /// Programs that are run once.
    fn jobs(&self) -> &dyn Jobs;
}

/// The port rules of all projects, for whoever is to hold ports beside them.
#[async_trait]
pub trait Rules: Send + Sync {
    /// Those that are in place now.
    ///
    /// # Errors
    /// Why they cannot be read, in words.
    async fn in_place(&self) -> Result<Vec<PortRule>, String>;
}

/// Programs that are run once, as transient services of a project's slice.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Starts one and returns when it says that it is ready. Its exit code stays known until
    /// [`Self::forget`].
    async fn start(&self, job: &TransientJob) -> Result<(), UnitsError>;

    /// What is known of `jobs`; one that is not known (any more) is left out.
    async fn states(
        &self,
        project: &Name,
        jobs: &BTreeSet<Name>,
    ) -> Result<BTreeMap<Name, JobState>, UnitsError>;

    /// Stops one that runs and forgets it; an absent one is fine. What systemd has made by itself for the
    /// last of a project without units goes too.
    async fn forget(&self, project: &Name, job: &Name) -> Result<(), UnitsError>;
}

/// A program that is run once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransientJob {
    /// The project.
    pub project: Name,
    /// What tells it from the project's others.
    pub id: Name,
    /// For people.
    pub description: String,
    /// Program, an absolute path, and arguments. It says READY (sd_notify(3)).
    pub argv: Vec<String>,
    /// What ends it.
    pub stop: Vec<String>,
    /// How long that may take.
    pub grace: Duration,
    /// What its output is called in the journal.
    pub identifier: String,
}

/// The manager that was asked for: systemd where it runs the host, else one that has nothing.
///
/// Nothing is connected here.
///
/// # Errors
/// [`UnitsError::Absent`] when systemd is asked for by name and does not run this host.
pub fn open(choice: Supervisor, paths: &Paths) -> Result<Box<dyn Units>, UnitsError> {
    let runs = runs();
    match choice {
        Supervisor::None => Ok(Box::new(NoUnits)),
        Supervisor::Auto if !runs => Ok(Box::new(NoUnits)),
        Supervisor::Systemd if !runs => Err(UnitsError::Absent),
        Supervisor::Auto | Supervisor::Systemd => Ok(Box::new(Systemd::new(paths))),
    }
}

/// Whether systemd runs this host: sd_booted(3).
pub fn runs() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Why units could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum UnitsError {
    /// systemd does not run this host.
    #[error(
        "`supervisor: systemd` needs systemd as the host's first process, and `/run/systemd/system` is not there"
    )]
    Absent,
    /// The manager cannot be reached or refused.
    #[error("cannot {verb} `{unit}` over D-Bus: {reason}")]
    Bus {
        /// `start`, `stop`, `read`, `reload`, …
        verb: &'static str,
        /// The unit, or what else it is about.
        unit: String,
        /// The manager's or the bus's word.
        reason: String,
    },
    /// A job of a unit failed.
    #[error("`{unit}` did not {verb}: {result}{}", said(.status))]
    Job {
        /// `start` or `stop`.
        verb: &'static str,
        /// The unit.
        unit: String,
        /// `failed`, `timeout`, `dependency`, `canceled`, and the unit's own result.
        result: String,
        /// What its supervisor said last.
        status: String,
    },
    /// A job of a unit does not end.
    #[error(
        "`{unit}` does not {verb} within {seconds} s; `systemctl list-jobs` and `systemctl status {unit}` tell what it waits for"
    )]
    Late {
        /// `start` or `stop`.
        verb: &'static str,
        /// The unit.
        unit: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A file where one of ours belongs is not ours.
    #[error(
        "`{}` is not locker's (its first line is not `# locker:{project}…`), and a unit of this project has its name; \
         see `systemctl cat {}`, then move it away or choose another name", path.display(), unit_of(path)
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The project that wants it.
        project: String,
    },
    /// The host's network service serves the projects of another state directory.
    #[error(
        "`locker-network.service` puts back the ports and bridges of the projects in `{}`, and this one would be kept in `{}`: \
         a host boots the projects of one state directory; use that one (`--state-dir`), write `supervisor: none` into the \
         file of this project, or take down those projects first", there.display(), here.display()
    )]
    OtherState {
        /// What this run keeps its projects in.
        here: PathBuf,
        /// What that service serves.
        there: PathBuf,
    },
    /// A value cannot stand in a unit file.
    #[error(
        "`{0}` cannot stand in a unit file: it holds a control character or is no absolute path"
    )]
    Control(String),
    /// A template of ours is broken.
    #[error("a unit template has no value for `{0}`")]
    Template(String),
    /// Another project has got a port that is to be held since the host was looked at.
    #[error(transparent)]
    Taken(#[from] PortTaken),
    /// A process listens on a port that is to be held.
    #[error(
        "port `{port}` of container `{container}` is in use by {owner}; publish another port, or free this one"
    )]
    Busy {
        /// The port that is wanted.
        port: Port,
        /// Who wants it.
        container: Name,
        /// Who has it: `nginx (pid 812, nginx.service)`.
        owner: String,
    },
    /// The port rules of other projects could not be read.
    #[error("cannot tell whether the ports to be held are free: {0}")]
    Rules(String),
    /// Another run is changing what all projects share.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What is kept on disk could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn unit_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn said(status: &str) -> String {
    match status {
        "" => String::new(),
        status => format!(" ({status})"),
    }
}
