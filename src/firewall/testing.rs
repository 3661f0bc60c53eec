//! Values that the tests of all drivers share.

use super::iptables::parse_port;
use crate::model::{Name, NetworkRules, Port, PortRule, bridge_of, bridge_of_network};

/// The rule of `shop`'s `web` for a port as [`Port`] prints it.
pub(super) fn rule(port: &str, allow: &[&str]) -> PortRule {
    PortRule {
        project: Name::new("shop").unwrap(),
        container: Name::new("web").unwrap(),
        port: parse(port, allow),
        to4: "10.77.0.2".parse().unwrap(),
        to6: "fd77::2".parse().ok(),
    }
}

/// The network of a project.
pub(super) fn network(project: &str, isolate: bool) -> NetworkRules {
    let project = Name::new(project).unwrap();
    NetworkRules {
        bridge: bridge_of(&project),
        project,
        subnets: crate::model::Subnets::new(
            "10.77.0.0/24".parse().unwrap(),
            "fd77::/64".parse().ok(),
        ),
        isolate,
        internal: false,
    }
}

/// A further network of `shop`, without a way out.
pub(super) fn internal() -> NetworkRules {
    let (project, key) = (Name::new("shop").unwrap(), Name::new("back").unwrap());
    NetworkRules {
        bridge: bridge_of_network(&project, &key),
        subnets: crate::model::Subnets::new(
            "10.79.0.0/24".parse().unwrap(),
            "fd79::/64".parse().ok(),
        ),
        internal: true,
        ..network("shop", false)
    }
}

fn parse(text: &str, allow: &[&str]) -> Port {
    Port {
        allow: allow.iter().map(|net| net.parse().unwrap()).collect(),
        ..parse_port(text).unwrap()
    }
}
