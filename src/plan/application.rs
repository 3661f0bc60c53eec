//! What only application containers have, worked out: networks, limits, and what cannot be.

use std::collections::BTreeSet;

use crate::model::{
    App, AppNetwork, AppSpec, Attached, Attachment, Container, Fixed, Key, Kind, Limit, Name,
    Place, Project, app_limits, host_name_of,
};

use crate::observed::Observed;

use super::addresses::Net;
use super::desire::refusal;
use super::{Problem, Warning, needs, networks, unheld};

/// The application's part of a container's spec; none for a system container.
pub(super) fn spec(
    project: &Project,
    container: &Container,
    (observed, net): (&Observed, &Net),
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) -> Option<Box<AppSpec>> {
    if container.kind() == Kind::System {
        return None;
    }
    let mut settings: App = container.app.as_deref().cloned().unwrap_or_default();
    // When an image is fetched is no part of what the container is.
    settings.pull = Default::default();
    let limits: Vec<Limit> = container.cgroup.iter().map(|(l, _)| l.clone()).collect();
    match app_limits(&settings.limits, &limits) {
        Ok(limits) => settings.limits = limits,
        Err((index, error)) => {
            let place = container.cgroup.get(index).map(|(_, place)| place);
            problems.push(refusal(container, Key::Cgroup, place, error.to_string()));
        }
    }
    unheld::check(container, &settings, observed, problems, warnings);
    let network_of = match &settings.network {
        AppNetwork::Container(name) => Some(host_name_of(&project.name, name)),
        AppNetwork::Foreign(name) => Some(name.clone()),
        AppNetwork::Networks(_) | AppNetwork::Host | AppNetwork::Bridge | AppNetwork::None => None,
    };
    problems.extend(partners(project, container));
    problems.extend(unknown_networks(project, container));
    Some(Box::new(AppSpec {
        attached: attached(project, container, net),
        settings,
        network_of,
        healthcheck: container.healthcheck.clone(),
        exposed: exposed(container),
    }))
}

/// The ports that the container's settings tell: those of `expose` and those that are published. They
/// are for readers only, so that a changed port makes no new container.
fn exposed(container: &Container) -> Vec<String> {
    let settings = container.app.as_deref();
    let told = settings.map_or(&[][..], |app| &app.expose).iter().cloned();
    let published = container.ports.iter().flat_map(|(port, _)| {
        let range = port.container;
        (range.first..=range.last).map(|number| format!("{number}/{}", port.protocol))
    });
    let all: BTreeSet<String> = told.chain(published).collect();
    all.into_iter().collect()
}

/// The networks of a container, ours first: the first one is where its ports lead.
pub(super) fn attached(project: &Project, container: &Container, net: &Net) -> Vec<Attached> {
    let place = |at: Attachment| {
        let nic = net.card(&project.name, &container.name, &at);
        let external = networks::external(project, &at.network).is_some();
        let fixed = Fixed {
            v4: at.v4,
            v6: at.v6,
            mac: at.mac,
        };
        Attached {
            nic: nic.filter(|_| !external),
            network: networks::host_name(project, &at.network),
            aliases: with_service(at.aliases, container),
            key: Some(at.network),
            fixed: if external { fixed } else { Fixed::default() },
        }
    };
    let mut all: Vec<Attached> = networks::attachments(container)
        .into_iter()
        .map(place)
        .collect();
    all.sort_by_key(|attached| attached.nic.is_none());
    all
}

/// One of several is found by the name of all of them, too.
fn with_service(mut aliases: Vec<String>, container: &Container) -> Vec<String> {
    let service = container.replica_of.as_ref().map(Name::to_string);
    let service = service.filter(|name| !aliases.contains(name));
    aliases.extend(service.filter(|name| name != container.name.as_str()));
    aliases
}

