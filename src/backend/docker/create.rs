//! Making a container: all or nothing.
//!
//! First the files that are mounted into it, then its volumes, then the container with all its labels
//! in one request, then its further networks where an older engine cannot join them at once. Whatever
//! fails takes back all that was done. When it is killed in between, the labels are there and a network
//! is missing, which [`super::known`] calls a wreck; files without a container go with the next one.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bollard::models::{ContainerCreateBody, ContainerStateStatusEnum, NetworkConnectRequest};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, RemoveContainerOptions,
};

use super::body::{self, Around};
use super::client::Link;
use super::error::{failed, is_missing, refused, status};
use super::known::{Bodies, Known};
use super::site::{Site, io, token, write_whole};
use super::unheld::{self, Remark};
use super::{files, hosts, older, owners, place, volume};
use crate::backend::{BackendError, Seeded};
use crate::model::{AppLimits, AppSpec, ContainerSpec, Mount};
use crate::observed::Mark;
use crate::sys;

/// What the engine answers when a name is taken.
const IN_USE: u16 = 409;
/// How long the engine may still be at work for a run that was killed.
const OLD_REQUEST: Duration = Duration::from_secs(30);

/// Name of the list of host directories that were made for a container's mounts.
const MADE: &str = "made.json";

/// The settings of an application container. The planner gives no other to this driver.
pub(super) fn app_of(spec: &ContainerSpec) -> Result<&AppSpec, BackendError> {
    spec.app.as_deref().ok_or_else(|| {
        refused(
            "create",
            &spec.host_name(),
            "it has no settings of an application container",
        )
    })
}

/// A container that was made.
pub(super) struct Made {
    pub(super) known: Known,
    /// What the engine remarked about it.
    pub(super) remarks: Vec<String>,
}

/// Makes a container that bears `mark`; `adapt` has the last word on what the engine is asked.
/// `older` are the selves that bear its name; an aside one hands its volumes on unless `renew`.
pub(super) async fn create(
    site: &Site,
    link: &Link,
    mark: &Mark,
    older: &Bodies,
    renew: bool,
    adapt: impl FnOnce(&mut ContainerCreateBody),
) -> Result<Made, BackendError> {
    let spec = &mark.spec;
    let app = app_of(spec)?;
    let aside = older.aside.as_ref();
    // What a killed creation left has no container any more that uses it.
    let living = [older.present.as_ref(), aside].into_iter().flatten();
    site.sweep_homes(
        &spec.name,
        &living.map(|known| known.token.clone()).collect::<Vec<_>>(),
    )?;
    let token = token();
    let home = site.make_home(&spec.name, &token)?;
    let older_held = aside
        .filter(|_| !renew)
        .map_or(&[][..], |aside| &aside.held);
    let (held, left) = super::handed::sort(link, spec, app, older_held).await;
    let held = &held[..];
    let made = missing(&spec.mounts);
    for mount in spec.mounts.iter().filter(|mount| mount.named) {
        // Its own mode is the container's affair, so nobody else may come near.
        let above = mount.host.parent().unwrap_or(&mount.host);
        crate::store::make_private(above).map_err(io("create", above))?;
    }
    let done = async {
        lay_out(&home, spec, app, &made)?;
        volume::ensure(site, &link.docker, spec, app).await?;
        let around = Around {
            home: &home,
            labels: site.labels_of(mark, &token)?,
            held,
            joins_several: link.joins_several(),
            ranks: link.has_own_rules(),
            cgroup_parent: match spec.supervised {
                true => link.slice(&spec.project).await?,
                false => None,
            },
        };
        let mut body = body::body(spec, app, around);
        adapt(&mut body);
        let wanted = Wanted { spec, app, older };
        let (id, remarks) = make(site, link, &wanted, body).await?;
        join(link, spec, app, &id).await?;
        if let Err(error) = give_fresh(site, link, spec, app, held).await {
            discard(link, &id).await;
            return Err(error);
        }
        Ok((id, remarks))
    };
    match done.await {
        Ok((id, mut remarks)) => Ok(Made {
            known: Known {
                id,
                token,
                mark: mark.clone(),
                wreck: false,
                frozen: false,
                held: held.to_vec(),
                unplugged: BTreeSet::new(),
            },
            remarks: {
                remarks.extend(left.iter().map(|left| super::handed::told(spec, left)));
                remarks
            },
        }),
        Err(error) => {
            take_back(&home, &made);
            Err(error)
        }
    }
}

/// The directories of `mounts` that are not there, with those that lead to them, parents first. The engine fills a named
/// volume when it makes the container, so they must be there before.
pub(super) fn missing(mounts: &[Mount]) -> Vec<PathBuf> {
    let hosts = mounts.iter().map(|mount| mount.host.as_path());
    let all = hosts.flat_map(|host| host.ancestors().take_while(|dir| !dir.exists()));
    let all: BTreeSet<PathBuf> = all.map(Into::into).collect();
    all.into_iter().collect()
}

