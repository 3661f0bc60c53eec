//! The lines of hosts files: which names a container and the host know.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Addresses, Container, ContainerSpec, HostsLine, Name, Project};

use super::{needs, networks};

fn lines(addresses: Addresses, names: &[String]) -> impl Iterator<Item = HostsLine> {
    let line = move |address: IpAddr| HostsLine {
        address,
        names: names.to_vec(),
    };
    addresses.each().map(line)
}

/// The lines of a container on all its networks.
fn own_lines(spec: &ContainerSpec, names: &[String]) -> Vec<HostsLine> {
    let cards = networks::cards(spec).into_iter();
    cards
        .flat_map(|(_, nic)| lines(nic.addresses, names))
        .collect()
}

/// The address of `target` on the first network that both are on.
fn seen_from(spec: &ContainerSpec, target: &ContainerSpec) -> Option<Addresses> {
    let theirs = networks::cards(target);
    let mut mine = networks::cards(spec).into_iter();
    mine.find_map(|(network, _)| {
        let met = theirs.iter().find(|(other, _)| *other == network);
        met.map(|(_, nic)| nic.addresses)
    })
}

fn unique(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// A container's own lines: the canonical name first, as hosts(5) wants it.
pub(super) fn own(spec: &ContainerSpec) -> Vec<HostsLine> {
    let fqdn = spec.fqdn.iter().map(|f| f.as_str().to_owned());
    let names = fqdn.chain([spec.hostname.clone(), spec.name.to_string()]);
    own_lines(spec, &unique(names))
}

/// The whole block of a container; `running` are the specs of what will run. A link to a service of
/// several containers leads to all of them.
pub(super) fn block(
    project: &Project,
    spec: &ContainerSpec,
    file: Option<&Container>,
    running: &BTreeMap<&Name, &ContainerSpec>,
) -> Vec<HostsLine> {
    let mut all = own(spec);
    all.extend(further(spec));
    let Some(file) = file else { return all };
    for (bearer, further) in linked(project, file) {
        let target = running.get(&bearer).filter(|_| bearer != spec.name);
        let seen = target.and_then(|target| Some((target, seen_from(spec, target)?)));
        let Some((target, addresses)) = seen else {
            continue;
        };
        // The canonical name first, here too.
        let fqdn = target.fqdn.iter().map(|f| f.as_str().to_owned());
        let names = fqdn.chain([target.name.to_string()]).chain(further);
        all.extend(lines(addresses, &unique(names)));
    }
    all
}

/// The containers that a container's links lead to, each once and with what it is called beside its own name: one of
/// several is reached by the service's name, and the file has a link to it as well.
fn linked(project: &Project, file: &Container) -> Vec<(Name, Vec<String>)> {
    let mut all: Vec<(Name, Vec<String>)> = Vec::new();
    for (link, _) in &file.links {
        let alias = link.alias.as_ref().map(Name::to_string);
        for bearer in needs::bearers(project, &link.target) {
            let names = service(&bearer, &link.target).into_iter();
            let names = names.chain(alias.clone());
            match all.iter_mut().find(|(known, _)| *known == bearer) {
                Some((_, known)) => known.extend(names),
                None => all.push((bearer, names.collect())),
            }
        }
    }
    all
}

/// `extra_hosts` of a system container; `host-gateway` is the bridge, which is the host. The engine writes
/// those of application containers.
fn further(spec: &ContainerSpec) -> Vec<HostsLine> {
    let gateway = spec.nic.as_ref().map(|nic| nic.subnets.gateway4());
    let hosts = spec.system.extra_hosts.iter();
    let line = |(name, address): &(String, String)| {
        let address = match address.as_str() {
            "host-gateway" => gateway?.into(),
            address => address.parse().ok()?,
        };
        Some(HostsLine {
            address,
            names: vec![name.clone()],
        })
    };
    hosts.filter_map(line).collect()
}

/// The name of the service for one of its several containers.
fn service(bearer: &Name, target: &Name) -> Option<String> {
    (bearer != target).then(|| target.to_string())
}

/// The project's block of the host's file.
pub(super) fn host(running: &BTreeMap<&Name, &ContainerSpec>) -> Vec<HostsLine> {
    let specs = running.values();
    specs
        .flat_map(|spec| {
            let fqdn = spec.fqdn.iter().map(|f| f.as_str().to_owned());
            let names = fqdn.chain([spec.hostname.clone(), spec.host_name()]);
            own_lines(spec, &unique(names))
        })
        .collect()
}
