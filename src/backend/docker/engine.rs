//! What the engine has beside containers, and containers that are run once.

use std::collections::BTreeSet;

use async_trait::async_trait;
use bollard::query_parameters::RemoveContainerOptions;

use super::known::Bodies;
use super::{DockerBackend, build, create, images, network, once, volume};
use crate::backend::{BackendError, Engine, ImageInfo, Progress, RunOptions};
use crate::model::{Build, ContainerSpec, EngineNetwork};
use crate::observed::Mark;

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
        build::build(&self.link().await?.docker, build, progress).await
    }

    async fn ensure_network(&self, network: &EngineNetwork) -> Result<(), BackendError> {
        network::ensure(&self.site, self.link().await?, network).await
    }

    async fn remove_network(&self, network: &EngineNetwork) -> Result<(), BackendError> {
        network::remove(&self.site, &self.link().await?.docker, network).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), BackendError> {
        volume::remove(&self.site, &self.link().await?.docker, name).await
    }

    async fn images(&self, names: &BTreeSet<String>) -> Result<Vec<ImageInfo>, BackendError> {
        images::list(&self.link().await?.docker, names).await
    }

    async fn run_once(
        &self,
        spec: &ContainerSpec,
        options: &RunOptions,
    ) -> Result<i32, BackendError> {
        let link = self.link().await?;
        let mark = Mark {
            version: 1,
            directory: self.site.directory.clone(),
            spec: spec.clone(),
            setup_done: true,
            seeded: true,
        };
        let adapt = |body: &mut _| once::adapt(body, options);
        let older = Bodies::default();
        let made = create::create(&self.site, link, &mark, &older, true, adapt, &|_| {}).await?;
        let ran = once::run(&link.docker, &made.id, options).await;
        // It took itself away, but not its files; nor did it when it never came to run.
        if options.remove && !options.detach || ran.is_err() {
            let remove = RemoveContainerOptions {
                v: true,
                force: true,
                link: false,
            };
            // Mostly it is gone already; how it ended is what is to be told.
            let _ = link.docker.remove_container(&made.id, Some(remove)).await;
            self.site.sweep_homes(&spec.name, &[])?;
        }
        ran
    }
}