fn lay_out(
    home: &Path,
    spec: &ContainerSpec,
    app: &AppSpec,
    made: &[PathBuf],
) -> Result<(), BackendError> {
    if hosts::is_managed(spec, app) {
        hosts::create(home, spec, app)?;
    }
    files::create(home, &app.settings.files)?;
    if made.is_empty() {
        return Ok(());
    }
    let note = serde_json::to_vec(made).map_err(|e| BackendError::Mark {
        path: home.join(MADE),
        reason: e.to_string(),
    })?;
    write_whole(&home.join(MADE), &note)?;
    for path in made {
        fs::create_dir_all(path).map_err(io("create", path))?;
    }
    Ok(())
}

/// The host directories that were made when the container was.
pub(super) fn made(home: &Path) -> Vec<PathBuf> {
    let note = fs::read(home.join(MADE)).unwrap_or_default();
    // One that cannot be read names nothing: then what was made is left, which harms nobody.
    serde_json::from_slice(&note).unwrap_or_default()
}

/// Removes the files and the empty directories of a container that was not made. Only what is empty
/// goes, and the first error is the one to tell.
fn take_back(home: &Path, made: &[PathBuf]) {
    let _ = fs::remove_dir_all(home);
    for path in made.iter().rev() {
        let _ = fs::remove_dir(path);
    }
    if let Some(homes) = home.parent() {
        let _ = fs::remove_dir(homes);
    }
}

/// What is made, and what bears its name already.
struct Wanted<'a> {
    spec: &'a ContainerSpec,
    app: &'a AppSpec,
    older: &'a Bodies,
}

async fn make(
    site: &Site,
    link: &Link,
    wanted: &Wanted<'_>,
    body: ContainerCreateBody,
) -> Result<(String, Vec<String>), BackendError> {
    let (spec, app, begun) = (wanted.spec, wanted.app, Instant::now());
    for attached in place::later(app, link.joins_several()) {
        if let Some(mac) = place::mac_of_file(app, attached) {
            let reason = format!(
                "this engine gives a hardware address on the first network only; `{mac}` on `{}` needs Engine 25",
                attached.network
            );
            return Err(refused("create", &spec.host_name(), reason));
        }
    }
    let options = CreateContainerOptions {
        name: Some(spec.host_name()),
        platform: app.settings.platform.clone().unwrap_or_default(),
    };
    let made = loop {
        let made = match place::first_mac(app).filter(|_| !link.joins_several()) {
            Some(mac) => older::create(link, &options, &body, mac).await,
            None => {
                let options = Some(options.clone());
                link.at_work().create_container(options, body.clone()).await
            }
        };
        match made {
            Err(error) if status(&error) == Some(IN_USE) && begun.elapsed() < OLD_REQUEST => {
                if !is_cleared(site, link, wanted).await? {
                    return Err(not_made(spec, &error));
                }
            }
            made => break made.map_err(|e| not_made(spec, &e))?,
        }
    };
    match heed(&spec.host_name(), &app.settings.limits, &made.warnings) {
        Ok(remarks) => Ok((made.id, remarks)),
        Err(error) => {
            discard(link, &made.id).await;
            Err(error)
        }
    }
}

/// The remarks of the engine that are worth knowing. One that says that the engine has left out what the file
/// asks for, which its `info` did not tell, is an error.
fn heed(full: &str, limits: &AppLimits, remarks: &[String]) -> Result<Vec<String>, BackendError> {
    let mut told = Vec::new();
    for remark in remarks {
        match unheld::sort(remark, limits) {
            Remark::LeftOut => return Err(refused("create", full, unheld::left_out(remark))),
            Remark::Worth => told.push(format!("container `{full}`: the engine remarks: {remark}")),
            Remark::Known => {}
        }
    }
    Ok(told)
}

/// Clears what bears the name though the last look did not see it: the engine was still at work for a run that was
/// killed. False when it is none of that.
async fn is_cleared(site: &Site, link: &Link, wanted: &Wanted<'_>) -> Result<bool, BackendError> {
    const LOOK: Duration = Duration::from_millis(50);
    let full = wanted.spec.host_name();
    let found = link
        .docker
        .inspect_container(&full, None::<InspectContainerOptions>);
    let found = match found.await {
        Ok(found) => found,
        // The name is taken and nobody bears it: one is being made, or removed.
        Err(error) if is_missing(&error) => {
            tokio::time::sleep(LOOK).await;
            return Ok(true);
        }
        Err(error) => return Err(failed("look at", &full, &error)),
    };
    let labels = found.config.and_then(|config| config.labels);
    let ours = labels.is_some_and(|labels| site.owns(&labels));
    let state = found.state.and_then(|state| state.status);
    let fresh = state == Some(ContainerStateStatusEnum::CREATED);
    let leaves = state == Some(ContainerStateStatusEnum::REMOVING);
    let known = [&wanted.older.present, &wanted.older.aside];
    let known = known
        .into_iter()
        .flatten()
        .any(|known| found.id.as_ref() == Some(&known.id));
    if ours && leaves {
        tokio::time::sleep(LOOK).await;
        return Ok(true);
    }
    // What has ever run is somebody's.
    let Some(id) = found.id.filter(|_| ours && fresh && !known) else {
        return Ok(false);
    };
    let options = RemoveContainerOptions {
        v: true,
        force: true,
        link: false,
    };
    match link.at_work().remove_container(&id, Some(options)).await {
        Err(error) if !is_missing(&error) && status(&error) != Some(IN_USE) => {
            Err(failed("clear away", &full, &error))
        }
        Ok(()) | Err(_) => Ok(true),
    }
}

