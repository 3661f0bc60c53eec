//! IPv6 of networks: Locker's have it unless told, Compose's when told.

use super::super::tree::{Entry, Kind, Node, Spot};
use super::{Notes, entries};
use crate::model::{ExtraNetwork, Name, NetworkWish, Project, default_network};

/// The networks of the project with what they are.
fn all(project: &Project) -> impl Iterator<Item = (Name, &NetworkWish)> {
    let own = (default_network(), &project.network);
    let is_further = |(name, network): &(&Name, &ExtraNetwork)| {
        network.external.is_none() && **name != default_network()
    };
    let further = project.networks.iter().filter(is_further);
    std::iter::once(own).chain(further.map(|(name, network)| (name.clone(), &network.wish)))
}

/// Tells of IPv6 that Compose would not have: older engines pick no IPv6 subnet, so that the key alone
/// would keep the file from running there.
pub(super) fn tell(notes: &mut Notes<'_, '_>, root: &Node, project: &Project) {
    for (name, _) in all(project).filter(|(_, wish)| wish.ipv6 && wish.subnet6.is_none()) {
        let said = of(root, &name).is_some_and(|map| map.get("enable_ipv6").is_some());
        if !said {
            let message = format!("IPv6 of network `{name}` is left out");
            let help = "give it a `subnet6`: engines before 27 pick none for themselves";
            notes.lost(root.spot, message, Some(help));
        }
    }
}

fn of<'n>(root: &'n Node, network: &Name) -> Option<&'n Node> {
    let networks = &root.get("networks")?.value;
    Some(&networks.get(network.as_str())?.value)
}

/// Writes `enable_ipv6: false` where Compose meant it.
pub(super) fn forbid(root: Node, project: &Project) -> Node {
    let without = all(project).filter(|(_, wish)| !wish.ipv6);
    without.fold(root, |root, (name, _)| {
        let no = |spot| {
            Entry::new(
                "enable_ipv6",
                spot,
                Node::scalar(spot, "false").unquoted(true),
            )
        };
        // The project's own network may be described in either place.
        if name == default_network() && of(&root, &name).is_none() {
            return within(root, "network", &|map| with(map, &no));
        }
        within(root, "networks", &|networks| {
            within(networks, name.as_str(), &|map| with(map, &no))
        })
    })
}

/// The map with the entry, unless it has one of that name.
fn with(map: Node, entry: &dyn Fn(Spot) -> Entry) -> Node {
    let spot = map.spot;
    let entry = entry(spot);
    let mut all = entries(map);
    if all.iter().all(|old| old.key != entry.key) {
        all.push(entry);
    }
    Node::new(spot, Kind::Mapping(all))
}

/// The map with what is below `key` changed, which may not be there yet.
fn within(map: Node, key: &str, change: &dyn Fn(Node) -> Node) -> Node {
    let spot = map.spot;
    let mut all = entries(map);
    let old = all.iter_mut().find(|entry| entry.key == key);
    let empty = || Node::new(spot, Kind::Null);
    match old {
        Some(old) => old.value = change(std::mem::replace(&mut old.value, empty())),
        None => all.push(Entry::new(key, spot, change(empty()))),
    }
    Node::new(spot, Kind::Mapping(all))
}
