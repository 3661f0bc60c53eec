//! Gives what is mounted to the one user of an isolated container.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::models::MountPoint;
use bollard::query_parameters::InspectContainerOptions;

use super::error::failed;
use super::site::{Site, io};
use crate::backend::owners::{self, Gift, Owner};
use crate::backend::{BackendError, Seeded};
use crate::model::{ContainerSpec, EngineVolume, IdKind};
use crate::store;

/// The user that the container has for itself; none for one that is not isolated.
pub(super) fn owner(spec: &ContainerSpec) -> Option<Owner> {
    let id = |kind| {
        let mut ranges = spec.idmap.iter();
        ranges.find(|range| range.kind == kind).map(|r| r.host)
    };
    Some((id(IdKind::User)?, id(IdKind::Group)?))
}

/// Gives a directory with all in it to the container's user, unless it has it already. The note of what was
/// changed, or may have been, goes to `done`.
pub(super) fn give(
    site: &Site,
    spec: &ContainerSpec,
    root: &Path,
    done: &mut Seeded,
) -> Result<(), BackendError> {
    let Some(owner) = owner(spec) else {
        return Ok(());
    };
    let note = owners::note_of(&site.paths, &site.project, root)?;
    let found = std::fs::symlink_metadata(root).map_err(io("read", root))?;
    if found.uid() == owner.0 && !owners::is_under_way(&note) {
        return Ok(());
    }
    let gift = Gift {
        container: &spec.host_name(),
        root,
        from: &[],
        to: &spec.idmap,
        lead: &|_| Some(owner),
    };
    let given = owners::give(&note, &gift);
    if !matches!(given, Ok(false)) {
        done.given.push(note);
    }
    given.map(drop)
}

/// Mount points and data of the volumes that the engine keeps for an isolated container: its own without a name, those of the
/// project, and those that were taken over. What is external is somebody else's; what a driver mounts only while the
/// container runs cannot be reached.
pub(super) async fn of_engine(
    site: &Site,
    docker: &Docker,
    spec: &ContainerSpec,
) -> Result<Vec<(PathBuf, PathBuf)>, BackendError> {
    if owner(spec).is_none() {
        return Ok(Vec::new());
    }
    let full = spec.host_name();
    let found = docker
        .inspect_container(&full, None::<InspectContainerOptions>)
        .await
        .map_err(|error| failed("look at", &full, &error))?;
    let adopted = store::load_adopted(&site.paths, &site.project).unwrap_or_default();
    let taken_over = |name: &str| {
        let mut unnamed = adopted.unnamed.values();
        adopted.volumes.contains(name) || unnamed.any(|all| all.values().any(|v| v == name))
    };
    let volumes = spec.app.iter().flat_map(|app| &app.settings.engine_volumes);
    let foreign: Vec<&Path> = volumes
        .filter(|mount| match &mount.volume {
            EngineVolume::Anonymous => false,
            EngineVolume::External(name) => !taken_over(name),
            EngineVolume::Driver {
                driver, options, ..
            } => driver != "local" || !options.is_empty(),
        })
        .map(|mount| mount.target.as_path())
        .collect();
    let ours = spec.mounts.iter().map(|mount| mount.target.as_path());
    let others: Vec<&Path> = ours.chain(foreign).collect();
    let is_theirs = |point: &MountPoint| {
        let target = point.destination.as_deref().map(Path::new);
        target.is_none_or(|target| others.contains(&target))
    };
    let points = found.mounts.into_iter().flatten();
    let points = points.filter(|point| {
        let local = point.driver.as_deref() == Some("local");
        point.typ.as_deref() == Some("volume") && local && !is_theirs(point)
    });
    Ok(points
        .filter_map(|point| Some((point.destination?.into(), point.source?.into())))
        .collect())
}