/// The engine's reason, and for an image that is not there what to do.
fn not_made(spec: &ContainerSpec, error: &bollard::errors::Error) -> BackendError {
    let image = spec.source.image().unwrap_or_default();
    let full = spec.host_name();
    if is_missing(error) && super::error::reason(error).to_lowercase().contains("image") {
        let reason = format!("there is no image `{image}` on this host; fetch it: locker pull");
        return refused("create", &full, reason);
    }
    failed("create", &full, error)
}

/// Removes a container that is not whole. The first error is the one to tell; what is left is seen as a wreck.
async fn discard(link: &Link, id: &str) {
    let options = RemoveContainerOptions {
        v: true,
        force: true,
        link: false,
    };
    let _ = link.at_work().remove_container(id, Some(options)).await;
}

/// Joins it to its further networks; one that cannot be joined takes the container away again.
async fn join(
    link: &Link,
    spec: &ContainerSpec,
    app: &AppSpec,
    id: &str,
) -> Result<(), BackendError> {
    for attached in place::later(app, link.joins_several()) {
        let request = NetworkConnectRequest {
            container: id.to_owned(),
            endpoint_config: Some(place::endpoint(&spec.name, attached)),
        };
        let joined = link
            .docker
            .connect_network(&attached.network, request)
            .await;
        if let Err(error) = joined {
            discard(link, id).await;
            return Err(failed("join networks of", &spec.host_name(), &error));
        }
    }
    Ok(())
}

/// Gives an isolated container the volumes without a name that were made with it, and that its image asks for. They
/// go with the container.
async fn give_fresh(
    site: &Site,
    link: &Link,
    spec: &ContainerSpec,
    app: &AppSpec,
    held: &[(PathBuf, String)],
) -> Result<(), BackendError> {
    let known = |target: &Path| {
        let mut volumes = app.settings.engine_volumes.iter();
        volumes.any(|volume| volume.target == target) || held.iter().any(|(at, _)| at == target)
    };
    for (target, path) in owners::of_engine(site, &link.docker, spec).await? {
        if !known(&target) {
            owners::give(site, spec, &path, &mut Seeded::default())?;
        }
    }
    Ok(())
}

/// Makes missing host directories of `mounts`. What was made with the container is told as made, too,
/// so that taking the container back takes the directories back.
/// What is made, all that named volumes hold and `volumes`, which the engine keeps, is given to the user of an
/// isolated container: the engine has filled them with the image's owners.
pub(super) fn seed(
    site: &Site,
    home: &Path,
    spec: &ContainerSpec,
    mounts: &[Mount],
    volumes: &[PathBuf],
) -> Result<Seeded, BackendError> {
    let mut all: Vec<PathBuf> = made(home)
        .into_iter()
        .filter(|path| mounts.iter().any(|mount| mount.host.starts_with(path)))
        .collect();
    for path in missing(mounts) {
        match fs::create_dir(&path) {
            Ok(()) => all.push(path),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(io("create", path)(e)),
        }
    }
    let ours = mounts.iter().filter(|m| m.named || all.contains(&m.host));
    let ours: Vec<PathBuf> = ours.map(|mount| mount.host.clone()).collect();
    let mut done = Seeded::default();
    for path in ours.iter().chain(volumes) {
        if let Err(error) = owners::give(site, spec, path, &mut done) {
            // The error is the one to tell; the note of what cannot be given back stays.
            let notes = done.given.iter();
            notes.for_each(|note| drop(crate::backend::owners::give_back(note)));
            return Err(error);
        }
    }
    let noted = all
        .into_iter()
        .map(|path| sys::Made::at(path.clone()).map_err(io("read", path)));
    done.made = noted.collect::<Result<_, _>>()?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_an_error_and_what_is_worth_knowing_is_told_by_name() {
        let limits = AppLimits::default();
        let heed = |remarks: &[&str]| {
            let remarks: Vec<String> = remarks.iter().map(|r| (*r).to_owned()).collect();
            heed("shop_web", &limits, &remarks).map_err(|error| error.to_string())
        };
        assert_eq!(heed(&[]), Ok(vec![]));
        assert_eq!(
            heed(&["IPv4 forwarding is disabled. Networking will not work."]),
            Ok(vec!["container `shop_web`: the engine remarks: IPv4 forwarding is disabled. Networking will not work.".into()])
        );
        assert_eq!(heed(&["Memory limited without swap."]), Ok(vec![]));
        let weight = "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.";
        assert_eq!(
            heed(&["x", weight]),
            Err(format!(
                "cannot create container `shop_web`: the engine leaves out what the file asks for: {weight}"
            ))
        );
    }
}
