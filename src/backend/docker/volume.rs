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
use super::mark;
use super::mounts::{driver_options, named};
use super::site::Site;
use crate::backend::BackendError;
use crate::model::{AppSpec, ContainerSpec, EngineVolume};
use crate::observed::Owner;

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
            make(docker, spec, request).await?;
            check(docker, spec, &name, &mount.host).await?;
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

/// Makes a volume, if there is none of that name.
async fn make(
    docker: &Docker,
    spec: &ContainerSpec,
    request: VolumeCreateRequest,
) -> Result<(), BackendError> {
    let made = docker.create_volume(request).await;
    made.map_err(|e| failed("make the volumes of", &spec.host_name(), &e))?;
    Ok(())
}

/// The volume of that name must lead to the host's side of ours. The engine is asked for it by name: to a
/// request to make one that is there already, engine 20.10 answers without its options once it has been
/// started anew.
async fn check(
    docker: &Docker,
    spec: &ContainerSpec,
    name: &str,
    host: &Path,
) -> Result<(), BackendError> {
    let found = docker.inspect_volume(name).await;
    let found = found.map_err(|e| failed("look at the volumes of", &spec.host_name(), &e))?;
    let owner = mark::owner(&found.labels);
    match stray(name, host, &found.options, owner.as_ref()) {
        Some(reason) => Err(refused("create", &spec.host_name(), reason)),
        None => Ok(()),
    }
}

/// What is wrong with the options of a volume that should lead to `host`. It may hold somebody's data, so
/// that nobody is told to remove it, nor to use what is another project's.
fn stray(
    name: &str,
    host: &Path,
    options: &HashMap<String, String>,
    owner: Option<&Owner>,
) -> Option<String> {
    let device = options.get("device").map(Path::new);
    (device != Some(host)).then(|| match owner {
        Some(owner) => format!(
            "the engine's volume `{name}` is of {owner}; rename the volume or the project"
        ),
        None => format!(
            "the engine has a volume `{name}` that is not locker's; use it as it is (`external: true` and `name: {name}` below `volumes`) or give the volume another name"
        ),
    })
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
    if !adopted && !site.keeps(&found.labels, &found.options) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_that_leads_elsewhere_is_told_and_never_to_be_removed() {
        let host = Path::new("/var/lib/locker/volumes/shop/data");
        let ours = driver_options(host).into_iter().collect();
        assert_eq!(stray("shop_data", host, &ours, None), None);
        for options in [driver_options(Path::new("/srv")), HashMap::new()] {
            let owner = Owner {
                project: "shop_d".into(),
                directory: "/srv/shop_d".into(),
            };
            let said = stray("shop_data", host, &options, Some(&owner)).unwrap();
            assert!(
                said.contains("`shop_d`") && !said.contains("external"),
                "{said}"
            );
            let said = stray("shop_data", host, &options, None).unwrap();
            assert!(
                said.contains("`external: true` and `name: shop_data`"),
                "{said}"
            );
            assert!(!said.contains("rm ") && !said.contains("remove"), "{said}");
        }
    }
}
