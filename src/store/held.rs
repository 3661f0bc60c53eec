//! Host ports that systemd holds open for containers on demand, of all projects.
//!
//! What a project's units are to hold stands in its state and, where that is lost, in unit files with our mark; whether a port is open now is seen at the
//! kernel: the socket is there, and the first process has it.

use crate::model::{Name, Port, Protocol};
use crate::sys::{self, RawListener, Transport};

use super::marked::demand_units;
use super::projects::project_names;
use super::{Paths, StoreError, load_unit_specs};

/// A port that systemd holds for a container, wherever that container's project is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPort {
    /// The container's project.
    pub project: Name,
    /// Its short name.
    pub container: Name,
    /// As published.
    pub port: Port,
}

/// All ports that are to be held for containers on demand of this host, open or not.
///
/// # Errors
/// The state directory, that of units, or what is in them cannot be read.
pub fn demand_ports(paths: &Paths) -> Result<Vec<HeldPort>, StoreError> {
    let mut units = demand_units(paths)?;
    for project in project_names(paths)? {
        let known = load_unit_specs(paths, &project)?.into_iter();
        units.extend(known.map(|(container, unit)| ((project.clone(), container), unit)));
    }
    let ports = units.into_iter().flat_map(|((project, container), unit)| {
        let held = unit.on_demand.into_iter();
        held.map(move |held| HeldPort {
            project: project.clone(),
            container: container.clone(),
            port: held.port,
        })
    });
    Ok(ports.collect())
}

/// The one of `ports` that systemd holds open by the socket `listener`; asks the kernel who has the socket.
pub fn holder<'a>(
    mut ports: impl Iterator<Item = &'a HeldPort>,
    listener: &RawListener,
) -> Option<&'a HeldPort> {
    let held = ports.find(|held| is_for(&held.port, listener))?;
    // Somebody else may listen there while the container's ports are closed.
    let of_systemd = sys::owner(listener.inode).is_some_and(|owner| owner.pid == 1);
    Some(held).filter(|_| of_systemd)
}

/// The first of `wanted`, ports with the projects that want them, that systemd holds open for another project,
/// and for whom.
///
/// # Errors
/// The state directory or what is in it cannot be read. What the kernel does not tell is taken as free:
/// it refuses by itself what cannot be.
pub fn held_by_another<'a>(
    paths: &Paths,
    wanted: impl Iterator<Item = (&'a Name, &'a Port)>,
) -> Result<Option<(&'a Port, HeldPort)>, StoreError> {
    let wanted = wanted.filter(|(_, port)| port.protocol == Protocol::Tcp);
    let wanted: Vec<(&Name, &Port)> = wanted.collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let is_asked_for = |number: u16| {
        let range = |port: &Port| port.host.first..=port.host.last;
        wanted.iter().any(|(_, port)| range(port).contains(&number))
    };
    let mut there = sys::listeners().unwrap_or_default();
    there.retain(|l| l.transport == Transport::Tcp && is_asked_for(l.port));
    if there.is_empty() {
        return Ok(None);
    }
    let all = demand_ports(paths)?;
    let found = wanted.into_iter().find_map(|(project, port)| {
        let meets = |held: &&HeldPort| held.project != *project && held.port.collides(port);
        let holders = there.iter();
        let mut holders = holders.filter_map(|l| holder(all.iter().filter(meets), l));
        Some((port, holders.next()?.clone()))
    });
    Ok(found)
}

/// Whether the socket of `port` listens where `listener` does: without an address there is one for each family.
fn is_for(port: &Port, listener: &RawListener) -> bool {
    let here = match port.host_ip {
        None => listener.address.is_unspecified(),
        Some(ip) => ip == listener.address,
    };
    let range = port.host.first..=port.host.last;
    here && listener.transport == Transport::Tcp && range.contains(&listener.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_the_one_of_a_port_by_address_and_number() {
        let at = |address: &str, port, transport| RawListener {
            transport,
            address: address.parse().unwrap(),
            port,
            inode: 0,
        };
        for (port, address, number, expected) in [
            ("8080:80", "0.0.0.0", 8080, true),
            ("8080:80", "::", 8080, true),
            ("8080:80", "127.0.0.1", 8080, false),
            ("8080:80", "0.0.0.0", 8081, false),
            ("8080-8082:80-82", "::", 8081, true),
            ("127.0.0.1:8080:80", "127.0.0.1", 8080, true),
            ("127.0.0.1:8080:80", "0.0.0.0", 8080, false),
            ("[::]:8080:80", "::", 8080, true),
            ("[::]:8080:80", "0.0.0.0", 8080, false),
        ] {
            let parsed: Port = port.parse().unwrap();
            let tcp = at(address, number, Transport::Tcp);
            assert_eq!(is_for(&parsed, &tcp), expected, "{port} {address}:{number}");
            let udp = at(address, number, Transport::Udp);
            assert!(!is_for(&parsed, &udp), "{port}");
        }
    }

    #[test]
    fn what_another_process_listens_on_is_not_held_by_systemd() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let held = [HeldPort {
            project: Name::new("shop").unwrap(),
            container: Name::new("web").unwrap(),
            port: format!("127.0.0.1:{port}:80").parse().unwrap(),
        }];
        let there = sys::listeners().unwrap();
        let mine = there.iter().find(|l| is_for(&held[0].port, l)).unwrap();
        assert_eq!(holder(held.iter(), mine), None);
    }
}
