//! The names of units; how a name is escaped in one is [`crate::model::escaped_in_unit`]'s business.

use std::collections::BTreeMap;

use crate::model::{DemandPort, Name, UnitSpec, escaped_in_unit as escaped};

/// The service that keeps bridges and rules of all projects.
pub const NETWORK: &str = "locker-network.service";

/// The slice of all projects; systemd makes it by itself for the first of its children.
pub const SLICE: &str = "locker.slice";

/// The target of a project.
pub fn target(project: &Name) -> String {
    format!("locker-{}.target", escaped(project))
}

/// The target of a group. A container cannot be called so: it has a service, not a target.
pub fn group(project: &Name, group: &Name) -> String {
    format!("locker-{}-{}.target", escaped(project), escaped(group))
}

pub use crate::model::service_of as service;
pub use crate::model::slice_of as slice;

/// Socket and proxy of a port that systemd holds.
pub fn demand(project: &Name, container: &Name, port: u16, ending: &str) -> String {
    let (project, container) = (escaped(project), escaped(container));
    format!("locker-{project}-{container}-on\\x2ddemand-{port}.{ending}")
}

/// The sockets of the ports that systemd holds for a container.
pub fn sockets(unit: &UnitSpec) -> Vec<String> {
    held(unit).into_keys().collect()
}

/// The same, with what each of them is made from.
pub fn held(unit: &UnitSpec) -> BTreeMap<String, DemandPort> {
    let named = |held: &DemandPort| {
        let range = held.port.host;
        let held = held.clone();
        let named = move |port| demand(&unit.project, &unit.name, port, "socket");
        (range.first..=range.last).map(move |port| (named(port), held.clone()))
    };
    unit.on_demand.iter().flat_map(named).collect()
}

/// The sockets that go, or are to be made anew: systemd does not move one that is open, it only closes it.
pub fn held_no_more(
    before: &BTreeMap<String, DemandPort>,
    after: &BTreeMap<String, DemandPort>,
) -> Vec<String> {
    let gone = before
        .iter()
        .filter(|(socket, held)| after.get(*socket) != Some(held));
    gone.map(|(socket, _)| socket.clone()).collect()
}

/// The way from a port that systemd holds to its container, by the name of its socket.
pub fn way(socket: &str) -> String {
    socket.replace(".socket", ".service")
}

/// What is started at boot for a container: its service, or the sockets that wake it.
pub fn at_boot(unit: &UnitSpec) -> Vec<String> {
    match unit.on_demand.is_empty() {
        true => vec![service(&unit.project, &unit.name)],
        false => sockets(unit),
    }
}

pub use crate::model::job_service_of as job;

/// What the names of all units of a project begin with.
pub fn stems(project: &Name) -> [String; 2] {
    let project = escaped(project);
    [format!("locker-{project}-"), format!("locker-{project}.")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_listens_elsewhere_is_another_one() {
        let held = |port: &str| {
            let port = DemandPort {
                port: port.parse().unwrap(),
                to: [10, 77, 0, 4].into(),
            };
            super::held(&UnitSpec {
                on_demand: vec![port],
                ..crate::systemd::tests::unit("web", crate::model::Kind::System)
            })
        };
        let (before, after) = (held("8080:80"), held("127.0.0.1:8080:80"));
        assert_eq!(before.keys().next(), after.keys().next());
        assert_ne!(before, after);
        assert_eq!(super::held_no_more(&before, &after).len(), 1);
        assert_eq!(super::held_no_more(&before, &held("8080:80")).len(), 0);
        assert_eq!(
            super::held_no_more(&held("8080-8082:80-82"), &held("8080-8081:80-81")).len(),
            3
        );
    }

    #[test]
    fn the_longest_names_make_units_that_systemd_takes() {
        let name = |s: String| Name::new(&s).unwrap();
        let (one, two) = (
            name(format!("a{}", "-".repeat(62))),
            name(format!("a{}b", "-".repeat(61))),
        );
        assert_ne!(service(&one, &two), service(&two, &one));
        for (project, container) in [(&one, &two), (&two, &one)] {
            let unit = demand(project, container, 65535, "service");
            assert!(unit.len() <= 255, "{}", unit.len());
            assert!(unit.starts_with(&stems(project)[0]));
        }
        let plain = name("x".repeat(63));
        assert_eq!(
            service(&plain, &plain),
            format!("locker-{plain}-{plain}.service")
        );
    }

    #[test]
    fn two_pairs_of_names_never_make_one_unit() {
        let name = |s: &str| Name::new(s).unwrap();
        assert_eq!(
            service(&name("shop"), &name("db")),
            "locker-shop-db.service"
        );
        assert_eq!(
            service(&name("a-b"), &name("c")),
            "locker-a\\x2db-c.service"
        );
        assert_ne!(
            service(&name("a-b"), &name("c")),
            service(&name("a"), &name("b-c"))
        );
        assert_eq!(slice(&name("my-shop")), "locker-my\\x2dshop.slice");
        let port = demand(&name("shop"), &name("db"), 80, "socket");
        assert_ne!(port, service(&name("shop"), &name("db-on-demand-80")));
        let job = job(&name("shop"), &name("web_run_1"));
        assert_eq!(job, "locker-shop-run-web_run_1.service");
        assert_ne!(job, service(&name("shop"), &name("run-web_run_1")));
        let port = demand(&name("shop"), &name("run"), 80, "service");
        assert_ne!(super::job(&name("shop"), &name("on-demand-80")), port);
    }
}
