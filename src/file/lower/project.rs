//! The top level: the project's own keys, its groups and all its containers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::container::{self, Shared};
use super::reach::known;
use super::stores::{self, Stores};
use super::values::{Fields, boolean, items, one_or_more};
use super::{ipv6, networks};
use crate::file::desk::{Desk, Scope};
use crate::file::diagnostic::{Diagnostic, Severity};
use crate::file::keys;
use crate::file::layout::{Layout, Parts};
use crate::file::tree::{Entry, Kind as Shape, Node};
use crate::model::{
    BOTH_MAX, Container, FirewallChoice, Kind, Name, NetworkWish, Project, Supervisor, bridge_of,
    default_network,
};

/// The project that the parts of a file make. Of use only when the desk is clean afterwards.
pub(in crate::file) fn lower(
    desk: &Desk<'_>,
    parts: &Parts<'_>,
    name: Name,
    file: PathBuf,
) -> Project {
    let top = |key: &str| parts.top.and_then(|top| top.get(key));
    let backend = backend(desk, parts.layout, top("backend"));
    let stores = stores::lower(desk, parts, &name);
    let defaults = top("defaults").and_then(|entry| defaults(desk, entry));
    let entries = names(desk, parts.containers, &name);
    let bridge = bridge_of(&name);
    let shared = Shared {
        project: &name,
        bridge: &bridge,
        defaults,
        entries: &entries,
        out: parts.out,
        backend,
        compose: parts.layout == Layout::Compose,
        stores: &stores,
    };
    let mut containers = BTreeMap::new();
    for (name, entry) in &entries {
        containers.insert(name.clone(), container::lower(desk, &shared, name, entry));
    }
    refused_names(desk, &shared, parts.containers);
    let groups = groups(desk, &shared, top("groups"));
    join(&mut containers, &groups);
    let mut stores = stores;
    let mut wish = network(desk, top("network"), &mut stores.networks.ipv6);
    own_network(desk, &stores, &mut wish);
    let always = parts.layout != Layout::Compose;
    ipv6::settle(desk, always, &containers, &mut wish, &mut stores.networks);
    Project {
        network: wish,
        networks: stores.networks.all,
        supervisor: supervisor(desk, top("supervisor")),
        firewall: firewall(desk, top("firewall")),
        directory: desk.directory.into(),
        file,
        groups,
        disabled: BTreeMap::new(),
        none: Default::default(),
        containers,
        name,
    }
}

/// Tells containers of the groups that they are in.
fn join(containers: &mut BTreeMap<Name, Container>, groups: &BTreeMap<Name, Vec<Name>>) {
    let members = groups.iter();
    for (group, member) in members.flat_map(|(g, all)| all.iter().map(move |m| (g, m))) {
        if let Some(container) = containers.get_mut(member) {
            container.groups.push(group.clone());
        }
    }
}

/// Every container with a name that can be one.
fn names<'n>(
    desk: &Desk<'_>,
    containers: &'n [Entry],
    project: &Name,
) -> BTreeMap<Name, &'n Entry> {
    let mut all = BTreeMap::new();
    for entry in containers
        .iter()
        .filter(|entry| entry.duplicate_of.is_none())
    {
        if !is_the_users(desk, &entry.key)
            && let Some(name) = desk.check(entry.spot, Name::new(&entry.key))
            && fits_beside(desk, entry, project)
        {
            all.insert(name, entry);
        }
    }
    all
}

/// Whether a key in the place of a name is the user's own, with no meaning. In Compose's layout it is a name there.
pub(super) fn is_the_users(desk: &Desk<'_>, key: &str) -> bool {
    key.starts_with("x-") && !desk.is_compose()
}

/// Whether the container's name is short enough beside the project's.
fn fits_beside(desk: &Desk<'_>, entry: &Entry, project: &Name) -> bool {
    let length = entry.key.len() + project.as_str().len();
    if length > BOTH_MAX {
        let message = format!(
            "`{}` and the project's name `{project}` have {length} characters together; they have at most {BOTH_MAX}",
            entry.key
        );
        desk.error_help(entry.spot, message, "shorten one of them");
    }
    length <= BOTH_MAX
}

/// Shows what else is wrong with containers whose names cannot be.
fn refused_names(desk: &Desk<'_>, shared: &Shared<'_>, containers: &[Entry]) {
    let Ok(stand_in) = Name::new("refused") else {
        return;
    };
    for entry in containers {
        let counts = entry.duplicate_of.is_none() && !is_the_users(desk, &entry.key);
        if counts && Name::new(&entry.key).is_err() {
            container::lower(desk, shared, &stand_in, entry);
        }
    }
}

/// What a container without a source is.
fn backend(desk: &Desk<'_>, layout: Layout, entry: Option<&Entry>) -> Kind {
    let usual = match layout {
        Layout::Compose => Kind::Application,
        Layout::Locker | Layout::Early => Kind::System,
    };
    let Some(entry) = entry else { return usual };
    match desk
        .text(&entry.value, Scope::Project, "backend")
        .as_deref()
    {
        None => usual,
        Some("lxc") => Kind::System,
        Some("docker") => Kind::Application,
        Some(other) => {
            let message = format!("`{other}` is not a backend; it is `lxc` or `docker`");
            desk.error(entry.value.spot, message);
            usual
        }
    }
}

fn supervisor(desk: &Desk<'_>, entry: Option<&Entry>) -> Supervisor {
    let Some(entry) = entry else {
        return Supervisor::default();
    };
    let text = desk.text(&entry.value, Scope::Project, "supervisor");
    let word = text.and_then(|text| desk.check(entry.value.spot, text.parse()));
    word.unwrap_or_default()
}

