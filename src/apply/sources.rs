//! Writes down on which file systems the sources of mounts are, once a change has come out well.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::model::Name;
use crate::observed::Mark;
use crate::plan::{Plan, Step};
use crate::store::{self, Sources};
use crate::sys;

use super::act::{Worker, blocking};
use super::{Host, StepError};

/// Of all containers that are there now.
pub(super) async fn remember_sources(
    host: &Host,
    plan: &Plan,
    worker: &Worker<'_>,
) -> Result<(), StepError> {
    let gone = destroyed(plan);
    let marks: Vec<Mark> = worker.marks().values().cloned().collect();
    let there = marks
        .into_iter()
        .filter(|mark| !gone.contains(&mark.spec.name));
    let wanted: BTreeMap<Name, Vec<PathBuf>> = there
        .map(|mark| {
            let mounts = mark.spec.mounts.into_iter();
            (mark.spec.name, mounts.map(|mount| mount.host).collect())
        })
        .collect();
    let (paths, project) = (host.paths.clone(), host.project.clone());
    blocking(move || {
        let mut sources = Sources::new();
        // Nothing is claimed about what cannot be known.
        let points = sys::mount_points().unwrap_or_default();
        let old = store::load_sources(&paths, &project).unwrap_or_default();
        for (name, mounts) in wanted {
            let known = old.get(&name);
            let of = mounts.into_iter().filter_map(|path| {
                let now = sys::mount_point_of(&path, &points).ok();
                let now = now.or_else(|| known?.get(&path).cloned())?;
                (now != Path::new("/")).then_some((path, now))
            });
            let of: BTreeMap<PathBuf, PathBuf> = of.collect();
            if !of.is_empty() {
                sources.insert(name, of);
            }
        }
        store::save_sources(&paths, &project, &sources)
    })
    .await
}

fn destroyed(plan: &Plan) -> BTreeSet<Name> {
    let mut gone = BTreeSet::new();
    for planned in &plan.steps {
        if let Step::Destroy {
            container,
            aside: false,
            ..
        } = &planned.step
        {
            gone.insert(container.clone());
        }
    }
    gone
}
