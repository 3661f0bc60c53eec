//! The way of ::1 over a bridge: what `route_localnet` is for 127.0.0.1, which IPv6 does not have.
//!
//! The kernel lets a packet of ::1 out once it is led to a container and masqueraded. Its answer is
//! turned back to ::1 and dropped, because a route to a loopback address counts only on the interface
//! that the packet came by (`rt6_need_strict`, net/ipv6/route.c). So the bridge gets a local route of
//! its own to ::1, behind the one of `lo`. A packet that bears ::1 on the wire is dropped by the
//! kernel before any route is asked (RFC 4291, 2.5.3). The route goes with the bridge.

use std::fs;
use std::net::Ipv6Addr;

use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::{Handle, RouteMessageBuilder};

use super::bridge::{Link, refused};
use super::{NetworkError, look};

/// The kernel's table of local addresses (`RT_TABLE_LOCAL`, linux/rtnetlink.h).
const LOCAL_TABLE: u32 = 255;
/// Far behind the route of `lo`, whose metric is 0. Each bridge adds its number, since the kernel
/// holds one such route for each metric.
const METRIC: u32 = 2048;
/// ::1 as `/proc/net/ipv6_route` writes it.
const LOOPBACK: &str = "00000000000000000000000000000001 80 ";

/// Makes the route; one that is there is fine.
pub(super) async fn ensure(handle: &Handle, link: &Link, name: &str) -> Result<(), NetworkError> {
    if !look::has_ipv6() || is_open(name) {
        return Ok(());
    }
    let added = handle.route().add(route(link.index)).execute().await;
    added.map_err(refused("lead ::1 over", name))
}

fn route(index: u32) -> RouteMessage {
    RouteMessageBuilder::<Ipv6Addr>::new()
        .destination_prefix(Ipv6Addr::LOCALHOST, 128)
        .output_interface(index)
        .table_id(LOCAL_TABLE)
        .kind(RouteType::Local)
        .scope(RouteScope::Host)
        .protocol(RouteProtocol::Static)
        .priority(METRIC.saturating_add(index))
        .build()
}

/// The interface over which a listed route leads to ::1; none for all other routes.
pub(super) fn over(message: &RouteMessage) -> Option<u32> {
    let loopback = RouteAttribute::Destination(RouteAddress::Inet6(Ipv6Addr::LOCALHOST));
    let leads = message.header.kind == RouteType::Local
        && message.header.destination_prefix_length == 128
        && message.attributes.contains(&loopback);
    // The attributes are a foreign, open enum.
    let mut out = message.attributes.iter().filter_map(|one| match one {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    });
    leads.then(|| out.next()).flatten()
}

/// Whether the route is there; a kernel without IPv6 needs none.
fn is_open(bridge: &str) -> bool {
    match fs::read_to_string("/proc/thread-self/net/ipv6_route") {
        Ok(routes) => has_route(&routes, bridge),
        Err(_) => !look::has_ipv6(),
    }
}

fn has_route(routes: &str, bridge: &str) -> bool {
    let mut ours = routes.lines().filter(|line| line.starts_with(LOOPBACK));
    ours.any(|line| line.split_whitespace().next_back() == Some(bridge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_that_is_made_is_known_when_it_is_listed() {
        assert_eq!(over(&route(7)), Some(7));
        let elsewhere = RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix("fd77::1".parse().unwrap(), 128)
            .output_interface(7)
            .kind(RouteType::Local)
            .build();
        assert_eq!(over(&elsewhere), None);
    }

    #[test]
    fn the_route_is_found_by_address_and_bridge() {
        let line = |to: &str, dev: &str| {
            format!(
                "{to} {} 00 {} 00000800 1 0 80200001 {dev}\n",
                "0".repeat(32),
                "0".repeat(32)
            )
        };
        let one = "00000000000000000000000000000001 80";
        let routes = line(one, "lo") + &line("fd770000000000000000000000000001 80", "lk-shop");
        assert!(!has_route(&routes, "lk-shop") && has_route(&routes, "lo"));
        assert!(has_route(&(routes + &line(one, "lk-shop")), "lk-shop"));
    }
}
