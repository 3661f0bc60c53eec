//! What docker compose has of the same project, as the engine's own lists show it.

use std::path::Path;

use super::known;
use super::list::{COMPOSE_DIRECTORY, COMPOSE_PROJECT, Entry, Published};
use super::observe::runs;
use super::site::Site;
use crate::model::{Listener, Protocol};
use crate::observed::ObservedCompose;

/// Whether these labels are docker compose's for this project.
pub(super) fn is_of<'a>(
    site: &Site,
    labels: impl Iterator<Item = (&'a String, &'a String)>,
) -> bool {
    let mut labels = labels.filter(|(key, _)| *key == COMPOSE_PROJECT);
    labels.any(|(_, project)| project == site.project.as_str())
}

/// Notes a container that is docker compose's. One of the same name that was started elsewhere is another project; one
/// without a directory has the label of the image that docker compose built, and is somebody else's.
pub(super) fn container(site: &Site, compose: &mut ObservedCompose, entry: &Entry) {
    let labels = &entry.labels.0;
    let (true, Some(name)) = (is_of(site, labels.iter()), known::name_of(entry)) else {
        return;
    };
    if is_here(site, entry) != Some(true) || labels.keys().any(|key| key.starts_with("locker.")) {
        return;
    }
    let ports = entry.ports.iter().flatten();
    compose.ports.extend(ports.filter_map(|at| port(name, at)));
    compose.containers.insert(name.to_owned(), runs(entry));
}

/// Whether docker compose started a container in the project's directory; none where it does not say where.
fn is_here(site: &Site, entry: &Entry) -> Option<bool> {
    let there = entry.labels.0.get(COMPOSE_DIRECTORY)?;
    let real = std::fs::canonicalize(there);
    Some(real.as_deref().unwrap_or(Path::new(there)) == site.directory)
}

/// Whether a container is that of a project of the same name in another directory, whose networks are its own.
pub(super) fn is_elsewhere(site: &Site, entry: &Entry) -> bool {
    is_of(site, entry.labels.0.iter()) && is_here(site, entry) == Some(false)
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
