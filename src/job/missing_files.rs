//! Host paths of a system container's volumes that are missing and are to be files: a directory must not be made in
//! their place. Told before the first change, as far as it can be known by then.
//!
//! What the container's own tree has there decides, and is copied where it can be; where nobody knows yet, or nothing
//! is there, the name of the path does.

use std::path::Path;

use crate::backend::lxc::look_inside::{Inner, look_inside, own_tree, tree_of};
use crate::model::{
    Container, Key, Kind, Mount, Name, Project, Volume, VolumeSource, host_name_of, says_file,
};
use crate::plan::{Plan, Problem, Step};

/// Those of what `plan` fills.
pub(super) fn missing(project: &Project, plan: &Plan, lxcpath: &Path) -> Vec<Problem> {
    let mut found = Vec::new();
    for planned in &plan.steps {
        if let Step::Seed {
            container,
            mounts,
            copy,
        } = &planned.step
            && let Some(file) = project.containers.get(container)
            && file.kind() == Kind::System
        {
            found.extend(of(project, file, plan, (mounts, *copy, lxcpath)));
        }
    }
    found
}

fn of(
    project: &Project,
    file: &Container,
    plan: &Plan,
    (mounts, copy, lxcpath): (&[Mount], bool, &Path),
) -> Vec<Problem> {
    let name = &file.name;
    let tree = match is_made(plan, name) {
        true => tree_of(&file.source, &project.name, lxcpath),
        false => Some(own_tree(&host_name_of(&project.name, name), lxcpath)),
    };
    let found = file.volumes.iter().filter_map(|(volume, place)| {
        let VolumeSource::Host(path) = &volume.source else {
            return None;
        };
        let filled = mounts.iter().any(|mount| mount.host == *path);
        if !filled || path.exists() {
            return None;
        }
        let inner = tree
            .as_ref()
            .and_then(|tree| look_inside(tree, &volume.target));
        let message = refused(volume, path, inner, copy)?;
        Some(Problem {
            message,
            container: Some(name.clone()),
            key: Some(Key::Volumes),
            place: Some(place.clone()),
            help: Some(
                "make the file first; a directory is made with the long form, `bind: {create_host_path: true}`"
                    .into(),
            ),
        })
    });
    found.collect()
}

fn is_made(plan: &Plan, name: &Name) -> bool {
    let is_it = |step: &Step| matches!(step, Step::Create(spec) if spec.name == *name);
    plan.steps.iter().any(|planned| is_it(&planned.step))
}

/// Why nothing is made at `path`, by what the container has at the mount point.
fn refused(volume: &Volume, path: &Path, inner: Option<Inner>, copy: bool) -> Option<String> {
    let (path_told, target) = (path.display(), volume.target.display());
    match inner {
        Some(Inner::File) if !copy => Some(format!(
            "`{path_told}` is missing, and `{target}` in the container is a file"
        )),
        // It is filled with what is there.
        Some(Inner::File | Inner::Other) => None,
        Some(Inner::Absent) | None => (volume.short && says_file(path))
            .then(|| format!("`{path_told}` is missing, and its name says that it is a file")),
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
        assert!(told(true, conf, None, true), "of a template");
        assert!(told(true, conf, Some(Inner::Absent), true));
        assert!(!told(true, conf, Some(Inner::Other), true), "a directory");
        assert!(!told(true, conf, Some(Inner::File), true), "it is copied");
        assert!(told(true, "/srv/data", Some(Inner::File), false));
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
