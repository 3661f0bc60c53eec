//! The few rtnetlink(7) messages that a guard needs: hearing of losses and putting things back.
//!
//! Built by hand because the guard must stay small; it removes nothing but what it puts back at once.

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use super::guard::INTERFACE;
use super::post::Guarded;

/// All that may tell of a loss.
pub(super) const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400; // link, IPv4 address and route, IPv6 the same
const NEWLINK: u16 = 16;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
/// A socket that hears these groups of announcements.
pub(super) fn socket(groups: u32) -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// Whether a datagram holds a message after which something may be missing: an address or route was
/// removed, or a link changed (taking a link down drops its routes without a word).
pub(super) fn tells_of_loss(mut datagram: &[u8]) -> bool {
    while let Some((head, _)) = datagram.split_first_chunk::<16>() {
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]);
        let kind = u16::from_ne_bytes([head[4], head[5]]);
        if [NEWLINK, DELADDR, DELROUTE].contains(&kind) {
            return true;
        }
        let step = usize::try_from(length)
            .unwrap_or(usize::MAX)
            .max(16)
            .div_ceil(4)
            * 4;
        datagram = datagram.get(step..).unwrap_or_default();
    }
    false
}

/// Adds what is missing. What is there makes the kernel answer `EEXIST`, which is as good.
pub(super) fn repair(socket: &OwnedFd, guarded: &Guarded) {
    let Ok(index) = rustix::net::netdevice::name_to_index(socket, INTERFACE) else {
        return;
    };
    let v4 = (IpAddr::V4(guarded.v4.0), guarded.v4.1);
    let addresses = std::iter::once(v4).chain(guarded.v6.map(|(ip, len)| (ip.into(), len)));
    let gateways = std::iter::once(guarded.gateway4.into()).chain(guarded.gateway6.map(IpAddr::V6));
    let routes = gateways.map(|gateway| default_route(index, gateway));
    let addresses = addresses.map(|it| message(NEWADDR, &address(index, it)));
    // A refusal (the link is down, say) is followed by the announcement that mends it.
    addresses.chain(routes).for_each(|it| tell(socket, &it));
}

/// Makes the IPv6 address answer from the first moment. As liblxc sets it, the kernel keeps it deaf for up to
/// two seconds while it looks for somebody else who has it (RFC 4862, 5.4); nobody has.
pub(super) fn wake(socket: &OwnedFd, guarded: &Guarded) {
    let Some(own) = guarded.v6 else { return };
    let Ok(index) = rustix::net::netdevice::name_to_index(socket, INTERFACE) else {
        return;
    };
    let known = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap_or_default();
    if !is_tentative(&known, own.0, index) {
        return;
    }
    let body = address(index, (own.0.into(), own.1));
    for kind in [DELADDR, NEWADDR] {
        tell(socket, &message(kind, &body));
    }
}

/// Whether the kernel still looks for others who have the address: `IFA_F_TENTATIVE` (linux/if_addr.h) in the
/// list of a network namespace, whose lines are address, card, prefix, scope, flags and name, all in hex.
fn is_tentative(list: &str, ip: Ipv6Addr, index: u32) -> bool {
    list.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [address, card, _, _, flags, _] = words.as_slice() else {
            return false;
        };
        let flags = u8::from_str_radix(flags, 16).unwrap_or_default();
        u128::from_str_radix(address, 16).ok() == Some(ip.to_bits())
            && u32::from_str_radix(card, 16).ok() == Some(index)
            && flags & 0x40 != 0
    })
}

fn tell(socket: &OwnedFd, message: &[u8]) {
    let kernel = SocketAddrNetlink::new(0, 0);
    let _ = rustix::net::sendto(socket, message, SendFlags::empty(), &kernel);
}

fn family(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 2,  // AF_INET
        IpAddr::V6(_) => 10, // AF_INET6
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// A `struct ifaddrmsg` with its attributes; `IFA_F_NODAD`, since nobody else has the address.
fn address(index: u32, (ip, prefix): (IpAddr, u8)) -> Vec<u8> {
    let mut body = vec![family(ip), prefix, 0x02, 0];
    body.extend(index.to_ne_bytes());
    attribute(&mut body, 2, &octets(ip)); // IFA_LOCAL
    attribute(&mut body, 1, &octets(ip)); // IFA_ADDRESS
    if let IpAddr::V4(ip4) = ip {
        let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
        attribute(&mut body, 4, &(u32::from(ip4) | host_bits).to_be_bytes()); // IFA_BROADCAST
    }
    body
}

/// `RTM_NEWROUTE` with a `struct rtmsg`: main table, boot protocol, unicast.
fn default_route(index: u32, gateway: IpAddr) -> Vec<u8> {
    let mut body = vec![family(gateway), 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
    attribute(&mut body, 5, &octets(gateway)); // RTA_GATEWAY
    attribute(&mut body, 4, &index.to_ne_bytes()); // RTA_OIF
    message(NEWROUTE, &body)
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().div_ceil(4) * 4, 0);
}

/// `NLM_F_REQUEST`, and for what is made `NLM_F_CREATE | NLM_F_EXCL`: it never replaces anything. Where
/// something is taken away the same bits would mean a whole lot of it, which the kernel refuses.
fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let flags: u16 = match kind {
        NEWADDR | NEWROUTE => 0x601,
        _ => 0x1,
    };
    let length = u32::try_from(body.len() + 16).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn losses_are_heard_and_gains_are_not() {
        let removed = message(DELADDR, &[0; 8]);
        let gained = message(NEWADDR, &[0; 6]);
        assert!(tells_of_loss(&removed));
        assert!(!tells_of_loss(&gained) && !tells_of_loss(&[]) && !tells_of_loss(&[0; 40]));
        assert!(tells_of_loss(&[&gained[..], &[0, 0], &removed].concat()));
    }

    #[test]
    fn an_address_is_deaf_only_while_its_own_line_says_so() {
        let list = "fe80000000000000001a2bfffe55a6e3 07 40 20 c0     eth0\n\
                    fd82488b195c00000000000000000002 07 40 00 c0     eth0\n\
                    fd82488b195c00000000000000000003 07 40 00 80     eth0\n";
        let ip = |text: &str| text.parse().unwrap();
        assert!(is_tentative(list, ip("fd82:488b:195c::2"), 7));
        assert!(!is_tentative(list, ip("fd82:488b:195c::2"), 8));
        assert!(!is_tentative(list, ip("fd82:488b:195c::3"), 7));
        assert!(!is_tentative(list, ip("fd82:488b:195c::4"), 7));
        assert!(!is_tentative("", ip("fd82:488b:195c::2"), 7));
    }

    #[test]
    fn an_address_message_is_laid_out_as_rtnetlink_wants() {
        let body = address(7, (IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2)), 24));
        let bytes = message(NEWADDR, &body);
        assert_eq!(bytes.len(), 16 + 8 + 3 * 8);
        assert_eq!(bytes[16..24], [2, 24, 2, 0, 7, 0, 0, 0]);
        assert_eq!(bytes[44..48], [10, 77, 0, 255]);
    }
}
