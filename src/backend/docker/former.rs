//! What docker compose has made of a project, and taking its containers and networks away.
//!
//! It is found by docker compose's own labels. Volumes are only told: who takes them over writes that down.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptions,
    StopContainerOptions,
};
use futures_util::future::try_join_all;

use super::client::Link;
use super::error::{failed, is_missing, reason, status};
use super::known::is_anonymous;
use super::list::{COMPOSE_DIRECTORY as DIRECTORY, COMPOSE_PROJECT as PROJECT};
use super::network::remove_when_let_go;
use super::remove::{CONFLICT, LOOK, OLD_REQUEST};
use crate::backend::{BackendError, Former, FormerContainer};
use crate::model::Name;

const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// What bears `project`'s label, and the containers of `directory` whatever their project is called.
pub(super) async fn look(
    link: &Link,
    project: &Name,
    directory: &str,
) -> Result<Former, BackendError> {
    let labelled = |label: String| HashMap::from([("label", vec![label])]);
    let list = |filters: HashMap<&'static str, Vec<String>>| async move {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let found = link.docker.list_containers(Some(options)).await;
        found.map_err(|e| failed("look for", "docker compose's containers", &e))
    };
    let of_project = list(labelled(format!("{PROJECT}={project}"))).await?;
    let of_directory = list(labelled(format!("{DIRECTORY}={directory}"))).await?;
    let filters = labelled(format!("{PROJECT}={project}"));
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = link.docker.list_networks(Some(options)).await;
    let networks = networks.map_err(|e| failed("look for", "docker compose's networks", &e))?;
    let networks = networks
        .into_iter()
        .filter_map(|found| Some((found.id?, found.name?)));
    let other = of_directory
        .iter()
        .filter_map(|found| label(found, PROJECT));
    Ok(Former {
        containers: of_project
            .iter()
            .filter(is_composes)
            .filter_map(container)
            .collect(),
        networks: networks.collect(),
        other: other.filter(|other| other != project.as_str()).collect(),
    })
}

/// Whether docker compose has made it. One without its directory has the labels of an image that docker compose has
/// built, and may be anybody's; one with locker's mark is not docker compose's in any case.
fn is_composes(found: &&ContainerSummary) -> bool {
    let mut labels = found.labels.iter().flatten();
    label(found, DIRECTORY).is_some() && !labels.any(|(key, _)| key.starts_with("locker."))
}

fn label(found: &ContainerSummary, key: &str) -> Option<String> {
    found.labels.as_ref()?.get(key).cloned()
}

fn container(found: &ContainerSummary) -> Option<FormerContainer> {
    let name = found
        .names
        .as_ref()?
        .first()?
        .trim_start_matches('/')
        .to_owned();
    let mounts = found.mounts.iter().flatten();
    let unnamed = mounts.filter_map(|mount| {
        let volume = mount.name.clone().filter(|name| is_anonymous(name))?;
        Some((PathBuf::from(mount.destination.clone()?), volume))
    });
    let one_off = label(found, ONE_OFF).is_some_and(|word| word.eq_ignore_ascii_case("true"));
    let first = label(found, NUMBER).is_none_or(|number| number == "1");
    Some(FormerContainer {
        id: found.id.clone()?,
        name,
        service: label(found, SERVICE).filter(|_| first && !one_off),
        directory: label(found, DIRECTORY).map(PathBuf::from),
        runs: found.state == Some(ContainerSummaryStateEnum::RUNNING),
        unnamed: unnamed.collect(),
    })
}

/// Stops and removes its containers, which keep all their volumes, and then its networks.
pub(super) async fn clear(link: &Link, former: &Former) -> Result<(), BackendError> {
    try_join_all(
        former
            .containers
            .iter()
            .map(|container| stop(link, container)),
    )
    .await?;
    for container in &former.containers {
        remove(link, container).await?;
    }
    for (id, name) in &former.networks {
        match remove_when_let_go(&link.docker, id).await {
            Err(error) if !is_missing(&error) => {
                return Err(BackendError::Network {
                    verb: "remove",
                    network: name.clone(),
                    reason: reason(&error),
                });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Removes one that was stopped. The engine may still be at work for a run that was killed: it removes the container
/// already, or somebody has started it again.
async fn remove(link: &Link, container: &FormerContainer) -> Result<(), BackendError> {
    let options = RemoveContainerOptions {
        v: false,
        force: false,
        link: false,
    };
    let begun = Instant::now();
    loop {
        let removed = link
            .docker
            .remove_container(&container.id, Some(options.clone()));
        match removed.await {
            Err(error) if status(&error) == Some(CONFLICT) && begun.elapsed() < OLD_REQUEST => {
                // One that is removed cannot be stopped any more; what keeps it is told by the next removal.
                let _ = stop(link, container).await;
                tokio::time::sleep(LOOK).await;
            }
            Err(error) if !is_missing(&error) => {
                return Err(failed("remove", &container.name, &error));
            }
            Ok(()) | Err(_) => return Ok(()),
        }
    }
}

/// With the time that the container itself asks for; one that does not run is fine.
async fn stop(link: &Link, container: &FormerContainer) -> Result<(), BackendError> {
    match link
        .docker
        .stop_container(&container.id, None::<StopContainerOptions>)
        .await
    {
        Err(error) if !is_missing(&error) => Err(failed("stop", &container.name, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
