//! Several networks of one project: real packets between them, out of them and into them.

use locker::firewall::FirewallChange;
use locker::model::PortRule;
use locker::model::Protocol::{Tcp, Udp};

use super::ready;
use super::values::{network, rule, second};
use super::world::{DRIVERS, Driver, Space, World};

/// What Docker puts into the tables for bridges that it knows: their own way out, and a wall between
/// them; `policy` is that of FORWARD.
fn docker(policy: &str, bridges: &[&str]) -> String {
    let mut script = String::new();
    for tool in ["iptables", "ip6tables"] {
        script += &format!(
            "{tool} -N DOCKER-USER; {tool} -A DOCKER-USER -j RETURN; {tool} -P FORWARD {policy}
             {tool} -N STAGE-1; {tool} -N STAGE-2
             {tool} -A FORWARD -j DOCKER-USER; {tool} -A FORWARD -j STAGE-1\n"
        );
        for bridge in bridges {
            script += &format!(
                "{tool} -A STAGE-1 -i {bridge} ! -o {bridge} -j STAGE-2
                 {tool} -A STAGE-2 -o {bridge} -j DROP
                 {tool} -A FORWARD -i {bridge} ! -o {bridge} -j ACCEPT
                 {tool} -A FORWARD -i {bridge} -o {bridge} -j ACCEPT\n"
            );
        }
    }
    script
}

/// A world with a second network of `shop`, a container `inner` at .2 of it, and published ports: 80
/// leads to web on the first, 90 to inner.
fn published(driver: Driver, internal: bool, setup: &str) -> (World, Space) {
    let (world, inner, net) = (World::new(driver), Space::new(), second(internal));
    world.host.sh(setup);
    world.bridge(net.clone());
    world.join(&inner, "v-inner", &net, 2);
    inner.serve("inner", 8080);
    let into = |protocol| PortRule {
        container: locker::model::Name::new("inner").unwrap(),
        to4: "10.79.0.2".parse().unwrap(),
        to6: "fd79::2".parse().ok(),
        ..rule("", (90, 90), (8080, 8080), protocol)
    };
    let out = |protocol| rule("", (80, 80), (8080, 8080), protocol);
    world.apply(FirewallChange {
        open: vec![network("shop", false), net, network("other", false)],
        add: vec![out(Tcp), out(Udp), into(Tcp), into(Udp)],
        ..FirewallChange::default()
    });
    (world, inner)
}

/// Every driver alone, and beside Docker with both policies of FORWARD.
fn each(test: impl Fn(Driver, &str)) {
    if !ready() {
        return;
    }
    let bridge = second(false).bridge;
    let bridges = ["lk-shop", bridge.as_str(), "lk-other"];
    for driver in DRIVERS {
        for setup in [
            String::new(),
            docker("ACCEPT", &bridges),
            docker("DROP", &bridges),
        ] {
            test(driver, &setup);
        }
    }
}

#[test]
fn networks_of_one_project_are_apart_except_for_published_ports() {
    each(|driver, setup| {
        let (w, inner) = published(driver, false, setup);
        let what = format!("{driver:?} beside {setup:?}");
        for (from, to) in [
            (&inner, "10.77.0.2"),
            (&inner, "fd77::2"),
            (&w.web, "10.79.0.2"),
            (&w.web, "fd79::2"),
        ] {
            assert_eq!(from.ask(Tcp, to, 8080), None, "{what}: {to}");
        }
        for (who, from, port, expected) in [
            ("a client", &w.client, 90, Some("inner 10.9.0.2")),
            ("a client", &w.client, 80, Some("web 10.9.0.2")),
            ("inner", &inner, 80, Some("web 10.79.0.2")),
            ("web", &w.web, 90, Some("inner 10.77.0.2")),
            ("another project", &w.other, 90, Some("inner 10.78.0.2")),
            ("inner itself", &inner, 90, Some("inner 10.79.0.1")),
        ] {
            for protocol in [Tcp, Udp] {
                let answer = from.ask(protocol, "10.9.0.1", port);
                let road = format!("{what}: {who} to {port}/{protocol}");
                assert_eq!(answer.as_deref(), expected, "{road}");
            }
        }
        w.client.serve("client", 7000);
        for (to, expected) in [
            ("10.9.0.2", "client 10.9.0.1"),
            ("fd09::2", "client fd09::1"),
        ] {
            assert_eq!(
                inner.ask(Tcp, to, 7000).as_deref(),
                Some(expected),
                "{what}"
            );
        }
    });
}

