//! The engine's networks on bridges of ours.
//!
//! The bridge is there before the network, so the engine never takes it away. The engine hands out no
//! address by itself and masquerades nothing: both are locker's. What it is told cannot be changed
//! later; a network that differs is made anew while nobody is on it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{
    Ipam, IpamConfig, Network, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest,
};
use bollard::query_parameters::InspectNetworkOptions;
use std::net::IpAddr;

use ipnet::IpNet;

use super::client::Link;
use super::error::{is_missing, reason, status, unreachable};
use super::homes::Homes;
use super::mark::{self, NETWORK, user_labels};
use super::site::Site;
use super::{known, late, list, place};
use crate::backend::BackendError;
use crate::model::{Attached, EngineNetwork, Name, Subnets, host_name_of};
use crate::observed::{ForeignPlaces, Owner};

/// The option that says on which bridge.
const BRIDGE: &str = "com.docker.network.bridge.name";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
/// The longest packet of the cards.
const MTU: &str = "com.docker.network.driver.mtu";
/// The options that keep newer engines from closing the containers' addresses.
const GATEWAY_MODES: [&str; 2] = [
    "com.docker.network.bridge.gateway_mode_ipv4",
    "com.docker.network.bridge.gateway_mode_ipv6",
];

/// What the engine answers when somebody is on a network that is to be removed.
const IN_USE: u16 = 403;
/// What the engine answers when there is one of that name.
const TAKEN: u16 = 409;
/// How long the engine may still be at work for a run that was killed, and how often it is asked again.
const OLD_REQUEST: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(100);
/// How long it may take to let go of a container that is gone, and how often it is asked again.
const LETTING_GO: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);
/// Engine 20.10 counts those who are on a network beside the list of them, and loses count now and then
/// when many containers start or end at once; it counts anew when it starts.
const LOST_COUNT: &str = "the engine names nobody who is on it: it has lost count";

/// What an entry of the engine's list is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A network of this project.
    Ours(EngineNetwork),
    /// Any other, by name; also one of ours that somebody changed beyond recognition.
    Foreign(String),
}

/// Reads an entry of the engine's list.
pub(super) fn read(site: &Site, network: Network) -> Found {
    let name = network.name.clone().unwrap_or_default();
    match ours(site, network) {
        Some(ours) => Found::Ours(ours),
        None => Found::Foreign(name),
    }
}

/// The subnets of a network and where the host is in them.
pub(super) fn places(network: &Network) -> ForeignPlaces {
    let all = network.ipam.iter().flat_map(|ipam| &ipam.config).flatten();
    let mut places = ForeignPlaces::default();
    let bridge = network.driver.as_deref() == Some("bridge");
    for config in all {
        let net = config.subnet.as_ref();
        let net = net.and_then(|net| net.parse::<IpNet>().ok());
        // Without one that is told the engine takes the first address for the bridge.
        let usual = net.filter(|_| bridge && config.ip_range.is_none());
        let usual = usual.and_then(|net| net.hosts().next());
        let told = config.gateway.as_ref();
        let told = told.and_then(|at| at.parse::<IpAddr>().ok());
        places.nets.extend(net);
        places.gateways.extend(told.or(usual));
    }
    places
}

fn ours(site: &Site, network: Network) -> Option<EngineNetwork> {
    let labels = network.labels?;
    if !site.owns(&labels) {
        return None;
    }
    let mut nets = network
        .ipam
        .into_iter()
        .flat_map(|ipam| ipam.config)
        .flatten();
    let (mut v4, mut v6) = (None, None);
    let (mut at4, mut at6) = (None, None);
    for config in nets.by_ref() {
        let gateway = config.gateway.and_then(|gateway| gateway.parse().ok());
        match config.subnet?.parse().ok()? {
            IpNet::V4(net) => v4 = Some(net),
            IpNet::V6(net) => v6 = Some(net),
        }
        match gateway {
            Some(IpAddr::V4(at)) => at4 = Some(at),
            Some(IpAddr::V6(at)) => at6 = Some(at),
            None => {}
        }
    }
    let key = Name::new(labels.get(NETWORK)?).ok()?;
    let usual = host_name_of(&site.project, &key);
    let options = network.options?;
    let mtu = options.get(MTU).and_then(|mtu| mtu.parse().ok());
    Some(EngineNetwork {
        mtu,
        project: site.project.clone(),
        name: network.name.filter(|name| *name != usual),
        network: key,
        bridge: options.get(BRIDGE)?.clone(),
        subnets: Subnets::new(v4?, v6).at(at4, at6),
        internal: network.internal.unwrap_or_default(),
        labels: user_labels(labels).collect(),
    })
}

