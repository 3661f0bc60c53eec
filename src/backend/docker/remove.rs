//! Destroying a container and setting one aside.
//!
//! Both go by the engine's id, so that what bears the name by now is never touched in its place.

use std::time::{Duration, Instant};

use bollard::query_parameters::{
    RemoveContainerOptions, RemoveVolumeOptions, RenameContainerOptions,
};

use super::client::Link;
use super::error::{failed, is_missing, status};
use super::known::{Bodies, Known};
use super::power;
use super::site::Site;
use crate::backend::{BackendError, Body};
use crate::model::{Name, STOP_GRACE};
use crate::store;

/// What the engine answers when it cannot remove a container now.
pub(super) const CONFLICT: u16 = 409;
/// How long the engine may still be at work for a run that was killed, and how often it is asked again.
pub(super) const OLD_REQUEST: Duration = Duration::from_secs(30);
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Destroys a stopped container with its files, and with `volumes` also its volumes without a name.
pub(super) async fn destroy(
    site: &Site,
    link: &Link,
    name: &Name,
    bodies: &Bodies,
    body: Body,
    volumes: bool,
) -> Result<(), BackendError> {
    let other = match body {
        Body::Present => &bodies.aside,
        Body::Aside => &bodies.present,
    };
    if let Some(known) = bodies.of(body) {
        let options = RemoveContainerOptions {
            v: volumes,
            // What is half made may be in any state, and nobody can have come to need it.
            force: known.wreck,
            link: false,
        };
        remove(link, &site.full(name), known, options).await?;
        let used = other
            .iter()
            .flat_map(|other| &other.held)
            .map(|(_, volume)| volume);
        let used: Vec<&String> = used.collect();
        if volumes {
            remove_held(site, link, known, &used).await?;
        }
    }
    forget_stop(site, name, bodies, body);
    let kept: Vec<String> = other.iter().map(|other| other.token.clone()).collect();
    site.sweep_homes(name, &kept)
}

/// Forgets that the container which is no more was told to stop. The other self of its name may have been, too; one that
/// others have removed has left no id to know it by.
fn forget_stop(site: &Site, name: &Name, bodies: &Bodies, body: Body) {
    let (paths, project) = (&site.paths, &site.project);
    match bodies.of(body) {
        Some(known) => store::forget_stopped_of(paths, project, name, &known.id),
        None if bodies.present.is_none() && bodies.aside.is_none() => {
            store::forget_stopped(paths, project, name);
        }
        None => {}
    }
}

/// Removes a container that is at rest. The engine may still be at work for a run that was killed: it removes the
/// container already, or starts it.
async fn remove(
    link: &Link,
    full: &str,
    known: &Known,
    options: RemoveContainerOptions,
) -> Result<(), BackendError> {
    let (begun, docker) = (Instant::now(), link.at_work());
    loop {
        let removed = docker.remove_container(&known.id, Some(options.clone()));
        match removed.await {
            Err(error) if status(&error) == Some(CONFLICT) && begun.elapsed() < OLD_REQUEST => {
                let spec = &known.mark.spec;
                let grace = spec.stop_grace.unwrap_or(STOP_GRACE);
                // One that rests is not stopped by this, nor one that is removed.
                let _ = power::stop(link, full, known, grace).await;
                tokio::time::sleep(LOOK).await;
            }
            Err(error) if !is_missing(&error) => return Err(failed("destroy", full, &error)),
            Ok(()) | Err(_) => return Ok(()),
        }
    }
}

/// Removes volumes without a name that the container had taken over: to the engine they have become
/// named ones, which it does not take along.
async fn remove_held(
    site: &Site,
    link: &Link,
    known: &Known,
    used: &[&String],
) -> Result<(), BackendError> {
    const IN_USE: u16 = 409;
    for (_, volume) in known
        .held
        .iter()
        .filter(|(_, volume)| !used.contains(&volume))
    {
        let removed = link
            .at_work()
            .remove_volume(volume, None::<RemoveVolumeOptions>)
            .await;
        match removed {
            Err(error) if !is_missing(&error) && status(&error) != Some(IN_USE) => {
                let full = site.full(&known.mark.spec.name);
                return Err(failed("remove the volumes of", &full, &error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Renames a container to its set-aside name, or back. It may run.
pub(super) async fn set_aside(
    site: &Site,
    link: &Link,
    name: &Name,
    known: &Known,
    back: bool,
) -> Result<(), BackendError> {
    let to = if back {
        site.full(name)
    } else {
        site.aside(name)
    };
    let options = RenameContainerOptions { name: to };
    let renamed = link.docker.rename_container(&known.id, options).await;
    let verb = if back { "bring back" } else { "set aside" };
    renamed.map_err(|e| failed(verb, &site.full(name), &e))
}
