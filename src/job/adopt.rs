//! `adopt`: take over what docker compose has made of the project.
//!
//! Volumes are written down as the project's own, volumes without a name too, so that the new containers
//! begin with the data of the old ones. Then the containers and networks of docker compose are removed, as
//! `docker compose down` does. All that can stand in the way of the `up` that follows is found out before.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::{Event, Events, SignalWatch};
use crate::backend::{Engine, Former, FormerContainer};
use crate::model::{Container, EngineVolume, Kind, Name, Project, VolumeSource, host_name_of};
use crate::observed::{Adopted, Observed};
use crate::plan::{self, Plan};
use crate::store;

use super::change::lock;
use super::consent::Consent;
use super::road::{self, Opened};
use super::{ChangeRequest, JobError, Setting};

/// How docker compose gets its project back once its containers are gone.
pub const WAY_BACK: &str = "`locker down`, then `docker compose up -d` makes docker compose's containers anew, with the data of the \
     volumes that have a name; volumes without a name stay in the engine (`docker volume ls`), and it begins with new ones";

/// What was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Names of volumes in the engine.
    pub volumes: Vec<String>,
    /// Containers of docker compose that were removed.
    pub containers: Vec<String>,
    /// Networks of docker compose that were removed.
    pub networks: Vec<String>,
    /// docker compose has no container of it any more, whichever run removed them.
    pub gone: bool,
}

/// Takes over what docker compose has of the project. `request` is the `up` that follows.
pub async fn adopt(
    setting: &Setting,
    request: &ChangeRequest,
    events: &dyn Events,
    consent: &dyn Consent,
) -> Result<Taken, JobError> {
    let (_watch, mut cancel) =
        SignalWatch::begin().map_err(|source| JobError::Signals { source })?;
    tokio::select! {
        biased;
        taken = take(setting, request, events, consent) => taken,
        signal = cancel.next() => Err(JobError::Cut { signal }),
    }
}

/// The same, to its end.
async fn take(
    setting: &Setting,
    request: &ChangeRequest,
    events: &dyn Events,
    consent: &dyn Consent,
) -> Result<Taken, JobError> {
    let opened = road::open(setting, "adopt").await?;
    let (host, project) = (&opened.host, &opened.project);
    let engine = host.backend.engine().filter(|_| has_applications(project));
    let Some(engine) = engine else {
        return Err(refused(
            format!("project `{}` has no Docker container", project.name),
            "`adopt` takes over what docker compose has made",
        ));
    };
    let _lock = lock(setting, request, &opened, events).await?;
    let former = engine.former().await?;
    let observed = host.observe(project, None).await?;
    check(project, &former)?;
    if let Some(damage) = &observed.adopted.damage {
        return Err(refused(
            format!("{damage}; it says which volumes the project has taken over already"),
            plan::WITHOUT_ADOPTED,
        ));
    }
    let adopted = adopted(project, &observed, &former);
    let all_taken =
        former.containers.is_empty() && former.networks.is_empty() && adopted == observed.adopted;
    if all_taken && adopted.is_empty() {
        return Err(nothing(project, &former));
    }
    let up = rehearse(&opened, request, &observed, &former, &adopted)?;
    if all_taken && up.steps.is_empty() {
        return Err(nothing(project, &former));
    }
    if all_taken {
        // A run that was killed before its `up` is gone on with.
        events.tell(Event::Note(
            "all that docker compose has made of it is taken over already; the rest is for `locker up`",
        ));
        return Ok(Taken {
            gone: true,
            ..Taken::default()
        });
    }
    if !consent.agree(&question(&observed, &former, &adopted), "Take it over?")? {
        return Err(JobError::Refused);
    }
    // First: what is written down too early harms nothing, and a second run goes on from here.
    store::save_adopted(&host.paths, &project.name, &adopted)?;
    clear(engine, &former, events).await?;
    Ok(taken(&observed, &former, &adopted))
}

fn has_applications(project: &Project) -> bool {
    let mut containers = project.containers.values();
    containers.any(|container| container.kind() == Kind::Application)
}

pub(super) fn refused(message: String, help: &str) -> JobError {
    JobError::Adopt {
        message,
        help: help.into(),
    }
}

fn nothing(project: &Project, former: &Former) -> JobError {
    let name = &project.name;
    let message = format!("docker compose has nothing of project `{name}` that is not taken over");
    match former.other.first() {
        Some(other) => refused(
            message,
            &format!(
                "in this directory it calls its project `{other}`: `locker -p {other} adopt`, or `name: {other}` in the file"
            ),
        ),
        None => refused(message, "run `locker up`"),
    }
}

/// A project of the same name elsewhere is somebody else's.
fn check(project: &Project, former: &Former) -> Result<(), JobError> {
    let elsewhere = former.containers.iter().find_map(|container| {
        let there = container.directory.as_ref()?;
        let real = std::fs::canonicalize(there).unwrap_or_else(|_| there.clone());
        (real != project.directory).then(|| (container.name.clone(), there.clone()))
    });
    match elsewhere {
        None => Ok(()),
        Some((container, there)) => Err(refused(
            format!(
                "container `{container}` of docker compose's project `{}` was started in `{}`",
                project.name,
                there.display()
            ),
            "run `locker adopt` there, or give this project another name",
        )),
    }
}

