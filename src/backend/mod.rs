//! Backends: the engines that run containers.
//!
//! A driver does what it is told and reports what is; it decides nothing. Its own types never leave
//! its folder. To add one: a folder here, one arm where the host opens it, one line in the contract test.

pub mod absent;
pub mod docker;
pub mod engines;
pub mod lxc;
mod meter;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::model::{
    Build, ContainerSpec, EngineNetwork, Healthcheck, Hook, HostsLine, IdRange, Kind, Mount, Name,
};
use crate::observed::{Health, Mark, ObservedContainer, ObservedEngine};

pub use meter::{Meter, Reading};

/// What a backend is asked about beside the project's containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// Names of images.
    pub images: BTreeSet<String>,
    /// Whether the project has, or ever had, containers of this kind. A backend without any need not
    /// be there, and must not be woken.
    pub kinds: BTreeSet<Kind>,
}

/// Everything a backend knows when it is asked what is.
#[derive(Clone, Debug, Default)]
pub struct BackendView {
    /// Containers of the project: with its mark, or wrecks of it.
    pub containers: BTreeMap<Name, ObservedContainer>,
    /// Full names of all other containers.
    pub foreign: BTreeMap<Kind, BTreeSet<String>>,
    /// Id ranges that other containers hold.
    pub ids_taken: Vec<IdRange>,
    /// What the engine has beside containers.
    pub engine: ObservedEngine,
}

/// Which self of a container: while it is made anew there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The one that bears the name.
    Present,
    /// The older one that was set aside.
    Aside,
}

/// Takes lines of output of what takes long.
pub type Progress<'a> = &'a (dyn for<'b> Fn(&'b str) + Send + Sync);

/// The life of a container. All names are short names of the driver's project.
#[async_trait]
pub trait Backend: Send + Sync {
    /// What is there. Called before every plan and again after every change; must be fast.
    async fn observe(&self, sought: &Sought) -> Result<BackendView, BackendError>;

    /// Makes a container from its source, writes its settings and, last, its mark. On an error nothing
    /// of it is left. A clone's origin is copied in a consistent state. An older self that was set aside
    /// hands its volumes without a name on, unless `renew`.
    async fn create(
        &self,
        mark: &Mark,
        renew: bool,
        progress: Progress<'_>,
    ) -> Result<(), BackendError>;

    /// Writes settings and mark anew; what can change while it runs changes at once.
    async fn configure(&self, mark: &Mark) -> Result<(), BackendError>;

    /// Starts a stopped container and returns when it runs; on an error it is stopped again.
    async fn start(&self, name: &Name, body: Body) -> Result<(), BackendError>;

    /// Stops it: thaws it, asks for a clean shutdown, after `timeout` by force. Stopped ones are fine.
    async fn stop(&self, name: &Name, body: Body, timeout: Duration) -> Result<(), BackendError>;

    /// Destroys a stopped container; never follows a link or a mount out of its root file system.
    /// Absent ones are fine. `volumes` takes its volumes without a name as well.
    async fn destroy(&self, name: &Name, body: Body, volumes: bool) -> Result<(), BackendError>;

    /// Renames a container to its set-aside name, or back. An application container may run meanwhile.
    async fn set_aside(&self, name: &Name, back: bool) -> Result<(), BackendError>;

    /// What else it can do to a container's inside.
    fn inside(&self) -> &dyn Inside;

    /// What tells about running containers.
    fn watch(&self) -> &dyn Watch;

    /// What an engine of application containers has beside containers; none for LXC.
    fn engine(&self) -> Option<&dyn Engine>;

    /// Whether a start that was asked for only waits for other containers, or for its next try. Such a start
    /// may be dropped, and the container stopped.
    async fn is_held(&self, _name: &Name) -> bool {
        false
    }
}

/// The side of a copy that is not in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outer<'a> {
    /// A path of the host.
    Path(&'a Path),
    /// A tar archive on this process's standard input or output.
    Stream,
}

impl Outer<'_> {
    /// The path, when it is one.
    fn path(self) -> Option<PathBuf> {
        match self {
            Self::Path(path) => Some(path.to_owned()),
            Self::Stream => None,
        }
    }
}

/// The inside of a container.
#[async_trait]
pub trait Inside: Send + Sync {
    /// Writes the managed hosts block and, when not empty, the name servers. Works on stopped and
    /// running containers, through volumes, never through a symbolic link.
    async fn write_names(
        &self,
        name: &Name,
        hosts: &[HostsLine],
        dns: &[IpAddr],
    ) -> Result<(), BackendError>;

    /// Makes missing host directories or files of `mounts` and, with `copy`, fills the empty ones with the
    /// container's own content; all or nothing. Returns the paths that it made, for undo.
    async fn seed(
        &self,
        name: &Name,
        mounts: &[Mount],
        copy: bool,
    ) -> Result<Vec<PathBuf>, BackendError>;

    /// Freezes or thaws it.
    async fn set_frozen(&self, name: &Name, frozen: bool) -> Result<(), BackendError>;

