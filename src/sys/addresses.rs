//! The addresses of this network namespace's interfaces, asked for by rtnetlink(7).

use std::net::IpAddr;

use super::netlink::{Ask, Netlink, attribute};

const GET: u16 = 22; // RTM_GETADDR
/// `struct ifaddrmsg`.
const HEADER: usize = 8;
const ADDRESS: u16 = 1; // IFA_ADDRESS
const LOCAL: u16 = 2; // IFA_LOCAL

/// Each with the number of its interface.
///
/// # Errors
/// The kernel refuses.
pub fn addresses() -> std::io::Result<Vec<(u32, IpAddr)>> {
    let mut found = Vec::new();
    let netlink = Netlink::open(None)?;
    netlink.ask(GET, Ask::Dump, &[0; HEADER], |body| {
        found.extend(read(body))
    })?;
    Ok(found)
}

fn read(message: &[u8]) -> Option<(u32, IpAddr)> {
    let (head, body) = message.split_at_checked(HEADER)?;
    let index = u32::from_ne_bytes(*head.last_chunk()?);
    // On a point-to-point link the other one is the neighbour's.
    let address = attribute(body, LOCAL).or_else(|| attribute(body, ADDRESS))?;
    let address = match address.len() {
        4 => IpAddr::from(*address.first_chunk::<4>()?),
        _ => IpAddr::from(*address.first_chunk::<16>()?),
    };
    Some((index, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_its_address() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        let all = addresses().unwrap();
        assert!(all.iter().any(|(index, ip)| *index == 1 && *ip == loopback));
    }
}
