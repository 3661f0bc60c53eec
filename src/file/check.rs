//! What no single container can know: ports published twice, circles of dependencies and clones.

use std::collections::BTreeMap;

use super::desk::Desk;
use super::diagnostic::Diagnostic;
use super::diagnostic::Severity::Error;
use crate::model::{Container, Key, Name, Place, Port, Source};

/// Reports what does not fit together.
pub(super) fn across(desk: &Desk<'_>, containers: &BTreeMap<Name, Container>) {
    ports(desk, containers);
    let clones = |container: &Container| match &container.source {
        Source::CloneSibling(origin) => vec![origin.clone()],
        Source::Template { .. }
        | Source::CloneHost(_)
        | Source::Download { .. }
        | Source::Rootfs(_)
        | Source::Image(_)
        | Source::Build(_) => Vec::new(),
    };
    circles(desk, containers, Key::Clone, "is a copy of", &clones);
    let dependencies =
        |container: &Container| container.depends_on.iter().map(|d| d.on.clone()).collect();
    circles(desk, containers, Key::DependsOn, "waits for", &dependencies);
}

/// Two rules that would take the same packet. Sorted by port, so that each is compared only with
/// those that overlap it.
fn ports(desk: &Desk<'_>, containers: &BTreeMap<Name, Container>) {
    let mut all: Vec<(&Port, &Place, &Name)> = Vec::new();
    for container in containers.values() {
        let picked = |port: &Port| port.host.first == 0;
        let ports = container.ports.iter().filter(|(port, _)| !picked(port));
        all.extend(ports.map(|(port, place)| (port, place, &container.name)));
    }
    all.sort_by_key(|(port, place, _)| (port.protocol, port.host.first, (*place).clone()));
    for (index, (port, place, name)) in all.iter().enumerate() {
        let overlapping = all[index + 1..].iter().take_while(|(other, ..)| {
            other.protocol == port.protocol && other.host.first <= port.host.last
        });
        let collision = overlapping
            .filter(|(other, ..)| port.collides(other))
            .min_by_key(|(_, place, _)| *place);
        let Some((other, other_place, other_name)) = collision else {
            continue;
        };
        let (first, second) = if desk.order(place) <= desk.order(other_place) {
            ((place, name), (other, other_place, other_name))
        } else {
            ((other_place, other_name), (port, place, name))
        };
        let owner = if first.1 == second.2 {
            format!("twice by `{}`", first.1)
        } else {
            format!("by `{}` and by `{}`", first.1, second.2)
        };
        let message = format!(
            "host port {}/{} is published {owner}",
            second.0.host, second.0.protocol
        );
        let (place, earlier) = ((*second.1).clone(), (*first.0).clone());
        desk.push(Diagnostic::at(Error, message, place).with_related(
            earlier,
            0,
            "first published here",
        ));
    }
}

/// Reports each circle once, at the container of it that stands first in the alphabet.
fn circles(
    desk: &Desk<'_>,
    containers: &BTreeMap<Name, Container>,
    key: Key,
    verb: &str,
    next: &dyn Fn(&Container) -> Vec<Name>,
) {
    // 0: not seen, 1: on the path, 2: done. Not recursive: a chain may be as long as the file.
    let mut state: BTreeMap<&Name, u8> = BTreeMap::new();
    for start in containers.keys() {
        if state.contains_key(start) {
            continue;
        }
        let mut path: Vec<(&Name, Vec<Name>)> = Vec::new();
        let mut enter = Some(start);
        loop {
            if let Some(name) = enter.take() {
                state.insert(name, 1);
                path.push((name, containers.get(name).map(next).unwrap_or_default()));
            }
            let Some((name, rest)) = path.last_mut() else {
                break;
            };
            let Some(target) = rest.pop() else {
                state.insert(name, 2);
                path.pop();
                continue;
            };
            let Some((target, _)) = containers.get_key_value(&target) else {
                continue;
            };
            match state.get(target) {
                None => enter = Some(target),
                Some(1) => report(desk, containers, key, verb, &path, target),
                Some(_) => {}
            }
        }
    }
}

fn report(
    desk: &Desk<'_>,
    containers: &BTreeMap<Name, Container>,
    key: Key,
    verb: &str,
    path: &[(&Name, Vec<Name>)],
    target: &Name,
) {
    let names = path
        .iter()
        .map(|(name, _)| *name)
        .skip_while(|name| *name != target);
    let circle: Vec<String> = names
        .chain([target])
        .map(|name| format!("`{name}`"))
        .collect();
    let message = if circle.len() == 2 {
        format!("{} {verb} itself", circle[0])
    } else {
        format!("a circle: {}", circle.join(&format!(" {verb} ")))
    };
    if let Some(container) = containers.get(target) {
        let place = container.place_of(key).clone();
        desk.push(Diagnostic::at(Error, message, place));
    }
}
