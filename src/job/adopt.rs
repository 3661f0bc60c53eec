//! `adopt`: take over what docker compose has made of the project.
//!
//! Volumes are written down as the project's own, volumes without a name too, so that the new containers
//! begin with the data of the old ones. Then the containers and networks of docker compose are removed, as
//! `docker compose down` does. All that can stand in the way of the `up` that follows is found out before.

mod told;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::apply::{Event, Events, SignalWatch};
use crate::backend::{Engine, Former, FormerContainer, FormerNetwork};
use crate::model::{Container, EngineVolume, Kind, Name, Project, VolumeSource, host_name_of};
use crate::observed::{Adopted, Observed};
use crate::plan::Plan;
use crate::store::{self, ProjectLock};

use super::change::{self, lock};
use super::consent::Consent;
use super::images::{self, Older};
use super::road::{self, Looked, Opened};
use super::unseen;
use super::{ChangeRequest, JobError, Setting};
use told::{check, check_guests, half_way, leave_strangers, nothing, question, twice};

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
    let agreed = tokio::select! {
        biased;
        agreed = agree(setting, request, (events, consent)) => agreed?,
        signal = cancel.next() => return Err(JobError::Cut { signal }),
    };
    let Some(agreed) = agreed else {
        return Ok(Taken {
            gone: true,
            ..Taken::default()
        });
    };
    // It comes to an orderly end of its own on a signal.
    agreed.make_images(setting, request, events).await?;
    let begun = AtomicBool::new(false);
    let taken = tokio::select! {
        biased;
        taken = agreed.take(&begun, events) => taken,
        signal = cancel.next() => Err(JobError::Cut { signal }),
    };
    if taken.is_err() && begun.load(Ordering::Relaxed) {
        events.tell(Event::Note(&half_way()));
    }
    taken
}

/// What is taken over, as it was agreed to, with the project's lock.
struct Agreed {
    opened: Opened,
    _lock: ProjectLock,
    observed: Observed,
    former: Former,
    adopted: Adopted,
    /// What the `up` that follows fetches and builds.
    images: Plan,
}

/// Finds out what there is to take over and whether the `up` that follows can be done, and asks; none when only that
/// `up` is left to do.
async fn agree(
    setting: &Setting,
    request: &ChangeRequest,
    (events, consent): (&dyn Events, &dyn Consent),
) -> Result<Option<Agreed>, JobError> {
    let opened = road::open(setting, "adopt").await?;
    let project = &opened.project;
    let engine = engine_of(&opened)?;
    let lock = lock(setting, request, &opened, events).await?;
    let mut former = engine.former().await?;
    let observed = road::observe(&opened, request).await?;
    check(project, &observed, &former)?;
    let adopted = adopted(project, &observed, &former);
    let strangers = leave_strangers(project, &mut former)?;
    let all_taken =
        former.containers.is_empty() && former.networks.is_empty() && adopted == observed.adopted;
    if all_taken && adopted.is_empty() {
        return Err(nothing(project, &former));
    }
    let found = (&observed, &former, &adopted);
    let (first, up) = rehearse(&opened, request, found)?;
    let up = up.plan;
    if all_taken && up.steps.is_empty() {
        return Err(nothing(project, &former));
    }
    if all_taken {
        // A run that was killed before its `up` is gone on with.
        events.tell(Event::Note(
            "all that docker compose has made of it is taken over already; the rest is for `locker up`",
        ));
        return Ok(None);
    }
    check_guests(&former)?;
    let what = question(&opened, &observed, &former, &adopted) + &strangers;
    for told in twice(project, &former, &adopted) {
        events.tell(Event::Note(&told));
    }
    if !consent.agree(&what, "Take it over?")? {
        return Err(JobError::Refused);
    }
    Ok(Some(Agreed {
        opened,
        _lock: lock,
        observed,
        former,
        adopted,
        images: images::only(images::join(first, up), None),
    }))
}

