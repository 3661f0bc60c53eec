//! What docker compose has made of a project, and taking its containers and networks away.
//!
//! It is found by docker compose's own labels. Volumes are only told: who takes them over writes that down.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
    RemoveContainerOptions, StopContainerOptions,
};
use futures_util::future::try_join_all;

use super::beside;
use super::client::Link;
use super::error::{failed, is_missing, reason, status};
use super::known::{self, is_anonymous};
use super::list::{
    self, COMPOSE_DIRECTORY as DIRECTORY, COMPOSE_PROJECT as PROJECT, COMPOSE_SERVICE as SERVICE,
    Entry,
};
use super::network::remove_when_let_go;
use super::observe::runs;
use super::power::thaw;
use super::remove::{CONFLICT, LOOK, OLD_REQUEST};
use super::site::Site;
use crate::backend::{BackendError, Former, FormerContainer, FormerNetwork, Started};

const NUMBER: &str = "com.docker.compose.container-number";
/// How long a container may take for its end that asks for no time of its own, or for all of it.
const USUAL_STOP: Duration = Duration::from_secs(10);
const LONGEST_STOP: Duration = Duration::from_secs(7 * 24 * 3600);

/// What bears the project's label, and which other projects were started in its directory.
pub(super) async fn look(site: &Site, link: &Link) -> Result<Former, BackendError> {
    let filters = HashMap::from([("label", vec![DIRECTORY.to_owned()])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let found = link.docker.list_containers(Some(options)).await;
    let found = found.map_err(|e| failed("look for", "docker compose's containers", &e))?;
    let mut former = Former::default();
    for container in found.iter().filter_map(|found| read(site, found)) {
        match container {
            (project, container) if project == site.project.as_str() => {
                former.containers.push(container);
            }
            (project, container) if container.started == Started::Here => {
                former.other.insert(project);
            }
            _ => {}
        }
    }
    former.networks = networks(site, link).await?;
    if !former.networks.is_empty() {
        let all = list::containers(&link.endpoint).await?;
        let own: BTreeSet<&String> = former.containers.iter().map(|c| &c.id).collect();
        let is_other = |entry: &&Entry| entry.id.as_ref().is_some_and(|id| !own.contains(id));
        for network in &mut former.networks {
            let on = all.iter().filter(is_other);
            network.guests = on.filter_map(|entry| guest(entry, &network.name)).collect();
        }
    }
    Ok(former)
}

async fn networks(site: &Site, link: &Link) -> Result<Vec<FormerNetwork>, BackendError> {
    let filters = HashMap::from([("label", vec![format!("{PROJECT}={}", site.project)])]);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = link.docker.list_networks(Some(options)).await;
    let networks = networks.map_err(|e| failed("look for", "docker compose's networks", &e))?;
    let networks = networks.into_iter().filter_map(|found| {
        Some(FormerNetwork {
            id: found.id?,
            name: found.name?,
            guests: BTreeMap::new(),
        })
    });
    Ok(networks.collect())
}

/// A container that is on `network`, and whether it runs.
fn guest(entry: &Entry, network: &str) -> Option<(String, bool)> {
    let on = entry.network_settings.as_ref()?.networks.as_ref()?;
    let name = known::name_of(entry)?;
    on.contains_key(network)
        .then(|| (name.to_owned(), runs(entry)))
}

fn label<'a>(found: &'a ContainerSummary, key: &str) -> Option<&'a str> {
    found.labels.as_ref()?.get(key).map(String::as_str)
}

/// A container that docker compose has made, and of which project. One without its directory has the labels of an
/// image that docker compose has built, and may be anybody's; one with locker's mark is not docker compose's in any
/// case.
fn read(site: &Site, found: &ContainerSummary) -> Option<(String, FormerContainer)> {
    let mut labels = found.labels.iter().flatten();
    if labels.any(|(key, _)| key.starts_with("locker.")) {
        return None;
    }
    let of = |key: &str| label(found, key);
    let name = found.names.as_ref()?.first()?.trim_start_matches('/');
    let mounts = || found.mounts.iter().flatten();
    let unnamed = mounts().filter_map(|mount| {
        let volume = mount.name.clone().filter(|name| is_anonymous(name))?;
        Some((PathBuf::from(mount.destination.clone()?), volume))
    });
    let named = mounts().filter_map(|mount| mount.name.clone());
    let first = of(NUMBER).is_none_or(|number| number == "1");
    let rests = [
        ContainerSummaryStateEnum::CREATED,
        ContainerSummaryStateEnum::EXITED,
        ContainerSummaryStateEnum::DEAD,
    ];
    let container = FormerContainer {
        id: found.id.clone()?,
        name: name.to_owned(),
        service: of(SERVICE).map(str::to_owned),
        first: first && !beside::is_one_off(&of),
        directory: of(DIRECTORY).map(PathBuf::from)?,
        started: beside::started(site, &of)?,
        runs: found.state.is_some_and(|state| !rests.contains(&state)),
        named: named.filter(|name| !is_anonymous(name)).collect(),
        unnamed: unnamed.collect(),
    };
    Some((of(PROJECT)?.to_owned(), container))
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
    for network in &former.networks {
        match remove_when_let_go(&link.docker, &network.id).await {
            Err(error) if !is_missing(&error) => {
                return Err(BackendError::Network {
                    verb: "remove",
                    network: network.name.clone(),
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

/// With the time that the container itself asks for, whatever that is; one that does not run is fine.
async fn stop(link: &Link, container: &FormerContainer) -> Result<(), BackendError> {
    let docker = link.patient(grace(&link.docker, container).await);
    let stop = || docker.stop_container(&container.id, None::<StopContainerOptions>);
    let stopped = match stop().await {
        Err(error) if reason(&error).contains("paused") => {
            thaw(&docker, &container.name, &container.id).await?;
            stop().await
        }
        stopped => stopped,
    };
    match stopped {
        Err(error) if !is_missing(&error) => Err(failed("stop", &container.name, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The time that a container asks for; the list does not tell it.
async fn grace(docker: &Docker, container: &FormerContainer) -> Duration {
    let options = None::<InspectContainerOptions>;
    let shown = docker.inspect_container(&container.id, options).await;
    // What cannot be seen is told by the stop.
    let seconds = shown.ok().and_then(|shown| shown.config?.stop_timeout);
    time_of(seconds)
}

/// Less than nothing is without end.
fn time_of(seconds: Option<i64>) -> Duration {
    let Some(seconds) = seconds else {
        return USUAL_STOP;
    };
    let time = u64::try_from(seconds).map_or(LONGEST_STOP, Duration::from_secs);
    time.min(LONGEST_STOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_waited_for_as_long_as_the_container_asks() {
        for (seconds, time) in [
            (None, 10),
            (Some(0), 0),
            (Some(300), 300),
            (Some(-1), 7 * 86_400),
            (Some(i64::MAX), 7 * 86_400),
        ] {
            assert_eq!(time_of(seconds), Duration::from_secs(time), "{seconds:?}");
        }
    }
}
