//! Networks and port rules of the world.

use locker::model::{
    Name, NetworkRules, Port, PortRange, PortRule, Protocol, Subnets, bridge_of, bridge_of_network,
};

/// The network rules of a project.
pub fn network(project: &str, isolate: bool) -> NetworkRules {
    let project = Name::new(project).unwrap();
    let number = if project.as_str() == "shop" { 77 } else { 78 };
    NetworkRules {
        bridge: bridge_of(&project),
        subnets: Subnets::new(
            format!("10.{number}.0.0/24").parse().unwrap(),
            format!("fd{number}::/64").parse().ok(),
        ),
        project,
        isolate,
        internal: false,
    }
}

/// A further network of `shop`: 10.79.0.0/24.
pub fn second(internal: bool) -> NetworkRules {
    let (project, key) = (Name::new("shop").unwrap(), Name::new("back").unwrap());
    NetworkRules {
        bridge: bridge_of_network(&project, &key),
        subnets: Subnets::new("10.79.0.0/24".parse().unwrap(), "fd79::/64".parse().ok()),
        internal,
        ..network("shop", false)
    }
}

/// A rule of `shop`: from a host address or all of them to a range of `web`'s ports.
pub fn rule(ip: &str, host: (u16, u16), to: (u16, u16), protocol: Protocol) -> PortRule {
    PortRule {
        project: Name::new("shop").unwrap(),
        container: Name::new("web").unwrap(),
        port: Port {
            host_ip: (!ip.is_empty()).then(|| ip.parse().unwrap()),
            host: PortRange {
                first: host.0,
                last: host.1,
            },
            container: PortRange {
                first: to.0,
                last: to.1,
            },
            protocol,
            allow: Vec::new(),
        },
        to4: "10.77.0.2".parse().unwrap(),
        to6: "fd77::2".parse().ok(),
    }
}

/// The same with who may use it.
pub fn allowed(mut rule: PortRule, allow: &[&str]) -> PortRule {
    rule.port.allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    rule
}
