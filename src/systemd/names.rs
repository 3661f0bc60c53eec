//! The names of units; how a name is escaped in one is [`crate::model::escaped_in_unit`]'s business.

use crate::model::{Name, UnitSpec, escaped_in_unit as escaped};

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
    let ports = unit.on_demand.iter().map(|demand| demand.port.host);
    let ports = ports.flat_map(|range| range.first..=range.last);
    ports
        .map(|port| demand(&unit.project, &unit.name, port, "socket"))
        .collect()
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
