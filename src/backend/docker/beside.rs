//! What docker compose has of the same project, as the engine's own lists show it.

use std::path::{Path, PathBuf};

use super::known;
use super::list::{
    COMPOSE_DIRECTORY, COMPOSE_FILES, COMPOSE_ONE_OFF, COMPOSE_PROJECT, COMPOSE_SERVICE, Entry,
    Published,
};
use super::observe::runs;
use super::site::Site;
use crate::backend::Started;
use crate::model::{Listener, Protocol};
use crate::observed::{ComposeContainer, ObservedEngine};
use crate::sys;

/// docker compose's project of a network or a container, by its labels.
pub(super) fn project_of<'a>(
    mut labels: impl Iterator<Item = (&'a String, &'a String)>,
) -> Option<&'a str> {
    let found = labels.find(|(key, _)| *key == COMPOSE_PROJECT);
    found.map(|(_, project)| project.as_str())
}

/// Notes a container that is docker compose's. One of the same name that was started elsewhere is another project; one
/// without a directory has the label of the image that docker compose built, and is somebody else's.
pub(super) fn container(site: &Site, engine: &mut ObservedEngine, entry: &Entry) {
    let labels = &entry.labels.0;
    let (Some(project), Some(name)) = (project_of(labels.iter()), known::name_of(entry)) else {
        return;
    };
    if labels.keys().any(|key| key.starts_with("locker.")) {
        return;
    }
    let label = |key: &str| labels.get(key).map(String::as_str);
    let (compose, from) = match project == site.project.as_str() {
        true => match started(site, &label) {
            Some(Started::Here) => (&mut engine.compose, None),
            Some(Started::Gone) => (&mut engine.compose, label(COMPOSE_DIRECTORY)),
            Some(Started::Elsewhere) | None => return,
        },
        false if is_here(site, &label) => {
            let other = engine.compose_else.entry(project.to_owned());
            (other.or_default(), None)
        }
        false => return,
    };
    let ports = entry.ports.iter().flatten();
    compose.ports.extend(ports.filter_map(|at| port(name, at)));
    let container = ComposeContainer {
        service: label(COMPOSE_SERVICE)
            .filter(|_| !is_one_off(&label))
            .map(str::to_owned),
        runs: runs(entry),
        from: from.map(PathBuf::from),
    };
    compose.containers.insert(name.to_owned(), container);
}

/// Whether it is for one command (`docker compose run`).
pub(super) fn is_one_off<'a>(label: &impl Fn(&str) -> Option<&'a str>) -> bool {
    label(COMPOSE_ONE_OFF).is_some_and(|word| word.eq_ignore_ascii_case("true"))
}

/// Whether docker compose started a container in `here`, of which it may know a link.
fn is_here<'a>(site: &Site, label: &impl Fn(&str) -> Option<&'a str>) -> bool {
    let here = site.here.as_path();
    let there = label(COMPOSE_DIRECTORY).map(Path::new);
    there.is_some_and(|there| {
        // Links are followed only where that may lead here: on a file system that hangs a look hangs.
        if there == here || !(is_own(site, label) || there.file_name() == here.file_name()) {
            return there == here;
        }
        let real = std::fs::canonicalize(there);
        real.as_deref().unwrap_or(there) == here
    })
}

/// Whether docker compose calls the project as locker does.
fn is_own<'a>(site: &Site, label: &impl Fn(&str) -> Option<&'a str>) -> bool {
    label(COMPOSE_PROJECT) == Some(site.project.as_str())
}

/// Where docker compose started a container whose labels these are; none where it does not say that.
pub(super) fn started<'a>(
    site: &Site,
    label: &impl Fn(&str) -> Option<&'a str>,
) -> Option<Started> {
    let there = Path::new(label(COMPOSE_DIRECTORY)?);
    if is_here(site, label) {
        return Some(Started::Here);
    }
    if !is_own(site, label) {
        return Some(Started::Elsewhere);
    }
    // Its files may be elsewhere (`--project-directory`).
    let files = label(COMPOSE_FILES).unwrap_or_default().split(',');
    let files: Vec<&Path> = files.map(Path::new).collect();
    let is_file = |path: &Path| path.file_name().is_some() && path.is_file();
    let has_file = files.iter().any(|file| is_file(&there.join(file)));
    // What was moved here has brought its files along. What another machine has started, whose directories are not on
    // this one, has not.
    let mut names = files.iter().filter_map(|file| file.file_name());
    let came_along = names.any(|name| site.here.join(name).is_file());
    Some(match has_file || sys::has_yaml(there) || !came_along {
        true => Started::Elsewhere,
        false => Started::Gone,
    })
}

/// Whether a container is that of a project of the same name in another directory, whose networks are its own.
pub(super) fn is_elsewhere(site: &Site, entry: &Entry) -> bool {
    let labels = &entry.labels.0;
    let label = |key: &str| labels.get(key).map(String::as_str);
    project_of(labels.iter()) == Some(site.project.as_str())
        && started(site, &label) == Some(Started::Elsewhere)
}

fn port(container: &str, at: &Published) -> Option<Listener> {
    let protocol = match at.r#type.as_deref() {
        Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some(_) | None => return None,
    };
    Some(Listener {
        protocol,
        address: at.address.as_ref()?.parse().ok()?,
        port: at.public_port?,
        owner: container.to_owned(),
        held_for: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_of_docker_compose_is_of_the_directory_that_is_there_or_has_moved_from_one_that_is_gone()
     {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let [here, old, other] = ["here", "old", "other"].map(|name| root.join(name));
        for dir in [&here, &other] {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join("compose.yaml"), "").unwrap();
        }
        std::os::unix::fs::symlink(&here, root.join("link")).unwrap();
        let site = Site {
            project: crate::model::Name::new("shop").unwrap(),
            directory: here.clone(),
            here: here.clone(),
            paths: crate::store::Paths::under(&root),
        };
        let started = |there: &Path, files: &str| {
            let there = there.to_str().unwrap().to_owned();
            started(&site, &|key: &str| match key {
                COMPOSE_PROJECT => Some("shop"),
                COMPOSE_DIRECTORY => Some(there.as_str()),
                COMPOSE_FILES => Some(files),
                _ => None,
            })
        };
        assert_eq!(started(&here, ""), Some(Started::Here));
        assert_eq!(started(&root.join("link"), ""), Some(Started::Here));
        assert_eq!(started(&other, ""), Some(Started::Elsewhere));
        assert_eq!(started(&old, "compose.yaml"), Some(Started::Gone));
        // The engine has made a mount's directory again.
        std::fs::create_dir_all(old.join("data")).unwrap();
        assert_eq!(started(&old, "compose.yaml"), Some(Started::Gone));
        // What another machine has started is not what was moved here.
        for files in ["", "/data/stacks/5/stack.yml"] {
            assert_eq!(started(&old, files), Some(Started::Elsewhere), "{files}");
        }
        let file = other.join("compose.yaml");
        assert_eq!(
            started(&old, file.to_str().unwrap()),
            Some(Started::Elsewhere)
        );
        assert_eq!(super::started(&site, &|_: &str| None), None);
    }
}
