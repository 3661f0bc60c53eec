//! Looks at the kernel's network: the bridges, and every subnet that is in use already.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use futures_util::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use rtnetlink::{Handle, RouteMessageBuilder};

use super::bridge::{Link, is_half_made, refused};
use super::kernel::mark_of;
use super::links::{self, Links};
use super::uplink::{self, Way};
use super::{NetworkError, NetworkView, loopback};
use crate::model::Name;
use crate::observed::{ObservedBridge, ObservedNetwork, TakenNet};
use crate::store::{Paths, load_records};

/// Routes with a shorter prefix stand for "everywhere", as VPNs set them in halves (`0.0.0.0/1`,
/// `2000::/3`): they take no subnet away.
pub(super) const EVERYWHERE: u8 = 4;

/// Everything that [`super::Network::observe`] promises.
pub(super) async fn observe(
    handle: &Handle,
    (project, bridges): (&Name, &BTreeSet<String>),
    paths: &Paths,
    guarded: bool,
) -> Result<NetworkView, NetworkError> {
    let Dump {
        links,
        addresses,
        routes,
        loopbacks,
        ways,
    } = dump(handle, bridges).await?;
    let mark = mark_of(project);
    let is_ours = |link: &&Link| bridges.contains(&link.name) || link.alias.as_ref() == Some(&mark);
    let ours: BTreeMap<u32, &Link> = links
        .values()
        .filter(is_ours)
        .map(|link| (link.index, link))
        .collect();
    let mut network = ObservedNetwork {
        bridges: bridges_of(&ours, &addresses),
        half_made: half_made(&ours),
        taken: Vec::new(),
        uplink_mtu: uplink::mtu(&ways, &links),
        forwarding: forwards(ours.values().copied(), &loopbacks, guarded),
        strays: Vec::new(),
        note_fault: None,
    };
    let name = |index: u32| links.get(&index).map_or("?", |link| link.name.as_str());
    let taken = &mut network.taken;
    // Before their bridges, which people know less well.
    take_records(taken, project, paths)?;
    for (index, net) in addresses.iter().filter(|(i, _)| !ours.contains_key(i)) {
        take(taken, *net, format!("interface {}", name(*index)));
    }
    for (index, net) in routes {
        match index {
            Some(index) if ours.contains_key(&index) => {}
            Some(index) => take(taken, net, format!("route via {}", name(index))),
            None => take(taken, net, format!("route to {net}")),
        }
    }
    Ok(NetworkView {
        network,
        addresses: addresses.iter().map(|(_, net)| net.addr()).collect(),
    })
}

/// What is there of each bridge; one that a killed run half made counts as absent.
fn bridges_of(
    ours: &BTreeMap<u32, &Link>,
    addresses: &[(u32, IpNet)],
) -> BTreeMap<String, ObservedBridge> {
    let whole = ours.values().filter(|link| !is_half_made(link, &link.name));
    let look = |link: &&Link| {
        let own = addresses.iter().filter(|(index, _)| *index == link.index);
        let bridge = ObservedBridge {
            mark: link.alias.clone(),
            up: link.up,
            mtu: link.mtu,
            addresses: own
                .map(|(_, net)| *net)
                .filter(|net| !is_link_local(net.addr()))
                .collect(),
        };
        (link.name.clone(), bridge)
    };
    whole.map(look).collect()
}

fn half_made(ours: &BTreeMap<u32, &Link>) -> BTreeSet<String> {
    let names = ours.values().map(|link| (link, &link.name));
    let half = names.filter(|(link, name)| is_half_made(link, name));
    half.map(|(_, name)| name.clone()).collect()
}

/// The subnets of all other projects, whether their bridges are there or not.
fn take_records(
    taken: &mut Vec<TakenNet>,
    project: &Name,
    paths: &Paths,
) -> Result<(), NetworkError> {
    for record in load_records(paths)? {
        if &record.name == project {
            continue;
        }
        for subnets in std::iter::once(&record.subnets).chain(record.networks.values()) {
            let by = format!("locker project {}", record.name);
            for net in subnets.each() {
                take(taken, net, by.clone());
            }
        }
    }
    Ok(())
}

/// What the kernel lists.
struct Dump {
    /// All but those that are below another one and have no address or route.
    links: Links,
    addresses: Vec<(u32, IpNet)>,
    routes: Vec<(Option<u32>, IpNet)>,
    /// Interfaces over which a route leads to ::1.
    loopbacks: BTreeSet<u32>,
    /// Routes that lead everywhere.
    ways: Vec<Way>,
}