    /// Runs a command inside a running container, without this process's streams, and returns what it
    /// printed and its exit code.
    async fn run(
        &self,
        name: &Name,
        command: &Hook,
        timeout: Option<Duration>,
    ) -> Result<Ran, BackendError>;

    /// Runs a command with this process's own terminal and streams; returns its exit code.
    async fn attach(
        &self,
        name: &Name,
        argv: &[String],
        options: &AttachOptions,
    ) -> Result<i32, BackendError>;

    /// Copies a file or a directory with all that is in it into the container, as `cp -a` names the
    /// target; never through a symbolic link that leads out of it. An archive on standard input goes into
    /// a directory that is there.
    async fn copy_in(&self, name: &Name, from: Outer<'_>, to: &Path) -> Result<(), BackendError>;

    /// Copies a file or a directory out of the container; to standard output as an archive.
    async fn copy_out(&self, name: &Name, from: &Path, to: Outer<'_>) -> Result<(), BackendError>;

    /// Size of the root file system in bytes, for questions about losing it.
    async fn size(&self, name: &Name) -> Result<u64, BackendError>;
}

/// What tells about containers while time goes on.
#[async_trait]
pub trait Watch: Send + Sync {
    /// One look at its readiness. `check` is the file's check; none asks the engine for the image's own.
    async fn probe(&self, name: &Name, check: Option<&Healthcheck>) -> Result<Probe, BackendError>;

    /// Its output, oldest first, with `follow` as it comes, until the container is gone or the stream
    /// is dropped.
    async fn logs(&self, name: &Name, wish: &LogWish) -> Result<LogStream, BackendError>;

    /// What is printed from `since` on by those of `names` whose output is kept in one place. An engine
    /// has each container's own.
    async fn lasting(
        &self,
        _names: &BTreeSet<Name>,
        _since: SystemTime,
    ) -> Result<Lasting, BackendError> {
        Ok(Lasting::default())
    }

    /// Its processes.
    async fn processes(&self, name: &Name) -> Result<Vec<Process>, BackendError>;

    /// Waits until it has ended and returns its exit code; at once for one that is not running.
    async fn ended(&self, name: &Name) -> Result<i32, BackendError>;

    /// What happens to the project's containers from now on, until the stream is dropped.
    async fn events(&self) -> Result<EventStream, BackendError>;
}

/// What an engine of application containers has beside containers.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Fetches an image.
    async fn pull(
        &self,
        image: &str,
        platform: Option<&str>,
        progress: Progress<'_>,
    ) -> Result<(), BackendError>;

    /// Builds an image. A failed build's error holds the failing step and the end of its log.
    async fn build(&self, build: &Build, progress: Progress<'_>) -> Result<(), BackendError>;

    /// Makes a network on a bridge that is there; the same one is fine.
    async fn ensure_network(&self, network: &EngineNetwork) -> Result<(), BackendError>;

    /// Removes a network of ours; an absent one is fine. The bridge stays.
    async fn remove_network(&self, network: &EngineNetwork) -> Result<(), BackendError>;

    /// Removes a volume of ours; an absent one is fine.
    async fn remove_volume(&self, name: &str) -> Result<(), BackendError>;

    /// The images that are there under one of `names`.
    async fn images(&self, names: &BTreeSet<String>) -> Result<Vec<ImageInfo>, BackendError>;

    /// Containers for one command.
    fn once(&self) -> &dyn Once;
}

/// Containers for one command: one more of a container's image with its settings and other arguments.
#[async_trait]
pub trait Once: Send + Sync {
    /// Runs one, attached to this process's terminal and streams; returns its exit code. `spec` bears the
    /// name it gets.
    async fn run(&self, spec: &ContainerSpec, options: &RunOptions) -> Result<i32, BackendError>;

    /// Makes one that somebody else starts and waits for, in the project's slice.
    async fn make(&self, spec: &ContainerSpec) -> Result<(), BackendError>;

    /// Removes one with its files, by force; an absent one is fine. `volumes` takes its volumes without
    /// a name as well.
    async fn remove(&self, name: &Name, volumes: bool) -> Result<(), BackendError>;

    /// Where another process of this host reaches the engine; none when it cannot.
    fn socket(&self) -> Option<PathBuf>;
}

/// How ready a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It runs, and there is no check.
    Running,
    /// The check passes.
    Healthy,
    /// The check does not pass yet; what it said.
    Failing(String),
    /// The engine's own check has failed too often; what it said last.
    Unhealthy(String),
    /// It has ended with this exit code.
    Ended(i32),
}

/// Which part of the output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogWish {
    /// Go on as it comes.
    pub follow: bool,
    /// Only from this time on.
    pub since: Option<SystemTime>,
    /// Only before this time.
    pub until: Option<SystemTime>,
    /// Only so many of the last lines.
    pub lines: Option<usize>,
    /// What its engine has of it at this moment, also where it is handed on to be kept elsewhere: a
    /// container's last words before it ended are there first.
    pub fresh: bool,
}

