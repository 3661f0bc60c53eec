//! The cards of containers: whether each is plugged into its bridge, whoever made it.
//!
//! A card is known by its name where locker gives it one, else by the hardware address inside: the engine of
//! application containers makes up the names on the host anew at every start. Nothing is changed here.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::model::Seat;
use crate::observed::StrayCard;
use crate::sys::{self, Cable};

/// Those of `wishes` that are not where they should be, or do not fit there.
pub(super) fn look(wishes: &[Seat]) -> io::Result<Vec<StrayCard>> {
    if wishes.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = numbers(wishes)?;
    let cables = sys::cables()?;
    let mut found = strays(wishes, &numbers, &cables, sys::hardware_behind);
    let widths = numbers
        .iter()
        .filter_map(|(bridge, number)| Some((*number, sys::mtu_of(bridge)?)));
    let widths: BTreeMap<u32, u32> = widths.collect();
    let misfits = misfits(wishes, &widths, &cables, sys::hardware_behind);
    found.extend(misfits);
    Ok(found)
}

/// Those that are on a bridge and take packets of another length; `widths` are the MTUs of the bridges by
/// number. A cable of somebody else's is his own affair.
fn misfits(
    wishes: &[Seat],
    widths: &BTreeMap<u32, u32>,
    cables: &[Cable],
    hardware: impl Fn(&Cable) -> Option<String>,
) -> Vec<StrayCard> {
    let all: Vec<usize> = (0..wishes.len()).collect();
    let differs = |cable: &&Cable| {
        let width = cable.bridge.and_then(|bridge| widths.get(&bridge));
        cable.up && width.is_some_and(|width| *width != cable.mtu)
    };
    let misfit = |cable: &Cable| {
        let at = whose(wishes, &all, cable, &hardware)?;
        Some(StrayCard {
            misfit: true,
            ..stray(&wishes[at], Some(cable))
        })
    };
    cables.iter().filter(differs).filter_map(misfit).collect()
}

/// The numbers of the bridges that are there.
fn numbers(wishes: &[Seat]) -> io::Result<BTreeMap<&str, u32>> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    let bridges: BTreeSet<&str> = wishes.iter().map(|wish| wish.bridge.as_str()).collect();
    let number = |bridge| {
        let number = rustix::net::netdevice::name_to_index(&socket, bridge).ok()?;
        Some((bridge, number))
    };
    Ok(bridges.into_iter().filter_map(number).collect())
}

/// Most often every card is in its place: then there are at least as many cables on each bridge as cards, none
/// is elsewhere, and nobody's hardware is asked for but that of cables that are not ours.
fn strays(
    wishes: &[Seat],
    numbers: &BTreeMap<&str, u32>,
    cables: &[Cable],
    hardware: impl Fn(&Cable) -> Option<String>,
) -> Vec<StrayCard> {
    let ours: BTreeSet<u32> = numbers.values().copied().collect();
    let is_seated = |cable: &&Cable| cable.up && cable.bridge.is_some_and(|b| ours.contains(&b));
    let (seated, loose): (Vec<&Cable>, Vec<&Cable>) = cables.iter().partition(is_seated);
    let mut open: Vec<usize> = (0..wishes.len()).collect();
    let mut found = Vec::new();
    for cable in loose {
        if let Some(at) = whose(wishes, &open, cable, &hardware) {
            open.retain(|other| *other != at);
            found.push(stray(&wishes[at], Some(cable)));
        }
    }
    let count = |number: u32| seated.iter().filter(|c| c.bridge == Some(number)).count();
    let needed = |bridge: &str| {
        open.iter()
            .filter(|at| wishes[**at].bridge == bridge)
            .count()
    };
    let bridges = wishes.iter().map(|wish| wish.bridge.as_str());
    let fits = |bridge: &str| numbers.get(bridge).map_or(0, |n| count(*n)) >= needed(bridge);
    let short: BTreeSet<&str> = bridges.filter(|bridge| !fits(bridge)).collect();
    if short.is_empty() {
        return found;
    }
    for cable in seated {
        let Some(at) = whose(wishes, &open, cable, &hardware) else {
            continue;
        };
        open.retain(|other| *other != at);
        if numbers.get(wishes[at].bridge.as_str()).copied() != cable.bridge {
            found.push(stray(&wishes[at], Some(cable)));
        }
    }
    let gone = open.into_iter().map(|at| &wishes[at]);
    let gone = gone.filter(|wish| short.contains(wish.bridge.as_str()));
    found.extend(gone.map(|wish| stray(wish, None)));
    found
}

fn stray(wish: &Seat, cable: Option<&Cable>) -> StrayCard {
    StrayCard {
        container: wish.container.clone(),
        bridge: wish.bridge.clone(),
        card: cable.map(|cable| cable.name.clone()),
        misfit: false,
    }
}

fn whose(
    wishes: &[Seat],
    open: &[usize],
    cable: &Cable,
    hardware: &impl Fn(&Cable) -> Option<String>,
) -> Option<usize> {
    let named = |at: &&usize| wishes[**at].veth == cable.name;
    if let Some(at) = open.iter().find(named) {
        return Some(*at);
    }
    let behind = hardware(cable)?;
    let bears = |at: &&usize| wishes[**at].hardware.contains(&behind);
    open.iter().find(bears).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    fn wish(container: &str, bridge: &str, veth: &str, hardware: &str) -> Seat {
        Seat {
            container: Name::new(container).unwrap(),
            bridge: bridge.into(),
            veth: veth.into(),
            hardware: [hardware.to_string()].into(),
        }
    }

    /// What is seen of these cables, each `name`, bridge, up; the hardware behind a cable is its name.
    fn seen(cables: &[(&str, Option<u32>, bool)]) -> Vec<(String, Option<String>)> {
        let wishes = [
            wish("one", "lk-a", "lkv1", "-"),
            wish("two", "lk-a", "", "02:a"),
            wish("three", "lk-b", "", "02:b"),
        ];
        let cable = |(name, bridge, up): &(&str, Option<u32>, bool)| Cable::of(name, *bridge, *up);
        let cables: Vec<Cable> = cables.iter().map(cable).collect();
        let numbers = [("lk-a", 7), ("lk-b", 8)].into();
        let hardware = |cable: &Cable| Some(cable.name.clone());
        let found = strays(&wishes, &numbers, &cables, hardware);
        found
            .into_iter()
            .map(|stray| (stray.container.to_string(), stray.card))
            .collect()
    }

    #[test]
    fn every_card_that_is_not_on_its_bridge_is_seen() {
        let (one, two, three) = (
            ("lkv1", Some(7), true),
            ("02:a", Some(7), true),
            ("02:b", Some(8), true),
        );
        let at = |who: &str, name: &str| vec![(who.to_string(), Some(name.to_string()))];
        let gone = |who: &str| vec![(who.to_string(), None)];
        assert_eq!(seen(&[one, two, three, ("02:c", Some(3), true)]), []);
        assert_eq!(seen(&[("lkv1", None, true), two, three]), at("one", "lkv1"));
        assert_eq!(
            seen(&[one, ("02:a", Some(3), true), three]),
            at("two", "02:a")
        );
        assert_eq!(
            seen(&[one, ("02:a", Some(7), false), three]),
            at("two", "02:a")
        );
        let swapped = [one, ("02:a", Some(8), true), three];
        assert_eq!(seen(&swapped), at("two", "02:a"), "on another one of ours");
        assert_eq!(seen(&[one, three]), gone("two"), "gone");
        let guest = ("02:c", Some(7), true);
        assert_eq!(seen(&[one, two, guest, three]), []);
    }
}