/// Those whose network, processes or memory it shares must be application containers too.
fn partners(project: &Project, container: &Container) -> Vec<Problem> {
    let shared = needs::shared(container).into_iter();
    shared
        .filter_map(|(key, name)| {
            let reason = match project.containers.get(&name) {
                None => "the file has no such container",
                Some(other) if other.kind() == Kind::System => "that is a system container",
                Some(_) if name == container.name => "that is the container itself",
                Some(_) => return None,
            };
            let message = format!(
                "container `{}` cannot share `{key}` with `{name}`: {reason}",
                container.name
            );
            Some(refusal(container, key, None, message))
        })
        .collect()
}

fn unknown_networks(project: &Project, container: &Container) -> Vec<Problem> {
    let all = networks::attachments(container).into_iter();
    let unknown = all.filter(|at| !networks::is_known(project, &at.network));
    unknown
        .map(|at| {
            let message = format!(
                "container `{}` is to be on network `{}`, which the file does not define",
                container.name, at.network
            );
            let mut problem = refusal(container, Key::Networks, None, message);
            problem.help = Some(format!("add `{}` to `networks`", at.network));
            problem
        })
        .collect()
}

/// Ports and links of a container that has no address of ours.
pub(super) fn without_address(
    container: &Container,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) {
    let name = &container.name;
    if let Some((port, place)) = container.ports.first() {
        match how_unreachable(container) {
            Unreachable::Host => warnings.push(Warning {
                message: format!(
                    "container `{name}` uses the host's network: its ports are published as they are, `{port}` too"
                ),
                place: Some(place.clone()),
            }),
            Unreachable::For(reason, help) => {
                let message = format!("port `{port}` of container `{name}` cannot be published: {reason}");
                let mut problem = refusal(container, Key::Ports, Some(place), message);
                problem.help = Some(help);
                problems.push(problem);
            }
        }
    }
    if !container.links.is_empty() {
        warnings.push(Warning {
            message: format!(
                "container `{name}` has no address of the project; its `links` do nothing"
            ),
            place: Some(container.place_of(Key::Links).clone()),
        });
    }
}

/// Why nothing can be sent to a container.
enum Unreachable {
    Host,
    /// The reason, and what to do.
    For(&'static str, String),
}

fn how_unreachable(container: &Container) -> Unreachable {
    let network = container.app.as_ref().map(|app| &app.network);
    match network {
        Some(AppNetwork::Host) => Unreachable::Host,
        Some(AppNetwork::None) => Unreachable::For(
            "it has no network",
            "take the port out, or give it a network".into(),
        ),
        Some(AppNetwork::Bridge) => Unreachable::For(
            "it is on the engine's own bridge, where locker does not know its address",
            "leave `network_mode: bridge` out: the container is then on the project's network"
                .into(),
        ),
        Some(AppNetwork::Container(other)) => Unreachable::For(
            "it shares the network of another container",
            format!("publish the port at `{other}`"),
        ),
        Some(AppNetwork::Foreign(_)) => Unreachable::For(
            "it shares the network of a container that is not of the project",
            "publish the port where that container comes from".into(),
        ),
        Some(AppNetwork::Networks(_)) | None => Unreachable::For(
            "it is on no network of the project",
            "put it on `default` too".into(),
        ),
    }
}

/// Links between containers that are on no common network lead nowhere.
pub(super) fn strangers(project: &Project, warnings: &mut Vec<Warning>) {
    for container in project.containers.values() {
        let mine = networks::own_of(project, container);
        for (link, place) in container.links.iter().filter(|_| !mine.is_empty()) {
            let targets = needs::bearers(project, &link.target);
            let meets = |name: &Name| {
                let other = project.containers.get(name);
                let theirs = other.map(|other| networks::own_of(project, other));
                theirs.is_some_and(|theirs| theirs.iter().any(|n| mine.contains(n)))
            };
            if !targets.is_empty() && !targets.iter().any(meets) {
                warnings.push(no_common(&container.name, &link.target, place));
            }
        }
    }
}

fn no_common(name: &Name, target: &Name, place: &Place) -> Warning {
    Warning {
        message: format!(
            "container `{name}` is linked to `{target}`, and they are on no common network"
        ),
        place: Some(place.clone()),
    }
}
