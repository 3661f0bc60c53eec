//! Name servers that nobody asked for: a system container whose file names none gets those of the host.
//!
//! Whose they are shows in the mark, which holds what was written last. What somebody wrote inside since is theirs
//! and stays, as does what a container of before this default has, unless it has none at all; such a one gets them
//! with a start, and never while it runs.

use std::net::IpAddr;

use crate::model::{Container, ContainerSpec, Kind, Name, Project, default_network};
use crate::observed::{Mark, Observed, ObservedContainer};

use super::build::Builder;
use super::intent::{Intent, Power, runs};

/// As many as resolv.conf(5) looks at.
const MOST: usize = 3;

/// Why it gets others than it has.
pub(super) const CAUSE: &str = "without `dns` it has the name servers of the host";

/// Whether nobody said which servers a container has.
pub(super) fn by_default(container: &Container) -> bool {
    container.kind() == Kind::System && container.dns.is_empty()
}

/// Those of the host that a container can reach; none on a network without a way out.
pub(super) fn of_host(
    project: &Project,
    container: &Container,
    observed: &Observed,
) -> Vec<IpAddr> {
    let network = container.network.as_ref().map(|at| at.network.clone());
    let network = network.unwrap_or_else(default_network);
    if project
        .networks
        .get(&network)
        .is_some_and(|network| network.internal)
    {
        return Vec::new();
    }
    let servers = observed.host.name_servers.iter();
    servers.take(MOST).copied().collect()
}

/// Leaves the servers of a container that is there as they are, where they are not locker's own or no start
/// brings them.
pub(super) fn keep(
    file: &Container,
    intent: Intent,
    found: &ObservedContainer,
    mark: &Mark,
    spec: &mut ContainerSpec,
) {
    if !by_default(file) {
        return;
    }
    let starts = match intent.power {
        Power::On => !runs(Some(found)),
        Power::Cycle => true,
        Power::Keep | Power::Off | Power::Freeze | Power::Thaw => false,
    };
    let had = &mark.spec.dns;
    let comes = found.dns == *had && (starts || !had.is_empty());
    if !comes {
        spec.dns = had.clone();
    }
}

impl Builder<'_> {
    /// The same of a container by name.
    pub(super) fn is_by_default(&self, name: &Name) -> bool {
        self.project.containers.get(name).is_some_and(by_default)
    }

    /// The servers to write into a container: none where its file is somebody else's.
    pub(super) fn servers_to_write(&self, spec: &ContainerSpec, made: bool) -> Vec<IpAddr> {
        let file = self.project.containers.get(&spec.name);
        let free = spec.kind() == Kind::System && file.is_none_or(by_default);
        let mark = self.mark(&spec.name).filter(|_| free && !made);
        let found = self.there(&spec.name).zip(mark);
        match found.is_some_and(|(found, mark)| found.dns != mark.spec.dns) {
            true => Vec::new(),
            false => spec.dns.clone(),
        }
    }
}
