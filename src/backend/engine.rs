//! What an engine of application containers has beside containers: images, networks, volumes, and containers
//! for one command.
//!
//! LXC has none of it. An engine is told what to make and remove, and decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_trait::async_trait;

use super::{BackendError, Progress};
use crate::model::{Build, ContainerSpec, EngineNetwork, Name};

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

    /// Lets the name `image` mean the image `id`, which is there, again.
    async fn name_image(&self, id: &str, image: &str) -> Result<(), BackendError>;

    /// Makes a network on a bridge that is there; the same one is fine.
    async fn ensure_network(&self, network: &EngineNetwork) -> Result<(), BackendError>;

    /// Removes a network of ours; an absent one is fine. The bridge stays. One of which the engine does not
    /// let go although nobody is on it is left, and not seen by this driver any more: the answer says so. When
    /// it is `replaced` by another one of its name, that is an error.
    async fn remove_network(
        &self,
        network: &EngineNetwork,
        replaced: bool,
    ) -> Result<Option<String>, BackendError>;

    /// Removes a volume of ours, or one that was `adopted`; an absent one is fine.
    async fn remove_volume(&self, name: &str, adopted: bool) -> Result<(), BackendError>;

    /// What docker compose has made of the project. It changes nothing.
    async fn former(&self) -> Result<Former, BackendError>;

    /// Stops and removes the containers and networks of that. All volumes stay, those without a name too.
    async fn clear_former(&self, former: &Former) -> Result<(), BackendError>;

    /// The images that are there under one of `names`.
    async fn images(&self, names: &BTreeSet<String>) -> Result<Vec<ImageInfo>, BackendError>;

    /// Which of `paths` are files in the image, or anything else that is no directory. Nothing is started for it; an
    /// image that is not there has none.
    async fn files_in(
        &self,
        image: &str,
        platform: Option<&str>,
        paths: &BTreeSet<PathBuf>,
    ) -> Result<BTreeSet<PathBuf>, BackendError>;

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

/// What docker compose has made of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Former {
    /// Its containers.
    pub containers: Vec<FormerContainer>,
    /// Its networks.
    pub networks: Vec<FormerNetwork>,
    /// Other projects of docker compose that were started in the same directory.
    pub other: BTreeSet<String>,
}

/// A network that docker compose has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerNetwork {
    /// The engine's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Containers of others that are on it, and whether each runs: then it cannot be removed.
    pub guests: BTreeMap<String, bool>,
}

/// Where docker compose has started a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// In the project's directory.
    Here,
    /// In one where no project's file is any more: it may have been moved here.
    Gone,
    /// In another one.
    Elsewhere,
}

/// A container that docker compose has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerContainer {
    /// The engine's id.
    pub id: String,
    /// Its name on the host.
    pub name: String,
    /// The service that it is of.
    pub service: Option<String>,
    /// Its number among those of its service.
    pub number: u64,
    /// It has the lowest number of its service, those for a command aside.
    pub first: bool,
    /// It is for one command (`docker compose run`).
    pub one_off: bool,
    /// The services that it depends on.
    pub needs: Vec<String>,
    /// The networks that it is on, by name.
    pub networks: Vec<String>,
    /// The directory where it was started.
    pub directory: PathBuf,
    /// Where that is.
    pub started: Started,
    /// Whether it runs.
    pub runs: bool,
    /// Its volumes that have a name.
    pub named: Vec<String>,
    /// Its volumes without a name that it may write to: path inside and the engine's word for it. One that it only reads
    /// may be another container's (`volumes_from`).
    pub unnamed: Vec<(PathBuf, String)>,
}

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
