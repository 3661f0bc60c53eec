//! Subnets of a network: the file's, else those it has, else free ones picked from its name.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::model::{Name, NetworkWish, Place, Subnets, stable_hash};
use crate::observed::TakenNet;

use super::{Problem, Warning};

/// What was chosen, and what is doubtful about it.
pub(super) struct Chosen {
    pub(super) subnets: Subnets,
    pub(super) warnings: Vec<Warning>,
}

/// One network, and what the choice of its subnets depends on.
pub(super) struct Ground<'a> {
    /// What picks are made from, so that they are stable.
    pub(super) seed: &'a str,
    /// Its key in the file; none is the project's own.
    pub(super) network: Option<&'a Name>,
    pub(super) wish: &'a NetworkWish,
    pub(super) taken: &'a [TakenNet],
    /// The subnets that it has.
    pub(super) known: Option<Subnets>,
    /// For so many containers.
    pub(super) need: u32,
    /// Whether containers have addresses in them.
    pub(super) lived_in: bool,
    /// Whether the containers must stay where they are.
    pub(super) stays: bool,
}

impl Ground<'_> {
    /// Chooses subnets with room for all.
    pub(super) fn choose(&self) -> Result<Chosen, Vec<Problem>> {
        let place = &self.wish.place;
        let mut problems = self.taken_wishes();
        let v6 = self.v6();
        let (Some(v4), true) = (self.v4(), v6.is_some() || !self.has_v6()) else {
            problems.push(none_free());
            return Err(problems);
        };
        let room = u128::from(room4(v4));
        problems.extend(too_small(v4.into(), room, self.need, place));
        problems.extend(v6.and_then(|v6| too_small(v6.into(), room6(v6), self.need, place)));
        if !problems.is_empty() {
            return Err(problems);
        }
        let subnets = Subnets::new(v4, v6).at(self.gateway(v4), self.gateway6(v6));
        let nets = subnets.each();
        let doubts = nets.filter_map(|net| Some(self.doubt(net, overlap(net, self.taken)?)));
        Ok(Chosen {
            subnets,
            warnings: doubts.collect(),
        })
    }

    /// The host got another network since the project got its own.
    fn doubt(&self, net: IpNet, other: &TakenNet) -> Warning {
        let (what, help) = match self.network {
            None => (
                "the project's subnet".into(),
                "`network: {subnet: …}`".into(),
            ),
            Some(network) => (
                format!("the subnet of network `{network}`,"),
                format!("a subnet for `{network}` in `networks`"),
            ),
        };
        Warning {
            message: format!(
                "{what} `{net}` now overlaps `{}` of {}; name another with {help}",
                other.net, other.by
            ),
            place: None,
        }
    }

    fn taken_wishes(&self) -> Vec<Problem> {
        let wishes = [self.wish4().map(IpNet::from), self.wish6().map(IpNet::from)];
        let place = &self.wish.place;
        let wishes = wishes.into_iter().flatten();
        wishes
            .filter_map(|net| taken_by(net, self.taken, place))
            .collect()
    }

    /// Where nobody has an address, it may as well be another subnet.
    fn usable(&self, net: IpNet) -> bool {
        self.lived_in || overlap(net, self.taken).is_none()
    }

    fn known4(&self) -> Option<Ipv4Net> {
        let net = self.known?.v4;
        self.usable(net.into()).then_some(net)
    }

    /// Whether it has IPv6: as the file says, or as it is where the containers must stay.
    fn has_v6(&self) -> bool {
        let known = self.known.filter(|_| self.stays);
        known.map_or(self.wish.ipv6, |known| known.v6.is_some())
    }

    fn known6(&self) -> Option<Ipv6Net> {
        let net = self.known?.v6?;
        self.usable(net.into()).then_some(net)
    }

    /// The file's subnet where it counts and is new.
    fn wish4(&self) -> Option<Ipv4Net> {
        let wish = self.wish.subnet;
        wish.filter(|net| !self.stays && self.known4() != Some(*net))
    }

    fn wish6(&self) -> Option<Ipv6Net> {
        let wish = self.wish.subnet6;
        wish.filter(|net| !self.stays && self.known6() != Some(*net))
    }

    fn v4(&self) -> Option<Ipv4Net> {
        let wish = self.wish.subnet;
        let fits = |net: &Ipv4Net| self.stays || wish == Some(*net) || room4(*net) >= self.need;
        let known = self.known4().filter(fits);
        let own = self.wish4().or(known);
        own.or_else(|| free4(self.seed, self.need, self.taken))
    }

    fn v6(&self) -> Option<Ipv6Net> {
        if !self.has_v6() {
            return None;
        }
        let (wish, need) = (self.wish.subnet6, u128::from(self.need));
        let fits = |net: &Ipv6Net| self.stays || wish == Some(*net) || room6(*net) >= need;
        let known = self.known6().filter(fits);
        let own = self.wish6().or(known);
        own.or_else(|| free6(self.seed, self.taken))
    }
}

impl Ground<'_> {
    /// The bridge's address: the file's in the file's subnet, else the one that it has.
    fn gateway(&self, v4: Ipv4Net) -> Option<Ipv4Addr> {
        let known = self.known.filter(|known| known.v4 == v4);
        match self.stays {
            false if self.wish.subnet == Some(v4) => self.wish.gateway,
            false | true => known.and_then(|known| known.at4),
        }
    }

    fn gateway6(&self, v6: Option<Ipv6Net>) -> Option<Ipv6Addr> {
        let known = self.known.filter(|known| known.v6 == v6);
        match self.stays {
            false if v6.is_some() && self.wish.subnet6 == v6 => self.wish.gateway6,
            false | true => known.and_then(|known| known.at6),
        }
    }
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

pub(super) fn room6(net: Ipv6Net) -> u128 {
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

fn free4(seed: &str, need: u32, taken: &[TakenNet]) -> Option<Ipv4Net> {
    let prefix = (9..=24_u8)
        .rev()
        .find(|p| (1_u32 << (32 - p)) - 3 >= need)?;
    let blocks = PRIVATE.iter().filter(|(_, length)| *length < prefix);
    blocks
        .copied()
        .find_map(|(first, length)| free_in(Ipv4Net::new(first, length).ok()?, seed, prefix, taken))
}

fn free_in(block: Ipv4Net, seed: &str, prefix: u8, taken: &[TakenNet]) -> Option<Ipv4Net> {
    let covers =
        |other: &TakenNet| other.net.prefix_len() > 0 && other.net.contains(&IpNet::V4(block));
    if taken.iter().any(covers) {
        return None; // saves a search through all of it
    }
    let count = 1_u64 << (prefix - block.prefix_len());
    let start = stable_hash(seed) % count;
    (0..count).find_map(|step| {
        let number = u32::try_from((start + step) % count).ok()?;
        let base = Ipv4Addr::from(u32::from(block.network()) | (number << (32 - prefix)));
        let net = Ipv4Net::new(base, prefix).ok()?;
        overlap(net.into(), taken).is_none().then_some(net)
    })
}

/// A unique local subnet (RFC 4193): `fd`, 40 hashed bits, subnet 0.
fn free6(seed: &str, taken: &[TakenNet]) -> Option<Ipv6Net> {
    let start = stable_hash(seed) >> 24;
    (0..65_536_u64).find_map(|step| {
        let global = u128::from((start + step) & 0xff_ffff_ffff);
        let base = Ipv6Addr::from((0xfd << 120) | (global << 80));
        let net = Ipv6Net::new(base, 64).ok()?;
        overlap(net.into(), taken).is_none().then_some(net)
    })
}
