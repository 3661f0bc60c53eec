//! Ports of a bridge that may send back where something came from (bridge(8), `hairpin on`).
//!
//! Without it, and with br_netfilter, whoever is on the bridge does not reach itself by an address of
//! the host.
//!
//! The switch is read as a file and set by netlink. A write to the file would be tried again by the kernel, on the
//! processor and without a pause, for as long as somebody else changes any card of the host
//! (`brport_store`, net/bridge/br_sysfs_if.c): two hundred containers that start or end at once.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice::name_to_index};

use super::netlink::{Ask, Netlink, put};

const SETLINK: u16 = 19; // RTM_SETLINK, rtnetlink(7)
const BRIDGE: u8 = 7; // AF_BRIDGE
const PROTINFO: u16 = 12 | 0x8000; // IFLA_PROTINFO | NLA_F_NESTED, linux/if_link.h
const MODE: u16 = 4; // IFLA_BRPORT_MODE: 1 is hairpin

/// Switches it on for every port of `bridge`. A bridge or port that is gone meanwhile needs nothing.
pub fn let_ports_reach_themselves(bridge: &str) {
    let ports = Path::new("/sys/class/net").join(bridge).join("brif");
    for port in off(&ports) {
        // Refused or gone: the port is as reachable for all others as before.
        let _ = switch_on(&port);
    }
}

/// Switches it on for one card; false while that is the port of no bridge.
pub fn let_reach_itself(card: &str) -> bool {
    let switch = Path::new("/sys/class/net")
        .join(card)
        .join("brport/hairpin_mode");
    match fs::read_to_string(switch) {
        Ok(now) => now.trim() != "0" || switch_on(card).is_ok(),
        Err(_) => false,
    }
}

/// The ports in this directory for which it is off.
fn off(ports: &Path) -> Vec<String> {
    let is_off = |port: &PathBuf| {
        fs::read_to_string(port.join("hairpin_mode")).is_ok_and(|now| now.trim() == "0")
    };
    let entries = fs::read_dir(ports).into_iter().flatten().flatten();
    let all = entries.map(|entry| entry.path()).filter(is_off);
    all.filter_map(|port| Some(port.file_name()?.to_str()?.to_owned()))
        .collect()
}

fn switch_on(card: &str) -> rustix::io::Result<()> {
    let any = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let index = name_to_index(&any, card)?;
    Netlink::open(None)?.ask(SETLINK, Ask::One, &request(index), |_| ())
}

/// A `struct ifinfomsg` of the card as a port, with its mode.
fn request(index: u32) -> Vec<u8> {
    let mut body = vec![BRIDGE, 0, 0, 0];
    body.extend(index.to_ne_bytes());
    body.extend([0; 8]); // flags, and which of them change
    let mut mode = Vec::new();
    put(&mut mode, MODE, &[1]);
    put(&mut body, PROTINFO, &mode);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ports_that_are_off_are_switched_on() {
        let dir = tempfile::tempdir().unwrap();
        for (port, mode) in [("veth1", "0\n"), ("veth2", "1\n")] {
            fs::create_dir(dir.path().join(port)).unwrap();
            fs::write(dir.path().join(port).join("hairpin_mode"), mode).unwrap();
        }
        fs::create_dir(dir.path().join("odd")).unwrap();
        assert_eq!(off(dir.path()), ["veth1"]);
        assert!(off(&dir.path().join("gone")).is_empty());
    }

    #[test]
    fn a_card_that_is_not_there_or_on_no_bridge_is_not_switched_on() {
        assert!(!let_reach_itself("lk-none"));
        assert!(!let_reach_itself("lo"));
        assert!(switch_on("lk-none").is_err());
    }

    #[test]
    fn the_request_is_a_port_s_mode_within_its_bridge() {
        let mut expected = vec![7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        expected.extend([12, 0, 12, 0x80, 5, 0, 4, 0, 1, 0, 0, 0]);
        assert_eq!(request(5), expected);
    }
}
