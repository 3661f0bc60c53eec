//! Who keeps containers up, what cannot be promised without systemd, and who is kept apart.

use std::path::{Path, PathBuf};

use crate::model::{
    AppSpec, Container, ENGINE_SOCKET, IdRange, Key, Kind, Project, Protocol, Restart, Supervisor,
};
use crate::observed::{EngineAt, Observed};

use super::desire::refusal;
use super::{Problem, Warning};

fn choice(project: &Project, container: &Container) -> Supervisor {
    container.supervisor.unwrap_or(project.supervisor)
}

/// Whether systemd starts, watches and stops the container.
pub(super) fn is_supervised(project: &Project, container: &Container, observed: &Observed) -> bool {
    match choice(project, container) {
        Supervisor::None => false,
        Supervisor::Auto | Supervisor::Systemd => {
            observed.units.available && out_of_reach(container, observed).is_none()
        }
    }
}

/// Where the engine of an application container listens when its supervisor cannot reach it there: one is
/// locked down to sockets.
fn out_of_reach<'a>(container: &Container, observed: &'a Observed) -> Option<&'a str> {
    match (container.kind(), &observed.engine.at) {
        (Kind::Application, Some(EngineAt::Network(address))) => Some(address),
        (Kind::Application, Some(EngineAt::Socket(_)) | None) | (Kind::System, _) => None,
    }
}

/// The engine's socket for a supervisor, when it is not the usual one.
pub(super) fn engine_socket(kind: Kind, observed: &Observed) -> Option<PathBuf> {
    match (kind, &observed.engine.at) {
        (Kind::Application, Some(EngineAt::Socket(path))) => {
            // /var/run is /run (Filesystem Hierarchy Standard 3.0, 5.13).
            let usual = [ENGINE_SOCKET, "/run/docker.sock"];
            let usual = usual.iter().any(|usual| path == Path::new(usual));
            (!usual).then(|| path.clone())
        }
        (Kind::Application, Some(EngineAt::Network(_)) | None) | (Kind::System, _) => None,
    }
}

/// Refuses what needs systemd and says once what cannot be promised without it.
pub(super) fn check(
    project: &Project,
    observed: &Observed,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) {
    let (mut unkept, mut far) = (Vec::new(), Vec::new());
    for container in project.containers.values() {
        let supervised = is_supervised(project, container, observed);
        let address = out_of_reach(container, observed).filter(|_| observed.units.available);
        match (choice(project, container), address) {
            (Supervisor::Systemd, Some(address)) => problems.push(no_socket(container, address)),
            (Supervisor::Systemd, None) if !supervised => {
                problems.push(no_systemd(container, Key::Supervisor));
            }
            (Supervisor::Auto, Some(_)) => far.push(container.name.as_str()),
            (Supervisor::Auto | Supervisor::Systemd | Supervisor::None, _) => {}
        }
        if container.on_demand {
            problems.extend(on_demand(container, supervised));
        }
        if !supervised && is_asked_for(container) {
            unkept.push(container.name.as_str());
        }
    }
    let mut warn = |message: String| {
        let place = None;
        warnings.push(Warning { message, place });
    };
    if let (Some(EngineAt::Network(address)), false) = (&observed.engine.at, far.is_empty()) {
        warn(format!(
            "systemd does not keep these up, since a supervisor reaches the engine by a socket and not on `{address}`; the engine's own restart policy does: {}",
            far.join(", ")
        ));
    }
    if !unkept.is_empty() {
        warn(format!(
            "without systemd nobody starts these at boot or again when they end or get unhealthy, as the file asks: {}",
            unkept.join(", ")
        ));
    }
}

fn no_socket(container: &Container, address: &str) -> Problem {
    let message = format!(
        "`supervisor: systemd` of container `{}` needs the engine's socket, and the engine listens on `{address}`",
        container.name
    );
    Problem {
        help: Some(format!(
            "unset DOCKER_HOST for `{ENGINE_SOCKET}`, name another socket with `DOCKER_HOST=unix:///PATH`, or take `supervisor` out"
        )),
        ..refusal(container, Key::Supervisor, None, message)
    }
}

/// Whether the file asks for what only a supervisor can do. The engine of applications starts its own
/// again when they end, and at boot.
fn is_asked_for(container: &Container) -> bool {
    let restarts = match container.restart {
        Restart::No => false,
        Restart::OnUnhealthy => true,
        Restart::Always | Restart::UnlessStopped | Restart::OnFailure { .. } => {
            container.kind() == Kind::System
        }
    };
    restarts || container.autostart
}

fn no_systemd(container: &Container, key: Key) -> Problem {
    let message = format!(
        "`{key}` of container `{}` needs systemd as the host's first process",
        container.name
    );
    Problem {
        help: Some("take it out, or boot the host with systemd".into()),
        ..refusal(container, key, None, message)
    }
}

/// systemd holds TCP ports for a container that does not run, open for everybody.
fn on_demand(container: &Container, supervised: bool) -> Vec<Problem> {
    if !supervised {
        return vec![no_systemd(container, Key::OnDemand)];
    }
    let name = &container.name;
    let ports = container.ports.iter();
    let refused = ports.filter_map(|(port, place)| {
        let reason = if port.protocol == Protocol::Udp {
            "only TCP ports can start a container"
        } else if !port.allow.is_empty() {
            "`allow` cannot be kept when systemd answers"
        } else if port.host.first == 0 {
            "it needs a host port of its own"
        } else {
            return None;
        };
        let message = format!("port `{port}` of container `{name}` and `on_demand`: {reason}");
        Some(refusal(container, Key::Ports, Some(place), message))
    });
    refused.collect()
}

/// Gives an application container that is kept apart a user of its own.
pub(super) fn set_apart(
    container: &Container,
    ids: &[IdRange],
    app: &mut AppSpec,
    problems: &mut Vec<Problem>,
) {
    let Some(range) = ids.first().filter(|_| container.isolate) else {
        return;
    };
    let settings = &mut app.settings;
    if !settings.volumes_from.is_empty() {
        // What is the container's own is given to its user, and the engine does not tell it from another's.
        let message = format!(
            "container `{}` is to be isolated, which gives its volumes to a user of its own; those that `volumes_from` names are another's",
            container.name
        );
        let help = "name what it shall have of them below `volumes` of both, or take `isolate` or `volumes_from` out";
        problems.push(Problem {
            help: Some(help.into()),
            ..refusal(container, Key::VolumesFrom, None, message)
        });
        return;
    }
    let key = match (&settings.user, settings.granted.privileged) {
        (Some(_), _) => Key::User,
        (None, true) => Key::Privileged,
        (None, false) => {
            settings.user = Some(format!("{0}:{0}", range.host));
            return;
        }
    };
    let message = format!(
        "container `{}` is to be isolated, which gives it a user of its own; `{key}` says otherwise",
        container.name
    );
    problems.push(refusal(container, key, None, message));
}
