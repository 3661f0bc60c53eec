//! Backends: the engines that run containers.
//!
//! A driver does what it is told and reports what is; it decides nothing. Its own types never leave
//! its folder. To add one: a folder here, one arm where the host opens it, one line in the contract test.

mod controllers;
pub mod docker;
mod engine;
pub mod engines;
mod error;
mod inside;
mod live;
pub mod lxc;
mod meter;
pub(crate) mod owners;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{IdRange, Kind, Name};
use crate::observed::{Down, Mark, ObservedContainer, ObservedEngine, Silent};

pub use crate::model::FailedCheck;
pub use controllers::controllers;
pub use engine::{
    Engine, Former, FormerContainer, FormerNetwork, ImageInfo, Once, RunOptions, Started,
};
pub use error::BackendError;
pub use inside::{AttachOptions, Inside, Outer, Ran, Seeded};
pub use meter::{Meter, Reading};
pub use watch::{
    EventStream, Happening, Lasting, LogLine, LogStream, LogWish, Lost, News, Probe, Process, Runs,
    Watch, What,
};

/// What a backend is asked about beside the project's containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// Names of images.
    pub images: BTreeSet<String>,
    /// Whether what the engine offers is asked too: its runtimes, log drivers, processors.
    pub offer: bool,
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
    /// Engines that were asked for and do not answer.
    pub down: BTreeMap<Kind, Down>,
    /// Containers of the project that do not answer; they are in no other list.
    pub silent: BTreeMap<Name, Silent>,
}

/// Which self of a container: while it is made anew there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The one that bears the name.
    Present,
    /// The older one that was set aside.
    Aside,
}

/// How a container ended that was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, or it did not run.
    Own,
    /// By force, as its time was over.
    Killed,
}

/// What keeps a start from being over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartWait {
    /// Other containers, or the time of the next try: the container does not run.
    Others,
    /// The container runs, and its service does what follows the start (`ready`, `post_start`): it goes on when nobody
    /// waits for it.
    Service,
    /// The container runs, and this process does what follows the start: it ends when nobody waits for it.
    Commands,
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

    /// What an engine has remarked about what it made, since this was last asked: for people, and no error.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Writes settings and mark anew; what can change while it runs changes at once.
    async fn configure(&self, mark: &Mark) -> Result<(), BackendError>;

    /// Starts a stopped container and returns when it runs; on an error it is stopped again.
    async fn start(&self, name: &Name, body: Body) -> Result<(), BackendError>;

    /// Stops it: thaws it, asks for a clean shutdown, after `timeout` by force; says which. Stopped ones are fine.
    async fn stop(&self, name: &Name, body: Body, timeout: Duration) -> Result<End, BackendError>;

    /// Stops again what was started a moment ago, as [`stop`](Self::stop) does but for one thing: what fails of what comes
    /// before a stop does not keep it running. That comes back with how it ended.
    async fn take_back(
        &self,
        name: &Name,
        timeout: Duration,
    ) -> Result<(End, Option<BackendError>), BackendError> {
        let end = self.stop(name, Body::Present, timeout).await?;
        Ok((end, None))
    }

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

    /// The next start of it leaves out what follows a start: that is done by whoever asks, after its setup.
    fn start_bare(&self, _name: &Name) {}

    /// What a start that was asked for only waits for, if it does. Such a start may be dropped.
    async fn start_waits(&self, _name: &Name) -> Option<StartWait> {
        None
    }

    /// Stops a container whose start was given up: nothing that comes before a stop is run in it.
    async fn give_up(&self, name: &Name, timeout: Duration) -> Result<End, BackendError> {
        self.stop(name, Body::Present, timeout).await
    }
}
