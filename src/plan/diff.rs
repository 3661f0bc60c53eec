//! What differs between a mark and what would be written today, and how far the change reaches.

use crate::model::{Container, ContainerSpec, Key, NetworkWish};

use super::Cause;

/// How far a change reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// The kernel or a file takes it while the container runs.
    Live,
    /// It is taken at the next start.
    Restart,
    /// It means a new container.
    Recreate,
}

/// Every difference with its cause.
pub(super) fn changes(
    old: &ContainerSpec,
    new: &ContainerSpec,
    file: &Container,
    network: &NetworkWish,
    setup_done: bool,
) -> Vec<(Reach, Cause)> {
    let table = differences(old, new, setup_done);
    let differing = table.into_iter().filter(|(differs, _, _)| *differs);
    let mut found: Vec<(Reach, Cause)> = differing
        .map(|(_, reach, key)| {
            let place = file.place_of(key).clone();
            (reach, Cause::Changed { key, place })
        })
        .collect();
    let subnets = |spec: &ContainerSpec| spec.nic.as_ref().map(|nic| nic.subnets);
    if subnets(old) != subnets(new) {
        let cause = Cause::Network(network.place.clone());
        found.push((Reach::Restart, cause));
    } else if old.nic != new.nic {
        found.push((Reach::Restart, Cause::Drifted("its address changed")));
    }
    found
}

/// Whether each part differs, how far a change of it reaches, and its key.
fn differences(
    old: &ContainerSpec,
    new: &ContainerSpec,
    setup_done: bool,
) -> [(bool, Reach, Key); 10] {
    [
        (old.source != new.source, Reach::Recreate, new.source.key()),
        (old.idmap != new.idmap, Reach::Recreate, Key::Idmap),
        (old.mounts != new.mounts, Reach::Restart, Key::Volumes),
        (
            old.environment != new.environment,
            Reach::Restart,
            Key::Environment,
        ),
        (old.config != new.config, Reach::Restart, Key::Config),
        (
            old.hostname != new.hostname || old.fqdn != new.fqdn,
            Reach::Live,
            Key::Fqdn,
        ),
        (old.limits != new.limits, Reach::Live, Key::Cgroup),
        (old.dns != new.dns, Reach::Live, Key::Dns),
        (old.labels != new.labels, Reach::Live, Key::Labels),
        // The setup runs once; a change after that must not make a plan that never gets empty.
        (
            !setup_done && old.setup != new.setup,
            Reach::Live,
            Key::Setup,
        ),
    ]
}
