//! Which state of the packet filter this is: the kernel numbers the changes of its rules.
//!
//! Every transaction of nf_tables, whoever makes it, gets the next number (linux/netfilter/nf_tables.h,
//! `NFT_MSG_GETGEN`), so what was read under one number holds for as long as that number stands. What was
//! made with the older kind of iptables is not counted. It says nothing about what the rules are.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};

const GET: u16 = 10 << 8 | 16; // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN
const NEW: u16 = 10 << 8 | 15; // NFT_MSG_NEWGEN
const REQUEST: u16 = 1; // NLM_F_REQUEST
const ID: u16 = 1; // NFTA_GEN_ID
/// `struct nlmsghdr` and `struct nfgenmsg`.
const HEADER: usize = 16 + 4;

/// One state of the rules of this network namespace since the host was booted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    boot: String,
    namespace: (u64, u64),
    /// Counting starts anew when the module is loaded anew.
    module: u64,
    number: u32,
}

impl Generation {
    /// The present one; none where the kernel does not tell it.
    pub fn now() -> Option<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = fs::metadata("/proc/thread-self/ns/net").ok()?;
        let module = fs::metadata("/sys/module/nf_tables");
        Some(Self {
            boot: boot.trim().into(),
            namespace: (namespace.dev(), namespace.ino()),
            // Built into the kernel it is always the same one.
            module: module.map_or(0, |module| module.ino()),
            number: ask().ok()?,
        })
    }
}

fn ask() -> rustix::io::Result<u32> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(NETFILTER),
    )?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &request(), SendFlags::empty(), &kernel)?;
    let mut answer = [0u8; 1024];
    let (_, length) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    number(answer.get(..length).unwrap_or_default()).ok_or(Errno::BADMSG)
}

fn request() -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&20u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&GET.to_ne_bytes());
    bytes[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
    bytes
}

/// The number in an answer; none in any other message.
fn number(answer: &[u8]) -> Option<u32> {
    let (head, mut attributes) = answer.split_at_checked(HEADER)?;
    if u16::from_ne_bytes([head[4], head[5]]) != NEW {
        return None;
    }
    while let Some((start, rest)) = attributes.split_first_chunk::<4>() {
        let length = usize::from(u16::from_ne_bytes([start[0], start[1]]));
        if u16::from_ne_bytes([start[2], start[3]]) == ID {
            return rest.first_chunk().map(|id| u32::from_be_bytes(*id));
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: u16, attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend(attributes);
        bytes
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn the_number_is_found_among_the_attributes_and_nowhere_else() {
        let other = attribute(3, b"nft\0a");
        let both = [other.clone(), attribute(ID, &7u32.to_be_bytes())].concat();
        assert_eq!(number(&answer(NEW, &both)), Some(7));
        assert_eq!(number(&answer(NEW, &other)), None);
        assert_eq!(number(&answer(2, &both)), None, "a refusal");
        assert_eq!(number(&answer(NEW, &attribute(ID, &[1]))[..23]), None);
        assert_eq!(number(&[]), None);
        // A length of nothing must not be walked for ever.
        assert_eq!(number(&answer(NEW, &[0; 8])), None);
    }
}
