//! The inside of a container and what it does while time goes on: each verb finds the container and
//! hands the work on.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bollard::query_parameters::InspectContainerOptions;
use futures_util::StreamExt;

use super::error::failed;
use super::{
    DockerBackend, archive, attach, copy, create, ended, events, hosts, logs, owners, power, probe,
    processes,
};
use crate::backend::{
    AttachOptions, BackendError, Body, EventStream, Inside, LogStream, LogWish, News, Outer, Probe,
    Process, Ran, Seeded, Watch,
};
use crate::model::{Healthcheck, Hook, HostsLine, Mount, Name};
use crate::store;

#[async_trait]
impl Inside for DockerBackend {
    /// The engine keeps the name servers as they were given when the container was made.
    async fn write_names(
        &self,
        name: &Name,
        lines: &[HostsLine],
        _dns: &[IpAddr],
    ) -> Result<(), BackendError> {
        let known = self.body("write names of", name, Body::Present).await?;
        let (name, lines) = (name.clone(), lines.to_vec());
        let write = move |site: &super::Site| {
            let spec = &known.mark.spec;
            let app = create::app_of(spec)?;
            if !hosts::is_managed(spec, app) {
                return Ok(());
            }
            hosts::write(&site.home(&name, &known.token), spec, app, &lines)
        };
        self.blocking(write).await?
    }

    /// Only named volumes are filled from the image, by the engine and when the container is made;
    /// here missing directories are made.
    async fn seed(
        &self,
        name: &Name,
        mounts: &[Mount],
        _copy: bool,
    ) -> Result<Seeded, BackendError> {
        let known = self
            .body("fill the volumes of", name, Body::Present)
            .await?;
        let docker = &self.link().await?.docker;
        let volumes = owners::of_engine(&self.site, docker, &known.mark.spec).await?;
        let volumes: Vec<PathBuf> = volumes.into_iter().map(|(_, path)| path).collect();
        let (name, mounts) = (name.clone(), mounts.to_vec());
        self.blocking(move |site| {
            let home = site.home(&name, &known.token);
            create::seed(site, &home, &known.mark.spec, &mounts, &volumes)
        })
        .await?
    }

    async fn set_frozen(&self, name: &Name, frozen: bool) -> Result<(), BackendError> {
        let known = self.body("freeze", name, Body::Present).await?;
        let docker = &self.link().await?.docker;
        power::set_frozen(docker, &self.site.full(name), &known.id, frozen).await?;
        self.note(name, |bodies| {
            if let Some(known) = &mut bodies.present {
                known.frozen = frozen;
            }
        });
        Ok(())
    }

    async fn run(
        &self,
        name: &Name,
        command: &Hook,
        timeout: Option<Duration>,
    ) -> Result<Ran, BackendError> {
        self.body("run a command in", name, Body::Present).await?;
        let docker = &self.link().await?.docker;
        attach::run(docker, &self.site.full(name), command, timeout).await
    }

    async fn attach(
        &self,
        name: &Name,
        argv: &[String],
        options: &AttachOptions,
    ) -> Result<i32, BackendError> {
        self.body("attach to", name, Body::Present).await?;
        let link = self.link().await?;
        attach::attach(link, &self.site.full(name), argv, options).await
    }

    async fn copy_in(&self, name: &Name, from: Outer<'_>, to: &Path) -> Result<(), BackendError> {
        self.body("copy into", name, Body::Present).await?;
        let (docker, full) = (&self.link().await?.at_work(), self.site.full(name));
        match from {
            Outer::Path(from) => copy::copy_in(docker, &full, from, to).await,
            Outer::Stream => archive::unpack(docker, &full, to).await,
        }
    }

    async fn copy_out(&self, name: &Name, from: &Path, to: Outer<'_>) -> Result<(), BackendError> {
        self.body("copy out of", name, Body::Present).await?;
        let (docker, full) = (&self.link().await?.docker, self.site.full(name));
        match to {
            Outer::Path(to) => copy::copy_out(docker, &full, from, to).await,
            Outer::Stream => archive::pack(docker, &full, from).await,
        }
    }

    /// What it wrote itself; its image is not lost with it.
    async fn size(&self, name: &Name) -> Result<u64, BackendError> {
        let known = self.body("measure", name, Body::Present).await?;
        let options = InspectContainerOptions { size: true };
        let docker = &self.link().await?.docker;
        let found = docker.inspect_container(&known.id, Some(options)).await;
        let found = found.map_err(|e| failed("measure", &self.site.full(name), &e))?;
        Ok(found
            .size_rw
            .and_then(|size| size.try_into().ok())
            .unwrap_or_default())
    }
}

#[async_trait]
impl Watch for DockerBackend {
    async fn probe(&self, name: &Name, check: Option<&Healthcheck>) -> Result<Probe, BackendError> {
        let known = self.body("look at", name, Body::Present).await?;
        let docker = &self.link().await?.docker;
        probe::probe(docker, &self.site.full(name), &known.id, check).await
    }

    async fn comebacks(&self, name: &Name) -> Result<u64, BackendError> {
        let known = self.body("look at", name, Body::Present).await?;
        let docker = &self.link().await?.docker;
        probe::comebacks(docker, &self.site.full(name), &known.id).await
    }

    async fn logs(&self, name: &Name, wish: &LogWish) -> Result<LogStream, BackendError> {
        self.body("read the log of", name, Body::Present).await?;
        logs::logs(&self.link().await?.docker, &self.site.full(name), wish).await
    }

    async fn processes(&self, name: &Name) -> Result<Vec<Process>, BackendError> {
        self.body("list the processes of", name, Body::Present)
            .await?;
        processes::processes(&self.link().await?.docker, &self.site.full(name)).await
    }

    async fn ended(&self, name: &Name) -> Result<i32, BackendError> {
        self.body("wait for", name, Body::Present).await?;
        ended::ended(&self.link().await?.docker, &self.site.full(name)).await
    }

    /// By the note of who has stopped it, else by what the engine still knows of others: that is noted then, since the
    /// engine keeps it for a while only.
    async fn was_stopped(&self, name: &Name) -> bool {
        let (paths, project) = (&self.site.paths, &self.site.project);
        let (Ok(known), Ok(link)) = (
            self.body("look at", name, Body::Present).await,
            self.link().await,
        ) else {
            return false;
        };
        // A run that begins after this is none of those that are looked at.
        let at = SystemTime::now();
        let Some(run) = ended::last_run(&link.docker, &known.id).await else {
            return store::was_stopped(paths, project, name, &known.id);
        };
        if store::was_run_stopped(paths, project, name, &known.id, &run.started) {
            return true;
        }
        let told = ended::was_told_to(&link.docker, &known.id, &run).await;
        if told && self.site.notes_stops(&known) && !power::runs(link, &known).await {
            // Without the note its exit code of 0 counts as the end of its work at the next look.
            let _ = store::note_stopped_at(paths, project, name, &known.id, at);
        }
        told
    }

    async fn events(&self, since: Option<SystemTime>) -> Result<EventStream, BackendError> {
        let docker = &self.client.link_now().await?.docker;
        let news = events::events(docker, &self.site.project, since);
        let known = Arc::clone(&self.known);
        let forget = move |news: &Result<News, BackendError>| {
            // Whoever asks for the output of a container that others have made is to find it.
            if news.as_ref().is_ok_and(events::is_creation) {
                *known.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        };
        Ok(news.inspect(forget).boxed())
    }
}
