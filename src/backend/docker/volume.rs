//! Volumes that the engine must know: named ones of ours, and those that other drivers keep.
//!
//! The data of a named volume stay in locker's own directory, where system containers find them too;
//! the engine's volume of that name only leads there, and makes the engine fill an empty one from
//! the image. A volume of the same name that leads elsewhere is somebody else's and is refused.

use std::collections::HashMap;
use std::path::Path;

use bollard::Docker;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::RemoveVolumeOptions;

use super::error::{failed, is_missing, reason, refused};
use super::mounts::{driver_options, named};
use super::site::Site;
use crate::backend::BackendError;
use crate::model::{AppSpec, ContainerSpec, EngineVolume};

/// Makes the volumes of a container that are not there; those that are must be the right ones.
pub(super) async fn ensure(
    site: &Site,
    docker: &Docker,
    spec: &ContainerSpec,
    app: &AppSpec,
) -> Result<(), BackendError> {
    for mount in &spec.mounts {
        if let Some(name) = named(spec, mount) {
            let options = driver_options(&mount.host);
            let request = request(site, &name, "local", options, HashMap::new());
            let found = make(docker, spec, request).await?;
            check(spec, &name, &mount.host, &found)?;
        }
    }
    for mount in &app.settings.engine_volumes {
        match &mount.volume {
            EngineVolume::Anonymous => {}
            EngineVolume::External(name) => must_be(docker, spec, name).await?,
            EngineVolume::Driver {
                name,
                driver,
                options,
                labels,
            } => {
                let options = options.clone().into_iter().collect();
                let labels = labels.clone().into_iter().collect();
                make(docker, spec, request(site, name, driver, options, labels)).await?;
            }
        }
    }
    Ok(())
}

fn request(
    site: &Site,
    name: &str,
    driver: &str,
    options: HashMap<String, String>,
    mut labels: HashMap<String, String>,
) -> VolumeCreateRequest {
    labels.extend(site.labels());
    VolumeCreateRequest {
        name: Some(name.into()),
        driver: Some(driver.into()),
        driver_opts: Some(options),
        labels: Some(labels),
        cluster_volume_spec: None,
    }
}

/// Makes a volume, or gives the one of that name; the options of the volume that is there.
async fn make(
    docker: &Docker,
    spec: &ContainerSpec,
    request: VolumeCreateRequest,
) -> Result<HashMap<String, String>, BackendError> {
    let made = docker.create_volume(request).await;
    let made = made.map_err(|e| failed("make the volumes of", &spec.host_name(), &e))?;
    Ok(made.options)
}

fn check(
    spec: &ContainerSpec,
    name: &str,
    host: &Path,
    found: &HashMap<String, String>,
) -> Result<(), BackendError> {
    if found.get("device").map(Path::new) == Some(host) {
        return Ok(());
    }
    let reason = format!(
        "the engine has a volume `{name}` that is not locker's; remove it (docker volume rm {name}) or give the volume another name"
    );
    Err(refused("create", &spec.host_name(), reason))
}

/// The engine would make a missing one, empty and without a word.
async fn must_be(docker: &Docker, spec: &ContainerSpec, name: &str) -> Result<(), BackendError> {
    match docker.inspect_volume(name).await {
        Ok(_) => Ok(()),
        Err(error) if is_missing(&error) => {
            let reason = format!(
                "there is no volume `{name}`, which the file calls external; make it: docker volume create {name}"
            );
            Err(refused("create", &spec.host_name(), reason))
        }
        Err(error) => Err(failed("create", &spec.host_name(), &error)),
    }
}

/// Removes a volume of ours; an absent one is fine, a foreign one is refused.
/// `adopted` says that a foreign one was taken over.
pub(super) async fn remove(
    site: &Site,
    docker: &Docker,
    name: &str,
    adopted: bool,
) -> Result<(), BackendError> {
    let refuse = |reason: String| BackendError::Volume {
        verb: "remove",
        volume: name.into(),
        reason,
    };
    let found = match docker.inspect_volume(name).await {
        Ok(found) => found,
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(refuse(reason(&error))),
    };
    if !adopted && !site.owns(&found.labels) {
        return Err(refuse("it bears no mark of this project".into()));
    }
    match docker
        .remove_volume(name, None::<RemoveVolumeOptions>)
        .await
    {
        Err(error) if !is_missing(&error) => Err(refuse(reason(&error))),
        Ok(()) | Err(_) => Ok(()),
    }
}
