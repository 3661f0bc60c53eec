//! Published ports.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::container::Layers;
use super::values::{Fields, items, warn};
use crate::file::desk::{Desk, Scope};
use crate::file::diagnostic::{Diagnostic, Severity};
use crate::file::keys;
use crate::file::tree::{Kind as Shape, Node, Spot};
use crate::model::{Key, Kind, Place, Port, PortError, PortRange, Protocol, ShortPort};

/// `ports`: those of `defaults` first.
pub(super) fn lower(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<(Port, Place)> {
    let scope = layers.scope(Key::Ports);
    let mut all: Vec<(Port, Place)> = Vec::new();
    for item in layers.of(Key::Ports).flat_map(|entry| items(desk, entry)) {
        let ports = match item.kind {
            Shape::Mapping(_) => map(desk, item, scope, layers.kind),
            Shape::Null | Shape::Scalar(_) | Shape::Sequence(_) => desk
                .text(item, scope, "ports")
                .and_then(|text| match layers.kind {
                    Kind::System => system(desk, item.spot, &text).map(|port| vec![port]),
                    Kind::Application => short(desk, item.spot, ShortPort::parse(&text)),
                }),
        };
        for port in ports.unwrap_or_default() {
            unreachable(desk, item.spot, &port);
            // The same twice counts once, as in Compose; the later one, and what a range has already not again.
            all.retain(|(earlier, _)| !covers(&port, earlier));
            if !all.iter().any(|(earlier, _)| covers(earlier, &port)) {
                all.push((port, desk.place(item.spot)));
            }
        }
    }
    all
}

/// Whether `range` publishes all that `port` does, in the same way. `0.0.0.0` is what counts where no address is
/// written.
fn covers(range: &Port, port: &Port) -> bool {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let address = |port: &Port| port.host_ip.filter(|ip| *ip != any);
    let shift = |port: &Port| i32::from(port.container.first) - i32::from(port.host.first);
    let alike = address(range) == address(port)
        && (range.protocol, &range.allow) == (port.protocol, &port.allow);
    let within = range.host.first <= port.host.first && port.host.last <= range.host.last;
    alike && (range == port || within && port.host.first != 0 && shift(range) == shift(port))
}

/// The kernel lets no packet from `::1` leave the loopback (docs/network.md).
fn unreachable(desk: &Desk<'_>, spot: Spot, port: &Port) {
    if port.host_ip == Some(IpAddr::V6(Ipv6Addr::LOCALHOST)) {
        let message = "nobody reaches a port that is published on `::1`";
        let warning = Diagnostic::at(Severity::Warning, message, desk.place(spot));
        let help = "write `127.0.0.1`, which answers on this host only";
        desk.push(warning.with_length(spot.length).with_help(help));
    }
}

/// Locker's own short form, which names both ports.
fn system(desk: &Desk<'_>, spot: Spot, text: &str) -> Option<Port> {
    match text.parse() {
        Ok(port) => Some(port),
        Err(error @ PortError::OneOnly(_)) => {
            let help =
                format!("write `{text}:{text}`, or `0:{text}` to have a free host port picked");
            desk.error_help(spot, error.to_string(), help);
            None
        }
        Err(error) => {
            desk.error(spot, error.to_string());
            None
        }
    }
}

fn short(desk: &Desk<'_>, spot: Spot, short: Result<ShortPort, PortError>) -> Option<Vec<Port>> {
    let short = desk.check(spot, short)?;
    if short.first_of_range {
        let port = short.ports.first()?.host;
        let message = format!("a range of the host leads to one port; its first, {port}, is taken");
        warn(desk, spot, message);
    }
    Some(short.ports)
}

fn map(desk: &Desk<'_>, map: &Node, scope: Scope<'_>, kind: Kind) -> Option<Vec<Port>> {
    if is_blank_slip(desk, map) {
        return None;
    }
    keys::check(desk, map, keys::PORT, "a port");
    let fields = Fields { map, scope };
    let needed = |key: &str| {
        if map.get(key).is_none() {
            desk.error(map.spot, format!("a port needs `{key}`"));
        }
        let (text, spot) = fields.text(desk, key)?;
        desk.check::<PortRange, PortError>(spot, text.parse())
    };
    let host = match kind {
        Kind::Application if fields.node("published").is_none() => Some(None),
        Kind::Application if is_empty(fields.node("published")) => Some(None),
        Kind::Application | Kind::System => needed("published").map(Some),
    };
    let container = needed("target");
    mode(desk, fields);
    let protocol = match fields.node("protocol") {
        Some(_) => fields.parsed(desk, "protocol", str::parse)?,
        None => Protocol::Tcp,
    };
    let ip = fields.text(desk, "host_ip");
    let ip_spot = ip.as_ref().map_or(map.spot, |(_, spot)| *spot);
    let ip = ip.map(|(ip, _)| ip);
    let made = ShortPort::new(ip.as_deref(), host?, container?, protocol);
    let spot = match made {
        Err(PortError::Address(_)) => ip_spot,
        Err(_) | Ok(_) => map.spot,
    };
    if kind == Kind::System && wrong_range(desk, map.spot, host.flatten(), &made) {
        return None;
    }
    let mut ports = short(desk, spot, made)?;
    let allow = allowed(desk, map, scope);
    for port in &mut ports {
        port.allow.clone_from(&allow);
    }
    Some(ports)
}

/// `mode`, which says nothing on one machine.
fn mode(desk: &Desk<'_>, fields: Fields<'_, '_>) {
    if let Some((mode, spot)) = fields.text(desk, "mode")
        && !matches!(mode.as_str(), "host" | "ingress")
    {
        let message = format!("`{mode}` is not a mode of a port; it is `host` or `ingress`");
        desk.error(spot, message);
    }
}

/// Reports a range of the host for one port, which only Compose has.
fn wrong_range(
    desk: &Desk<'_>,
    spot: Spot,
    host: Option<PortRange>,
    made: &Result<ShortPort, PortError>,
) -> bool {
    let Ok(ShortPort {
        first_of_range: true,
        ports,
    }) = made
    else {
        return false;
    };
    let container = ports.first().map_or(1, |port| port.container.count());
    let host = host.map_or(1, PortRange::count);
    desk.error(spot, PortError::Lengths { host, container }.to_string());
    true
}

fn is_empty(node: Option<&Node>) -> bool {
    node.is_some_and(|node| matches!(&node.kind, Shape::Scalar(text) if text.is_empty()))
}

fn allowed(desk: &Desk<'_>, map: &Node, scope: Scope<'_>) -> Vec<IpNet> {
    let mut all = Vec::new();
    let Some(entry) = map.get("allow") else {
        return all;
    };
    for item in items(desk, entry) {
        if let Some(text) = desk.text(item, scope, "allow") {
            all.extend(subnet(desk, item.spot, &text));
        }
    }
    all
}

/// `80: 80` with a blank is a map for YAML.
fn is_blank_slip(desk: &Desk<'_>, map: &Node) -> bool {
    let Some([only]) = map.entries() else {
        return false;
    };
    let (Ok(port), Shape::Scalar(value)) = (only.key.parse::<u16>(), &only.value.kind) else {
        return false;
    };
    let help = format!("write `\"{port}:{value}\"`, without a blank after the colon");
    desk.error_help(only.spot, "this is a map for YAML, not a port", help);
    true
}

fn subnet(desk: &Desk<'_>, spot: Spot, text: &str) -> Option<IpNet> {
    let net = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match net {
        Ok(net) => Some(net.trunc()),
        Err(_) => {
            desk.error(
                spot,
                format!("`{text}` is neither a subnet nor an IP address"),
            );
            None
        }
    }
}

/// `expose`: ports and ranges, each as `PORT/PROTOCOL`, in order.
pub(super) fn exposed(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<String> {
    let mut all = BTreeSet::new();
    for (text, spot) in super::values::texts(desk, layers, Key::Expose) {
        let (range, protocol) = text.rsplit_once('/').unwrap_or((&text, "tcp"));
        let range = desk.check(spot, range.parse::<PortRange>());
        let protocol = match protocol {
            "tcp" | "udp" | "sctp" => Some(protocol),
            other => {
                let message = format!("`{other}` is not a protocol; it is `tcp`, `udp` or `sctp`");
                desk.error(spot, message);
                None
            }
        };
        if let (Some(range), Some(protocol)) = (range, protocol) {
            all.extend((range.first..=range.last).map(|port| (port, protocol.to_string())));
        }
    }
    all.into_iter()
        .map(|(port, protocol)| format!("{port}/{protocol}"))
        .collect()
}
