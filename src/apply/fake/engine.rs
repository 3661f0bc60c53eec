//! What the fake engine has beside containers.

use std::collections::BTreeSet;
use std::path::PathBuf;

use async_trait::async_trait;

use super::{Fake, broken};
use crate::backend::{BackendError, Engine, Former, ImageInfo, Once, Progress, RunOptions};
use crate::model::{Build, ContainerSpec, EngineNetwork, Name};
use crate::observed::State;

#[async_trait]
impl Engine for Fake {
    async fn pull(
        &self,
        image: &str,
        _: Option<&str>,
        progress: Progress<'_>,
    ) -> Result<(), BackendError> {
        progress("half of it");
        self.backend(format!("pull {image}")).await?;
        self.world.lock().unwrap().images.insert(image.into());
        Ok(())
    }

    async fn build(&self, build: &Build, progress: Progress<'_>) -> Result<(), BackendError> {
        progress("Step 1/1");
        self.backend(format!("build {}", build.image)).await?;
        let mut world = self.world.lock().unwrap();
        world.images.insert(build.image.clone());
        Ok(())
    }

    async fn name_image(&self, id: &str, image: &str) -> Result<(), BackendError> {
        self.backend(format!("name {image} {id}")).await
    }

    async fn ensure_network(&self, network: &EngineNetwork) -> Result<(), BackendError> {
        let name = network.host_name();
        self.backend(format!("network {name}")).await?;
        let mut world = self.world.lock().unwrap();
        if !world.bridges.contains_key(&network.bridge) {
            return Err(broken(&name, "has no bridge"));
        }
        match world.engine_networks.get(&network.network) {
            Some(old) if old != network => Err(broken(&name, "is another one")),
            Some(_) | None => {
                let key = network.network.clone();
                world.left.remove(&key);
                world.engine_networks.insert(key, network.clone());
                Ok(())
            }
        }
    }

    async fn remove_network(
        &self,
        network: &EngineNetwork,
        replaced: bool,
    ) -> Result<Option<String>, BackendError> {
        let name = network.host_name();
        self.backend(format!("remove network {name}")).await?;
        let mut world = self.world.lock().unwrap();
        let all = world.containers.values().chain(world.aside.values());
        // As the real one: only those that run hold it.
        let running = all.filter(|made| made.state != State::Stopped);
        let apps = running.filter_map(|made| made.mark.spec.app.as_ref());
        let mut attached = apps.flat_map(|app| &app.attached);
        if attached.any(|attached| attached.network == name) {
            return Err(broken(&name, "is in use"));
        }
        if world.miscounted.contains(&network.network) {
            if replaced {
                return Err(broken(&name, "is kept"));
            }
            world.left.insert(network.network.clone());
            return Ok(Some(format!("{name} is kept")));
        }
        world.engine_networks.remove(&network.network);
        Ok(None)
    }

    async fn former(&self) -> Result<Former, BackendError> {
        Ok(Former::default())
    }

    async fn clear_former(&self, _: &Former) -> Result<(), BackendError> {
        Ok(())
    }

    async fn remove_volume(&self, name: &str, _: bool) -> Result<(), BackendError> {
        self.backend(format!("remove volume {name}")).await?;
        self.world.lock().unwrap().volumes.remove(name);
        Ok(())
    }

    async fn images(&self, _: &BTreeSet<String>) -> Result<Vec<ImageInfo>, BackendError> {
        Ok(Vec::new())
    }

    async fn files_in(
        &self,
        _: &str,
        _: Option<&str>,
        _: &BTreeSet<PathBuf>,
    ) -> Result<BTreeSet<PathBuf>, BackendError> {
        Ok(BTreeSet::new())
    }

    fn once(&self) -> &dyn Once {
        self
    }
}

#[async_trait]
impl Once for Fake {
    async fn run(&self, spec: &ContainerSpec, _: &RunOptions) -> Result<i32, BackendError> {
        Err(broken(spec.name.as_str(), "the fake runs nothing once"))
    }

    async fn make(&self, spec: &ContainerSpec) -> Result<(), BackendError> {
        Err(broken(spec.name.as_str(), "the fake runs nothing once"))
    }

    async fn remove(&self, name: &Name, _: bool) -> Result<(), BackendError> {
        self.backend(format!("remove once {name}")).await?;
        self.world.lock().unwrap().containers.remove(name);
        Ok(())
    }

    fn socket(&self) -> Option<PathBuf> {
        None
    }
}