async fn dump(handle: &Handle, bridges: &BTreeSet<String>) -> Result<Dump, NetworkError> {
    let mut links = links::read(handle, bridges).await?;
    let addresses: Vec<AddressMessage> = handle
        .address()
        .get()
        .execute()
        .try_collect()
        .await
        .map_err(refused("read the addresses of", "*"))?;
    let addresses: Vec<(u32, IpNet)> = addresses
        .iter()
        .filter_map(|message| Some((message.header.index, address_of(message)?)))
        .collect();
    let (mut routes, mut loopbacks, mut ways) = (Vec::new(), BTreeSet::new(), Vec::new());
    for wanted in [
        RouteMessageBuilder::<Ipv4Addr>::new().build(),
        RouteMessageBuilder::<Ipv6Addr>::new().build(),
    ] {
        let found: Vec<RouteMessage> = handle
            .route()
            .get(wanted)
            .execute()
            .try_collect()
            .await
            .map_err(refused("read the routes of", "*"))?;
        routes.extend(found.iter().filter_map(route_of));
        loopbacks.extend(found.iter().filter_map(loopback::over));
        ways.extend(found.iter().filter_map(Way::of));
    }
    let routed = routes
        .iter()
        .filter_map(|(index, net)| Some(((*index)?, *net)));
    let told = addresses.iter().copied().chain(routed);
    // A card of a container has link-local ones, which belong to everybody.
    let told = told.filter(|(_, net)| !is_link_local(net.addr()));
    let told = told.map(|(index, _)| index);
    let told = told.chain(ways.iter().flat_map(Way::interfaces));
    links::complete(handle, &mut links, told).await?;
    Ok(Dump {
        links,
        addresses,
        routes,
        loopbacks,
        ways,
    })
}

/// Keeps each subnet once, by the first who was found to have it; link-local ones belong to everybody.
fn take(taken: &mut Vec<TakenNet>, net: IpNet, by: String) {
    let net = net.trunc();
    if !is_link_local(net.addr()) && !taken.iter().any(|other| other.net == net) {
        taken.push(TakenNet { net, by });
    }
}

/// The address and prefix of an address message. On a point-to-point link the local one counts.
pub(super) fn address_of(message: &AddressMessage) -> Option<IpNet> {
    let mut found = None;
    for attribute in &message.attributes {
        // The attributes are a foreign, open enum.
        match attribute {
            AddressAttribute::Local(address) => return net(*address, message),
            AddressAttribute::Address(address) => found = net(*address, message),
            _ => {}
        }
    }
    found
}

fn net(address: IpAddr, message: &AddressMessage) -> Option<IpNet> {
    IpNet::new(address, message.header.prefix_len).ok()
}

/// Destination and outgoing interface of a route that leads to a subnet; none for default, local,
/// broadcast and multicast routes.
fn route_of(message: &RouteMessage) -> Option<(Option<u32>, IpNet)> {
    let leads = matches!(
        message.header.kind,
        RouteType::Unicast | RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit
    );
    let length = message.header.destination_prefix_length;
    if !leads || length < EVERYWHERE {
        return None;
    }
    let (mut destination, mut out) = (None, None);
    for attribute in &message.attributes {
        // The attributes are a foreign, open enum.
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(to)) => destination = Some((*to).into()),
            RouteAttribute::Destination(RouteAddress::Inet6(to)) => {
                destination = Some((*to).into());
            }
            RouteAttribute::Oif(index) => out = Some(*index),
            _ => {}
        }
    }
    let net = IpNet::new(destination?, length).ok()?;
    (!net.addr().is_multicast()).then_some((out, net))
}

pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether this kernel speaks IPv6 at all.
pub(super) fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

/// Forwarding of both families and, of bridges that are there, the way of 127.0.0.1 and ::1 over each: that of
/// 127.0.0.1 is shut where it is not guarded.
fn forwards<'a>(
    mut bridges: impl Iterator<Item = &'a Link>,
    loopbacks: &BTreeSet<u32>,
    guarded: bool,
) -> bool {
    let on = |path: &str| fs::read_to_string(path).is_ok_and(|value| value.trim() != "0");
    let has_ipv6 = has_ipv6();
    let local = |bridge: &Link| {
        let setting = format!("/proc/sys/net/ipv4/conf/{}/route_localnet", bridge.name);
        on(&setting) == guarded && (!has_ipv6 || loopbacks.contains(&bridge.index))
    };
    on("/proc/sys/net/ipv4/ip_forward")
        && (!has_ipv6 || on("/proc/sys/net/ipv6/conf/all/forwarding"))
        && bridges.all(local)
}