/// The engine of a project that has application containers.
fn engine_of(opened: &Opened) -> Result<&dyn Engine, JobError> {
    let engine = opened.host.backend.engine();
    engine
        .filter(|_| has_applications(&opened.project))
        .ok_or_else(|| {
            refused(
                format!("project `{}` has no Docker container", opened.project.name),
                "`adopt` takes over what docker compose has made",
            )
        })
}

impl Agreed {
    /// Fetches and builds while docker compose's containers still run: an image that nobody has would be found missing when
    /// they are gone; and so would be what an image has where a volume is to be mounted.
    async fn make_images(
        &self,
        setting: &Setting,
        request: &ChangeRequest,
        events: &dyn Events,
    ) -> Result<(), JobError> {
        if self.images.steps.is_empty() {
            return self.look_into_images(request, &self.observed).await;
        }
        let older = Older::of(&self.images, &self.observed);
        let done = async {
            let planned = (&self.images, &self.observed);
            let told = change::perform(setting, request, &self.opened, planned, events).await?;
            change::end_if_told(told, &self.images)?;
            let observed = road::observe(&self.opened, request).await?;
            self.look_into_images(request, &observed).await
        };
        let done = done.await;
        if done.is_err() {
            older.give_back(&self.opened, events).await;
        }
        done
    }

    /// Refuses what the `up` that follows would refuse of the images that it takes.
    async fn look_into_images(
        &self,
        request: &ChangeRequest,
        observed: &Observed,
    ) -> Result<(), JobError> {
        let found = (observed, &self.former, &self.adopted);
        let (_, up) = rehearse(&self.opened, request, found)?;
        unseen::look_into_images(&self.opened, &up, request.command).await
    }

