//! Cables between this network namespace and others (veth(4)): the end that is here, what it is plugged into,
//! and the hardware address of the other end. Asked for by rtnetlink(7).

use super::netlink::{Ask, Netlink, attribute, attributes, put};

const GET: u16 = 18; // RTM_GETLINK
const SET: u16 = 19; // RTM_SETLINK
/// `struct ifinfomsg`.
const HEADER: usize = 16;
const UP: u32 = 1; // IFF_UP
const ADDRESS: u16 = 1; // IFLA_ADDRESS
const NAME: u16 = 3; // IFLA_IFNAME
const MTU: u16 = 4; // IFLA_MTU
const LINK: u16 = 5; // IFLA_LINK
const MASTER: u16 = 10; // IFLA_MASTER
const INFO: u16 = 18; // IFLA_LINKINFO
const KIND: u16 = 1; // IFLA_INFO_KIND
const MASK: u16 = 29; // IFLA_EXT_MASK
const SPACE: u16 = 37; // IFLA_LINK_NETNSID
const IN_SPACE: u16 = 46; // IFLA_TARGET_NETNSID
const NESTED: u16 = 0x8000; // NLA_F_NESTED
/// Counters are most of an entry.
const WITHOUT_COUNTERS: u32 = 1 << 3; // RTEXT_FILTER_SKIP_STATS

/// The end of a cable whose other end is in another network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cable {
    /// Its name here.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// The number of the bridge that it is plugged into.
    pub bridge: Option<u32>,
    /// The longest packet that it takes, bytes.
    pub mtu: u32,
    /// Its number here.
    pub(super) number: u32,
    /// Namespace and number of the other end, as this namespace counts them.
    other: (i32, u32),
}

#[cfg(test)]
impl Cable {
    /// One to somewhere.
    pub(crate) fn of(name: &str, bridge: Option<u32>, up: bool) -> Self {
        Self {
            name: name.into(),
            up,
            bridge,
            mtu: 1500,
            number: 0,
            other: (0, 0),
        }
    }
}

impl Cable {
    /// The number of the other end in its namespace.
    pub(super) fn behind(&self) -> u32 {
        self.other.1
    }
}

/// All of this namespace.
///
/// # Errors
/// The kernel refuses.
pub fn cables() -> std::io::Result<Vec<Cable>> {
    list(None)
}

/// Those that are plugged into the bridge of that number.
pub(super) fn cables_on(bridge: u32) -> std::io::Result<Vec<Cable>> {
    list(Some(bridge))
}

fn list(bridge: Option<u32>) -> std::io::Result<Vec<Cable>> {
    let mut body = vec![0; HEADER];
    let mut kind = Vec::new();
    if let Some(bridge) = bridge {
        put(&mut body, MASTER, &bridge.to_ne_bytes());
    }
    put(&mut kind, KIND, b"veth");
    put(&mut body, NESTED | INFO, &kind);
    put(&mut body, MASK, &WITHOUT_COUNTERS.to_ne_bytes());
    let mut found = Vec::new();
    Netlink::open(None)?.ask(GET, Ask::Dump, &body, |link| found.extend(read(link)))?;
    Ok(found)
}

/// The hardware address of the other end, `02:…`; none when the cable is gone, or the kernel does not look
/// into other namespaces (before 4.20).
pub fn hardware_behind(cable: &Cable) -> Option<String> {
    let (space, number) = cable.other;
    let mut body = vec![0; HEADER];
    body[4..8].copy_from_slice(&number.to_ne_bytes());
    put(&mut body, IN_SPACE, &space.to_ne_bytes());
    put(&mut body, MASK, &WITHOUT_COUNTERS.to_ne_bytes());
    let mut found = None;
    let asked = Netlink::open(None)
        .and_then(|netlink| netlink.ask(GET, Ask::One, &body, |link| found = hardware(link)));
    asked.ok().and(found)
}

/// Number and MTU of an interface of the calling thread's namespace; none when it is not there.
pub(super) fn width_of(name: &str) -> Option<(u32, u32)> {
    let mut body = vec![0; HEADER];
    put(&mut body, NAME, &[name.as_bytes(), b"\0"].concat());
    put(&mut body, MASK, &WITHOUT_COUNTERS.to_ne_bytes());
    let mut found = None;
    let asked = Netlink::open(None)
        .and_then(|netlink| netlink.ask(GET, Ask::One, &body, |link| found = width(link)));
    asked.ok().and(found)
}

fn width(link: &[u8]) -> Option<(u32, u32)> {
    let (head, body) = link.split_at_checked(HEADER)?;
    let number = head.get(4..)?.first_chunk()?;
    let mtu = attribute(body, MTU)?.first_chunk()?;
    Some((u32::from_ne_bytes(*number), u32::from_ne_bytes(*mtu)))
}

/// The hardware address of the interface of that number, in the calling thread's namespace.
pub(super) fn hardware_of(number: u32) -> Option<String> {
    let mut body = vec![0; HEADER];
    body[4..8].copy_from_slice(&number.to_ne_bytes());
    put(&mut body, MASK, &WITHOUT_COUNTERS.to_ne_bytes());
    let mut found = None;
    let asked = Netlink::open(None)
        .and_then(|netlink| netlink.ask(GET, Ask::One, &body, |link| found = hardware(link)));
    asked.ok().and(found)
}

/// Sets the MTU of the interface of that number, in the calling thread's namespace.
pub(super) fn set_mtu(number: u32, mtu: u32) -> std::io::Result<()> {
    let mut body = vec![0; HEADER];
    body[4..8].copy_from_slice(&number.to_ne_bytes());
    put(&mut body, MTU, &mtu.to_ne_bytes());
    Ok(Netlink::open(None)?.ask(SET, Ask::One, &body, |_| {})?)
}

fn hardware(link: &[u8]) -> Option<String> {
    let address = attribute(link.get(HEADER..)?, ADDRESS)?;
    let digits: Vec<String> = address.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(digits.join(":"))
}

fn read(link: &[u8]) -> Option<Cable> {
    let (head, body) = link.split_at_checked(HEADER)?;
    let flags = u32::from_ne_bytes(*head.get(8..)?.first_chunk()?);
    let own = u32::from_ne_bytes(*head.get(4..)?.first_chunk()?);
    let (mut name, mut bridge, mut mtu, mut number, mut space, mut is_cable) =
        (None, None, None, None, None, false);
    let word = |content: &[u8]| content.first_chunk().map(|word| u32::from_ne_bytes(*word));
    for (kind, content) in attributes(body) {
        match kind {
            NAME => name = content.strip_suffix(b"\0").map(<[u8]>::to_vec),
            MASTER => bridge = word(content),
            MTU => mtu = word(content),
            LINK => number = word(content),
            SPACE => space = content.first_chunk().map(|word| i32::from_ne_bytes(*word)),
            INFO => {
                is_cable = attribute(content, KIND).is_some_and(|kind| kind.starts_with(b"veth"));
            }
            _ => {}
        }
    }
    let cable = Cable {
        name: String::from_utf8(name?).ok()?,
        up: flags & UP != 0,
        bridge,
        mtu: mtu?,
        number: own,
        other: (space?, number?),
    };
    is_cable.then_some(cable)
}
