//! The options of a reply that are lists of names: name servers and search domains.

use super::{Lease, SERVERS};

/// The longest list: a client need not take a reply of more than 576 bytes (RFC 2131 §2).
const LONGEST: usize = 120;

/// Adds an option; one that is too long for its length byte is left out.
pub(super) fn put(reply: &mut Vec<u8>, code: u8, value: &[u8]) {
    if let Ok(length) = u8::try_from(value.len()) {
        reply.extend([code, length]);
        reply.extend(value);
    }
}

/// Who answers for names, and below which domains short ones are looked for: the first for clients that know
/// one (RFC 2132 §3.17), and all as a list (RFC 3397).
pub(super) fn put_names(reply: &mut Vec<u8>, lease: &Lease) {
    let servers = lease.dns.iter().take(SERVERS);
    let servers: Vec<u8> = servers.flat_map(|ip| ip.octets()).collect();
    let list: Vec<u8> = lease.search.iter().flat_map(|name| encoded(name)).collect();
    let first = lease.search.first().filter(|_| !list.is_empty());
    let first = first.map(String::as_bytes).unwrap_or_default();
    for (code, value) in [(6, servers.as_slice()), (15, first), (119, &list)] {
        if !value.is_empty() && value.len() <= LONGEST {
            put(reply, code, value);
        }
    }
}

/// A domain as in a DNS message (RFC 1035 §3.1); nothing for what is none.
fn encoded(domain: &str) -> Vec<u8> {
    let labels: Vec<&str> = domain.trim_end_matches('.').split('.').collect();
    if labels
        .iter()
        .any(|label| label.is_empty() || label.len() > 63)
    {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    for label in labels {
        put_label(&mut bytes, label);
    }
    bytes.push(0);
    bytes
}

fn put_label(bytes: &mut Vec<u8>, label: &str) {
    bytes.extend(u8::try_from(label.len()));
    bytes.extend(label.bytes());
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn of_search_domains_the_first_is_told_and_all_as_a_list() {
        let lease = Lease {
            mac: [0; 6],
            address: Ipv4Addr::LOCALHOST,
            prefix: 24,
            gateway: Ipv4Addr::LOCALHOST,
            dns: Vec::new(),
            search: vec!["b.c".into(), "d".into()],
        };
        let mut reply = Vec::new();
        put_names(&mut reply, &lease);
        assert_eq!(reply, b"\x0f\x03b.c\x77\x08\x01b\x01c\0\x01d\0");
        let none = Lease {
            search: vec![".".into()],
            ..lease
        };
        let mut reply = Vec::new();
        put_names(&mut reply, &none);
        assert!(reply.is_empty());
    }
}
