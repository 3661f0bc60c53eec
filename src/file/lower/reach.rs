//! How a container is reached and what it sees of the outside: ports, volumes, links, name servers.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::container::{Layers, Shared};
use super::values::{boolean, items, one_or_more};
use crate::file::desk::{Desk, Scope};
use crate::file::diagnostic::{Diagnostic, Severity, nearest};
use crate::file::keys;
use crate::file::tree::{Entry, Kind, Node, Spot};
use crate::model::{Dns, Key, Link, Name, Place, Port, PortError, Protocol, Volume};

/// `ports`: those of `defaults` first.
pub(super) fn ports(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<(Port, Place)> {
    let scope = layers.scope(Key::Ports);
    let mut all = Vec::new();
    for item in layers.of(Key::Ports).flat_map(|entry| items(desk, entry)) {
        let port = match item.kind {
            Kind::Mapping(_) => port_map(desk, item, scope),
            Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) => desk
                .text(item, scope, "ports")
                .and_then(|text| port_text(desk, item.spot, &text)),
        };
        if let Some(port) = port {
            unreachable(desk, item.spot, &port);
            all.push((port, desk.place(item.spot)));
        }
    }
    all
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

fn port_text(desk: &Desk<'_>, spot: Spot, text: &str) -> Option<Port> {
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

fn port_map(desk: &Desk<'_>, map: &Node, scope: Scope<'_>) -> Option<Port> {
    if is_blank_slip(desk, map) {
        return None;
    }
    keys::check(desk, map, keys::PORT, "a port");
    let text = |key: &str| {
        let node = &map.get(key)?.value;
        Some((desk.text(node, scope, key)?, node.spot))
    };
    let needed = |key: &str| {
        if map.get(key).is_none() {
            desk.error(map.spot, format!("a port needs `{key}`"));
        }
        let (text, spot) = text(key)?;
        desk.check(spot, text.parse())
    };
    let (host, container) = (needed("published"), needed("target"));
    let protocol = match text("protocol") {
        Some((text, spot)) => desk.check(spot, text.parse())?,
        None => Protocol::Tcp,
    };
    let host_ip = match text("host_ip") {
        Some((text, spot)) => {
            let ip = text.parse::<IpAddr>().map_err(|_| PortError::Address(text));
            Some(desk.check(spot, ip)?)
        }
        None => None,
    };
    let port = Port::new(host_ip, host?, container?, protocol);
    let mut port = desk.check(map.spot, port)?;
    if let Some(entry) = map.get("allow") {
        for item in items(desk, entry) {
            if let Some(text) = desk.text(item, scope, "allow") {
                port.allow.extend(subnet(desk, item.spot, &text));
            }
        }
    }
    Some(port)
}

/// `80: 80` with a blank is a map for YAML.
fn is_blank_slip(desk: &Desk<'_>, map: &Node) -> bool {
    let Some([only]) = map.entries() else {
        return false;
    };
    let (Ok(port), Kind::Scalar(value)) = (only.key.parse::<u16>(), &only.value.kind) else {
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

/// `volumes`: those of `defaults` first; no two on the same mount point.
pub(super) fn volumes(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<(Volume, Place)> {
    let scope = layers.scope(Key::Volumes);
    let mut all: Vec<(Volume, Place)> = Vec::new();
    for item in layers.of(Key::Volumes).flat_map(|entry| items(desk, entry)) {
        let volume = match item.kind {
            Kind::Mapping(_) => volume_map(desk, item, scope),
            Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) => {
                desk.text(item, scope, "volumes").and_then(|text| {
                    desk.check(
                        item.spot,
                        Volume::parse(&text, &desk.directory_of(item.spot)),
                    )
                })
            }
        };
        let Some(volume) = volume else { continue };
        if let Some((_, place)) = all.iter().find(|(old, _)| old.target == volume.target) {
            let target = volume.target.display();
            let error = desk.about(item.spot, format!("two volumes on `{target}`"));
            desk.push(error.with_related(place.clone(), 0, "the first"));
        }
        all.push((volume, desk.place(item.spot)));
    }
    all
}

fn volume_map(desk: &Desk<'_>, map: &Node, scope: Scope<'_>) -> Option<Volume> {
    keys::check(desk, map, keys::VOLUME, "a volume");
    let source = match (map.get("source"), map.get("host")) {
        (Some(_), Some(host)) => {
            desk.error(host.spot, "`host` and `source` of a volume mean the same");
            None
        }
        (Some(entry), None) | (None, Some(entry)) => desk.text(&entry.value, scope, &entry.key),
        (None, None) => {
            desk.error(map.spot, "a volume needs `source`");
            None
        }
    };
    let target = match map.get("target") {
        Some(entry) => desk.text(&entry.value, scope, "target"),
        None => {
            desk.error(map.spot, "a volume needs `target`");
            None
        }
    };
    let read_only = match map.get("read_only") {
        Some(entry) => boolean(desk, &entry.value, scope, "read_only")?,
        None => false,
    };
    let volume = Volume::new(&source?, &target?, read_only, &desk.directory_of(map.spot));
    desk.check(map.spot, volume)
}

/// `links`: those of `defaults` first; several aliases of one container are several links.
pub(super) fn links(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
) -> Vec<(Link, Place)> {
    let scope = layers.scope(Key::Links);
    let mut written: Vec<(Link, Spot, Spot)> = Vec::new();
    for entry in layers.of(Key::Links) {
        let at = entry.spot;
        if let Kind::Mapping(entries) = &entry.value.kind {
            let links = entries
                .iter()
                .flat_map(|entry| link_entry(desk, entry, scope));
            written.extend(links.map(|(link, spot)| (link, spot, at)));
            continue;
        }
        for item in items(desk, entry) {
            written.extend(link(desk, item, scope).map(|link| (link, item.spot, at)));
        }
    }
    let mut all: Vec<(Link, Place)> = Vec::new();
    for (link, spot, entry) in written {
        // `defaults` may link everybody to a container that has the defaults too.
        let inherited = layers.own.get("links").is_none_or(|own| own.spot != entry);
        if &link.target == layers.words.name && inherited {
            continue;
        }
        if known(desk, shared, spot, &link.target, "links to")
            && !all.iter().any(|(l, _)| *l == link)
        {
            all.push((link, desk.place(spot)));
        }
    }
    all
}

/// `NAME: ALIAS`, `NAME: [ALIAS, …]` or `NAME:` of the map form.
fn link_entry(desk: &Desk<'_>, entry: &Entry, scope: Scope<'_>) -> Vec<(Link, Spot)> {
    let Some(target) = desk.check(entry.spot, Name::new(&entry.key)) else {
        return Vec::new();
    };
    if entry.value.is_null() {
        let link = Link {
            target,
            alias: None,
        };
        return vec![(link, entry.spot)];
    }
    let mut all = Vec::new();
    for item in one_or_more(desk, entry) {
        let text = desk.text(item, scope, &entry.key);
        if let Some(alias) = text.and_then(|text| desk.check(item.spot, Name::new(&text))) {
            let link = Link {
                target: target.clone(),
                alias: Some(alias),
            };
            all.push((link, item.spot));
        }
    }
    all
}

fn link(desk: &Desk<'_>, item: &Node, scope: Scope<'_>) -> Option<Link> {
    let Kind::Mapping(_) = item.kind else {
        let text = desk.text(item, scope, "links")?;
        return desk.check(item.spot, text.parse());
    };
    keys::check(desk, item, keys::LINK, "a link");
    let Some(name) = item.get("name") else {
        desk.error(item.spot, "a link needs `name`");
        return None;
    };
    let target = desk.text(&name.value, scope, "name")?;
    let target = desk.check(name.value.spot, Name::new(&target))?;
    let alias = match item.get("alias") {
        Some(entry) => {
            let text = desk.text(&entry.value, scope, "alias")?;
            Some(desk.check(entry.value.spot, Name::new(&text))?)
        }
        None => None,
    };
    Some(Link { target, alias })
}

/// Whether the project has the container; reported where it has not.
pub(super) fn known(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    spot: Spot,
    name: &Name,
    verb: &str,
) -> bool {
    if shared.entries.contains_key(name) {
        return true;
    }
    let message = format!("{verb} `{name}`, which this project does not have");
    let mut error = desk.about(spot, message);
    let names = shared.entries.keys().map(Name::as_str);
    error.help = nearest(name.as_str(), names).map(|near| format!("did you mean `{near}`?"));
    desk.push(error);
    false
}

/// `dns`: the container's own first, then those of `defaults`, each once.
pub(super) fn dns(desk: &Desk<'_>, layers: &Layers<'_>) -> Vec<Dns> {
    let mut entries: Vec<_> = layers.of(Key::Dns).collect();
    entries.reverse();
    let mut all = Vec::new();
    for item in entries.into_iter().flat_map(|entry| items(desk, entry)) {
        let text = desk.text(item, layers.scope(Key::Dns), "dns");
        let server = text.and_then(|text| desk.check(item.spot, text.parse()));
        all.extend(server.filter(|server| !all.contains(server)));
    }
    all
}
