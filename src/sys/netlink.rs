//! Plain netlink(7): one request, all of its answer. For questions that rtnetlink's model of the kernel's
//! messages has no words for, or answers too slowly.
//!
//! Knows headers and attributes and nothing of what they mean. Blocks for as long as the kernel takes,
//! which answers at once.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

const ERROR: u16 = 2; // NLMSG_ERROR
const DONE: u16 = 3; // NLMSG_DONE
const REQUEST: u16 = 0x1; // NLM_F_REQUEST
const ACK: u16 = 0x4; // NLM_F_ACK
const DUMP: u16 = 0x300; // NLM_F_DUMP
const HEADER: usize = 16;
/// The kernel fills at most so much at once.
const ANSWER: usize = 64 * 1024;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// All of a kind.
    Dump,
    /// One thing, or that one thing be done.
    One,
}

/// A socket of the calling thread's network namespace.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    /// Of one of netlink's families; none, which is number 0, is that of interfaces, addresses and routes.
    pub(super) fn open(family: Option<Protocol>) -> rustix::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, family).map(Self)
    }

    /// Asks, and hands each message of the answer to `each` without its header.
    ///
    /// # Errors
    /// What the kernel says, or [`Errno::BADMSG`] when its answer is torn.
    pub(super) fn ask(
        &self,
        kind: u16,
        ask: Ask,
        body: &[u8],
        mut each: impl FnMut(&[u8]),
    ) -> rustix::io::Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        let request = request(kind, ask, body);
        rustix::net::sendto(&self.0, &request, SendFlags::empty(), &kernel)?;
        let mut buffer = vec![0; ANSWER];
        loop {
            let (_, length) = rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
            if read(buffer.get(..length).unwrap_or_default(), &mut each)? {
                return Ok(());
            }
        }
    }
}

fn request(kind: u16, ask: Ask, body: &[u8]) -> Vec<u8> {
    let flags = match ask {
        Ask::Dump => REQUEST | DUMP,
        Ask::One => REQUEST | ACK,
    };
    let length = u32::try_from(HEADER + body.len()).unwrap_or_default();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]); // sequence and port
    bytes.extend(body);
    bytes
}

/// Hands on what one datagram holds; whether it was the last one.
fn read(mut datagram: &[u8], each: &mut impl FnMut(&[u8])) -> rustix::io::Result<bool> {
    while let Some((head, _)) = datagram.split_first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let body = datagram.get(HEADER..length).ok_or(Errno::BADMSG)?;
        match u16::from_ne_bytes([head[4], head[5]]) {
            ERROR | DONE => {
                let code = body.first_chunk().map_or(0, |c| i32::from_ne_bytes(*c));
                return match code {
                    0 => Ok(true),
                    code => Err(Errno::from_raw_os_error(-code)),
                };
            }
            _ => each(body),
        }
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Ok(false)
}

/// The attributes in `bytes`: kind, without the bits for nesting and byte order, and content.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let start = bytes.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([start[0], start[1]]));
        let kind = u16::from_ne_bytes([start[2], start[3]]) & 0x3fff;
        let content = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, content))
    })
}

/// The content of the first attribute of this kind.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(other, content)| (other == kind).then_some(content))
}

/// Appends an attribute; `kind` may bear the bit for nesting.
pub(super) fn put(bytes: &mut Vec<u8>, kind: u16, content: &[u8]) {
    let length = u16::try_from(4 + content.len()).unwrap_or_default();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_were_put_and_a_torn_one_ends_them() {
        let mut bytes = Vec::new();
        put(&mut bytes, 3, b"eth0\0");
        put(&mut bytes, 0x8000 | 7, &[1, 2]);
        let all: Vec<_> = attributes(&bytes).collect();
        assert_eq!(all, [(3, &b"eth0\0"[..]), (7, &[1, 2][..])]);
        assert_eq!(attribute(&bytes, 7), Some(&[1, 2][..]));
        assert_eq!(attributes(&bytes[..14]).count(), 1);
        // A length of nothing must not be walked for ever.
        assert_eq!(attributes(&[0; 8]).count(), 0);
    }

    #[test]
    fn a_refusal_and_a_torn_datagram_are_errors() {
        let mut refusal = [0u8; 36];
        refusal[0] = 36;
        refusal[4] = 2;
        refusal[16..20].copy_from_slice(&(-2i32).to_ne_bytes());
        let mut none = |_: &[u8]| panic!("a refusal is no answer");
        assert_eq!(read(&refusal, &mut none), Err(Errno::NOENT));
        assert_eq!(read(&refusal[..20], &mut none), Err(Errno::BADMSG));
        assert_eq!(read(&[], &mut none), Ok(false));
    }
}
