//! Listening TCP sockets, asked of the kernel by sock_diag(7).
//!
//! The tables of /proc/net hold every connection, and the kernel walks the whole table of them at each
//! read, 3 ms on an empty machine; here it is asked for the listening ones only.

use std::net::IpAddr;

use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::{RawListener, Transport};

const BY_FAMILY: u16 = 20; // SOCK_DIAG_BY_FAMILY
const ERROR: u16 = 2; // NLMSG_ERROR
const DONE: u16 = 3; // NLMSG_DONE
const DUMP: u16 = 0x301; // NLM_F_REQUEST | NLM_F_DUMP
const TCP: u8 = 6; // IPPROTO_TCP
const LISTEN: u32 = 1 << 10; // TCP_LISTEN
const INET: u8 = 2;
const INET6: u8 = 10;
const HEADER: usize = 16;

/// The listening TCP sockets of this network namespace. Fails where the kernel lacks `tcp_diag`.
pub(super) fn tcp_listeners() -> rustix::io::Result<Vec<RawListener>> {
    let mut found = Vec::new();
    for family in [INET, INET6] {
        ask(family, &mut found)?;
    }
    Ok(found)
}

fn ask(family: u8, found: &mut Vec<RawListener>) -> rustix::io::Result<()> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(SOCK_DIAG),
    )?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &request(family), SendFlags::empty(), &kernel)?;
    let mut buffer = vec![0u8; 32 * 1024];
    loop {
        let (_, length) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if read(buffer.get(..length).unwrap_or_default(), found)? {
            return Ok(());
        }
    }
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2` (linux/inet_diag.h) that leaves the socket's id open.
fn request(family: u8) -> Vec<u8> {
    const LENGTH: usize = HEADER + 56;
    let mut bytes = u32::try_from(LENGTH)
        .unwrap_or_default()
        .to_ne_bytes()
        .to_vec();
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(DUMP.to_ne_bytes());
    bytes.extend([0; 8]); // sequence and port
    bytes.extend([family, TCP, 0, 0]);
    bytes.extend(LISTEN.to_ne_bytes());
    bytes.resize(LENGTH, 0);
    bytes
}

/// Adds what one datagram holds; whether it was the last one.
fn read(mut datagram: &[u8], found: &mut Vec<RawListener>) -> rustix::io::Result<bool> {
    while let Some((head, _)) = datagram.split_first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let body = datagram.get(HEADER..length).ok_or(Errno::BADMSG)?;
        match u16::from_ne_bytes([head[4], head[5]]) {
            DONE => return Ok(true),
            ERROR => {
                let code = body
                    .first_chunk()
                    .map_or(0, |code| i32::from_ne_bytes(*code));
                return Err(Errno::from_raw_os_error(-code));
            }
            BY_FAMILY => found.extend(listener(body)),
            _ => {}
        }
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Ok(false)
}

/// A `struct inet_diag_msg`; none when it is too short.
fn listener(body: &[u8]) -> Option<RawListener> {
    let port = u16::from_be_bytes(*body.get(4..)?.first_chunk()?);
    let address = match *body.first()? {
        INET6 => IpAddr::from(*body.get(8..)?.first_chunk::<16>()?).to_canonical(),
        _ => IpAddr::from(*body.get(8..)?.first_chunk::<4>()?),
    };
    let inode = u32::from_ne_bytes(*body.get(68..)?.first_chunk()?);
    Some(RawListener {
        transport: Transport::Tcp,
        address,
        port,
        inode: inode.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn listening_sockets_of_both_families_are_found_and_connected_ones_are_not() {
        for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let socket = TcpListener::bind(address).unwrap();
            let own = socket.local_addr().unwrap();
            let client = TcpStream::connect(("localhost", own.port()));
            let all = tcp_listeners().unwrap();
            let mine = all.iter().find(|l| l.port == own.port());
            let mine = mine.unwrap_or_else(|| panic!("{own} is not listed"));
            assert_eq!(mine.address, own.ip());
            assert_eq!(
                crate::sys::owner(mine.inode).unwrap().pid,
                std::process::id()
            );
            if let Ok(port) = client
                .and_then(|client| client.local_addr())
                .map(|a| a.port())
            {
                assert!(!all.iter().any(|l| l.port == port));
            }
        }
    }

    #[test]
    fn a_refusal_and_a_torn_datagram_are_errors() {
        let mut refusal = [0u8; 36];
        refusal[0] = 36;
        refusal[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        refusal[16..20].copy_from_slice(&(-2i32).to_ne_bytes());
        assert_eq!(read(&refusal, &mut Vec::new()), Err(Errno::NOENT));
        assert_eq!(read(&refusal[..20], &mut Vec::new()), Err(Errno::BADMSG));
        assert_eq!(read(&[], &mut Vec::new()), Ok(false));
    }
}
