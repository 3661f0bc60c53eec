//! Values that the tests of all drivers share.

use super::iptables::parse_port;
use crate::model::{Name, NetworkRules, Port, PortRule, bridge_of};

/// The rule of `shop`'s `web` for a port as [`Port`] prints it.
pub(super) fn rule(port: &str, allow: &[&str]) -> PortRule {
    PortRule {
        project: Name::new("shop").unwrap(),
        container: Name::new("web").unwrap(),
        port: parse(port, allow),
        to4: "10.77.0.2".parse().unwrap(),
        to6: "fd77::2".parse().unwrap(),
    }
}

/// The network of a project.
pub(super) fn network(project: &str, isolate: bool) -> NetworkRules {
    let project = Name::new(project).unwrap();
    NetworkRules {
        bridge: bridge_of(&project),
        project,
        subnets: crate::model::Subnets {
            v4: "10.77.0.0/24".parse().unwrap(),
            v6: "fd77::/64".parse().unwrap(),
        },
        isolate,
        internal: false,
    }
}

fn parse(text: &str, allow: &[&str]) -> Port {
    Port {
        allow: allow.iter().map(|net| net.parse().unwrap()).collect(),
        ..parse_port(text).unwrap()
    }
}