#[test]
fn an_internal_network_has_no_way_out_and_answers_the_host_only() {
    each(|driver, setup| {
        let (w, inner) = published(driver, true, setup);
        let what = format!("{driver:?} beside {setup:?}");
        w.client.serve("client", 7000);
        for (to, port) in [
            ("10.9.0.2", 7000),
            ("fd09::2", 7000),
            ("10.77.0.2", 8080),
            ("10.9.0.1", 80),
        ] {
            assert_eq!(inner.ask(Tcp, to, port), None, "{what}: out to {to}");
        }
        for (from, to) in [
            (&w.client, "10.9.0.1"),
            (&w.web, "10.9.0.1"),
            (&w.other, "fd09::1"),
        ] {
            assert_eq!(from.ask(Tcp, to, 90), None, "{what}: in by {to}");
        }
        for (to, expected) in [
            ("127.0.0.1", "inner 10.79.0.1"),
            ("10.9.0.1", "inner 10.9.0.1"),
        ] {
            let answer = w.host.ask(Tcp, to, 90);
            assert_eq!(
                answer.as_deref(),
                Some(expected),
                "{what}: the host to {to}"
            );
        }
        let sibling = Space::new();
        w.join(&sibling, "v-sib", &second(true), 3);
        assert!(sibling.ask(Udp, "10.79.0.2", 8080).is_some(), "{what}");
    });
}

#[test]
fn rules_of_several_networks_are_observed_and_go_one_by_one() {
    each(|driver, setup| {
        let (w, _inner) = published(driver, true, setup);
        let seen = w.observe();
        let (first, back) = (network("shop", false), second(true));
        let expected = [
            (back.bridge.clone(), back.clone()),
            (network("other", false).bridge, network("other", false)),
            (first.bridge.clone(), first.clone()),
        ];
        assert_eq!(seen.networks, expected.into(), "{driver:?} {setup:?}");
        assert_eq!(seen.rules.len(), 4);
        let change = FirewallChange {
            close: vec![back],
            ..FirewallChange::default()
        };
        w.apply(change.clone());
        assert_eq!(w.observe().networks.len(), 2, "{driver:?} {setup:?}");
        w.apply(change.inverse());
        assert_eq!(w.observe(), seen, "{driver:?} {setup:?}");
        // Docker starts anew and puts its jump in front of everything.
        if !setup.is_empty() {
            w.host
                .sh("iptables -D FORWARD -j DOCKER-USER; iptables -I FORWARD -j DOCKER-USER");
            assert_eq!(w.web.ask(Tcp, "10.79.0.2", 8080), None, "{driver:?}");
        }
        let walls = match driver {
            Driver::Nft => "nft flush set inet locker apart",
            Driver::Iptables => {
                "iptables -D LOCKER-ISOLATE -i lk-shop -o $(ip -br link | grep -o '^lk-back[^ ]*') -j DROP -m comment --comment locker:shop"
            }
        };
        w.host.sh(walls);
        assert!(
            !w.observe().networks.contains_key("lk-shop"),
            "{driver:?}: a wall that somebody took down is not missed"
        );
        w.apply(FirewallChange {
            open: vec![first],
            ..FirewallChange::default()
        });
        assert_eq!(w.observe(), seen, "{driver:?} {setup:?}");
    });
}
