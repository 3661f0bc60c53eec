//! Backends: the engines that run containers.
//!
//! A driver does what it is told and reports what is; it decides nothing. Its own types never leave
//! its folder. To add one: a folder here, one arm where the host opens it, one line in the contract test.

pub mod lxc;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{HostsLine, IdRange, InnerCommand, Mount, Name};
use crate::observed::{Mark, ObservedContainer};

/// Everything a backend knows when it is asked what is.
#[derive(Clone, Debug, Default)]
pub struct BackendView {
    /// Containers of the project: with its mark, or wrecks of it.
    pub containers: BTreeMap<Name, ObservedContainer>,
    /// Full names of all other containers.
    pub foreign: BTreeSet<String>,
    /// Id ranges that other containers hold.
    pub ids_taken: Vec<IdRange>,
}

/// The life of a container. All names are short names of the driver's project.
#[async_trait]
pub trait Backend: Send + Sync {
    /// What is there. Called before every plan and again after every change; must be fast.
    async fn observe(&self) -> Result<BackendView, BackendError>;

    /// Makes a container from its source, writes its settings and, last, its mark. On an error nothing
    /// of it is left. A clone's origin is copied in a consistent state. `progress` gets lines of output.
    async fn create(
        &self,
        mark: &Mark,
        progress: &(dyn for<'a> Fn(&'a str) + Send + Sync),
    ) -> Result<(), BackendError>;

    /// Writes settings and mark anew; what can change while it runs changes at once.
    async fn configure(&self, mark: &Mark) -> Result<(), BackendError>;

    /// Starts a stopped container and returns when it runs; on an error it is stopped again.
    async fn start(&self, name: &Name) -> Result<(), BackendError>;

    /// Stops it: thaws it, asks for a clean shutdown, after `timeout` by force. Stopped ones are fine.
    async fn stop(&self, name: &Name, timeout: Duration) -> Result<(), BackendError>;

    /// Destroys a stopped container, or with `aside` its older self; never follows a link or a mount
    /// out of its root file system. Absent ones are fine.
    async fn destroy(&self, name: &Name, aside: bool) -> Result<(), BackendError>;

    /// Renames a stopped container to its set-aside name, or back.
    async fn set_aside(&self, name: &Name, back: bool) -> Result<(), BackendError>;

    /// What else it can do to a container's inside.
    fn inside(&self) -> &dyn Inside;
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

    /// Runs a command inside a running container and returns what it printed and its exit code.
    async fn run(
        &self,
        name: &Name,
        command: &InnerCommand,
        timeout: Option<Duration>,
    ) -> Result<Ran, BackendError>;

    /// Runs a command with this process's own terminal and streams; returns its exit code.
    async fn attach(
        &self,
        name: &Name,
        argv: &[String],
        options: &AttachOptions,
    ) -> Result<i32, BackendError>;

    /// Where the console log is.
    fn console_log(&self, name: &Name) -> PathBuf;

    /// Size of the root file system in bytes, for questions about losing it.
    async fn size(&self, name: &Name) -> Result<u64, BackendError>;
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
