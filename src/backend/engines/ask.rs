//! What containers are asked while they run, handed on to the engine that has them.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::{Engines, hear};
use crate::backend::{
    AttachOptions, BackendError, EventStream, Inside, LogStream, LogWish, Outer, Probe, Process,
    Ran, Seeded, Watch,
};
use crate::model::{Healthcheck, Hook, HostsLine, Mount, Name};

#[async_trait]
impl Inside for Engines {
    async fn write_names(
        &self,
        name: &Name,
        hosts: &[HostsLine],
        dns: &[IpAddr],
    ) -> Result<(), BackendError> {
        let inside = self.present(name).await?.inside();
        inside.write_names(name, hosts, dns).await
    }

    async fn seed(
        &self,
        name: &Name,
        mounts: &[Mount],
        copy: bool,
    ) -> Result<Seeded, BackendError> {
        let inside = self.present(name).await?.inside();
        inside.seed(name, mounts, copy).await
    }

    async fn set_frozen(&self, name: &Name, frozen: bool) -> Result<(), BackendError> {
        let inside = self.present(name).await?.inside();
        inside.set_frozen(name, frozen).await
    }

    async fn run(
        &self,
        name: &Name,
        command: &Hook,
        timeout: Option<Duration>,
    ) -> Result<Ran, BackendError> {
        let inside = self.present(name).await?.inside();
        inside.run(name, command, timeout).await
    }

    async fn settle(
        &self,
        name: &Name,
        most: Option<Duration>,
    ) -> Result<Option<String>, BackendError> {
        self.present(name).await?.inside().settle(name, most).await
    }

    async fn attach(
        &self,
        name: &Name,
        argv: &[String],
        options: &AttachOptions,
    ) -> Result<i32, BackendError> {
        let inside = self.present(name).await?.inside();
        inside.attach(name, argv, options).await
    }

    async fn copy_in(&self, name: &Name, from: Outer<'_>, to: &Path) -> Result<(), BackendError> {
        let inside = self.present(name).await?.inside();
        inside.copy_in(name, from, to).await
    }

    async fn copy_out(&self, name: &Name, from: &Path, to: Outer<'_>) -> Result<(), BackendError> {
        let inside = self.present(name).await?.inside();
        inside.copy_out(name, from, to).await
    }

    async fn size(&self, name: &Name) -> Result<u64, BackendError> {
        self.present(name).await?.inside().size(name).await
    }
}

#[async_trait]
impl Watch for Engines {
    async fn probe(&self, name: &Name, check: Option<&Healthcheck>) -> Result<Probe, BackendError> {
        self.present(name).await?.watch().probe(name, check).await
    }

    async fn comebacks(&self, name: &Name) -> Result<u64, BackendError> {
        self.present(name).await?.watch().comebacks(name).await
    }

    async fn logs(&self, name: &Name, wish: &LogWish) -> Result<LogStream, BackendError> {
        self.present(name).await?.watch().logs(name, wish).await
    }

    async fn processes(&self, name: &Name) -> Result<Vec<Process>, BackendError> {
        self.present(name).await?.watch().processes(name).await
    }

    async fn ended(&self, name: &Name) -> Result<i32, BackendError> {
        self.present(name).await?.watch().ended(name).await
    }

    async fn was_stopped(&self, name: &Name) -> bool {
        match self.present(name).await {
            Ok(engine) => engine.watch().was_stopped(name).await,
            Err(_) => false,
        }
    }

    async fn events(&self, since: Option<SystemTime>) -> Result<EventStream, BackendError> {
        hear::both(self, since).await
    }
}
