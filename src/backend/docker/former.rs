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
const NEEDS: &str = "com.docker.compose.depends_on";
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
    mark_first(&mut former.containers);
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
        if mount.rw == Some(false) {
            return None;
        }
        Some((PathBuf::from(mount.destination.clone()?), volume))
    });
    let named = mounts().filter_map(|mount| mount.name.clone());
    let number = of(NUMBER).and_then(|number| number.parse().ok());
    let networks = found.network_settings.as_ref();
    let networks = networks.and_then(|on| on.networks.as_ref());
    let rests = [
        ContainerSummaryStateEnum::CREATED,
        ContainerSummaryStateEnum::EXITED,
        ContainerSummaryStateEnum::DEAD,
    ];
    let container = FormerContainer {
        id: found.id.clone()?,
        name: name.to_owned(),
        service: of(SERVICE).map(str::to_owned),
        number: number.unwrap_or(1),
        first: false,
        one_off: beside::is_one_off(&of),
        needs: needs(of(NEEDS).unwrap_or_default()),
        networks: networks
            .into_iter()
            .flatten()
            .map(|(n, _)| n.clone())
            .collect(),
        directory: of(DIRECTORY).map(PathBuf::from)?,
        started: beside::started(site, &of)?,
        runs: found.state.is_some_and(|state| !rests.contains(&state)),
        named: named.filter(|name| !is_anonymous(name)).collect(),
        unnamed: unnamed.collect(),
    };
    Some((of(PROJECT)?.to_owned(), container))
}

/// The services of docker compose's list of what a container depends on: `db:service_started:false,…`.
fn needs(list: &str) -> Vec<String> {
    let names = list.split(',').filter_map(|word| word.split(':').next());
    let names = names.map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// Marks the container of each service whose volumes without a name go on: number 1 may be gone.
fn mark_first(containers: &mut [FormerContainer]) {
    let mut lowest: BTreeMap<Option<String>, u64> = BTreeMap::new();
    for container in containers.iter().filter(|container| !container.one_off) {
        let number = lowest.entry(container.service.clone());
        let number = number.or_insert(container.number);
        *number = container.number.min(*number);
    }
    for container in containers.iter_mut().filter(|container| !container.one_off) {
        container.first = lowest.get(&container.service) == Some(&container.number);
    }
}

/// The order in which they are stopped, as `docker compose down` does it: who depends on others ends before those, and
/// can still write to them. What is left of a circle is one wave.
fn waves(containers: &[FormerContainer]) -> Vec<Vec<&FormerContainer>> {
    let mut rest: Vec<&FormerContainer> = containers.iter().collect();
    let mut waves = Vec::new();
    while !rest.is_empty() {
        let needed: BTreeSet<&str> = rest
            .iter()
            .flat_map(|of| of.needs.iter().filter(|on| of.service.as_ref() != Some(on)))
            .map(String::as_str)
            .collect();
        let is_needed = |container: &&FormerContainer| {
            let service = container.service.as_deref();
            service.is_some_and(|service| needed.contains(service))
        };
        let (later, mut wave): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_needed);
        rest = later;
        if wave.is_empty() {
            wave = std::mem::take(&mut rest);
        }
        waves.push(wave);
    }
    waves
}

/// Stops and removes its containers, which keep all their volumes, and then its networks.
pub(super) async fn clear(link: &Link, former: &Former) -> Result<(), BackendError> {
    for wave in waves(&former.containers) {
        try_join_all(wave.into_iter().map(|container| stop(link, container))).await?;
    }
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

    fn container(service: &str, number: u64, needs: &str) -> FormerContainer {
        FormerContainer {
            id: String::new(),
            name: format!("shop-{service}-{number}"),
            service: Some(service.into()),
            number,
            first: false,
            one_off: false,
            needs: super::needs(needs),
            networks: Vec::new(),
            directory: PathBuf::new(),
            started: Started::Here,
            runs: true,
            named: Vec::new(),
            unnamed: Vec::new(),
        }
    }

    #[test]
    fn who_depends_on_others_is_stopped_before_them() {
        let order = |containers: &[FormerContainer]| -> Vec<String> {
            let waves = waves(containers).into_iter();
            let names = |wave: Vec<&FormerContainer>| {
                let names: Vec<&str> = wave.iter().map(|c| c.name.as_str()).collect();
                names.join(" ")
            };
            waves.map(names).collect()
        };
        let shop = [
            container("db", 1, ""),
            container(
                "app",
                1,
                "db:service_healthy:true,cache:service_started:false",
            ),
            container("app", 2, "db:service_healthy:true"),
            container("cache", 1, "db:service_started:false"),
            container("web", 1, "app:service_started:false"),
            container("alone", 1, ""),
        ];
        let expected = [
            "shop-web-1 shop-alone-1",
            "shop-app-1 shop-app-2",
            "shop-cache-1",
            "shop-db-1",
        ];
        assert_eq!(order(&shop), expected);
        let circle = [
            container("a", 1, "b:service_started:false"),
            container("b", 1, "a:service_started:false"),
            container("own", 1, "own:service_started:false"),
        ];
        assert_eq!(order(&circle), ["shop-own-1", "shop-a-1 shop-b-1"]);
    }

    #[test]
    fn the_first_of_a_service_has_the_lowest_number_that_is_there() {
        let mut run = container("app", 1, "");
        run.one_off = true;
        let mut all = [
            run,
            container("app", 3, ""),
            container("app", 2, ""),
            container("db", 1, ""),
        ];
        mark_first(&mut all);
        assert_eq!(all.map(|c| c.first), [false, false, true, true]);
    }

    #[test]
    fn a_volume_that_is_only_read_may_be_anothers_and_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let site = Site {
            project: crate::model::Name::new("shop").unwrap(),
            directory: "/srv/shop".into(),
            here: "/srv/shop".into(),
            paths: crate::store::Paths::under(dir.path()),
        };
        let volume = |word: &str| word.repeat(32);
        let mount = |word: &str, target: &str, rw: bool| serde_json::json!({"Name": volume(word), "Destination": target, "RW": rw});
        let found: ContainerSummary = serde_json::from_value(serde_json::json!({
            "Id": "0a", "Names": ["/shop-b-1"], "State": "exited",
            "Labels": {PROJECT: "shop", SERVICE: "b", DIRECTORY: "/srv/shop", NUMBER: "1"},
            "Mounts": [mount("0b", "/own", true), mount("0c", "/theirs", false)],
        }))
        .unwrap();
        let (_, container) = read(&site, &found).unwrap();
        assert_eq!(container.unnamed, [("/own".into(), volume("0b"))]);
    }

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
