//! Which networks have IPv6.
//!
//! Compose's have it when they ask for it, as for Compose; Locker's have it unless the file says
//! otherwise. Who gives a container an IPv6 address, or publishes a port on one of the host, asks for it.

use std::collections::BTreeMap;

use super::networks::Networks;
use crate::file::desk::Desk;
use crate::file::diagnostic::{Diagnostic, Severity};
use crate::model::{
    AppNetwork, Attachment, Container, LEAST_MTU6, Name, NetworkWish, Place, default_network,
};

/// Something that needs IPv6 on a network.
struct Need {
    network: Name,
    /// `the port `[::1]:80:80` of `web``
    what: String,
    place: Place,
}

/// Decides it for the project's own network and for all others; tells of needs that the file itself
/// forbids. `always` says that networks have it unless told.
pub(super) fn settle(
    desk: &Desk<'_>,
    always: bool,
    containers: &BTreeMap<Name, Container>,
    own: &mut NetworkWish,
    networks: &mut Networks,
) {
    let needs: Vec<Need> = containers
        .iter()
        .flat_map(|(name, container)| of_container(name, container))
        .collect();
    let said = std::mem::take(&mut networks.ipv6);
    let decide = |name: &Name, wish: &mut NetworkWish| {
        let need = needs.iter().find(|need| need.network == *name);
        let asked = always || wish.subnet6.is_some() || need.is_some();
        wish.ipv6 = said.get(name).copied().unwrap_or(asked);
        if wish.ipv6 {
            refuse_narrow(desk, wish);
            return;
        }
        if let Some(need) = need {
            let message = format!(
                "{} needs IPv6, which `enable_ipv6: false` forbids",
                need.what
            );
            refuse(desk, message, need.place.clone(), wish);
        } else if let Some(net) = wish.subnet6 {
            let message =
                format!("the subnet `{net}` needs IPv6, which `enable_ipv6: false` forbids");
            refuse(desk, message, wish.place.clone(), wish);
        }
    };
    decide(&default_network(), own);
    // Those that are not of the project have what they have.
    let ours = networks.all.iter_mut();
    for (name, network) in ours.filter(|(_, network)| network.external.is_none()) {
        decide(name, &mut network.wish);
    }
}

/// IPv6 does not work where a link takes less than every link must (RFC 8200, section 5).
fn refuse_narrow(desk: &Desk<'_>, wish: &NetworkWish) {
    if let Some(mtu) = wish.mtu.filter(|mtu| *mtu < LEAST_MTU6) {
        let message = format!("an MTU of {mtu} is too small for IPv6, which needs {LEAST_MTU6}");
        let error = Diagnostic::at(Severity::Error, message, wish.place.clone());
        desk.push(error.with_help("write a larger `mtu`, or `enable_ipv6: false`"));
    }
}

fn refuse(desk: &Desk<'_>, message: String, place: Place, wish: &NetworkWish) {
    let error = Diagnostic::at(Severity::Error, message, place)
        .with_help("write `enable_ipv6: true`, or leave the IPv6 address out");
    desk.push(error.with_related(wish.place.clone(), 0, "the network"));
}

fn of_container(name: &Name, container: &Container) -> Vec<Need> {
    let own = || Attachment::new(default_network());
    let own = [container.network.clone().unwrap_or_else(own)];
    let on = match container.app.as_deref().map(|app| &app.network) {
        None => own.as_slice(),
        Some(AppNetwork::Networks(on)) => on.as_slice(),
        Some(
            AppNetwork::Host
            | AppNetwork::Bridge
            | AppNetwork::None
            | AppNetwork::Container(_)
            | AppNetwork::Foreign(_),
        ) => &[],
    };
    let addresses = on.iter().filter_map(|at| {
        let address = at.v6?;
        Some(Need {
            network: at.network.clone(),
            what: format!("the address `{address}` of `{name}`"),
            place: container.place.clone(),
        })
    });
    let first = on.first();
    let ports = container.ports.iter().filter_map(|(port, place)| {
        port.host_ip.filter(|ip| ip.is_ipv6())?;
        Some(Need {
            network: first?.network.clone(),
            what: format!("the port `{port}` of `{name}`"),
            place: place.clone(),
        })
    });
    addresses.chain(ports).collect()
}

#[cfg(test)]
mod tests {
    use crate::file::tests::{drawn, project};

    const WEB: &str = "services: {web: {image: x, ports: [\"80:80\"]}}\n";

    #[test]
    fn a_network_of_compose_has_ipv6_when_the_file_asks_for_it() {
        let has = |text: &str| project(text).network.ipv6;
        assert!(!has(WEB));
        for asks in [
            "networks: {default: {enable_ipv6: true}}\n",
            "networks: {default: {ipam: {config: [{subnet: \"fd77::/64\"}]}}}\n",
            "network: {enable_ipv6: true}\n",
        ] {
            assert!(has(&format!("{WEB}{asks}")), "{asks}");
        }
        assert!(has(
            "services: {web: {image: x, ports: [\"[fd09::1]:80:80\"]}}\n"
        ));
        let two = project(
            "services: {web: {image: x, networks: {a: , b: {ipv6_address: \"fd09::7\"}}, ports: [\"[::]:80:80\"]}}\n\
             networks: {a: , b: , c: }\n",
        );
        let six = |name: &str| two.networks[name].wish.ipv6;
        assert_eq!((six("a"), six("b"), six("c")), (true, true, false));
    }

    #[test]
    fn a_network_of_locker_has_ipv6_unless_the_file_says_no() {
        let has = |text: &str| {
            project(&format!(
                "{text}containers: {{db: {{template: busybox}}}}\n"
            ))
            .network
            .ipv6
        };
        assert!(has(""));
        assert!(!has("network: {enable_ipv6: false}\n"));
    }

    #[test]
    fn what_needs_ipv6_where_the_file_forbids_it_is_told_with_its_line() {
        let said = drawn(
            "network: {enable_ipv6: false, subnet6: \"fd77::/64\"}\ncontainers:\n  db:\n    template: busybox\n",
        );
        assert!(said.contains("the subnet `fd77::/64` needs IPv6"), "{said}");
        let said = drawn(
            "network: {enable_ipv6: false}\ncontainers:\n  db:\n    template: busybox\n    ports: [\"[::1]:80:80\"]\n",
        );
        assert!(
            said.contains("the port `[::1]:80:80/tcp` of `db` needs IPv6"),
            "{said}"
        );
        assert!(said.contains(":5:13"), "{said}");
        assert!(said.contains("enable_ipv6: true"), "{said}");
    }
}