fn firewall(desk: &Desk<'_>, entry: Option<&Entry>) -> FirewallChoice {
    let Some(entry) = entry else {
        return FirewallChoice::default();
    };
    match desk
        .text(&entry.value, Scope::Project, "firewall")
        .as_deref()
    {
        None | Some("auto") => FirewallChoice::Auto,
        Some("nftables") => FirewallChoice::Nftables,
        Some("iptables") => FirewallChoice::Iptables,
        Some("none") => FirewallChoice::None,
        Some(other) => {
            let message = format!(
                "`{other}` is not a firewall; it is `auto`, `nftables`, `iptables` or `none`"
            );
            desk.error(entry.value.spot, message);
            FirewallChoice::Auto
        }
    }
}

fn defaults<'n>(desk: &Desk<'_>, entry: &'n Entry) -> Option<&'n Node> {
    match entry.value.kind {
        Shape::Mapping(_) => {
            keys::check_container(desk, &entry.value, "`defaults`", None);
            Some(&entry.value)
        }
        Shape::Null => None,
        Shape::Scalar(_) | Shape::Sequence(_) => {
            let message = format!("`defaults` takes a map, not {}", entry.value.kind_name());
            desk.error(entry.value.spot, message);
            None
        }
    }
}

fn network(desk: &Desk<'_>, entry: Option<&Entry>, ipv6: &mut BTreeMap<Name, bool>) -> NetworkWish {
    let mut wish = NetworkWish::default();
    let Some(entry) = entry else { return wish };
    wish.place = desk.place(entry.spot);
    if entry.value.entries().is_none() && !entry.value.is_null() {
        let message = format!("`network` takes a map, not {}", entry.value.kind_name());
        desk.error_help(
            entry.value.spot,
            message,
            "write `network: {subnet: 10.77.0.0/24}`",
        );
        return wish;
    }
    keys::check(desk, &entry.value, keys::NETWORK, "`network`");
    let text = |key: &str| {
        let node = &entry.value.get(key)?.value;
        Some((desk.text(node, Scope::Project, key)?, node.spot))
    };
    wish.subnet =
        text("subnet").and_then(|(text, spot)| desk.check(spot, NetworkWish::parse_subnet(&text)));
    wish.subnet6 = text("subnet6")
        .and_then(|(text, spot)| desk.check(spot, NetworkWish::parse_subnet6(&text)));
    let fields = Fields {
        map: &entry.value,
        scope: Scope::Project,
    };
    networks::gateways(desk, fields, &mut wish);
    wish.mtu = networks::mtu(desk, fields);
    if let Some(said) = entry.value.get("enable_ipv6") {
        let said = boolean(desk, &said.value, Scope::Project, "enable_ipv6");
        ipv6.extend(said.map(|said| (default_network(), said)));
    }
    if let Some(isolate) = entry.value.get("isolate") {
        wish.isolate = boolean(desk, &isolate.value, Scope::Project, "isolate").unwrap_or_default();
    }
    wish
}

/// What `networks.default` asks of the project's own network, where `network` does not say it.
fn own_network(desk: &Desk<'_>, stores: &Stores, wish: &mut NetworkWish) {
    let Some(own) = stores.networks.all.get(&default_network()) else {
        return;
    };
    if wish.place.is_somewhere() {
        let error = Diagnostic::at(
            Severity::Error,
            "`network` and `networks.default` both tell of the project's own network",
            own.wish.place.clone(),
        );
        desk.push(error.with_related(wish.place.clone(), 0, "the first"));
    }
    *wish = own.wish.clone();
}

/// The file's `groups` and the containers' own `group`, members sorted.
fn groups(
    desk: &Desk<'_>,
    shared: &Shared<'_>,
    entry: Option<&Entry>,
) -> BTreeMap<Name, Vec<Name>> {
    let mut all: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    if let Some(entry) = entry {
        if entry.value.entries().is_none() && !entry.value.is_null() {
            let message = format!("`groups` takes a map, not {}", entry.value.kind_name());
            desk.error_help(
                entry.value.spot,
                message,
                "write `groups: {front: [web, api]}`",
            );
        }
        for group in entry.value.entries().unwrap_or_default() {
            let Some(name) = desk.check(group.spot, Name::new(&group.key)) else {
                continue;
            };
            let members = all.entry(name).or_default();
            for item in items(desk, group) {
                let text = desk.text(item, Scope::Project, "groups");
                let member = text.and_then(|text| desk.check(item.spot, Name::new(&text)));
                let verb = format!("the group `{}` has", group.key);
                // One whose profile is not enabled takes no part, which is no mistake.
                let member = member.filter(|name| !shared.out.contains_key(name.as_str()));
                members.extend(member.filter(|name| known(desk, shared, item.spot, name, &verb)));
            }
        }
    }
    own_groups(desk, shared, &mut all);
    all.into_iter()
        .map(|(group, members)| (group, members.into_iter().collect()))
        .collect()
}

/// The key `group` of the containers, or that of `defaults`.
fn own_groups(desk: &Desk<'_>, shared: &Shared<'_>, all: &mut BTreeMap<Name, BTreeSet<Name>>) {
    for (name, entry) in shared.entries {
        let own = entry.value.get("group");
        let default = || shared.defaults.and_then(|map| map.get("group"));
        let Some(entry) = own.or_else(default) else {
            continue;
        };
        for item in one_or_more(desk, entry) {
            let text = desk.text(item, Scope::Project, "group");
            if let Some(group) = text.and_then(|text| desk.check(item.spot, Name::new(&text))) {
                all.entry(group).or_default().insert(name.clone());
            }
        }
    }
}