    /// Takes it over; `begun` once containers of docker compose are stopped.
    async fn take(&self, begun: &AtomicBool, events: &dyn Events) -> Result<Taken, JobError> {
        let (paths, project) = (&self.opened.host.paths, &self.opened.project);
        if let Some(moved) = &self.opened.moved {
            moved.write_down(project, paths)?;
        }
        // First: what is written down too early harms nothing, and a second run goes on from here.
        store::save_adopted(paths, &project.name, &self.adopted)?;
        begun.store(!self.former.containers.is_empty(), Ordering::Relaxed);
        clear(engine_of(&self.opened)?, &self.former, events).await?;
        Ok(taken(&self.observed, &self.former, &self.adopted))
    }
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

/// What is the project's once this is done.
fn adopted(project: &Project, observed: &Observed, former: &Former) -> Adopted {
    let mut adopted = observed.adopted.clone();
    let foreign = &observed.engine.foreign_volumes;
    let is_theirs = |volume: &String| {
        let theirs = foreign
            .get(volume)
            .and_then(|found| found.compose_project());
        theirs == Some(project.name.as_str())
    };
    adopted
        .volumes
        .extend(wanted(project).into_iter().filter(is_theirs));
    for container in &former.containers {
        let Some(service) = service_of(project, container) else {
            continue;
        };
        if !project.containers.contains_key(&service) {
            // The file does not tell what one has that takes no part now.
            let named = container.named.iter().filter(|volume| is_theirs(volume));
            adopted.volumes.extend(named.cloned());
        }
        if container.first && !container.unnamed.is_empty() {
            let known = adopted.unnamed.entry(service).or_default();
            for (target, volume) in &container.unnamed {
                // One that was taken over earlier has the data: what came after it began empty.
                let earlier = known.get(target);
                if earlier
                    .is_none_or(|earlier| !observed.engine.foreign_volumes.contains_key(earlier))
                {
                    known.insert(target.clone(), volume.clone());
                }
            }
        }
    }
    adopted
}

/// The service of the file that a container is of, whether it takes part now or not.
fn service_of(project: &Project, container: &FormerContainer) -> Option<Name> {
    let service = Name::new(container.service.as_deref()?).ok()?;
    let known = project.containers.contains_key(&service)
        || project.disabled.contains_key(&service)
        || project.none.contains(&service);
    known.then_some(service)
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

/// Plans the `up` on a host from which all of docker compose is gone: what it fetches and builds before all else, and the
/// rest. Nothing may be in its way.
fn rehearse(
    opened: &Opened,
    request: &ChangeRequest,
    (observed, former, adopted): (&Observed, &Former, &Adopted),
) -> Result<(Plan, Looked), JobError> {
    let then = without(observed, former, adopted);
    let wish = road::wish(opened, request, None);
    let looked = road::planned(opened, then, wish, request.command)?;
    let first = road::first(opened, &looked, request)?;
    Ok((first, looked))
}

/// What is there once docker compose has nothing any more.
fn without(observed: &Observed, former: &Former, adopted: &Adopted) -> Observed {
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
    for FormerNetwork { id, name, .. } in &former.networks {
        then.engine.foreign_networks.remove(name);
        let bridge = format!("br-{}", id.get(..12).unwrap_or(id));
        then.network.taken.retain(|net| !net.by.contains(&bridge));
    }
    let compose = std::mem::take(&mut then.engine.compose);
    then.listeners.retain(|listener| !compose.holds(listener));
    then
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
            .map(|network| network.name.clone())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Started;
    use crate::observed::ObservedVolume;

    #[test]
    fn what_a_service_has_that_takes_no_part_now_is_taken_over_and_what_the_file_does_not_know_is_left()
     {
        let mut project = super::super::images::tests::project();
        let name = |word: &str| Name::new(word).unwrap();
        project.disabled.insert(name("tool"), vec!["debug".into()]);
        let mut observed = Observed::default();
        let label = |project: &str| ("com.docker.compose.project".into(), project.into());
        for (volume, of) in [
            ("shop_tool", "shop"),
            ("shop_gone", "shop"),
            ("others", "others"),
        ] {
            let volumes = &mut observed.engine.foreign_volumes;
            let found = ObservedVolume {
                labels: [label(of)].into(),
                ..ObservedVolume::default()
            };
            volumes.insert(volume.into(), found);
        }
        let containers = ["tool", "gone"].map(|word| told::tests::container(word, Started::Here));
        let former = Former {
            containers: containers.into(),
            ..Former::default()
        };
        let adopted = adopted(&project, &observed, &former);
        assert_eq!(adopted.volumes, ["shop_tool".to_string()].into());
        assert_eq!(adopted.unnamed.keys().collect::<Vec<_>>(), [&name("tool")]);
    }

    #[test]
    fn a_volume_without_a_name_that_was_taken_over_earlier_keeps_its_place_while_it_is_there() {
        let mut project = super::super::images::tests::project();
        let tool = Name::new("tool").unwrap();
        project.disabled.insert(tool.clone(), vec!["debug".into()]);
        let former = Former {
            containers: vec![told::tests::container("tool", Started::Here)],
            ..Former::default()
        };
        let (cache, new) = ("/cache".into(), "0c".repeat(32));
        let old = "0d".repeat(32);
        let mut observed = Observed::default();
        let known = observed.adopted.unnamed.entry(tool.clone()).or_default();
        known.insert(std::path::PathBuf::clone(&cache), old.clone());
        let taken = |observed: &Observed| adopted(&project, observed, &former);
        assert_eq!(
            taken(&observed).unnamed[&tool][&cache],
            new,
            "the old one is gone"
        );
        let volumes = &mut observed.engine.foreign_volumes;
        volumes.insert(old.clone(), ObservedVolume::default());
        let adopted = taken(&observed);
        assert_eq!(adopted.unnamed[&tool][&cache], old);
        let told = twice(&project, &former, &adopted);
        assert!(told[0].contains(&old) && told[0].contains(&new), "{told:?}");
    }
}