/// What is the project's once this is done.
fn adopted(project: &Project, observed: &Observed, former: &Former) -> Adopted {
    let mut adopted = observed.adopted.clone();
    let foreign = &observed.engine.foreign_volumes;
    for volume in wanted(project) {
        let found = foreign.get(&volume);
        let theirs = found.and_then(|found| found.compose_project());
        if theirs == Some(project.name.as_str()) {
            adopted.volumes.insert(volume);
        }
    }
    for container in &former.containers {
        let service = container.service.as_deref().and_then(|s| Name::new(s).ok());
        let service = service.filter(|service| project.containers.contains_key(service));
        if let Some(service) = service.filter(|_| !container.unnamed.is_empty()) {
            let unnamed = container.unnamed.iter().cloned();
            adopted.unnamed.entry(service).or_default().extend(unnamed);
        }
    }
    adopted
}

/// The volumes of the engine that the file names, by their names there.
fn wanted(project: &Project) -> BTreeSet<String> {
    let containers = project.containers.values();
    containers
        .flat_map(|container| volumes_of(project, container))
        .collect()
}

/// Those of one container.
pub(super) fn volumes_of(project: &Project, container: &Container) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (volume, _) in &container.volumes {
        if let VolumeSource::Named(name) = &volume.source {
            names.insert(host_name_of(&project.name, name));
        }
    }
    for mount in container.app.iter().flat_map(|app| &app.engine_volumes) {
        if let EngineVolume::Driver { name, .. } = &mount.volume {
            names.insert(name.clone());
        }
    }
    names
}

/// Plans the `up` on a host from which all of docker compose is gone. Nothing may be in its way.
fn rehearse(
    opened: &Opened,
    request: &ChangeRequest,
    observed: &Observed,
    former: &Former,
    adopted: &Adopted,
) -> Result<Plan, JobError> {
    let mut then = observed.clone();
    then.adopted = adopted.clone();
    let gone = |name: &String| {
        former
            .containers
            .iter()
            .any(|container| container.name == *name)
    };
    if let Some(names) = then.foreign.get_mut(&Kind::Application) {
        names.retain(|name| !gone(name));
    }
    for (id, name) in &former.networks {
        then.engine.foreign_networks.remove(name);
        let bridge = format!("br-{}", id.get(..12).unwrap_or(id));
        then.network.taken.retain(|net| !net.by.contains(&bridge));
    }
    let compose = std::mem::take(&mut then.engine.compose);
    then.listeners.retain(|listener| !compose.holds(listener));
    let wish = road::wish(opened, request, None);
    plan::plan(&opened.project, &then, &wish).map_err(|problems| JobError::Problems {
        command: "adopt",
        problems,
    })
}

fn question(observed: &Observed, former: &Former, adopted: &Adopted) -> String {
    let mut text = String::from("docker compose has made these of this project:\n");
    for container in &former.containers {
        let does = if container.runs {
            "stopped and removed"
        } else {
            "removed"
        };
        text.push_str(&format!("  container {}, to be {does}\n", container.name));
        for (target, volume) in &container.unnamed {
            let target = target.display();
            let short = volume.get(..12).unwrap_or(volume);
            let goes = match is_handed_on(adopted, container) {
                true => "handed on",
                false => "kept, and mounted by nobody",
            };
            text.push_str(&format!(
                "    its volume without a name at {target} ({short}…), {goes}\n"
            ));
        }
    }
    for (_, name) in &former.networks {
        text.push_str(&format!("  network {name}, to be removed\n"));
    }
    for volume in adopted.volumes.difference(&observed.adopted.volumes) {
        text.push_str(&format!(
            "  volume {volume}, to be taken over with its data\n"
        ));
    }
    if !former.containers.is_empty() {
        text.push_str(&format!(
            "the way back, also when `locker up` fails after this: {WAY_BACK}\n"
        ));
    }
    text
}

fn is_handed_on(adopted: &Adopted, container: &FormerContainer) -> bool {
    let name = container.service.as_deref().and_then(|s| Name::new(s).ok());
    let held: Option<&BTreeMap<_, _>> = name.and_then(|name| adopted.unnamed.get(&name));
    held.is_some()
}

async fn clear(engine: &dyn Engine, former: &Former, events: &dyn Events) -> Result<(), JobError> {
    if !former.containers.is_empty() {
        let told = "stopping and removing the containers of docker compose; their volumes stay";
        events.tell(Event::Note(told));
    }
    Ok(engine.clear_former(former).await?)
}

fn taken(observed: &Observed, former: &Former, adopted: &Adopted) -> Taken {
    let volumes = adopted.volumes.difference(&observed.adopted.volumes);
    Taken {
        gone: !former.containers.is_empty(),
        volumes: volumes.cloned().collect(),
        containers: former.containers.iter().map(|c| c.name.clone()).collect(),
        networks: former
            .networks
            .iter()
            .map(|(_, name)| name.clone())
            .collect(),
    }
}
