//! Whether the file systems are mounted from which a container's mounts were made.

use std::path::Path;

use super::walls;
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
    let seen = |point: &Path| sees(unit.kind, walls::asked(), point);
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

/// Whether a supervisor can know what is mounted there: of an application container without Landlock (`shut_in`) it has
/// a mount namespace of its own, where some places are empty.
fn sees(kind: Kind, shut_in: bool, point: &Path) -> bool {
    let hidden = kind == Kind::Application && !shut_in;
    !hidden || !is_hidden(point)
}

fn is_hidden(point: &Path) -> bool {
    ["/home", "/root", "/run/user", "/tmp", "/var/tmp", "/dev"]
        .iter()
        .any(|dir| point.starts_with(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mount_namespace_hides_what_is_mounted_in_homes() {
        let sees = |kind, shut_in| {
            let at = |word: &str| sees(kind, shut_in, Path::new(word));
            (at("/home/data"), at("/srv/data"))
        };
        assert_eq!(sees(Kind::Application, true), (true, true));
        assert_eq!(sees(Kind::Application, false), (false, true));
        assert_eq!(sees(Kind::System, false), (true, true));
    }
}
