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
        true => match started(&site.here, &label) {
            Some(Started::Here) => (&mut engine.compose, None),
            Some(Started::Gone) => (&mut engine.compose, label(COMPOSE_DIRECTORY)),
            Some(Started::Elsewhere) | None => return,
        },
        false if is_here(&site.here, &label) => {
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
fn is_here<'a>(here: &Path, label: &impl Fn(&str) -> Option<&'a str>) -> bool {
    let there = label(COMPOSE_DIRECTORY).map(Path::new);
    there.is_some_and(|there| {
        let real = std::fs::canonicalize(there);
        real.as_deref().unwrap_or(there) == here
    })
}

/// Where docker compose started a container whose labels these are; none where it does not say that.
pub(super) fn started<'a>(
    here: &Path,
    label: &impl Fn(&str) -> Option<&'a str>,
) -> Option<Started> {
    let there = Path::new(label(COMPOSE_DIRECTORY)?);
    if is_here(here, label) {
        return Some(Started::Here);
    }
    // Its files may be elsewhere (`--project-directory`).
    let mut files = label(COMPOSE_FILES).unwrap_or_default().split(',');
    let has_file = files.any(|file| !file.is_empty() && there.join(file).exists());
    Some(match has_file || sys::has_yaml(there) {
        true => Started::Elsewhere,
        false => Started::Gone,
    })
}

/// Whether a container is that of a project of the same name in another directory, whose networks are its own.
pub(super) fn is_elsewhere(site: &Site, entry: &Entry) -> bool {
    let labels = &entry.labels.0;
    let label = |key: &str| labels.get(key).map(String::as_str);
    project_of(labels.iter()) == Some(site.project.as_str())
        && started(&site.here, &label) == Some(Started::Elsewhere)
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
        let started = |there: &Path, files: &str| {
            let there = there.to_str().unwrap().to_owned();
            started(&here, &|key: &str| match key {
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
        assert_eq!(started(&old, ""), Some(Started::Gone));
        let file = other.join("compose.yaml");
        assert_eq!(
            started(&old, file.to_str().unwrap()),
            Some(Started::Elsewhere)
        );
        assert_eq!(super::started(&here, &|_: &str| None), None);
    }
}
