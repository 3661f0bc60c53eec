//! Answers a container's DHCP client with the address that the container has anyway.
//!
//! Many templates start a DHCP client and hold up their boot until somebody answers; there is no DHCP
//! server on a project's bridge. This one hears a single container, on the host's end of its veth pair,
//! and knows a single answer. It holds no state, opens no port and never speaks first.
//!
//! Only the frames are here: parsing never panics whatever a container sends. RFC 2131, RFC 2132.

mod options;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use options::{put, put_names};

/// The one answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// Hardware address of the container's card; nobody else behind it gets an answer.
    pub(super) mac: [u8; 6],
    /// The container's address.
    pub(super) address: Ipv4Addr,
    /// Prefix length of its subnet.
    pub(super) prefix: u8,
    /// The bridge: router and name of the server.
    pub(super) gateway: Ipv4Addr,
    /// Its name servers; empty leaves them unsaid.
    pub(super) dns: Vec<Ipv4Addr>,
    /// Its search domains.
    #[serde(default)]
    pub(super) search: Vec<String>,
}

const ETHERNET: usize = 14;
const UDP: usize = 8;
/// Fixed part of a BOOTP message up to the magic cookie.
const BOOTP: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// RFC 2132 §9.6, message types.
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;
const INFORM: u8 = 8;
/// The most name servers that a lease names; resolv.conf(5) knows no more either.
pub(super) const SERVERS: usize = 3;
/// A lease that never ends (RFC 2131 §3.3), since the address never changes while the container runs.
const FOR_EVER: [u8; 4] = [0xff; 4];

/// A client's message, as far as it matters.
struct Question<'a> {
    mac: [u8; 6],
    bootp: &'a [u8],
    kind: u8,
    wanted: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
}

/// The frame that answers `frame`; none when it is no question or needs no answer.
pub(super) fn answer(frame: &[u8], lease: &Lease) -> Option<Vec<u8>> {
    let question = parse(frame)?;
    if question.mac != lease.mac {
        return None; // a container or machine inside the container
    }
    if question
        .server
        .is_some_and(|server| server != lease.gateway)
    {
        return None; // the client took another server's offer
    }
    let kind = match question.kind {
        DISCOVER => OFFER,
        REQUEST => match question.wanted {
            Some(wanted) if wanted != lease.address => NAK,
            Some(_) | None => ACK,
        },
        INFORM => ACK,
        _ => return None,
    };
    Some(frame_of(
        &question,
        &bootp_of(&question, kind, lease),
        lease,
    ))
}

/// Reads an Ethernet frame with IPv4, UDP to port 67 and a BOOTP request in it.
fn parse(frame: &[u8]) -> Option<Question<'_>> {
    let ip = frame.get(ETHERNET..)?;
    if frame.get(12..14)? != [0x08, 0x00] || ip.first()? >> 4 != 4 {
        return None;
    }
    let fragment = u16::from_be_bytes([*ip.get(6)?, *ip.get(7)?]) & 0x3fff;
    if *ip.get(9)? != 17 || fragment != 0 {
        return None;
    }
    let udp = ip.get(usize::from(ip.first()? & 0x0f) * 4..)?;
    if udp.get(2..4)? != 67_u16.to_be_bytes() {
        return None;
    }
    let bootp = udp.get(UDP..)?;
    // A request (1) over Ethernet (1) with addresses of 6 bytes.
    if bootp.get(..3)? != [1, 1, 6] || bootp.get(BOOTP..BOOTP + 4)? != COOKIE {
        return None;
    }
    let options = bootp.get(BOOTP + 4..)?;
    let current = address(bootp.get(12..16)?).filter(|ip| !ip.is_unspecified());
    Some(Question {
        mac: bootp.get(28..34)?.try_into().ok()?,
        bootp,
        kind: *option(options, 53)?.first()?,
        wanted: option(options, 50).and_then(address).or(current),
        server: option(options, 54).and_then(address),
    })
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))
}

/// The value of an option (RFC 2132 §2).
fn option(mut options: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        match options.split_first()? {
            (0, rest) => options = rest,
            (255, _) => return None,
            (code, rest) => {
                let (length, rest) = rest.split_first()?;
                let value = rest.get(..usize::from(*length))?;
                if *code == wanted {
                    return Some(value);
                }
                options = rest.get(usize::from(*length)..)?;
            }
        }
    }
}

fn bootp_of(question: &Question<'_>, kind: u8, lease: &Lease) -> Vec<u8> {
    let mut reply = vec![0; BOOTP];
    reply[..3].copy_from_slice(&[2, 1, 6]);
    reply[4..8].copy_from_slice(&question.bootp[4..8]); // xid
    reply[10..12].copy_from_slice(&question.bootp[10..12]); // flags
    if kind == ACK {
        reply[12..16].copy_from_slice(&question.bootp[12..16]); // ciaddr
    }
    let leases = kind != NAK && question.kind != INFORM;
    if leases {
        reply[16..20].copy_from_slice(&lease.address.octets()); // yiaddr
    }
    reply[28..34].copy_from_slice(&question.mac);
    reply.extend(COOKIE);
    put(&mut reply, 53, &[kind]);
    put(&mut reply, 54, &lease.gateway.octets());
    if leases {
        put(&mut reply, 51, &FOR_EVER);
    }
    if kind != NAK {
        let mask = u32::MAX
            .checked_shl(32 - u32::from(lease.prefix))
            .unwrap_or(0);
        put(&mut reply, 1, &mask.to_be_bytes());
        put(&mut reply, 3, &lease.gateway.octets());
        put_names(&mut reply, lease);
    }
    reply.push(255);
    reply
}

