//! The networks of a project by key: who is on which, and what the engine must know of them.
//!
//! Must not know steps or goals.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    AppNetwork, Attachment, Container, ContainerSpec, EngineNetwork, LEAST_MTU, LEAST_MTU6,
    MOST_MTU, Name, NetworkWish, Nic, Place, Project, Subnets, USUAL_MTU, bridge_of_network,
    default_network, host_name_of,
};
use crate::observed::Observed;

/// The places of a container of the file on networks, external ones included; a system container is on
/// one, the project's own unless the file says another. Empty for one without networks.
pub(super) fn attachments(container: &Container) -> Vec<Attachment> {
    match &container.app {
        None => {
            let own = || Attachment::new(default_network());
            vec![container.network.clone().unwrap_or_else(own)]
        }
        Some(app) => match &app.network {
            AppNetwork::Networks(list) => list.clone(),
            AppNetwork::Host
            | AppNetwork::None
            | AppNetwork::Bridge
            | AppNetwork::Container(_)
            | AppNetwork::Foreign(_) => Vec::new(),
        },
    }
}

/// The name on the host of a network that is not of the project; none for one of ours.
pub(super) fn external<'a>(project: &'a Project, network: &Name) -> Option<&'a str> {
    let extra = project.networks.get(network)?;
    extra.external.as_deref()
}

/// The name on the host of a network of the file.
pub(super) fn host_name(project: &Project, network: &Name) -> String {
    let extra = project.networks.get(network);
    let given = extra.and_then(|n| n.external.clone().or_else(|| n.name.clone()));
    given.unwrap_or_else(|| host_name_of(&project.name, network))
}

/// Whether the file has a network of this key.
pub(super) fn is_known(project: &Project, network: &Name) -> bool {
    *network == default_network() || project.networks.contains_key(network)
}

/// The networks of ours that a container of the file is on, by key.
pub(super) fn own_of(project: &Project, container: &Container) -> Vec<Name> {
    let all = attachments(container).into_iter().map(|a| a.network);
    all.filter(|n| is_known(project, n) && external(project, n).is_none())
        .collect()
}

/// The cards of a made container on networks of ours, by key.
pub(super) fn cards(spec: &ContainerSpec) -> Vec<(Name, &Nic)> {
    let Some(app) = &spec.app else {
        let key = spec.network.clone().unwrap_or_else(default_network);
        return spec.nic.iter().map(|nic| (key.clone(), nic)).collect();
    };
    let prefix = format!("{}_", spec.project);
    let all = app.attached.iter();
    all.filter_map(|attached| {
        let nic = attached.nic.as_ref()?;
        if let Some(key) = &attached.key {
            return Some((key.clone(), nic));
        }
        let key = attached.network.strip_prefix(&prefix)?;
        Some((Name::new(key).ok()?, nic))
    })
    .collect()
}

/// The keys of the networks of ours that a made container is on.
pub(super) fn keys(spec: &ContainerSpec) -> BTreeSet<Name> {
    cards(spec)
        .into_iter()
        .map(|(network, _)| network)
        .collect()
}

/// What the file asks of a network.
pub(super) fn wish<'a>(project: &'a Project, network: &Name) -> &'a NetworkWish {
    match project.networks.get(network) {
        Some(extra) if *network != default_network() => &extra.wish,
        Some(_) | None => &project.network,
    }
}

/// Where a network stands in the file.
pub(super) fn place<'a>(project: &'a Project, network: &Name) -> &'a Place {
    &wish(project, network).place
}

/// Whether there is no way out of it.
pub(super) fn is_internal(project: &Project, network: &Name) -> bool {
    project.networks.get(network).is_some_and(|n| n.internal)
}

/// The longest packet of a network: as the file says, else as the host's way out; none when neither is known.
pub(super) fn mtu(project: &Project, observed: &Observed, network: &Name) -> Option<u32> {
    let wish = wish(project, network);
    let least = if wish.ipv6 { LEAST_MTU6 } else { LEAST_MTU };
    let uplink = observed.network.uplink_mtu;
    wish.mtu.or(uplink.map(|mtu| mtu.clamp(least, MOST_MTU)))
}

/// The network as the engine must know it.
pub(super) fn of_engine(
    project: &Project,
    network: &Name,
    subnets: Subnets,
    mtu: Option<u32>,
) -> EngineNetwork {
    let extra = project.networks.get(network);
    EngineNetwork {
        project: project.name.clone(),
        network: network.clone(),
        bridge: bridge_of_network(&project.name, network),
        name: extra.and_then(|n| n.name.clone()),
        subnets,
        internal: is_internal(project, network),
        labels: extra.map(|n| n.labels.clone()).unwrap_or_default(),
        mtu: mtu.filter(|mtu| *mtu != USUAL_MTU),
    }
}

/// The subnets that each network of the project already has: recorded, else those of its containers'
/// marks, else those that the engine knows.
pub(super) fn recover(observed: &Observed) -> BTreeMap<Name, Subnets> {
    let mut found = BTreeMap::new();
    if let Some(record) = &observed.record {
        found.insert(default_network(), record.subnets);
        found.extend(record.networks.clone());
    }
    let marks = observed.containers.values().filter_map(|c| c.mark.as_ref());
    for (network, nic) in marks.flat_map(|mark| cards(&mark.spec)) {
        found.entry(network).or_insert(nic.subnets);
    }
    for (network, known) in &observed.engine.networks {
        found.entry(network.clone()).or_insert(known.subnets);
    }
    found
}
