//! Host paths of volumes that are missing and may be meant as files: a directory must not be made in their place. Told
//! before the first change, as far as it can be known by then, by one rule for both kinds of containers.
//!
//! The own name of the path says file, or the mount point is a file of what the container is made from. What an LXC
//! container's tree has there is copied where it can be, so that its name decides nothing. What an image has is
//! [`super::unseen`]'s.

use std::path::Path;

use crate::backend::lxc::look_inside::{Inner, look_inside, own_tree, tree_of};
use crate::model::{
    Container, Key, Kind, Mount, Name, Place, Project, Volume, VolumeSource, host_name_of,
    says_file,
};
use crate::plan::{Plan, Problem, Step};

/// The cure where a directory would do as well, and where it would not.
const EITHER: &str =
    "make the file first; a directory is made with the long form, `bind: {create_host_path: true}`";
pub(super) const FILE: &str = "make the file first";

/// A host path that a plan makes.
pub(super) struct Missing<'a> {
    pub(super) file: &'a Container,
    pub(super) volume: &'a Volume,
    place: &'a Place,
    pub(super) path: &'a Path,
    copy: bool,
}

/// Those of what `plan` fills that are refused by what this host shows by itself.
pub(super) fn missing(project: &Project, plan: &Plan, lxcpath: &Path) -> Vec<Problem> {
    let refused = |missing: &Missing<'_>| {
        let inner = match missing.file.kind() {
            Kind::System => missing.in_tree(project, plan, lxcpath),
            Kind::Application => None,
        };
        let (why, help) = refused(missing.volume, missing.path, inner, missing.copy)?;
        Some(missing.problem(&why, help))
    };
    made_by(project, plan).iter().filter_map(refused).collect()
}

/// The host paths that are missing where `plan` fills the mounts of a container of the file.
pub(super) fn made_by<'a>(project: &'a Project, plan: &Plan) -> Vec<Missing<'a>> {
    let mut found = Vec::new();
    for planned in &plan.steps {
        if let Step::Seed {
            container,
            mounts,
            copy,
        } = &planned.step
            && let Some(file) = project.containers.get(container)
        {
            found.extend(of(file, mounts, *copy));
        }
    }
    found
}

fn of<'a>(file: &'a Container, mounts: &[Mount], copy: bool) -> impl Iterator<Item = Missing<'a>> {
    file.volumes.iter().filter_map(move |(volume, place)| {
        let VolumeSource::Host(path) = &volume.source else {
            return None;
        };
        let filled = mounts.iter().any(|mount| mount.host == *path);
        (filled && !path.exists()).then_some(Missing {
            file,
            volume,
            place,
            path,
            copy,
        })
    })
}

impl Missing<'_> {
    /// What the container's tree has at the mount point.
    fn in_tree(&self, project: &Project, plan: &Plan, lxcpath: &Path) -> Option<Inner> {
        let (name, source) = (&self.file.name, &self.file.source);
        let tree = match is_made(plan, name) {
            true => tree_of(source, &project.name, lxcpath),
            false => Some(own_tree(&host_name_of(&project.name, name), lxcpath)),
        };
        look_inside(&tree?, &self.volume.target)
    }

    /// Whether another mount hides what the image has at the mount point.
    pub(super) fn is_covered(&self) -> bool {
        let app = self.file.app.as_deref();
        let engine = app.iter().flat_map(|app| &app.engine_volumes);
        let tmpfs = app.iter().flat_map(|app| app.granted.tmpfs.keys());
        let volumes = self.file.volumes.iter().map(|(volume, _)| &volume.target);
        let mut all = volumes
            .chain(engine.map(|mount| &mount.target))
            .chain(tmpfs);
        let target = &self.volume.target;
        all.any(|other| other != target && target.starts_with(other))
    }

    pub(super) fn problem(&self, why: &str, help: &str) -> Problem {
        Problem {
            message: why.into(),
            container: Some(self.file.name.clone()),
            key: Some(Key::Volumes),
            place: Some(self.place.clone()),
            help: Some(help.into()),
        }
    }
}

pub(super) fn is_made(plan: &Plan, name: &Name) -> bool {
    let is_it = |step: &Step| matches!(step, Step::Create(spec) if spec.name == *name);
    plan.steps.iter().any(|planned| is_it(&planned.step))
}

pub(super) fn is_a_file(volume: &Volume, path: &Path, of: &str) -> String {
    let (path, target) = (path.display(), volume.target.display());
    format!("`{path}` is missing, and the target `{target}` is a file in the {of}")
}

/// Why nothing is made at `path`, and what to do, by what an LXC container's tree has at the mount point.
fn refused(
    volume: &Volume,
    path: &Path,
    inner: Option<Inner>,
    copy: bool,
) -> Option<(String, &'static str)> {
    let by_name = || {
        let said = format!(
            "`{}` is missing, and its name says that it is a file",
            path.display()
        );
        (volume.short && says_file(path)).then_some((said, EITHER))
    };
    match inner {
        // It is filled with what is there.
        Some(Inner::File | Inner::Other) if copy => None,
        Some(Inner::File) => Some((is_a_file(volume, path, "root file system"), FILE)),
        Some(Inner::Other | Inner::Absent) | None => by_name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(short: bool) -> Volume {
        Volume {
            source: VolumeSource::Host("/srv/app.conf".into()),
            target: "/etc/app.conf".into(),
            read_only: false,
            short,
            must_exist: false,
        }
    }

    #[test]
    fn a_missing_file_is_refused_by_what_is_there_and_else_by_its_name() {
        let told = |short, path: &str, inner, copy| {
            refused(&volume(short), Path::new(path), inner, copy).is_some()
        };
        let conf = "/srv/app.conf";
        assert!(
            told(true, conf, None, true),
            "of a template, or of an image"
        );
        assert!(!told(true, "/srv/conf", None, true), "by the target's name");
        assert!(told(true, conf, Some(Inner::Absent), true));
        assert!(!told(true, conf, Some(Inner::Other), true), "a directory");
        assert!(!told(true, conf, Some(Inner::File), true), "it is copied");
        assert!(told(true, "/srv/data", Some(Inner::File), false));
        assert!(told(true, conf, Some(Inner::Other), false), "not copied");
        assert!(!told(true, "/srv/data", None, true));
        assert!(!told(false, conf, None, true), "a directory is asked for");
    }

    #[test]
    fn what_a_tree_has_is_looked_up_inside_it() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir_all(tree.join("etc/dir")).unwrap();
        std::fs::write(tree.join("etc/app.conf"), "").unwrap();
        std::os::unix::fs::symlink("/etc/app.conf", tree.join("link")).unwrap();
        let seen = |path: &str| look_inside(&tree, Path::new(path));
        assert_eq!(seen("/link"), Some(Inner::File));
        assert_eq!(seen("/etc/dir"), Some(Inner::Other));
        assert_eq!(seen("/etc/passwd"), Some(Inner::Absent));
    }
}