/// Output of several containers that goes on while they end, are started again and are made anew.
pub struct Lasting {
    /// Of whom; the others are followed one by one.
    pub names: BTreeSet<Name>,
    /// Whose line, and the line; without end.
    pub lines: BoxStream<'static, Result<(Name, LogLine), BackendError>>,
}

impl Default for Lasting {
    /// Of nobody.
    fn default() -> Self {
        Self {
            names: BTreeSet::new(),
            lines: Box::pin(futures_util::stream::pending()),
        }
    }
}

/// A line of output, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written; none when that is not known.
    pub at: Option<SystemTime>,
    /// Whether it came on standard error.
    pub error: bool,
    /// The text.
    pub text: String,
}

/// Lines of output.
pub type LogStream = BoxStream<'static, Result<LogLine, BackendError>>;

/// One process of a container.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Process {
    /// Its id on the host.
    pub pid: u32,
    /// The id of its parent on the host.
    pub parent: u32,
    /// Its user: the name on the host, else the number.
    pub user: String,
    /// How long it has run, seconds.
    pub seconds: u64,
    /// Processor time it has used, seconds.
    pub cpu: f64,
    /// Its command line.
    pub command: String,
}

/// Something that happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: SystemTime,
    /// To which.
    pub container: Name,
    /// What.
    pub what: What,
}

/// What may happen to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It was made.
    Created,
    /// It runs.
    Started,
    /// It has ended with this exit code, when it is known.
    Ended(Option<i32>),
    /// It was frozen.
    Frozen,
    /// It was thawed.
    Thawed,
    /// Its health check says something else than before.
    Health(Health),
    /// It ran out of memory.
    OutOfMemory,
    /// It was destroyed.
    Destroyed,
}

/// Happenings, as they come.
pub type EventStream = BoxStream<'static, Result<Happening, BackendError>>;

/// An image on the host.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ImageInfo {
    /// The name that was asked with.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was made, RFC 3339.
    pub created: String,
}

/// How a container is run once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// Remove it when it has ended.
    pub remove: bool,
    /// Do not stay attached; its output is in its log.
    pub detach: bool,
    /// A terminal inside; none is: as this process has one.
    pub tty: Option<bool>,
    /// Hand on standard input.
    pub interactive: bool,
}

/// What a command inside a container gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; 128 + signal when it was killed.
    pub code: i32,
    /// Standard output and error, in order of arrival, at most the last 64 KiB.
    pub output: String,
}

/// How to attach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachOptions {
    /// User name or id inside; none means root.
    pub user: Option<String>,
    /// Working directory inside.
    pub workdir: Option<PathBuf>,
    /// Variables on top of the container's own.
    pub environment: Vec<(String, String)>,
    /// A terminal inside; none is: as this process has one.
    pub tty: Option<bool>,
    /// All capabilities (application containers).
    pub privileged: bool,
    /// Do not wait for it.
    pub detach: bool,
}

/// Why a backend could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The engine is not on this host.
    #[error("{engine} is not available: {reason}")]
    Unavailable {
        /// `LXC`.
        engine: &'static str,
        /// Why.
        reason: String,
        /// The command that mends it.
        help: String,
    },
    /// The engine refused or failed.
    #[error("cannot {verb} container `{container}`: {reason}")]
    Engine {
        /// `create`, `start`, …
        verb: &'static str,
        /// Full name.
        container: String,
        /// What it said, first line first.
        reason: String,
        /// Lines of its log that tell more.
        log: Vec<String>,
    },
    /// An image could not be fetched or built.
    #[error("cannot {verb} image `{image}`: {reason}")]
    Image {
        /// `pull`, `build`, `list`.
        verb: &'static str,
        /// As the file names it.
        image: String,
        /// What the engine or the registry said.
        reason: String,
        /// Lines of the build's log that tell more.
        log: Vec<String>,
        /// What to do about it, when that is known.
        help: Option<String>,
    },
    /// A network of the engine could not be made or removed.
    #[error("cannot {verb} the engine's network `{network}`: {reason}")]
    Network {
        /// `make`, `remove`, `look at`.
        verb: &'static str,
        /// Its name in the engine.
        network: String,
        /// What the engine said.
        reason: String,
    },
    /// A volume of the engine could not be removed.
    #[error("cannot {verb} the engine's volume `{volume}`: {reason}")]
    Volume {
        /// `remove`.
        verb: &'static str,
        /// Its name in the engine.
        volume: String,
        /// What the engine said.
        reason: String,
    },
    /// A file or directory could not be read or written.
    #[error("cannot {verb} `{}`: {source}", path.display())]
    Io {
        /// `read`, `write`, `rename`, …
        verb: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A path in a container leads through a symbolic link.
    #[error("`{}` in container `{container}` is or leads through a symbolic link; locker does not write through links", path.display())]
    Link {
        /// Full name.
        container: String,
        /// Path inside.
        path: PathBuf,
    },
    /// A mark cannot be read.
    #[error("the mark `{}` cannot be read: {reason}", path.display())]
    Mark {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