/// Wraps a reply for the client: to its own hardware address and to the broadcast address, since it
/// may have no address yet.
fn frame_of(question: &Question<'_>, bootp: &[u8], lease: &Lease) -> Vec<u8> {
    let [_, a, b, c] = lease.gateway.octets();
    let mut frame = question.mac.to_vec();
    frame.extend([0x02, 0x00, 0x00, a, b, c]); // a locally administered sender
    frame.extend([0x08, 0x00]);
    let udp_length = u16::try_from(UDP + bootp.len()).unwrap_or(u16::MAX);
    let mut ip = vec![0x45, 0x10];
    ip.extend((udp_length + 20).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(lease.gateway.octets());
    ip.extend([255; 4]);
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(ip);
    frame.extend(67_u16.to_be_bytes());
    frame.extend(68_u16.to_be_bytes());
    frame.extend(udp_length.to_be_bytes());
    frame.extend([0, 0]); // no checksum, which UDP over IPv4 allows (RFC 768)
    frame.extend(bootp);
    frame
}

/// The Internet checksum (RFC 1071) of a header of even length.
fn checksum(header: &[u8]) -> u16 {
    let words = header
        .chunks_exact(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lease() -> Lease {
        Lease {
            mac: [2, 1, 2, 3, 4, 5],
            address: Ipv4Addr::new(10, 77, 0, 2),
            prefix: 24,
            gateway: Ipv4Addr::new(10, 77, 0, 1),
            dns: vec![Ipv4Addr::new(9, 9, 9, 9)],
            search: Vec::new(),
        }
    }

    /// A client's frame of this kind with these options.
    fn question(kind: u8, options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bootp = vec![0; BOOTP];
        bootp[..3].copy_from_slice(&[1, 1, 6]);
        bootp[4..8].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
        bootp[28..34].copy_from_slice(&[2, 1, 2, 3, 4, 5]);
        bootp.extend(COOKIE);
        put(&mut bootp, 53, &[kind]);
        for (code, value) in options {
            put(&mut bootp, *code, value);
        }
        bootp.push(255);
        let mut frame = vec![0xff; 6];
        frame.extend([
            2, 1, 2, 3, 4, 5, 0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0,
        ]);
        frame.extend([0; 4]);
        frame.extend([255; 4]);
        frame.extend([0, 68, 0, 67, 0, 0, 0, 0]);
        frame.extend(bootp);
        frame
    }

    fn told(frame: &[u8], code: u8) -> Option<Vec<u8>> {
        option(&frame[ETHERNET + 20 + UDP + BOOTP + 4..], code).map(<[u8]>::to_vec)
    }

    #[test]
    fn a_client_gets_the_address_that_its_container_has() {
        for (kind, reply) in [(DISCOVER, OFFER), (REQUEST, ACK)] {
            let frame = answer(&question(kind, &[]), &lease()).unwrap();
            let bootp = &frame[ETHERNET + 20 + UDP..];
            assert_eq!(frame[..6], [2, 1, 2, 3, 4, 5]);
            assert_eq!(bootp[4..8], [0xde, 0xad, 0xbe, 0xef]);
            assert_eq!(bootp[16..20], [10, 77, 0, 2]);
            assert_eq!(told(&frame, 53), Some(vec![reply]));
            assert_eq!(told(&frame, 1), Some(vec![255, 255, 255, 0]));
            assert_eq!(told(&frame, 3), Some(vec![10, 77, 0, 1]));
            assert_eq!(told(&frame, 6), Some(vec![9, 9, 9, 9]));
            assert_eq!(checksum(&frame[ETHERNET..ETHERNET + 20]), 0);
        }
    }

    #[test]
    fn an_address_from_elsewhere_is_refused_and_another_servers_client_left_alone() {
        let frame = answer(&question(REQUEST, &[(50, &[10, 0, 0, 9])]), &lease()).unwrap();
        assert_eq!(told(&frame, 53), Some(vec![NAK]));
        assert_eq!(frame[ETHERNET + 20 + UDP + 16..][..4], [0; 4]);
        assert_eq!(
            answer(&question(REQUEST, &[(54, &[10, 0, 0, 1])]), &lease()),
            None
        );
        assert_eq!(
            answer(&question(7, &[]), &lease()),
            None,
            "a release needs no answer"
        );
        let other = Lease {
            mac: [2; 6],
            ..lease()
        };
        assert_eq!(
            answer(&question(DISCOVER, &[]), &other),
            None,
            "a card behind the card"
        );
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        let mut other_port = question(DISCOVER, &[]);
        other_port[ETHERNET + 20 + 3] = 53;
        let mut reply = question(DISCOVER, &[]);
        reply[ETHERNET + 20 + UDP] = 2;
        for frame in [&[][..], &[0; 14], &other_port, &reply] {
            assert_eq!(answer(frame, &lease()), None);
        }
    }

    proptest! {
        #[test]
        fn no_frame_makes_it_panic(cut in 0usize..400, at in 0usize..330, byte in any::<u8>()) {
            let mut frame = question(DISCOVER, &[(50, &[10, 77, 0, 2]), (54, &[10, 77, 0, 1])]);
            let last = frame.len() - 1;
            frame[at.min(last)] = byte;
            frame.truncate(cut);
            let _ = answer(&frame, &lease());
        }
    }
}
