//! The inside of a container: its files and its commands.
//!
//! What a driver can do there beside the container's life. Nothing here writes or reads along a symbolic
//! link that leads out of the container.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use super::BackendError;
use crate::model::{Hook, HostsLine, Mount, Name};
use crate::sys::Made;

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
    pub(super) fn path(self) -> Option<PathBuf> {
        match self {
            Self::Path(path) => Some(path.to_owned()),
            Self::Stream => None,
        }
    }
}

/// What filling the volumes of a container has done, for undo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seeded {
    /// Paths that were made, parents first.
    pub made: Vec<Made>,
    /// Notes of trees whose owners were changed; `owners::give_back` brings them back.
    pub given: Vec<PathBuf>,
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
    /// container's own content; gives named volumes to a container with ids of its own. All or nothing.
    async fn seed(&self, name: &Name, mounts: &[Mount], copy: bool)
    -> Result<Seeded, BackendError>;

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

    /// Waits until the system inside has come up, so that a command meets all of it; at most `most`; without
    /// one as long as the file's `ready` says, two minutes without that. The state that it is in when it has not come up by then; none where it has, or where nothing inside tells.
    async fn settle(
        &self,
        _name: &Name,
        _most: Option<Duration>,
    ) -> Result<Option<String>, BackendError> {
        Ok(None)
    }

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
