//! A container's place in the engine's networks: its mode, its addresses and its names there.

use std::collections::{BTreeSet, HashMap};

use bollard::models::{EndpointIpamConfig, EndpointSettings, NetworkingConfig};

use crate::model::{AppNetwork, AppSpec, Attached, Fixed, Name, Nic};

/// The engine's network mode.
pub(super) fn mode(app: &AppSpec) -> String {
    if let Some(other) = &app.network_of {
        return format!("container:{other}");
    }
    match &app.settings.network {
        AppNetwork::Host => "host".into(),
        AppNetwork::None => "none".into(),
        AppNetwork::Bridge => "bridge".into(),
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

/// Its hardware address on one network. Engines before 25 know only that of the first one, beside the
/// container's settings.
pub(super) fn hardware(attached: &Attached) -> Option<&str> {
    let own = attached.nic.as_ref().map(|nic| nic.mac.as_str());
    own.or(attached.fixed.mac.as_deref())
}

/// The hardware address that the file asks for on one network.
pub(super) fn mac_of_file<'a>(app: &'a AppSpec, attached: &Attached) -> Option<&'a str> {
    let AppNetwork::Networks(all) = &app.settings.network else {
        return None;
    };
    let key = attached.key.as_ref()?;
    let found = all.iter().find(|at| at.network == *key)?;
    found.mac.as_deref()
}

/// The same on the first network.
pub(super) fn first_mac(app: &AppSpec) -> Option<&str> {
    mac_of_file(app, app.attached.first()?)
}

/// The addresses that the file asks for where the engine gives them.
fn asked(fixed: &Fixed) -> Option<EndpointIpamConfig> {
    let any = fixed.v4.is_some() || fixed.v6.is_some();
    any.then(|| EndpointIpamConfig {
        ipv4_address: fixed.v4.map(|ip| ip.to_string()),
        ipv6_address: fixed.v6.map(|ip| ip.to_string()),
        link_local_ips: None,
    })
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
        ipam_config: attached
            .nic
            .as_ref()
            .map(address)
            .or_else(|| asked(&attached.fixed)),
        // Engines before 25 take no notice of it here: see `hardware`.
        mac_address: hardware(attached).map(str::to_owned),
        aliases: Some(aliases.into_iter().collect()),
        ..EndpointSettings::default()
    }
}
