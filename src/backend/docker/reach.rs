//! Where a container of the engine is reached from the host: what a health check by port asks at.
//!
//! The engine is asked, not the project: it also knows the addresses on networks that are not ours.

use std::net::{IpAddr, Ipv4Addr};

/// Where a container is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At this address.
    At(IpAddr),
    /// Where the container with this name or id is, whose network it shares.
    Like(String),
    /// It has no network.
    Nowhere,
}

/// How many containers may share a network one through the other.
pub const LONGEST: usize = 8;

/// From the engine's words: its mode of network, and its addresses, which are empty while it does not run.
pub fn reach<'a>(mode: &str, addresses: impl IntoIterator<Item = &'a str>) -> Reach {
    if mode == "host" {
        return Reach::At(Ipv4Addr::LOCALHOST.into());
    }
    if let Some(other) = mode.strip_prefix("container:") {
        return Reach::Like(other.into());
    }
    let mut addresses = addresses.into_iter().filter_map(|text| text.parse().ok());
    addresses.next().map_or(Reach::Nowhere, Reach::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_reached_where_the_engine_says() {
        let here = |mode: &str, all: &[&str]| reach(mode, all.iter().copied());
        let at = |text: &str| Reach::At(text.parse().unwrap());
        assert_eq!(here("shop_back", &["10.1.2.3", "10.1.3.3"]), at("10.1.2.3"));
        assert_eq!(here("shop_back", &["", "fd00::3"]), at("fd00::3"));
        assert_eq!(here("host", &[""]), at("127.0.0.1"));
        assert_eq!(here("container:abc", &[]), Reach::Like("abc".into()));
        assert_eq!(here("none", &[""]), Reach::Nowhere);
    }
}
