//! The place of an application container in the network.

use std::cmp::Reverse;

use super::sharing::sibling;
use crate::file::desk::{Desk, Scope};
use crate::file::diagnostic::nearest;
use crate::file::keys;
use crate::file::lower::container::{Layers, Shared};
use crate::file::lower::stores::check_engine_name;
use crate::file::lower::values::{Fields, items, number, one, one_or_more, parsed, warn};
use crate::file::tree::{Entry, Kind as Shape, Spot};
use crate::model::{
    App, AppNetwork, Attachment, Key, Name, default_network, extra_host, extra_host_of,
    host_name_of, mac_address,
};

/// Puts network, names and further hosts in.
pub(super) fn fill(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>, app: &mut App) {
    let mut network = match mode(desk, shared, layers) {
        Some(network) => network,
        None => AppNetwork::Networks(attachments(desk, shared, layers)),
    };
    let mac = parsed(desk, layers, Key::MacAddress, mac_address);
    if let (Some(entry), false) = (layers.last(Key::MacAddress), has_networks(&network))
        && mac.is_some()
    {
        let message =
            "`mac_address` needs a network of the project, which `network_mode` takes away";
        desk.error_help(entry.spot, message, "leave one of the two out");
    }
    let alias = alias(desk, shared, layers);
    if let AppNetwork::Networks(all) = &mut network {
        if let (Some(first), Some(mac)) = (all.first_mut(), mac) {
            first.mac.get_or_insert(mac);
        }
        for attachment in all {
            let new = alias
                .iter()
                .filter(|alias| !attachment.aliases.contains(*alias));
            attachment.aliases.extend(new.cloned().collect::<Vec<_>>());
        }
    }
    app.network = network;
    app.extra_hosts = all_extra_hosts(desk, layers);
}

/// `extra_hosts` of a container.
pub(in crate::file::lower) fn all_extra_hosts(
    desk: &Desk<'_>,
    layers: &Layers<'_>,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in layers.of(Key::ExtraHosts) {
        for host in extra_hosts(desk, entry, layers.scope(Key::ExtraHosts)) {
            if !all.contains(&host) {
                all.push(host);
            }
        }
    }
    all
}

fn has_networks(network: &AppNetwork) -> bool {
    matches!(network, AppNetwork::Networks(_))
}

/// `container_name`: on the host locker's own name stands, so that projects stay apart.
fn alias(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>) -> Option<String> {
    let (name, spot) = one(desk, layers, Key::ContainerName)?;
    desk.check(
        spot,
        check_engine_name(&name).map_err(|_| format!("`{name}` is not the name of a container")),
    )?;
    let full = host_name_of(shared.project, layers.words.name);
    if name == full || name == layers.words.name.as_str() {
        return None;
    }
    warn(
        desk,
        spot,
        format!(
            "the container is called `{full}` on the host; `{name}` is a further name for it on its networks"
        ),
    );
    Some(name)
}

/// `network_mode`; none is networks.
fn mode(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>) -> Option<AppNetwork> {
    let (text, spot) = one(desk, layers, Key::NetworkMode)?;
    if let Some(networks) = layers.own.get("networks") {
        let place = desk.place(networks.spot);
        let error = desk.about(spot, "`network_mode` and `networks` exclude each other");
        desk.push(error.with_related(place, networks.spot.length, "the networks"));
    }
    if let Some(word) = text.strip_prefix("service:") {
        return sibling(desk, shared, layers, spot, word).map(AppNetwork::Container);
    }
    if let Some(name) = text.strip_prefix("container:") {
        let name = desk
            .check(spot, check_engine_name(name))
            .map(|()| name.to_string());
        return name.map(AppNetwork::Foreign);
    }
    match text.as_str() {
        "host" => Some(AppNetwork::Host),
        "none" => Some(AppNetwork::None),
        "bridge" | "default" => Some(AppNetwork::Bridge),
        other => {
            desk.error_help(
                spot,
                format!("`{other}` is not a network mode; it is `host`, `none`, `bridge`, `service:NAME` or `container:NAME`"),
                "to join a network that is there, name it below `networks` with `external: true`",
            );
            None
        }
    }
}

/// `networks`: the first is the way out and where ports lead. Those with the highest priority come
/// first, then those that have a way out, then by their names on the host, since older engines
/// choose the way out by name.
fn attachments(desk: &Desk<'_>, shared: &Shared<'_>, layers: &Layers<'_>) -> Vec<Attachment> {
    let mut all: Vec<Ranked> = Vec::new();
    let scope = layers.scope(Key::Networks);
    if let Some(entry) = layers.last(Key::Networks) {
        let found: Vec<Ranked> = match &entry.value.kind {
            Shape::Mapping(entries) => {
                let read = |entry: &Entry| attachment(desk, shared, scope, entry);
                entries.iter().filter_map(read).collect()
            }
            Shape::Null | Shape::Scalar(_) | Shape::Sequence(_) => {
                listed(desk, shared, scope, entry)
            }
        };
        for (rank, attachment) in found {
            if !all.iter().any(|(_, old)| old.network == attachment.network) {
                all.push((rank, attachment));
            }
        }
    }
    if all.is_empty() {
        let instead = shared.stores.networks.instead.clone();
        return vec![Attachment::new(instead.unwrap_or_else(default_network))];
    }
    all.sort_by_cached_key(|(rank, attachment)| {
        let network = shared.stores.networks.all.get(&attachment.network);
        let internal = network.is_some_and(|network| network.internal);
        let given = network.and_then(|n| n.external.clone().or_else(|| n.name.clone()));
        let host = given.unwrap_or_else(|| host_name_of(shared.project, &attachment.network));
        (Reverse(*rank), internal, host)
    });
    all.into_iter().map(|(_, attachment)| attachment).collect()
}

