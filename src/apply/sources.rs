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
                let known = known.and_then(|known| known.get(&path));
                let now = point_of(&path, known, &points)?;
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

/// Where the file system of `path` is mounted. One that was `known` and is not mounted any more stays the one: its
/// mount point may be there all the same, and what lies there now is not what the container has.
fn point_of(path: &Path, known: Option<&PathBuf>, points: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    let gone = known.filter(|point| !points.contains(*point));
    let now = || sys::mount_point_of(path, points).ok();
    gone.cloned().or_else(now).or_else(|| known.cloned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_is_not_mounted_is_not_forgotten_for_its_empty_mount_point() {
        let dir = tempfile::tempdir().unwrap();
        let nas = dir.path().canonicalize().unwrap();
        let root = BTreeSet::from([PathBuf::from("/")]);
        let mounted = BTreeSet::from([PathBuf::from("/"), nas.clone()]);
        assert_eq!(point_of(&nas, None, &mounted), Some(nas.clone()));
        assert_eq!(point_of(&nas, Some(&nas), &root), Some(nas.clone()));
        assert_eq!(point_of(&nas, None, &root), Some("/".into()));
        let other = PathBuf::from("/");
        assert_eq!(point_of(&nas, Some(&other), &mounted), Some(nas.clone()));
        let absent = nas.join("absent");
        assert_eq!(point_of(&absent, Some(&nas), &mounted), Some(nas.clone()));
        assert_eq!(point_of(&absent, None, &mounted), None);
    }
}
