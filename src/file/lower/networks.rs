//! `networks` of the top level: further networks, and wishes about the project's own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::stores::{check_engine_name, external, labels, named};
use super::values::{Fields, boolean, items};
use crate::file::desk::{Desk, Scope};
use crate::file::diagnostic::{Diagnostic, Severity};
use crate::file::keys;
use crate::file::tree::{Entry, Spot};
use crate::model::{
    ExtraNetwork, LEAST_MTU, MOST_MTU, Name, NetworkWish, default_network, host_name_of,
};
use ipnet::IpNet;

/// The networks of a file.
#[derive(Default)]
pub(super) struct Networks {
    /// By their key; `default` is the project's own with what the file wants of it.
    pub all: BTreeMap<Name, ExtraNetwork>,
    /// What takes the place of the project's own network: its key in [`Self::all`].
    pub instead: Option<Name>,
    /// What `enable_ipv6` says of them.
    pub ipv6: BTreeMap<Name, bool>,
}

/// Reads them.
pub(super) fn lower(desk: &Desk<'_>, entry: Option<&Entry>, project: &Name) -> Networks {
    let mut networks = Networks::default();
    let mut renamed = None;
    for (name, entry) in named(desk, entry) {
        let Some(network) = network(desk, &name, entry) else {
            continue;
        };
        let said = entry.value.get("enable_ipv6");
        let said = said.and_then(|said| boolean(desk, &said.value, Scope::Project, "enable_ipv6"));
        networks.ipv6.extend(said.map(|said| (name.clone(), said)));
        match &network.external {
            Some(host) if name == default_network() => renamed = Some((host.clone(), network)),
            Some(_) | None => {
                networks.all.insert(name, network);
            }
        }
    }
    same_names(desk, entry, project, &networks);
    if let Some((host, network)) = renamed {
        networks.instead = stand_in(&host, &networks.all);
        networks
            .all
            .extend(networks.instead.clone().map(|name| (name, network)));
    }
    networks
}

/// A key for the external network that stands in for the project's own: its name, or one like it.
fn stand_in(host: &str, taken: &BTreeMap<Name, ExtraNetwork>) -> Option<Name> {
    let free = |name: &Name| {
        let other = taken
            .get(name)
            .is_some_and(|other| other.external.as_deref() != Some(host));
        !other && name != &default_network()
    };
    let words = [
        host.to_string(),
        "external".into(),
        "external-default".into(),
    ];
    let mut names = words.iter().filter_map(|word| Name::new(word).ok());
    names.find(free)
}

fn network(desk: &Desk<'_>, name: &Name, entry: &Entry) -> Option<ExtraNetwork> {
    let mut network = ExtraNetwork {
        wish: NetworkWish {
            place: desk.place(entry.spot),
            ..NetworkWish::default()
        },
        external: None,
        name: None,
        internal: false,
        labels: BTreeMap::new(),
    };
    if entry.value.is_null() {
        return Some(network);
    }
    let owner = format!("network `{name}`");
    if entry.value.entries().is_none() {
        let kind = entry.value.kind_name();
        desk.error(entry.value.spot, format!("{owner} is a map, not {kind}"));
        return None;
    }
    keys::check(desk, &entry.value, keys::NETWORKS, &owner);
    let fields = Fields {
        map: &entry.value,
        scope: Scope::Project,
    };
    let (is_external, host) = external(desk, fields);
    if let Some((host, spot)) = &host {
        check_host_name(desk, *spot, name, host, is_external)?;
    }
    if is_external {
        network.external = Some(host.map_or_else(|| name.to_string(), |(host, _)| host));
        return Some(network);
    }
    network.name = host.map(|(host, _)| host);
    wishes(desk, fields, &mut network);
    Some(network)
}