/// `networks` of a system container: one, with its addresses. LXC has no resolver of its own that would know
/// further names, and none of an engine's networks.
pub(in crate::file::lower) fn of_system(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    layers: &Layers<'_>,
) -> Option<Attachment> {
    let mac = parsed(desk, layers, Key::MacAddress, mac_address);
    let networks = layers
        .last(Key::Networks)
        .filter(|entry| !entry.value.is_null());
    let entry = networks.or(layers.last(Key::MacAddress))?;
    let all = attachments(desk, shared, layers);
    let refuse = |message: String, help: &str| desk.error_help(entry.spot, message, help);
    let name = layers.words.name;
    if let [first, second, ..] = all.as_slice() {
        let message = format!(
            "the LXC container `{name}` cannot be on `{}` and `{}`: it has one network card",
            first.network, second.network
        );
        refuse(message, "name one network");
        return None;
    }
    let mut at = all.into_iter().next()?;
    at.mac = at.mac.or(mac);
    let network = shared.stores.networks.all.get(&at.network);
    if let Some(host) = network.and_then(|network| network.external.as_ref()) {
        let message = format!(
            "the LXC container `{name}` cannot be on `{host}`, a network of the engine that locker does not make"
        );
        refuse(message, "put it on a network of the project");
    }
    if !at.aliases.is_empty() {
        let message =
            format!("`aliases` of the LXC container `{name}` would have nobody to tell them");
        refuse(
            message,
            "write `links: [NAME:ALIAS]` at the containers that are to know it",
        );
    }
    (at != Attachment::new(default_network())).then_some(at)
}

/// An attachment with its `gw_priority` and `priority`.
type Ranked = ((i64, i64), Attachment);

fn listed(desk: &Desk<'_>, shared: &Shared<'_>, scope: Scope<'_>, entry: &Entry) -> Vec<Ranked> {
    let items = items(desk, entry).iter();
    let read = items.filter_map(|item| {
        let text = desk.text(item, scope, "networks")?;
        Some((
            (0, 0),
            Attachment::new(network(desk, shared, item.spot, &text)?),
        ))
    });
    read.collect()
}

/// The key of a network that the file has.
fn network(desk: &Desk<'_>, shared: &Shared<'_>, spot: Spot, word: &str) -> Option<Name> {
    let name = desk.check(spot, Name::new(word))?;
    let networks = &shared.stores.networks;
    if name == default_network() {
        return Some(networks.instead.clone().unwrap_or(name));
    }
    if networks.all.contains_key(&name) {
        return Some(name);
    }
    let help = match nearest(word, networks.all.keys().map(Name::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "name it at the top level below `networks:`".into(),
    };
    desk.error_help(
        spot,
        format!("there is no network `{name}` below `networks`"),
        help,
    );
    None
}

fn attachment(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    scope: Scope<'_>,
    entry: &Entry,
) -> Option<Ranked> {
    let mut attachment = Attachment::new(network(desk, shared, entry.spot, &entry.key)?);
    if entry.value.is_null() {
        return Some(((0, 0), attachment));
    }
    let owner = format!("the network `{}` of a container", entry.key);
    if entry.value.entries().is_none() {
        let kind = entry.value.kind_name();
        desk.error(entry.value.spot, format!("{owner} is a map, not {kind}"));
        return None;
    }
    keys::check(desk, &entry.value, keys::ATTACHMENT, &owner);
    let fields = Fields {
        map: &entry.value,
        scope,
    };
    for (text, spot) in fields.texts(desk, "aliases") {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if text.is_empty() || text.len() > 253 || !text.chars().all(fits) {
            desk.error(spot, format!("`{text}` is not a name that others can use"));
        } else if !attachment.aliases.contains(&text) {
            attachment.aliases.push(text);
        }
    }
    attachment.v4 = fields.parsed(desk, "ipv4_address", |text| {
        text.parse()
            .map_err(|_| format!("`{text}` is not an IPv4 address"))
    });
    attachment.v6 = fields.parsed(desk, "ipv6_address", |text| {
        text.parse()
            .map_err(|_| format!("`{text}` is not an IPv6 address"))
    });
    attachment.mac = fields.parsed(desk, "mac_address", mac_address);
    let rank = |key: &str| {
        let rank = fields.parsed(desk, key, |text| number(key, text, i64::MIN, i64::MAX));
        rank.unwrap_or_default()
    };
    Some(((rank("gw_priority"), rank("priority")), attachment))
}

/// Further lines of a hosts file: a list of `NAME=ADDRESS` or `NAME:ADDRESS`, or a map.
pub(in crate::file::lower) fn extra_hosts(
    desk: &Desk<'_>,
    entry: &Entry,
    scope: Scope<'_>,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    if let Shape::Mapping(entries) = &entry.value.kind {
        for host in entries {
            for item in one_or_more(desk, host) {
                let text = desk.text(item, scope, &host.key);
                all.extend(
                    text.and_then(|text| desk.check(item.spot, extra_host_of(&host.key, &text))),
                );
            }
        }
        return all;
    }
    for item in items(desk, entry) {
        let text = desk.text(item, scope, "extra_hosts");
        all.extend(text.and_then(|text| desk.check(item.spot, extra_host(&text))));
    }
    all
}
