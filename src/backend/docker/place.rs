//! A container's place in the engine's networks: its mode, its addresses and its names there.

use std::collections::{BTreeSet, HashMap};

use bollard::models::{EndpointIpamConfig, EndpointSettings, NetworkingConfig};

use crate::model::{AppNetwork, AppSpec, Attached, Name, Nic};

/// The engine's network mode.
pub(super) fn mode(app: &AppSpec) -> String {
    if let Some(other) = &app.network_of {
        return format!("container:{other}");
    }
    match &app.settings.network {
        AppNetwork::Host => "host".into(),
        AppNetwork::None => "none".into(),
        AppNetwork::Container(name) => format!("container:{name}"),
        AppNetwork::Foreign(name) => format!("container:{name}"),
        AppNetwork::Networks(_) => match app.attached.first() {
            Some(first) => first.network.clone(),
            None => "none".into(),
        },
    }
}

/// The networks that it is made on: the first, and all where the engine can join several at once.
/// The first one is the way out, where the engine can be told (`ranks`).
pub(super) fn networking(
    name: &Name,
    app: &AppSpec,
    all: bool,
    ranks: bool,
) -> Option<NetworkingConfig> {
    let now = if all { app.attached.len() } else { 1 };
    let now = app.attached.iter().take(now).enumerate();
    let config: HashMap<_, _> = now
        .map(|(number, attached)| {
            let mut endpoint = endpoint(name, attached);
            endpoint.gw_priority = (ranks && number == 0).then_some(1);
            (attached.network.clone(), endpoint)
        })
        .collect();
    (!config.is_empty()).then_some(NetworkingConfig {
        endpoints_config: Some(config),
    })
}

/// The networks that it must be joined to after it was made and before it starts.
pub(super) fn later(app: &AppSpec, all: bool) -> impl Iterator<Item = &Attached> {
    app.attached
        .iter()
        .skip(if all { app.attached.len() } else { 1 })
}

/// Its addresses and names on one network; its short name is one of them.
pub(super) fn endpoint(name: &Name, attached: &Attached) -> EndpointSettings {
    let address = |nic: &Nic| EndpointIpamConfig {
        ipv4_address: Some(nic.addresses.v4.to_string()),
        ipv6_address: nic.addresses.v6.map(|ip| ip.to_string()),
        link_local_ips: None,
    };
    let mut aliases: BTreeSet<String> = attached.aliases.iter().cloned().collect();
    aliases.insert(name.to_string());
    EndpointSettings {
        ipam_config: attached.nic.as_ref().map(address),
        // Engines before 25 take no notice of it here; they make one of the address, as stable.
        mac_address: attached.nic.as_ref().map(|nic| nic.mac.clone()),
        aliases: Some(aliases.into_iter().collect()),
        ..EndpointSettings::default()
    }
}
