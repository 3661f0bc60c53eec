//! Connections that the kernel remembers (conntrack), asked for and forgotten by ctnetlink.
//!
//! A packet of a remembered connection goes where its first one went, whatever the rules say by now. Which
//! of them must go is decided elsewhere.

use std::net::IpAddr;

use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;

use super::Transport;
use super::netlink::{Ask, Netlink, attribute, put};

const GET: u16 = 0x101; // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
const DELETE: u16 = 0x102; // IPCTNL_MSG_CT_DELETE
/// `struct nfgenmsg`.
const HEADER: usize = 4;
const ORIGINAL: u16 = 1; // CTA_TUPLE_ORIG
const REPLY: u16 = 2; // CTA_TUPLE_REPLY
const STATUS: u16 = 3; // CTA_STATUS
const ID: u16 = 12; // CTA_ID
const ZONE: u16 = 18; // CTA_ZONE
const NESTED: u16 = 0x8000; // NLA_F_NESTED
const DST_NAT: u32 = 1 << 5; // IPS_DST_NAT
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A remembered connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its protocol.
    pub transport: Transport,
    /// Who began it.
    pub client: IpAddr,
    /// Whom its first packet was for.
    pub to: (IpAddr, u16),
    /// Who answers: another one where its destination was translated.
    pub answers: (IpAddr, u16),
    /// Its destination was translated.
    pub is_led: bool,
    family: u8,
    /// What names it to the kernel.
    key: Vec<u8>,
}

#[cfg(test)]
impl Flow {
    /// A connection that is led elsewhere when another one answers.
    pub(crate) fn of(transport: Transport, client: IpAddr, to: End, answers: End) -> Self {
        Self {
            transport,
            client,
            to,
            answers,
            is_led: to != answers,
            family: 0,
            key: Vec::new(),
        }
    }
}

/// The remembered connections that are `wanted`, of this network namespace. A kernel that remembers none,
/// or does not tell of them, has none.
///
/// # Errors
/// The kernel refuses or its answer is torn.
pub fn flows(wanted: impl Fn(&Flow) -> bool) -> std::io::Result<Vec<Flow>> {
    // To walk an empty table takes as long as to walk a full one.
    if remembered() == Some(0) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let each = |body: &[u8]| found.extend(read(body).filter(|flow| wanted(flow)));
    let asked = Netlink::open(Some(NETFILTER))
        .and_then(|netlink| netlink.ask(GET, Ask::Dump, &[0; HEADER], each));
    match asked {
        // There is no such subsystem, which also is how the kernel says that it cannot load it.
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT) => Ok(Vec::new()),
        asked => Ok(asked.map(|()| found)?),
    }
}

/// How many connections are remembered in this network namespace (the kernel's nf_conntrack-sysctl); none when the
/// kernel does not tell.
fn remembered() -> Option<u64> {
    let count = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").ok()?;
    count.trim().parse().ok()
}

/// Lets the kernel forget `flows`; those that have ended meanwhile are fine.
///
/// # Errors
/// The kernel refuses.
pub fn forget(flows: &[Flow]) -> std::io::Result<()> {
    if flows.is_empty() {
        return Ok(());
    }
    let netlink = Netlink::open(Some(NETFILTER))?;
    for flow in flows {
        let mut body = vec![flow.family, 0, 0, 0];
        body.extend(&flow.key);
        match netlink.ask(DELETE, Ask::One, &body, |_| {}) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A connection of TCP or UDP.
fn read(message: &[u8]) -> Option<Flow> {
    let (head, body) = message.split_at_checked(HEADER)?;
    let original = attribute(body, ORIGINAL)?;
    let (transport, client, to) = tuple(original)?;
    let (_, answerer, (_, _)) = tuple(attribute(body, REPLY)?)?;
    let status = attribute(body, STATUS)?.first_chunk().copied()?;
    let mut key = Vec::new();
    put(&mut key, NESTED | ORIGINAL, original);
    for kind in [ID, ZONE] {
        if let Some(content) = attribute(body, kind) {
            put(&mut key, kind, content);
        }
    }
    Some(Flow {
        transport,
        client: client.0,
        to,
        answers: answerer,
        is_led: u32::from_be_bytes(status) & DST_NAT != 0,
        family: head[0],
        key,
    })
}

type End = (IpAddr, u16);

/// Protocol, source and destination of one direction.
fn tuple(bytes: &[u8]) -> Option<(Transport, End, End)> {
    let (ip, protocol) = (attribute(bytes, 1)?, attribute(bytes, 2)?);
    let transport = match *attribute(protocol, 1)?.first()? {
        TCP => Transport::Tcp,
        UDP => Transport::Udp,
        _ => return None,
    };
    let port = |kind| {
        Some(u16::from_be_bytes(
            *attribute(protocol, kind)?.first_chunk()?,
        ))
    };
    let v4 = |kind| Some(IpAddr::from(*attribute(ip, kind)?.first_chunk::<4>()?));
    let v6 = |kind| Some(IpAddr::from(*attribute(ip, kind)?.first_chunk::<16>()?));
    let source = v4(1).or_else(|| v6(3))?;
    let destination = v4(2).or_else(|| v6(4))?;
    Some((transport, (source, port(2)?), (destination, port(3)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nest(parts: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, content) in parts {
            put(&mut bytes, *kind, content);
        }
        bytes
    }

    fn direction(protocol: u8, source: [u8; 4], destination: [u8; 4], ports: [u16; 2]) -> Vec<u8> {
        let ip = nest(&[(1, &source), (2, &destination)]);
        let [from, to] = ports.map(u16::to_be_bytes);
        let protocol = nest(&[(1, &[protocol]), (2, &from), (3, &to)]);
        nest(&[(NESTED | 1, &ip), (NESTED | 2, &protocol)])
    }

    #[test]
    fn a_connection_is_read_with_what_names_it() {
        let there = direction(UDP, [10, 9, 0, 2], [10, 9, 0, 1], [4000, 53]);
        let back = direction(UDP, [10, 77, 0, 2], [10, 9, 0, 2], [5353, 4000]);
        let mut message = vec![2, 0, 0, 0];
        message.extend(nest(&[
            (NESTED | ORIGINAL, &there),
            (NESTED | REPLY, &back),
            (STATUS, &DST_NAT.to_be_bytes()),
            (ID, &[1, 2, 3, 4]),
        ]));
        let flow = read(&message).unwrap();
        assert_eq!(flow.client.to_string(), "10.9.0.2");
        assert_eq!(
            (flow.to.0.to_string().as_str(), flow.to.1),
            ("10.9.0.1", 53)
        );
        assert_eq!(flow.answers.0.to_string(), "10.77.0.2");
        assert_eq!((flow.answers.1, flow.is_led, flow.family), (5353, true, 2));
        assert_eq!(attribute(&flow.key, ID), Some(&[1, 2, 3, 4][..]));
        assert_eq!(attribute(&flow.key, ORIGINAL), Some(&there[..]));
        let ping = direction(1, [10, 9, 0, 2], [10, 9, 0, 1], [0, 0]);
        assert_eq!(tuple(&ping), None);
        assert_eq!(read(&message[..20]), None);
    }
}
