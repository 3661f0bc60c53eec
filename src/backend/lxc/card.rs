//! An ear on the host's end of one container's veth pair, for questions of its DHCP client.
//!
//! A packet socket (packet(7)) behind a filter that the kernel runs: whatever else the container sends
//! or gets wakes nobody. It sees the container before any firewall does and takes nothing away.

use std::io::Error;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::ffi::attach_filter;
use super::lease::{Lease, answer};

/// An instruction of the kernel's classic packet filter, `struct sock_filter` (linux/filter.h).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) jt: u8,
    pub(super) jf: u8,
    pub(super) k: u32,
}

/// `struct sockaddr_ll` (packet(7)): every protocol of one network card.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct CardAddress {
    family: u16,
    protocol: u16,
    index: u32,
    unused: [u8; 12],
}

impl CardAddress {
    /// The card with this index.
    pub(super) fn new(index: u32) -> Self {
        Self {
            family: 17,              // AF_PACKET
            protocol: 3_u16.to_be(), // ETH_P_ALL: a bridge takes frames away from all others
            index,
            unused: [0; 12],
        }
    }
}

/// Length of the longest frame that is looked at.
const FRAME: usize = 1514;

/// What a DHCP client of this container asks, and what it is told.
#[derive(Debug)]
pub(super) struct Card {
    socket: OwnedFd,
    index: u32,
}

impl Card {
    /// Listens on the card `name` of this network namespace; none when there is no such card.
    ///
    /// Cards are looked for every few milliseconds while a container starts and ends. A packet socket that
    /// is closed makes the kernel wait for all its processors (`packet_release`, net/packet/af_packet.c),
    /// which everybody who takes a card away has to wait for in turn: thirty guards that tried held thirty
    /// ends up for minutes. So the name is asked for with a socket that costs nothing.
    pub(super) fn open(name: &str) -> Result<Option<Self>, Error> {
        let asks = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
        let Ok(index) = rustix::net::netdevice::name_to_index(&asks, name) else {
            return Ok(None);
        };
        let socket = rustix::net::socket_with(
            AddressFamily::PACKET,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None, // hears nothing until it is bound
        )?;
        attach_filter(&socket, &QUESTIONS)?;
        rustix::net::bind(&socket, &CardAddress::new(index))?;
        Ok(Some(Self { socket, index }))
    }

    /// Whether the card of this name is still the one that was opened; a reboot makes a new one.
    pub(super) fn is_still(&self, name: &str) -> bool {
        rustix::net::netdevice::name_to_index(&self.socket, name) == Ok(self.index)
    }

    /// Answers the questions that have come.
    pub(super) fn answer(&self, lease: &Lease) {
        let mut frame = [0; FRAME];
        // A container that floods is not let keep its guard from everything else.
        for _ in 0..32 {
            let Ok((length, _)) =
                rustix::net::recv(&self.socket, &mut frame[..], RecvFlags::empty())
            else {
                return;
            };
            if let Some(reply) = frame.get(..length).and_then(|frame| answer(frame, lease)) {
                // A lost answer is asked for again.
                let _ = rustix::net::send(&self.socket, &reply, SendFlags::empty());
            }
        }
    }
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
const LOAD_HALF_BEHIND: u16 = 0x48; // BPF_LD | BPF_H | BPF_IND
const HEADER_LENGTH: u16 = 0xb1; // BPF_LDX | BPF_B | BPF_MSH
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Accepts whole IPv4 datagrams to UDP port 67 that come out of the container; not those that the
/// bridge passes on to it, which are its neighbours' questions.
const QUESTIONS: [Instruction; 13] = [
    step(LOAD_BYTE, 0, 0, 0xffff_f004), // SKF_AD_OFF + SKF_AD_PKTTYPE
    step(EQUAL, 9, 0, 4),               // PACKET_OUTGOING
    step(LOAD_HALF, 0, 0, 12),
    step(EQUAL, 0, 7, 0x0800), // IPv4
    step(LOAD_BYTE, 0, 0, 23),
    step(EQUAL, 0, 5, 17), // UDP
    step(LOAD_HALF, 0, 0, 20),
    step(ANY_BIT, 3, 0, 0x1fff), // a later fragment
    step(HEADER_LENGTH, 0, 0, 14),
    step(LOAD_HALF_BEHIND, 0, 0, 16),
    step(EQUAL, 1, 0, 67),
    step(RETURN, 0, 0, 0),
    step(RETURN, 0, 0, 0xffff),
];

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

    use super::*;

    #[test]
    fn a_card_that_is_not_there_is_looked_for_without_a_packet_socket() {
        let sought = std::thread::spawn(|| {
            // The capability without which there are no packet sockets; it is this thread's own.
            let mut own = capabilities(None).unwrap();
            own.effective.remove(CapabilitySet::NET_RAW);
            set_capabilities(None, own).unwrap();
            (Card::open("no-such-card"), Card::open("lo"))
        });
        let (absent, present) = sought.join().unwrap();
        assert!(absent.unwrap().is_none());
        assert!(present.is_err(), "packet sockets need the capability");
    }
}