/// Checks the name on the host that the file gives a network.
fn check_host_name(
    desk: &Desk<'_>,
    spot: Spot,
    name: &Name,
    host: &str,
    external: bool,
) -> Option<()> {
    desk.check(spot, check_engine_name(host))?;
    if external && matches!(host, "host" | "none") {
        let help = format!("write `network_mode: {host}`");
        let message = format!("`{host}` is no network that can be joined");
        desk.error_help(spot, message, help);
        return None;
    }
    if !external && matches!(host, "host" | "none" | "bridge") {
        let message = format!("`{host}` is the engine's own network; `{name}` needs another name");
        desk.error(spot, message);
        return None;
    }
    Some(())
}

fn wishes(desk: &Desk<'_>, fields: Fields<'_, '_>, network: &mut ExtraNetwork) {
    driver(desk, fields);
    network.internal = fields.flag(desk, "internal").unwrap_or_default();
    network.wish.isolate = fields.flag(desk, "isolate").unwrap_or_default();
    network.wish.subnet = fields.parsed(desk, "subnet", NetworkWish::parse_subnet);
    network.wish.subnet6 = fields.parsed(desk, "subnet6", NetworkWish::parse_subnet6);
    network.wish.mtu = mtu(desk, fields);
    driver_opts(desk, fields, &mut network.wish);
    gateways(desk, fields, &mut network.wish);
    if let Some(map) = fields.node("ipam") {
        ipam(
            desk,
            Fields {
                map,
                scope: fields.scope,
            },
            &mut network.wish,
        );
    }
    fields.flag(desk, "attachable");
    if fields.flag(desk, "enable_ipv4") == Some(false)
        && let Some(node) = fields.node("enable_ipv4")
    {
        desk.error(node.spot, "every network of locker has IPv4");
    }
    network.labels = labels(desk, fields);
}

/// `mtu` of a network.
pub(super) fn mtu(desk: &Desk<'_>, fields: Fields<'_, '_>) -> Option<u32> {
    fields.parsed(desk, "mtu", check_mtu)
}

fn check_mtu(text: &str) -> Result<u32, String> {
    let fits = |mtu: &u32| (LEAST_MTU..=MOST_MTU).contains(mtu);
    let mtu = text.parse().ok().filter(fits);
    mtu.ok_or_else(|| {
        format!("an MTU is a number of bytes from {LEAST_MTU} to {MOST_MTU}, not `{text}`")
    })
}

/// The options of Docker's driver: the MTU under the names that it has there and in Podman. The bridge is
/// locker's own, so that others have no meaning.
fn driver_opts(desk: &Desk<'_>, fields: Fields<'_, '_>, wish: &mut NetworkWish) {
    const MTU: [&str; 3] = [
        "com.docker.network.driver.mtu",
        "com.docker.network.mtu",
        "mtu",
    ];
    for pair in fields.pairs(desk, "driver_opts") {
        if !MTU.contains(&pair.key.as_str()) {
            let message = format!("`{}` of `driver_opts` has no meaning here", pair.key);
            let error = Diagnostic::at(Severity::Warning, message, desk.place(pair.spot));
            desk.push(error.with_help("the bridge is locker's own"));
            continue;
        }
        let Some(mtu) = desk.check(
            pair.spot,
            check_mtu(pair.value.as_deref().unwrap_or_default()),
        ) else {
            continue;
        };
        match wish.mtu {
            Some(other) if other != mtu => {
                let message = format!("the network's MTU is {other} above and {mtu} here");
                desk.error_help(pair.spot, message, "write it once");
            }
            Some(_) | None => wish.mtu = Some(mtu),
        }
    }
}

fn driver(desk: &Desk<'_>, fields: Fields<'_, '_>) {
    match fields.text(desk, "driver") {
        None => {}
        Some((driver, _)) if matches!(driver.as_str(), "bridge" | "default" | "") => {}
        Some((driver, spot)) => desk.error_help(
            spot,
            format!("locker does not make networks of the driver `{driver}`; it makes bridges"),
            "make it with `docker network create`, and write `external: true`",
        ),
    }
}

