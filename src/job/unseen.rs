//! Files of images that the host paths of volumes would be mounted on, where these are missing.
//!
//! An image is the engine's to look into, which costs some requests: it is asked only about what nothing else decides
//! ([`super::missing_files`]), and once it is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::apply::SignalWatch;
use crate::backend::{BackendError, Engine};
use crate::model::Project;
use crate::observed::Observed;
use crate::plan::{Plan, Problem};

use super::JobError;
use super::missing_files::{FILE, Missing, is_a_file, is_made, made_by};
use super::road::{Looked, Opened};

/// What only images can decide: the mount points to be looked at, by image and platform.
#[derive(Default)]
pub(super) struct Unseen<'a> {
    there: BTreeMap<(String, Option<&'a str>), Vec<Missing<'a>>>,
    /// Images that are fetched or built first.
    pub(super) absent: BTreeSet<String>,
}

impl<'a> Unseen<'a> {
    /// Of what `plan` fills, where nothing has been refused by now.
    pub(super) fn of(project: &'a Project, observed: &Observed, plan: &Plan) -> Self {
        let mut unseen = Self::default();
        for missing in made_by(project, plan) {
            let (name, app) = (&missing.file.name, missing.file.app.as_deref());
            let Some(app) = app.filter(|_| missing.volume.short && !missing.is_covered()) else {
                continue;
            };
            let images = &observed.engine.images;
            let found = observed.containers.get(name);
            let image = match is_made(plan, name) {
                true => missing.file.source.image(),
                false => found.and_then(|found| found.image.as_deref()),
            };
            match image {
                Some(image) if is_made(plan, name) && !images.contains_key(image) => {
                    unseen.absent.insert(image.to_owned());
                }
                Some(image) => {
                    let key = (image.to_owned(), app.platform.as_deref());
                    unseen.there.entry(key).or_default().push(missing);
                }
                None => {}
            }
        }
        unseen
    }

    /// Those whose mount points are files of the images that are there.
    async fn refused(&self, engine: &dyn Engine) -> Result<Vec<Problem>, BackendError> {
        let mut problems = Vec::new();
        for ((image, platform), all) in &self.there {
            let paths: BTreeSet<PathBuf> = all.iter().map(|m| m.volume.target.clone()).collect();
            let files = engine.files_in(image, *platform, &paths).await?;
            let refused = all.iter().filter(|m| files.contains(&m.volume.target));
            problems.extend(refused.map(|missing| {
                let why = is_a_file(missing.volume, missing.path, "image");
                missing.problem(&why, FILE)
            }));
        }
        Ok(problems)
    }
}

/// Refuses what would be mounted on a file of an image that is there. No signal ends it half way: the engine would
/// keep what it was asked with.
pub(super) async fn look_into_images(
    opened: &Opened,
    looked: &Looked,
    command: &'static str,
) -> Result<(), JobError> {
    let unseen = Unseen::of(&opened.project, &looked.observed, &looked.plan);
    let Some(engine) = opened
        .host
        .backend
        .engine()
        .filter(|_| !unseen.there.is_empty())
    else {
        return Ok(());
    };
    let (_watch, cancel) = SignalWatch::begin().map_err(|source| JobError::Signals { source })?;
    let problems = unseen.refused(engine).await;
    if let Some(signal) = cancel.by() {
        return Err(JobError::Cut { signal });
    }
    match problems? {
        none if none.is_empty() => Ok(()),
        problems => Err(JobError::Problems { command, problems }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{images, jobs, missing_files};
    use super::*;
    use crate::model::{Container, Mount, Name, Place, Volume, VolumeSource};
    use crate::observed::State;
    use crate::plan::{PlannedStep, Step};

    fn volume() -> Volume {
        Volume {
            source: VolumeSource::Host("/no/such/path".into()),
            target: "/etc/app.conf".into(),
            read_only: false,
            short: true,
            must_exist: false,
        }
    }

    /// `web` of an image, to be made with a missing path in the short form, and more.
    fn to_be_made(change: impl FnOnce(&mut Container)) -> (Project, Plan) {
        let mut project = images::tests::project();
        let web = Name::new("web").unwrap();
        let file = project.containers.get_mut(&web).unwrap();
        file.volumes.push((volume(), Place::nowhere()));
        change(file);
        let mounts = file.volumes.iter().filter_map(|(v, _)| match &v.source {
            VolumeSource::Host(host) => Some(Mount {
                host: host.clone(),
                target: v.target.clone(),
                read_only: false,
                named: false,
            }),
            VolumeSource::Named(_) => None,
        });
        let seed = Step::Seed {
            container: web,
            mounts: mounts.collect(),
            copy: true,
        };
        let planned = PlannedStep {
            step: seed,
            causes: Vec::new(),
            after: Vec::new(),
        };
        let plan = Plan {
            steps: vec![planned],
            ..Plan::default()
        };
        (project, plan)
    }

    #[test]
    fn an_image_is_looked_into_only_for_what_nothing_else_decides() {
        let mut observed = Observed::default();
        let mut found = jobs::tests::container(State::Stopped, None);
        found.image = Some("sha256:1".into());
        observed.containers.insert(Name::new("web").unwrap(), found);
        let asked = |(project, plan): &(Project, Plan)| {
            let unseen = Unseen::of(project, &observed, plan);
            assert!(unseen.absent.is_empty());
            let keys = unseen.there.keys();
            keys.map(|(image, _)| image.clone()).collect::<Vec<_>>()
        };
        assert_eq!(asked(&to_be_made(|_| {})), ["sha256:1"]);
        let long = to_be_made(|file| file.volumes[0].0.short = false);
        assert_eq!(asked(&long), [""; 0]);
        // Another mount hides what the image has there.
        let covered = to_be_made(|file| {
            let etc = Volume {
                source: VolumeSource::Named(Name::new("etc").unwrap()),
                target: "/etc".into(),
                ..volume()
            };
            file.volumes.push((etc, Place::nowhere()));
        });
        assert_eq!(asked(&covered), [""; 0]);
        let is_there = to_be_made(|file| {
            file.volumes[0].0.source = VolumeSource::Host("/".into());
        });
        assert_eq!(asked(&is_there), [""; 0]);
        let (project, plan) = to_be_made(|_| {});
        let told = missing_files::missing(&project, &plan, Path::new("/no"));
        assert_eq!(told, [], "by the name of the target");
    }
}
