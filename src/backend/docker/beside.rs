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

/// Notes a container that is docker compose's. One of the same name that was started elsewhere is another project.
pub(super) fn container(site: &Site, compose: &mut ObservedCompose, entry: &Entry) {
    let labels = &entry.labels.0;
    let (true, Some(name)) = (is_of(site, labels.iter()), known::name_of(entry)) else {
        return;
    };
    let elsewhere = labels.get(COMPOSE_DIRECTORY).is_some_and(|there| {
        let real = std::fs::canonicalize(there);
        real.as_deref().unwrap_or(Path::new(there)) != site.directory
    });
    if elsewhere {
        return;
    }
    let ports = entry.ports.iter().flatten();
    compose.ports.extend(ports.filter_map(|at| port(name, at)));
    compose.containers.insert(name.to_owned(), runs(entry));
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
