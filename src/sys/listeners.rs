//! Sockets that listen in this network namespace, from sock_diag(7) and /proc/net (proc_pid_net(5)).
//!
//! Who owns a socket is a second question, [`owner`], because it costs a walk over the file
//! descriptors of every process: ask it only for the few sockets that stand in somebody's way.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// State number of a listening TCP socket (`TCP_LISTEN`, include/net/tcp_states.h).
const TCP_LISTEN: &str = "0A";
/// State number of a UDP socket that is not connected (`TCP_CLOSE`).
const UDP_BOUND: &str = "07";

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A listening socket as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawListener {
    /// Its protocol.
    pub transport: Transport,
    /// The address it is bound to; an IPv4 address mapped into IPv6 is shown as IPv4.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The socket's inode, for [`owner`].
    pub inode: u64,
}

/// The process that has a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub pid: u32,
    /// Its name, at most 15 bytes (`/proc/PID/comm`).
    pub comm: String,
    /// The systemd unit it belongs to, if any: `nginx.service`.
    pub unit: Option<String>,
}

/// Why sockets could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`: {source}")]
pub struct ListenError {
    /// The file under /proc.
    pub path: String,
    /// The system's word.
    pub source: std::io::Error,
}

/// All sockets of this network namespace that wait for somebody.
pub fn listeners() -> Result<Vec<RawListener>, ListenError> {
    let mut tables = vec![
        ("udp", Transport::Udp, UDP_BOUND),
        ("udp6", Transport::Udp, UDP_BOUND),
    ];
    // A kernel without `tcp_diag` has the tables all the same.
    let mut found = super::diag::tcp_listeners().unwrap_or_else(|_| {
        tables.push(("tcp", Transport::Tcp, TCP_LISTEN));
        tables.push(("tcp6", Transport::Tcp, TCP_LISTEN));
        Vec::new()
    });
    for (table, transport, state) in tables {
        let path = format!("/proc/thread-self/net/{table}");
        match fs::read_to_string(&path) {
            Ok(text) => found.extend(parse(&text, transport, state)),
            // A kernel without IPv6 has no such table.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(ListenError { path, source }),
        }
    }
    Ok(found)
}

/// Lines of one table in state `state`; a line that is not understood is left out.
fn parse<'a>(
    text: &'a str,
    transport: Transport,
    state: &'a str,
) -> impl Iterator<Item = RawListener> + 'a {
    text.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if *fields.get(3)? != state {
            return None;
        }
        let (address, port) = fields.get(1)?.split_once(':')?;
        Some(RawListener {
            transport,
            address: parse_address(address)?,
            port: u16::from_str_radix(port, 16).ok()?,
            inode: fields.get(9)?.parse().ok()?,
        })
    })
}

/// The kernel prints each 32-bit word of an address in the machine's own byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical())
        }
        _ => None,
    }
}

/// The process that holds the socket `inode`; none when it is gone or not ours to see.
pub fn owner(inode: u64) -> Option<Owner> {
    let wanted = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|s| s.parse().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = descriptors
            .flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|target| target.as_os_str() == wanted.as_str());
        if holds {
            return Some(describe(pid));
        }
    }
    None
}

fn describe(pid: u32) -> Owner {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    Owner {
        pid,
        comm: read("comm").trim_end().to_string(),
        unit: unit_of(&read("cgroup")),
    }
}

/// The innermost systemd unit of a /proc/PID/cgroup text (cgroups(7)).
fn unit_of(cgroup: &str) -> Option<String> {
    let unit = |line: &str| {
        let path = line.splitn(3, ':').nth(2)?;
        path.split('/')
            .rfind(|part| part.ends_with(".service") || part.ends_with(".scope"))
            .map(String::from)
    };
    cgroup.lines().find_map(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_listener_is_found_with_its_owner() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let all = listeners().unwrap();
        let mine = all
            .iter()
            .find(|l| l.port == port && l.transport == Transport::Tcp);
        let mine = mine.expect("the socket is not listed");
        assert_eq!(mine.address, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(owner(mine.inode).unwrap().pid, std::process::id());
    }

    #[test]
    fn a_connected_socket_is_no_listener() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        let port = client.local_addr().unwrap().port();
        assert!(!listeners().unwrap().iter().any(|l| l.port == port));
    }

    #[test]
    fn the_unit_is_the_innermost_one() {
        let cases = [
            ("0::/system.slice/nginx.service\n", Some("nginx.service")),
            (
                "0::/user.slice/user-0.slice/session-1.scope\n",
                Some("session-1.scope"),
            ),
            ("0::/\n", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(unit_of(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn broken_lines_are_left_out() {
        let text = "header\n junk\n 0: ZZ:0016 00:0 0A a b c d e 1\n";
        assert_eq!(parse(text, Transport::Tcp, TCP_LISTEN).count(), 0);
    }
}
