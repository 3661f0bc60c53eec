//! Host paths of volumes that lie in what locker itself makes and removes: whatever a container wrote there would go with a
//! `rm` or a `down --volumes` that does not name it. Told before the first change.
//!
//! What may only be read is no loss: copies of everything are made that way.

use std::path::{Path, PathBuf};

use crate::model::{Container, Key, Place, Project, Volume, VolumeSource, host_name_of};
use crate::observed::Observed;
use crate::plan::{Plan, Problem, Step};
use crate::store::Paths;

use super::missing_files::is_made;

/// What is refused of the containers that `plan` makes, and of what it gives to others.
pub(super) fn refused(
    (project, observed): (&Project, &Observed),
    plan: &Plan,
    lxcpath: &Path,
    paths: &Paths,
) -> Vec<Problem> {
    let made = project.containers.values();
    let volumes = made.flat_map(|file| file.volumes.iter().map(move |volume| (file, volume)));
    let volumes = volumes.filter(|(file, (volume, _))| {
        is_made(plan, &file.name) || is_new(file, volume, observed, plan)
    });
    let refused = |(file, (volume, place)): (&Container, &(Volume, Place))| {
        let VolumeSource::Host(path) = &volume.source else {
            return None;
        };
        if volume.read_only {
            return None;
        }
        let (why, help) = owner(&real(path), volume, (project, lxcpath, paths))?;
        Some(Problem {
            message: format!("`{}` {why}", path.display()),
            container: Some(file.name.clone()),
            key: Some(Key::Volumes),
            place: Some(place.clone()),
            help: Some(help),
        })
    };
    volumes.filter_map(refused).collect()
}

/// Whether a container that stays gets the volume.
fn is_new(file: &Container, volume: &Volume, observed: &Observed, plan: &Plan) -> bool {
    let gets = |step: &Step| matches!(step, Step::Configure(spec) if spec.name == file.name);
    let found = observed.containers.get(&file.name);
    let mut mounts = found
        .and_then(|found| found.mark.as_ref())
        .into_iter()
        .flat_map(|mark| &mark.spec.mounts);
    plan.steps.iter().any(|planned| gets(&planned.step))
        && !mounts.any(|mount| {
            volume.source == VolumeSource::Host(mount.host.clone()) && !mount.read_only
        })
}

/// Whose `path` is, where that is ours, and what to write instead.
fn owner(
    path: &Path,
    volume: &Volume,
    (project, lxcpath, paths): (&Project, &Path, &Paths),
) -> Option<(String, String)> {
    let target = volume.target.display();
    let volumes = real(&paths.volumes(&project.name));
    if let Ok(below) = path.strip_prefix(&volumes) {
        let name = below.iter().next().map(|name| name.to_string_lossy());
        let name = name.unwrap_or("NAME".into());
        return Some((
            "lies in a volume of this project, which `locker down --volumes` removes".into(),
            format!("name the volume: `{name}:{target}`; what is only read may stay, with `:ro`"),
        ));
    }
    if [paths.state(), paths.run()]
        .iter()
        .any(|own| path.starts_with(real(own)))
    {
        return Some((
            "belongs to locker, which removes what lies there".into(),
            "write another path; what is only read may stay, with `:ro`".into(),
        ));
    }
    let name = project.containers.keys().find(|name| {
        let own = lxcpath.join(host_name_of(&project.name, name));
        path.starts_with(real(&own))
    })?;
    Some((
        format!("lies in the container `{name}`, and goes when that is removed or made anew"),
        format!(
            "put it into a volume that both have: `data:{target}`; what is only read may stay, with `:ro`"
        ),
    ))
}

/// The path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|above| {
        let real = above.canonicalize().ok()?;
        let rest = path.strip_prefix(above).ok()?;
        Some(real.join(rest))
    });
    let found = found.unwrap_or_else(|| path.into());
    // An empty rest leaves a slash behind.
    found.components().collect()
}

#[cfg(test)]
mod tests {
    use super::super::images;
    use super::*;

    #[test]
    fn what_goes_with_a_container_or_volume_of_the_project_is_found_through_links_and_before_it_is_there()
     {
        let dir = tempfile::tempdir().unwrap();
        let (paths, lxcpath) = (Paths::under(dir.path()), dir.path().join("lxc"));
        let project = images::tests::project();
        let volumes = paths.volumes(&project.name);
        std::fs::create_dir_all(volumes.join("data/deep")).unwrap();
        std::os::unix::fs::symlink(&volumes, dir.path().join("link")).unwrap();
        let told = |source: PathBuf| {
            let volume = Volume {
                source: VolumeSource::Host(source.clone()),
                target: "/data".into(),
                read_only: false,
                short: true,
                must_exist: false,
            };
            let around = (&project, &*lxcpath, &paths);
            let told = owner(&real(&source), &volume, around);
            told.map_or(String::new(), |(why, help)| format!("{why}; {help}"))
        };
        let named = told(dir.path().join("link/data/deep"));
        assert!(named.contains("name the volume: `data:/data`"), "{named}");
        let state = told(dir.path().join("lib/records"));
        assert!(state.starts_with("belongs to locker"), "{state}");
        let own = host_name_of(&project.name, &images::tests::name("web"));
        let inside = told(lxcpath.join(&own).join("rootfs/srv/not/there"));
        assert!(
            inside.starts_with("lies in the container `web`"),
            "{inside}"
        );
        for free in [
            lxcpath.join(format!("{own}2")),
            dir.path().join("srv"),
            "/".into(),
        ] {
            assert_eq!(told(free), "");
        }
    }
}