/// The engine's form of a network. `own_rules` says that the engine would close it by itself.
fn request(site: &Site, network: &EngineNetwork, own_rules: bool) -> NetworkCreateRequest {
    let mut options = HashMap::from([
        (BRIDGE.into(), network.bridge.clone()),
        (MASQUERADE.into(), "false".into()),
    ]);
    if own_rules {
        options.extend(GATEWAY_MODES.map(|mode| (mode.into(), "nat-unprotected".into())));
    }
    options.extend(network.mtu.map(|mtu| (MTU.into(), mtu.to_string())));
    let gateways = network.subnets.gateways();
    let config = gateways.map(|gateway| IpamConfig {
        subnet: Some(gateway.trunc().to_string()),
        gateway: Some(gateway.addr().to_string()),
        ..IpamConfig::default()
    });
    NetworkCreateRequest {
        name: network.host_name(),
        driver: Some("bridge".into()),
        internal: Some(network.internal),
        enable_ipv6: Some(network.subnets.v6.is_some()),
        ipam: Some(Ipam {
            config: Some(config.collect()),
            ..Ipam::default()
        }),
        options: Some(options),
        labels: Some(site.labels_of_network(network)),
        ..NetworkCreateRequest::default()
    }
}

async fn find(docker: &Docker, name: &str) -> Result<Option<Network>, BackendError> {
    let options = None::<InspectNetworkOptions>;
    match docker.inspect_network(name, options).await {
        Ok(found) => Ok(Some(Network {
            id: found.id,
            name: found.name,
            ipam: found.ipam,
            internal: found.internal,
            options: found.options,
            labels: found.labels,
            ..Network::default()
        })),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(failed("look at", name, &error)),
    }
}

