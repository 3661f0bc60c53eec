//! One question to a published port, and an eye on whether it reaches the container.
//!
//! The question is a TCP connection that is closed at once, or one empty UDP datagram. Nothing is
//! changed anywhere. The eye is a packet(7) socket in the container's namespace.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, eth, getsockname,
    recv, send, socket_with, sockopt,
};

use super::{NetworkError, Space};
use crate::model::Protocol;

/// A socket that is about to ask; its own port is known before it does.
#[derive(Debug)]
pub struct Probe {
    socket: OwnedFd,
    protocol: Protocol,
    to: SocketAddr,
    /// The port that it asks from.
    pub from_port: u16,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The connection was made, or a datagram came back.
    Answered,
    /// A reset, or an ICMP message that refuses.
    Refused,
    /// Nothing within the time.
    Silent,
    /// The asking side has no way to the address.
    NoRoute,
}

impl Probe {
    /// Prepares a question from `space`.
    pub fn open(space: &Space, protocol: Protocol, to: SocketAddr) -> Result<Self, NetworkError> {
        let (socket, from_port) = space.run(move || {
            let (family, any): (_, IpAddr) = match to {
                SocketAddr::V4(_) => (AddressFamily::INET, [0; 4].into()),
                SocketAddr::V6(_) => (AddressFamily::INET6, [0; 16].into()),
            };
            let kind = match protocol {
                Protocol::Tcp => SocketType::STREAM,
                Protocol::Udp => SocketType::DGRAM,
            };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(family, kind, flags, None)?;
            bind(&socket, &SocketAddr::new(any, 0))?;
            let own = SocketAddr::try_from(getsockname(&socket)?)?;
            Ok((socket, own.port()))
        })?;
        Ok(Self {
            socket,
            protocol,
            to,
            from_port,
        })
    }

    /// Asks and waits for at most `patience`; blocks the thread.
    pub fn ask(&self, patience: Duration) -> Answer {
        let patience = Timespec::try_from(patience).unwrap_or(Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        match self.try_ask(&patience) {
            Ok(answer) => answer,
            Err(Errno::CONNREFUSED | Errno::CONNRESET | Errno::ACCESS | Errno::PERM) => {
                Answer::Refused
            }
            Err(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ADDRNOTAVAIL) => Answer::NoRoute,
            Err(_) => Answer::Silent,
        }
    }

    fn try_ask(&self, patience: &Timespec) -> rustix::io::Result<Answer> {
        match connect(&self.socket, &self.to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let wanted = match self.protocol {
            Protocol::Tcp => PollFlags::OUT,
            Protocol::Udp => {
                send(&self.socket, &[], SendFlags::empty())?;
                PollFlags::IN
            }
        };
        let mut fds = [PollFd::new(&self.socket, wanted)];
        if poll(&mut fds, Some(patience))? == 0 {
            return Ok(Answer::Silent);
        }
        sockopt::socket_error(&self.socket)??;
        Ok(Answer::Answered)
    }
}

/// An eye on the packets of a container's namespace.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    /// Sees every packet from now on.
    pub fn open(space: &Space) -> Result<Self, NetworkError> {
        space
            .run(|| {
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                let all = Some(eth::ALL);
                let socket = socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, all)?;
                Ok(socket)
            })
            .map(Self)
    }

    /// Whether a packet of `protocol` from port `from` to port `to` was among those seen.
    pub fn saw(&self, protocol: Protocol, from: u16, to: u16) -> bool {
        let mut buffer = [0; 128];
        let mut found = false;
        // What came is read to its end, so that the next question starts with an empty queue.
        while let Ok((_, length)) = recv(&self.0, &mut buffer[..], RecvFlags::TRUNC) {
            let packet = buffer.get(..length.min(buffer.len())).unwrap_or_default();
            found |= ports(packet) == Some((protocol, from, to));
        }
        found
    }
}

/// Protocol, source and destination port of an IP packet; none for another, or with IPv6 extensions.
fn ports(packet: &[u8]) -> Option<(Protocol, u16, u16)> {
    let (protocol, rest) = match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            (*packet.get(9)?, packet.get(header..)?)
        }
        6 => (*packet.get(6)?, packet.get(40..)?),
        _ => return None,
    };
    let protocol = match protocol {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        _ => return None,
    };
    let port = |at| Some(u16::from_be_bytes([*rest.get(at)?, *rest.get(at + 1)?]));
    Some((protocol, port(0)?, port(2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_of_a_packet_are_read_from_both_families() {
        let mut four = vec![0x46; 28];
        (four[9], four[24], four[25], four[26], four[27]) = (6, 0x12, 0x34, 0, 80);
        assert_eq!(ports(&four), Some((Protocol::Tcp, 0x1234, 80)));
        let mut six = vec![0x60; 44];
        (six[6], six[40], six[41], six[42], six[43]) = (17, 0, 53, 0x12, 0x34);
        assert_eq!(ports(&six), Some((Protocol::Udp, 53, 0x1234)));
        for broken in [&four[..27], &six[..20], &[], &[0x10; 60]] {
            assert_eq!(ports(broken), None);
        }
    }

    #[test]
    fn an_answer_a_refusal_and_silence_are_told_apart() {
        let ask = |protocol, to| {
            let probe = Probe::open(&Space::host(), protocol, to).unwrap();
            probe.ask(Duration::from_millis(100))
        };
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (to, quiet) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
        assert_eq!(ask(Protocol::Tcp, to), Answer::Answered);
        assert_eq!(ask(Protocol::Udp, quiet), Answer::Silent);
        drop((tcp, udp));
        assert_eq!(ask(Protocol::Tcp, to), Answer::Refused);
        assert_eq!(ask(Protocol::Udp, quiet), Answer::Refused);
    }
}
