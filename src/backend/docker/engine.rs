//! What the engine has beside containers, and containers that are run once.

use std::collections::BTreeSet;
use std::path::PathBuf;

use async_trait::async_trait;
use bollard::models::ContainerCreateBody;

use super::context::{self, Endpoint};
use super::error::{refused, renamed};
use super::known::Bodies;
use super::network::Removed;
use super::{DockerBackend, build, create, former, image_files, images, network, once, volume};
use crate::backend::{BackendError, Engine, Former, ImageInfo, Inside, Once, Progress, RunOptions};
use crate::model::{Build, ContainerSpec, EngineNetwork, Name, STOP_GRACE};
use crate::observed::Mark;
use crate::sys::terminal::Orders;

#[async_trait]
impl Engine for DockerBackend {
    async fn pull(
        &self,
        image: &str,
        platform: Option<&str>,
        progress: Progress<'_>,
    ) -> Result<(), BackendError> {
        images::pull(&self.link().await?.docker, image, platform, progress).await
    }

    async fn build(&self, build: &Build, progress: Progress<'_>) -> Result<(), BackendError> {
        build::build(&self.link().await?.at_work(), build, progress).await
    }

    async fn name_image(&self, id: &str, image: &str) -> Result<(), BackendError> {
        images::name(&self.link().await?.docker, id, image).await
    }

    async fn ensure_network(&self, network: &EngineNetwork) -> Result<(), BackendError> {
        network::ensure(&self.site, self.link().await?, network).await?;
        self.left().remove(&network.network);
        Ok(())
    }

    async fn remove_network(
        &self,
        network: &EngineNetwork,
        replaced: bool,
    ) -> Result<Option<String>, BackendError> {
        match network::remove(&self.site, self.link().await?, network).await? {
            Removed::Gone => Ok(None),
            Removed::Kept(reason) if replaced => Err(network::kept(network, &reason)),
            Removed::Kept(reason) => {
                self.left().insert(network.network.clone());
                Ok(Some(network::left(network, &reason)))
            }
        }
    }

    async fn remove_volume(&self, name: &str, adopted: bool) -> Result<(), BackendError> {
        volume::remove(&self.site, &self.link().await?.at_work(), name, adopted).await
    }

    async fn former(&self) -> Result<Former, BackendError> {
        former::look(&self.site, self.link().await?).await
    }

    async fn clear_former(&self, former: &Former) -> Result<(), BackendError> {
        former::clear(self.link().await?, former).await
    }

    async fn images(&self, names: &BTreeSet<String>) -> Result<Vec<ImageInfo>, BackendError> {
        images::list(&self.link().await?.docker, names).await
    }

    async fn files_in(
        &self,
        image: &str,
        platform: Option<&str>,
        paths: &BTreeSet<PathBuf>,
    ) -> Result<BTreeSet<PathBuf>, BackendError> {
        image_files::find(&self.link().await?.at_work(), image, platform, paths).await
    }

    fn once(&self) -> &dyn Once {
        self
    }
}

#[async_trait]
impl Once for DockerBackend {
    async fn run(&self, spec: &ContainerSpec, options: &RunOptions) -> Result<i32, BackendError> {
        // Heard from now on: a signal that comes while it is made ends it as one that comes later.
        // One that is to go with us may not hold us up for ever.
        let grace = spec.stop_grace.unwrap_or(STOP_GRACE);
        let mut orders = Orders::listen(options.remove.then_some(grace))
            .map_err(|error| refused("run", &spec.host_name(), format!("no signals: {error}")))?;
        let link = self.link().await?;
        let id = self
            .make_once(spec, |body| once::adapt(body, options))
            .await?;
        let (began, ran) = once::run(link, &id, options, &mut orders).await;
        // It took itself away, but not its files; nor did it when it never came to run. What ran and was
        // not to go is the user's, whatever has become of its output.
        if once::goes(options, began, ran.is_ok()) {
            // Mostly it is gone already; how it ended is what is to be told.
            let _ = once::remove(&link.at_work(), &id, true).await;
            self.site.sweep_homes(&spec.name, &[])?;
        }
        // The id is nothing that anybody has seen.
        ran.map_err(|error| renamed(error, &id, &spec.host_name()))
    }

    async fn make(&self, spec: &ContainerSpec) -> Result<(), BackendError> {
        let slice = self.link().await?.slice(&spec.project).await?;
        let alone = RunOptions {
            detach: true,
            ..RunOptions::default()
        };
        let adapt = |body: &mut ContainerCreateBody| {
            once::adapt(body, &alone);
            let host = body.host_config.get_or_insert_default();
            host.cgroup_parent = host.cgroup_parent.take().or(slice);
        };
        self.make_once(spec, adapt).await.map(drop)
    }

    async fn remove(&self, name: &Name, volumes: bool) -> Result<(), BackendError> {
        if let Some(known) = self.bodies(name).await?.present {
            once::remove(&self.link().await?.at_work(), &known.id, volumes).await?;
            self.note(name, |bodies| bodies.present = None);
        }
        self.site.sweep_homes(name, &[])
    }

    fn socket(&self) -> Option<PathBuf> {
        match context::endpoint(&|name| std::env::var(name).ok()) {
            Ok(Endpoint::Socket(path)) => Some(path),
            Ok(Endpoint::Tcp(_)) | Err(_) => None,
        }
    }
}

impl DockerBackend {
    /// Makes one and returns its id.
    async fn make_once(
        &self,
        spec: &ContainerSpec,
        adapt: impl FnOnce(&mut ContainerCreateBody) + Send,
    ) -> Result<String, BackendError> {
        let mark = Mark {
            version: 1,
            directory: self.site.directory.clone(),
            spec: spec.clone(),
            setup_done: true,
            setup_failed: None,
            provisioned: Vec::new(),
            seeded: true,
        };
        let (link, older) = (self.link().await?, Bodies::default());
        let made = create::create(&self.site, link, &mark, &older, true, adapt).await?;
        let id = made.known.id.clone();
        self.note(&spec.name, |bodies| bodies.present = Some(made.known));
        self.remarked().extend(made.remarks);
        if let Err(error) = self.give_once(spec).await {
            // It holds nothing that anybody has seen; the first error is the one to tell.
            let _ = once::remove(&link.at_work(), &id, true).await;
            let _ = self.site.sweep_homes(&spec.name, &[]);
            return Err(error);
        }
        Ok(id)
    }

    /// Gives the volumes of one with ids of its own to its user.
    async fn give_once(&self, spec: &ContainerSpec) -> Result<(), BackendError> {
        if spec.idmap.is_empty() {
            return Ok(());
        }
        self.seed(&spec.name, &spec.mounts, false).await.map(drop)
    }
}