/// Makes a network; the same one is fine.
pub(super) async fn ensure(
    site: &Site,
    link: &Link,
    network: &EngineNetwork,
) -> Result<(), BackendError> {
    let begun = Instant::now();
    loop {
        match ensure_once(site, link, network).await? {
            Ok(()) => return Ok(()),
            // The engine may still make or remove it for a run that was killed.
            Err(error)
                if matches!(status(&error), Some(TAKEN | IN_USE))
                    && begun.elapsed() < OLD_REQUEST =>
            {
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => return Err(failed("make", &network.host_name(), &error)),
        }
    }
}

/// The same once; the inner error is the engine's about the making alone.
async fn ensure_once(
    site: &Site,
    link: &Link,
    network: &EngineNetwork,
) -> Result<Result<(), Error>, BackendError> {
    let (name, docker) = (network.host_name(), &link.docker);
    let found = find(docker, &name).await?;
    let labels = found.as_ref().and_then(|found| found.labels.as_ref());
    let owner = labels.and_then(mark::owner);
    match found.map(|found| read(site, found)) {
        Some(Found::Ours(there)) if there.will_do_for(network) => {
            return rejoin(site, link, network).await.map(Ok);
        }
        Some(Found::Ours(_)) => match remove(site, link, network).await? {
            Removed::Gone => {}
            Removed::Kept(reason) => return Err(kept(network, &reason)),
        },
        Some(Found::Foreign(_)) => {
            return Err(refused("make", &name, not_ours(site, &name, owner)));
        }
        None => {}
    }
    let made = docker
        .create_network(request(site, network, link.has_own_rules()))
        .await;
    match made {
        Ok(_) => rejoin(site, link, network).await.map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

/// What is said of one of that name that is not of this project.
fn not_ours(site: &Site, name: &str, owner: Option<Owner>) -> String {
    match owner.filter(|owner| owner.project != site.project.as_str()) {
        Some(owner) => format!(
            "the engine has one of that name, of {owner}; rename the network or the project"
        ),
        None => format!(
            "the engine has one of that name that is not of this project; remove it: docker network rm {name}"
        ),
    }
}

/// Joins the project's resting containers that know this network by the id of one that was removed, as after
/// `docker network prune`: the engine would look for that one when it starts them. A container whose addresses
/// the network does not have any more is left alone; it is about to be made anew.
async fn rejoin(site: &Site, link: &Link, made: &EngineNetwork) -> Result<(), BackendError> {
    let (docker, network) = (&link.docker, made.host_name());
    let network = network.as_str();
    let Some(now) = find(docker, network).await?.and_then(|found| found.id) else {
        return Ok(());
    };
    let (list, homes) = (list::containers(&link.endpoint).await?, Homes::read(site));
    for entry in &list {
        let settings = entry.network_settings.as_ref();
        let place = settings.and_then(|settings| settings.networks.as_ref()?.get(network));
        let id = place.and_then(|place| place.network.as_deref());
        let is_old = id.is_some_and(|id| !id.is_empty() && id != now);
        let known = known::ours(site, &homes, entry, &list).filter(|_| is_old);
        let Some((name, _, known)) = known else {
            continue;
        };
        let app = known.mark.spec.app.iter();
        let mut attached = app.flat_map(|app| &app.attached);
        let attached = attached.find(|attached| attached.network == network);
        let Some(attached) = attached.filter(|attached| has_room_for(made, attached)) else {
            continue;
        };
        let leave = NetworkDisconnectRequest {
            container: known.id.clone(),
            force: Some(true),
        };
        let join = NetworkConnectRequest {
            container: known.id.clone(),
            endpoint_config: Some(place::endpoint(&name, attached)),
        };
        let full = site.full(&name);
        let left = docker.disconnect_network(network, leave).await;
        left.map_err(|e| failed_for("leave the old one of", network, &full, &e))?;
        let joined = docker.connect_network(network, join).await;
        joined.map_err(|e| failed_for("join", network, &full, &e))?;
    }
    Ok(())
}

/// Whether the addresses that a container was made with lie in the network.
fn has_room_for(network: &EngineNetwork, attached: &Attached) -> bool {
    let subnets = network.subnets;
    attached.nic.as_ref().is_none_or(|nic| {
        let mut six = nic.addresses.v6.iter();
        subnets.v4.contains(&nic.addresses.v4)
            && six.all(|ip| subnets.v6.is_some_and(|net| net.contains(ip)))
    })
}

fn failed_for(verb: &'static str, network: &str, container: &str, error: &Error) -> BackendError {
    let reason = format!("{} (of container `{container}`)", reason(error));
    unreachable(error).unwrap_or_else(|| refused(verb, network, reason))
}

/// What became of a network that was to be removed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// It is not there any more.
    Gone,
    /// The engine has lost count of who is on it, and keeps it; its words.
    Kept(String),
}

/// Removes a network of ours; an absent one is fine, a foreign one is refused.
pub(super) async fn remove(
    site: &Site,
    link: &Link,
    network: &EngineNetwork,
) -> Result<Removed, BackendError> {
    let (name, docker) = (network.host_name(), &link.docker);
    let Some(found) = find(docker, &name).await? else {
        return Ok(Removed::Gone);
    };
    if !found.labels.is_some_and(|labels| site.owns(&labels)) {
        return Err(refused(
            "remove",
            &name,
            "it bears no mark of this project".into(),
        ));
    }
    let mut removed = remove_when_let_go(docker, &name).await;
    let in_use = matches!(&removed, Err(error) if status(error) == Some(IN_USE));
    if in_use && late::end_all_on(site, link, &name).await? {
        removed = remove_when_let_go(docker, &name).await;
    }
    match removed {
        Err(error) if status(&error) == Some(IN_USE) && is_empty(docker, &name).await => {
            Ok(Removed::Kept(reason(&error)))
        }
        Err(error) if !is_missing(&error) => Err(failed("remove", &name, &error)),
        Ok(()) | Err(_) => Ok(Removed::Gone),
    }
}

/// Whether the engine itself names nobody who is on the network.
async fn is_empty(docker: &Docker, name: &str) -> bool {
    let options = None::<InspectNetworkOptions>;
    let found = docker.inspect_network(name, options).await;
    found.is_ok_and(|found| found.containers.unwrap_or_default().is_empty())
}

/// The error of one that the engine keeps while another one of its name is to be made.
pub(super) fn kept(network: &EngineNetwork, reason: &str) -> BackendError {
    let reason = format!(
        "{reason}, yet {LOST_COUNT}; let it count anew with `systemctl restart docker`, then run this command again"
    );
    refused("remove", &network.host_name(), reason)
}

/// What is said of one that is left.
pub(super) fn left(network: &EngineNetwork, reason: &str) -> String {
    let name = network.host_name();
    format!(
        "the engine keeps the empty network `{name}` ({reason}, yet {LOST_COUNT}); the next `locker up` uses it, and after \
         `systemctl restart docker` this command or `docker network rm {name}` removes it"
    )
}

/// The engine lets go of a container's place in a network a moment after it has answered that the
/// container is gone, and refuses to remove the network until then.
pub(super) async fn remove_when_let_go(docker: &Docker, name: &str) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        match docker.remove_network(name).await {
            Err(error) if status(&error) == Some(IN_USE) && begun.elapsed() < LETTING_GO => {
                tokio::time::sleep(LOOK).await;
            }
            done => return done,
        }
    }
}

fn failed(verb: &'static str, network: &str, error: &bollard::errors::Error) -> BackendError {
    unreachable(error).unwrap_or_else(|| refused(verb, network, reason(error)))
}

fn refused(verb: &'static str, network: &str, reason: String) -> BackendError {
    BackendError::Network {
        verb,
        network: network.into(),
        reason,
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
