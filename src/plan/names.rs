//! The lines of hosts files: which names a container and the host know.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Addresses, Container, ContainerSpec, HostsLine, Name};

fn lines(addresses: Addresses, names: &[String]) -> [HostsLine; 2] {
    let line = |address: IpAddr| HostsLine {
        address,
        names: names.to_vec(),
    };
    [line(addresses.v4.into()), line(addresses.v6.into())]
}

/// The lines of a container's first card; none without one.
fn own_lines(spec: &ContainerSpec, names: &[String]) -> Vec<HostsLine> {
    let nic = spec.nic.iter();
    nic.flat_map(|nic| lines(nic.addresses, names)).collect()
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

/// The whole block of a container; `running` are the specs of what will run.
pub(super) fn block(
    spec: &ContainerSpec,
    file: Option<&Container>,
    running: &BTreeMap<&Name, &ContainerSpec>,
) -> Vec<HostsLine> {
    let mut all = own(spec);
    let Some(file) = file else { return all };
    let mut done: Vec<&Name> = Vec::new();
    for (link, _) in &file.links {
        if done.contains(&&link.target) {
            continue;
        }
        done.push(&link.target);
        let Some(target) = running.get(&link.target) else {
            continue;
        };
        let fqdn = target.fqdn.iter().map(|f| f.as_str().to_owned());
        let same = file.links.iter().filter(|(l, _)| l.target == link.target);
        let aliases = same.filter_map(|(l, _)| l.alias.as_ref().map(Name::to_string));
        let names = [target.name.to_string()].into_iter().chain(fqdn);
        all.extend(own_lines(target, &unique(names.chain(aliases))));
    }
    all
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
