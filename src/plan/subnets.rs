//! Subnets of a project: the file's, else those it has, else free ones picked from its name.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::model::{Name, Place, Project, Subnets, stable_hash};
use crate::observed::{Observed, TakenNet};

use super::addresses::recover;
use super::{Problem, Warning};

/// What was chosen, and what is doubtful about it.
pub(super) struct Chosen {
    pub(super) subnets: Subnets,
    pub(super) warnings: Vec<Warning>,
}

/// Chooses subnets with room for `need` containers.
pub(super) fn choose(
    project: &Project,
    observed: &Observed,
    need: u32,
    moves: bool,
) -> Result<Chosen, Vec<Problem>> {
    let taken = &observed.network.taken;
    let wish = &project.network;
    let lived_in = observed.containers.values().any(|c| c.mark.is_some());
    // Nobody has an address in it, so it may as well be another.
    let usable = |net: IpNet| lived_in || overlap(net, taken).is_none();
    let known = recover(observed);
    let known4 = known
        .map(|known| known.v4)
        .filter(|net| usable((*net).into()));
    let known6 = known
        .map(|known| known.v6)
        .filter(|net| usable((*net).into()));
    let counts = moves || !lived_in;
    let wish4 = wish.subnet.filter(|net| counts && known4 != Some(*net));
    let wish6 = wish.subnet6.filter(|net| counts && known6 != Some(*net));
    let mut problems = Vec::new();
    for net in wish4
        .map(IpNet::from)
        .into_iter()
        .chain(wish6.map(IpNet::from))
    {
        problems.extend(taken_by(net, taken, &wish.place));
    }
    let v4 = wish4
        .or(known4.filter(|net| wish.subnet == Some(*net) || room4(*net) >= need))
        .or_else(|| free4(&project.name, need, taken));
    let v6 = wish6
        .or(known6.filter(|net| wish.subnet6 == Some(*net) || room6(*net) >= u128::from(need)))
        .or_else(|| free6(&project.name, taken));
    let (Some(v4), Some(v6)) = (v4, v6) else {
        problems.push(none_free());
        return Err(problems);
    };
    problems.extend(too_small(
        v4.into(),
        u128::from(room4(v4)),
        need,
        &wish.place,
    ));
    problems.extend(too_small(v6.into(), room6(v6), need, &wish.place));
    if !problems.is_empty() {
        return Err(problems);
    }
    let subnets = Subnets { v4, v6 };
    let mut warnings = Vec::new();
    for net in [IpNet::from(v4), IpNet::from(v6)] {
        warnings.extend(overlap(net, taken).map(|other| doubt(net, other)));
    }
    Ok(Chosen { subnets, warnings })
}

fn taken_by(net: IpNet, taken: &[TakenNet], place: &Place) -> Option<Problem> {
    let other = overlap(net, taken)?;
    Some(Problem {
        message: format!(
            "the subnet `{net}` overlaps `{}` of {}",
            other.net, other.by
        ),
        container: None,
        key: None,
        place: Some(place.clone()),
        help: Some("choose another subnet, or leave it out and locker picks a free one".into()),
    })
}

fn too_small(net: IpNet, room: u128, need: u32, place: &Place) -> Option<Problem> {
    (room < u128::from(need)).then(|| Problem {
        message: format!("the subnet `{net}` has room for {room} containers and {need} are needed"),
        container: None,
        key: None,
        place: Some(place.clone()),
        help: Some("choose a larger subnet".into()),
    })
}

fn none_free() -> Problem {
    Problem {
        message: "there is no free private subnet left (RFC 1918 and RFC 4193)".into(),
        container: None,
        key: None,
        place: None,
        help: Some("name one with `network: {subnet: …}`".into()),
    }
}

/// The host got another network since the project got its own.
fn doubt(net: IpNet, other: &TakenNet) -> Warning {
    Warning {
        message: format!(
            "the project's subnet `{net}` now overlaps `{}` of {}; name another with `network: {{subnet: …}}`",
            other.net, other.by
        ),
        place: None,
    }
}

fn overlap(net: IpNet, taken: &[TakenNet]) -> Option<&TakenNet> {
    // The default route covers everything and takes nothing.
    taken.iter().find(|other| {
        other.net.prefix_len() > 0 && (other.net.contains(&net) || net.contains(&other.net))
    })
}

/// Containers that fit: all addresses without network, broadcast and bridge.
pub(super) fn room4(net: Ipv4Net) -> u32 {
    let all = 1_u64 << (32 - u32::from(net.prefix_len()));
    u32::try_from(all.saturating_sub(3)).unwrap_or(u32::MAX)
}

fn room6(net: Ipv6Net) -> u128 {
    let bits = 128 - u32::from(net.prefix_len());
    1_u128
        .checked_shl(bits)
        .unwrap_or(u128::MAX)
        .saturating_sub(2)
}

/// Private blocks (RFC 1918), the roomiest first; a VPN often holds one of them as a whole.
const PRIVATE: [(Ipv4Addr, u8); 3] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];

fn free4(project: &Name, need: u32, taken: &[TakenNet]) -> Option<Ipv4Net> {
    let prefix = (9..=24_u8)
        .rev()
        .find(|p| (1_u32 << (32 - p)) - 3 >= need)?;
    let blocks = PRIVATE.iter().filter(|(_, length)| *length < prefix);
    blocks.copied().find_map(|(first, length)| {
        free_in(Ipv4Net::new(first, length).ok()?, project, prefix, taken)
    })
}

fn free_in(block: Ipv4Net, project: &Name, prefix: u8, taken: &[TakenNet]) -> Option<Ipv4Net> {
    let covers =
        |other: &TakenNet| other.net.prefix_len() > 0 && other.net.contains(&IpNet::V4(block));
    if taken.iter().any(covers) {
        return None; // saves a search through all of it
    }
    let count = 1_u64 << (prefix - block.prefix_len());
    let start = stable_hash(project.as_str()) % count;
    (0..count).find_map(|step| {
        let number = u32::try_from((start + step) % count).ok()?;
        let base = Ipv4Addr::from(u32::from(block.network()) | (number << (32 - prefix)));
        let net = Ipv4Net::new(base, prefix).ok()?;
        overlap(net.into(), taken).is_none().then_some(net)
    })
}

/// A unique local subnet (RFC 4193): `fd`, 40 hashed bits, subnet 0.
fn free6(project: &Name, taken: &[TakenNet]) -> Option<Ipv6Net> {
    let start = stable_hash(project.as_str()) >> 24;
    (0..65_536_u64).find_map(|step| {
        let global = u128::from((start + step) & 0xff_ffff_ffff);
        let base = Ipv6Addr::from((0xfd << 120) | (global << 80));
        let net = Ipv6Net::new(base, 64).ok()?;
        overlap(net.into(), taken).is_none().then_some(net)
    })
}