fn ipam(desk: &Desk<'_>, fields: Fields<'_, '_>, wish: &mut NetworkWish) {
    keys::check(desk, fields.map, keys::IPAM, "`ipam`");
    if let Some((driver, spot)) = fields.text(desk, "driver")
        && driver != "default"
    {
        desk.error(
            spot,
            format!("`{driver}` cannot hand out addresses; locker does"),
        );
    }
    let Some(entry) = fields.map.get("config") else {
        return;
    };
    for map in items(desk, entry) {
        keys::check(desk, map, keys::IPAM_CONFIG, "`ipam.config`");
        subnet(
            desk,
            Fields {
                map,
                scope: fields.scope,
            },
            wish,
        );
    }
}

/// One subnet with its gateway.
fn subnet(desk: &Desk<'_>, fields: Fields<'_, '_>, wish: &mut NetworkWish) {
    let Some((text, spot)) = fields.text(desk, "subnet") else {
        if fields.node("gateway").is_some() {
            desk.error(fields.map.spot, "a `gateway` needs its `subnet`");
        }
        return;
    };
    let six = text.contains(':');
    let twice = if six {
        wish.subnet6.is_some()
    } else {
        wish.subnet.is_some()
    };
    if twice {
        let family = if six { "IPv6" } else { "IPv4" };
        desk.error(spot, format!("a network has one {family} subnet here"));
        return;
    }
    let net = if six {
        wish.subnet6 = desk.check(spot, NetworkWish::parse_subnet6(&text));
        wish.subnet6.map(IpNet::from)
    } else {
        wish.subnet = desk.check(spot, NetworkWish::parse_subnet(&text));
        wish.subnet.map(IpNet::from)
    };
    put_gateway(
        wish,
        net.and_then(|net| gateway(desk, fields, "gateway", net)),
    );
}

/// `gateway` and `gateway6` beside `subnet` and `subnet6`.
pub(super) fn gateways(desk: &Desk<'_>, fields: Fields<'_, '_>, wish: &mut NetworkWish) {
    for (key, of, net) in [
        ("gateway", "subnet", wish.subnet.map(IpNet::from)),
        ("gateway6", "subnet6", wish.subnet6.map(IpNet::from)),
    ] {
        match (net, fields.node(key), fields.node(of)) {
            (Some(net), Some(_), _) => put_gateway(wish, gateway(desk, fields, key, net)),
            (None, Some(node), None) => {
                desk.error(node.spot, format!("a `{key}` needs its `{of}`"))
            }
            (_, _, _) => {}
        }
    }
}

fn put_gateway(wish: &mut NetworkWish, at: Option<IpAddr>) {
    match at {
        Some(IpAddr::V4(at)) => wish.gateway = Some(at),
        Some(IpAddr::V6(at)) => wish.gateway6 = Some(at),
        None => {}
    }
}

/// The bridge's address in a subnet: any that a host can have.
fn gateway(desk: &Desk<'_>, fields: Fields<'_, '_>, key: &str, net: IpNet) -> Option<IpAddr> {
    let node = fields.node(key)?;
    let given = fields.parsed(desk, key, |text| {
        text.parse::<IpAddr>()
            .map_err(|_| format!("`{text}` is not an IP address"))
    })?;
    let edge = given == net.network() || (given.is_ipv4() && given == net.broadcast());
    if !net.contains(&given) || edge {
        let message = format!("the gateway `{given}` is no address of a host in `{net}`");
        desk.error_help(node.spot, message, "leave it out, or choose one within");
        return None;
    }
    Some(given)
}

/// Two networks of one name on the host would be one.
fn same_names(desk: &Desk<'_>, entry: Option<&Entry>, project: &Name, networks: &Networks) {
    let mut seen: BTreeMap<String, Name> = BTreeMap::new();
    for (name, network) in networks.all.iter().filter(|(_, n)| n.external.is_none()) {
        let own = || host_name_of(project, name);
        let host = network.name.clone().unwrap_or_else(own);
        let Some(other) = seen.insert(host.clone(), name.clone()) else {
            continue;
        };
        let spot = entry.and_then(|entry| entry.value.get(name.as_str()));
        if let Some(entry) = spot {
            let message =
                format!("the networks `{other}` and `{name}` are both called `{host}` on the host");
            desk.error_help(entry.spot, message, "give one of them another `name`");
        }
    }
}
