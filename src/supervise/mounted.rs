//! Whether the file systems are mounted from which a container's mounts were made.

use std::path::Path;

use crate::model::{Kind, UnitSpec};
use crate::store::{self, Paths};
use crate::sys;

/// Refuses a start without one of them: the engine would make a directory in its place on the disk below.
pub(super) fn check(unit: &UnitSpec, paths: &Paths) -> Result<(), String> {
    if unit.mounts.is_empty() {
        return Ok(());
    }
    // What is damaged says nothing.
    let mut sources = store::load_sources(paths, &unit.project).unwrap_or_default();
    sources.retain(|name, _| *name == unit.name);
    let points =
        sys::mount_points().map_err(|error| format!("cannot find out what is mounted: {error}"))?;
    let gone = store::unmounted(&sources, &points).remove(&unit.name);
    let mut gone = gone.into_iter().flatten();
    let seen = |point: &Path| unit.kind == Kind::System || !is_hidden(point);
    match gone.find(|(path, point)| unit.mounts.contains(path) && seen(point)) {
        None => Ok(()),
        Some((path, point)) => Err(format!(
            "`{}` of container `{}` was on the file system at `{}`, which is not mounted; mount it and start the container again",
            path.display(),
            unit.name,
            point.display()
        )),
    }
}

/// Whether a supervisor that is locked down cannot see what is mounted there.
fn is_hidden(point: &Path) -> bool {
    ["/home", "/root", "/run/user", "/tmp", "/var/tmp", "/dev"]
        .iter()
        .any(|dir| point.starts_with(dir))
}
