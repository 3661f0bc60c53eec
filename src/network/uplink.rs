//! The host's way out: the interface of the default route, and how long a packet may be there.

use rtnetlink::packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteType,
};

use super::links::Links;
use super::look::EVERYWHERE;

/// A route that leads everywhere, or as a VPN sets it to a half or more of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    six: bool,
    /// Length of its prefix: the longer wins.
    length: u8,
    /// Its metric: the lower wins.
    priority: u32,
    /// The interfaces that it may take.
    over: Vec<u32>,
    /// Its own limit, bytes.
    mtu: Option<u32>,
}

impl Way {
    /// Of the main table; what policies choose other tables for is not everybody's way.
    pub(super) fn of(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let leads = header.kind == RouteType::Unicast && header.table == RouteHeader::RT_TABLE_MAIN;
        if !leads || header.destination_prefix_length >= EVERYWHERE {
            return None;
        }
        let mut way = Self {
            six: header.address_family == rtnetlink::packet_route::AddressFamily::Inet6,
            length: header.destination_prefix_length,
            priority: 0,
            over: Vec::new(),
            mtu: None,
        };
        for attribute in &message.attributes {
            // The attributes are a foreign, open enum.
            match attribute {
                RouteAttribute::Oif(index) => way.over.push(*index),
                RouteAttribute::MultiPath(hops) => {
                    way.over.extend(hops.iter().map(|hop| hop.interface_index));
                }
                RouteAttribute::Priority(priority) => way.priority = *priority,
                RouteAttribute::Metrics(metrics) => {
                    way.mtu = metrics.iter().find_map(|metric| match metric {
                        RouteMetric::Mtu(mtu) => Some(*mtu),
                        _ => None,
                    });
                }
                _ => {}
            }
        }
        Some(way)
    }

    pub(super) fn interfaces(&self) -> impl Iterator<Item = u32> + '_ {
        self.over.iter().copied()
    }
}

/// The longest packet that all of the host's ways out take, bytes; the least of both families. None without
/// a way out.
pub(super) fn mtu(ways: &[Way], links: &Links) -> Option<u32> {
    least(ways, &|index| links.get(&index).map(|link| link.mtu))
}

fn least(ways: &[Way], mtu_of: &dyn Fn(u32) -> Option<u32>) -> Option<u32> {
    let of_family = |six: bool| {
        let all = ways.iter().filter(move |way| way.six == six);
        let length = all.clone().map(|way| way.length).max()?;
        let longest = all.filter(move |way| way.length == length);
        let priority = longest.clone().map(|way| way.priority).min()?;
        let best = longest.filter(|way| way.priority == priority);
        let widths = best.flat_map(|way| {
            let interfaces = way.interfaces().filter_map(mtu_of);
            interfaces.chain(way.mtu)
        });
        widths.min()
    };
    [false, true].into_iter().filter_map(of_family).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(six: bool, length: u8, priority: u32, over: &[u32], mtu: Option<u32>) -> Way {
        Way {
            six,
            length,
            priority,
            over: over.to_vec(),
            mtu,
        }
    }

    /// Interface 1 takes 1500, 2 takes 1400, 3 takes 9000.
    fn found(ways: &[Way]) -> Option<u32> {
        least(ways, &|index| {
            [1500, 1400, 9000]
                .get(usize::try_from(index).ok()? - 1)
                .copied()
        })
    }

    #[test]
    fn the_best_route_of_each_family_counts_and_the_least_of_both() {
        let (v4, v6) = (false, true);
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[way(v4, 0, 100, &[3], None)]), Some(9000));
        // A second card with a worse metric is not the way out.
        let two = [way(v4, 0, 100, &[1], None), way(v4, 0, 600, &[2], None)];
        assert_eq!(found(&two), Some(1500));
        let both = [way(v4, 0, 0, &[1], None), way(v6, 0, 1024, &[2], None)];
        assert_eq!(found(&both), Some(1400));
        // A VPN that takes the two halves.
        let halves = [
            way(v4, 0, 0, &[1], None),
            way(v4, 1, 0, &[2], None),
            way(v4, 1, 0, &[2], None),
        ];
        assert_eq!(found(&halves), Some(1400));
        assert_eq!(found(&[way(v4, 0, 0, &[1, 2], None)]), Some(1400));
        assert_eq!(found(&[way(v4, 0, 0, &[1], Some(1450))]), Some(1450));
        // The interface went meanwhile.
        assert_eq!(found(&[way(v4, 0, 0, &[9], None)]), None);
    }
}
