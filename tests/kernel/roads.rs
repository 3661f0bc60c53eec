//! Real packets: every road on which a published port must answer, and those on which it must not.

use std::time::{Duration, Instant};

use locker::firewall::FirewallChange;
use locker::model::Protocol::{self, Tcp, Udp};

use super::ready;
use super::values::{allowed, network, rule};
use super::world::{DRIVERS, Driver, World};

/// Opens both networks and publishes `web` as 80 on all addresses, TCP and UDP.
fn published(driver: Driver, isolate: bool) -> World {
    publish(World::new(driver), isolate)
}

fn publish(world: World, isolate: bool) -> World {
    world.apply(FirewallChange {
        open: vec![network("shop", isolate), network("other", false)],
        add: [Tcp, Udp]
            .map(|protocol| rule("", (80, 80), (8080, 8080), protocol))
            .into(),
        ..FirewallChange::default()
    });
    world
}

fn each(test: impl Fn(Driver)) {
    if ready() {
        DRIVERS.into_iter().for_each(test);
    }
}

#[test]
fn a_published_port_answers_on_every_road() {
    each(|driver| {
        for bridged in [false, true] {
            all_roads(&publish(World::with(driver, bridged), false), bridged);
        }
    });
}

#[test]
fn a_port_of_loopback6_answers_the_host_and_nobody_else() {
    each(|driver| {
        for bridged in [false, true] {
            let w = World::with(driver, bridged);
            w.apply(FirewallChange {
                open: vec![network("shop", false)],
                add: vec![rule("::1", (81, 81), (8080, 8080), Tcp)],
                ..FirewallChange::default()
            });
            let road = format!("{driver:?}, bridged {bridged}");
            assert_eq!(w.host.ask(Tcp, "::1", 81).is_some(), !bridged, "{road}");
            assert_eq!(w.host.ask(Tcp, "fd09::1", 81), None, "{road}");
            for (neighbour, gateway) in [(&w.client, "fd09::1"), (&w.db, "fd77::1")] {
                neighbour.sh(&format!(
                    "ip addr del ::1/128 dev lo; ip -6 route add ::1 via {gateway}"
                ));
                assert_eq!(neighbour.ask(Tcp, "::1", 81), None, "{road}: {gateway}");
            }
        }
    });
}

/// Asks on every road, over both families and protocols.
fn all_roads(w: &World, bridged: bool) {
    let loopback6 = (!bridged).then_some("web fd77::1");
    let roads = [
        ("a client", &w.client, "10.9.0.1", Some("web 10.9.0.2")),
        ("a client", &w.client, "fd09::1", Some("web fd09::2")),
        ("the host", &w.host, "10.9.0.1", Some("web 10.9.0.1")),
        ("the host", &w.host, "fd09::1", Some("web fd09::1")),
        ("the host", &w.host, "127.0.0.1", Some("web 10.77.0.1")),
        ("the host", &w.host, "::1", loopback6),
        ("a sibling", &w.db, "10.9.0.1", Some("web 10.77.0.1")),
        ("a sibling", &w.db, "10.77.0.1", Some("web 10.77.0.1")),
        ("a sibling", &w.db, "fd09::1", Some("web fd77::1")),
        ("a sibling", &w.db, "fd77::1", Some("web fd77::1")),
        ("itself", &w.web, "10.9.0.1", Some("web 10.77.0.1")),
        ("itself", &w.web, "fd09::1", Some("web fd77::1")),
        (
            "another project",
            &w.other,
            "10.9.0.1",
            Some("web 10.78.0.2"),
        ),
        ("another project", &w.other, "fd09::1", Some("web fd78::2")),
    ];
    for protocol in [Tcp, Udp] {
        for (who, from, to, expected) in roads {
            let begin = Instant::now();
            let answer = from.ask(protocol, to, 80);
            let road = format!(
                "{:?}, bridged {bridged}: {who} to {to}/{protocol}",
                w.driver
            );
            assert_eq!(answer.as_deref(), expected, "{road}");
            // Where ::1 cannot answer it refuses at once, so that clients go on to 127.0.0.1.
            let quick = begin.elapsed() < Duration::from_millis(300);
            assert!(answer.is_some() || quick, "{road}");
        }
    }
}

#[test]
fn what_is_not_published_cannot_be_reached_from_outside() {
    each(|driver| {
        let w = published(driver, false);
        for (protocol, to) in [
            (Tcp, "10.77.0.2"),
            (Udp, "10.77.0.2"),
            (Tcp, "fd77::2"),
            (Udp, "fd77::3"),
        ] {
            assert_eq!(w.client.ask(protocol, to, 8080), None, "{driver:?}: {to}");
        }
        assert_eq!(w.client.ask(Tcp, "10.9.0.1", 8080), None);
        // Siblings and the host itself are at home.
        assert!(w.db.ask(Tcp, "10.77.0.2", 8080).is_some());
        assert!(w.host.ask(Tcp, "fd77::2", 8080).is_some());
    });
}

#[test]
fn a_container_gets_out_and_is_seen_as_the_host() {
    each(|driver| {
        let w = published(driver, false);
        w.client.serve("client", 7000);
        for (to, host) in [("10.9.0.2", "10.9.0.1"), ("fd09::2", "fd09::1")] {
            let answer = w.web.ask(Tcp, to, 7000);
            assert_eq!(answer, Some(format!("client {host}")), "{driver:?}");
        }
    });
}

#[test]
fn a_port_of_127_0_0_1_answers_the_host_and_nobody_else() {
    each(|driver| {
        let w = World::new(driver);
        w.apply(FirewallChange {
            open: vec![network("shop", false)],
            add: vec![rule("127.0.0.1", (81, 81), (8080, 8080), Tcp)],
            ..FirewallChange::default()
        });
        assert!(w.host.ask(Tcp, "127.0.0.1", 81).is_some(), "{driver:?}");
        assert_eq!(w.host.ask(Tcp, "10.9.0.1", 81), None, "{driver:?}");
        // A neighbour that sends 127.0.0.1 over the wire, from both sides.
        for (neighbour, gateway) in [(&w.client, "10.9.0.1"), (&w.db, "10.77.0.1")] {
            neighbour.sh(&format!(
                "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet
                 ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via {gateway}"
            ));
            assert_eq!(
                neighbour.ask(Tcp, "127.0.0.1", 81),
                None,
                "{driver:?}: {gateway}"
            );
        }
    });
}

#[test]
fn ranges_and_bound_addresses_lead_to_the_right_port() {
    each(|driver| {
        let w = published(driver, false);
        w.web.serve("high", 9001);
        w.apply(FirewallChange {
            add: vec![
                rule("", (9000, 9002), (9000, 9002), Tcp),
                rule("10.9.0.1", (700, 701), (8079, 8080), Tcp),
                rule("fd09::1", (701, 701), (9001, 9001), Tcp),
            ],
            ..FirewallChange::default()
        });
        assert_eq!(
            w.client.ask(Tcp, "10.9.0.1", 9001).as_deref(),
            Some("high 10.9.0.2")
        );
        assert_eq!(w.client.ask(Tcp, "10.9.0.1", 9002), None);
        assert_eq!(
            w.client.ask(Tcp, "10.9.0.1", 701).as_deref(),
            Some("web 10.9.0.2")
        );
        assert_eq!(
            w.client.ask(Tcp, "fd09::1", 701).as_deref(),
            Some("high fd09::2")
        );
        assert_eq!(w.host.ask(Tcp, "127.0.0.1", 701), None);
    });
}

#[test]
fn only_those_who_are_allowed_get_through() {
    each(|driver| {
        let w = World::new(driver);
        let limited = |port, nets| allowed(rule("", (port, port), (8080, 8080), Tcp), nets);
        w.apply(FirewallChange {
            open: vec![network("shop", false)],
            add: vec![
                limited(91, &["10.9.0.0/24", "10.0.0.0/8"]),
                limited(92, &["192.168.0.0/16", "fd09::/64"]),
            ],
            ..FirewallChange::default()
        });
        assert!(w.client.ask(Tcp, "10.9.0.1", 91).is_some(), "{driver:?}");
        assert_eq!(w.client.ask(Tcp, "fd09::1", 91), None, "{driver:?}");
        assert_eq!(w.client.ask(Tcp, "10.9.0.1", 92), None, "{driver:?}");
        assert!(w.client.ask(Tcp, "fd09::1", 92).is_some(), "{driver:?}");
        // The host is always allowed.
        assert!(w.host.ask(Tcp, "10.9.0.1", 92).is_some(), "{driver:?}");
    });
}

#[test]
fn an_isolated_project_is_closed_to_others_except_for_its_published_ports() {
    each(|driver| {
        let ask = |w: &World, protocol: Protocol| w.other.ask(protocol, "10.77.0.2", 8080);
        let open = published(driver, false);
        assert!(ask(&open, Tcp).is_some(), "{driver:?}");
        let closed = published(driver, true);
        assert_eq!(ask(&closed, Tcp), None, "{driver:?}");
        assert_eq!(closed.other.ask(Udp, "fd77::2", 8080), None, "{driver:?}");
        assert!(
            closed.other.ask(Tcp, "10.9.0.1", 80).is_some(),
            "{driver:?}"
        );
        assert!(
            closed.web.ask(Tcp, "10.78.0.2", 8080).is_some(),
            "{driver:?}"
        );
    });
}

#[test]
fn a_forward_policy_of_drop_does_not_stop_us_and_a_deny_of_the_administrator_does() {
    let docker = "for t in iptables ip6tables; do
        $t -N DOCKER-USER; $t -A DOCKER-USER -j RETURN; $t -P FORWARD DROP
        $t -A FORWARD -j DOCKER-USER; done";
    let ufw = "for t in iptables ip6tables; do $t -P FORWARD DROP; done";
    each(|driver| {
        for setup in [docker, ufw] {
            let w = World::new(driver);
            w.host.sh(setup);
            let before = w.ruleset();
            let change = FirewallChange {
                open: vec![network("shop", false)],
                add: vec![rule("", (80, 80), (8080, 8080), Tcp)],
                ..FirewallChange::default()
            };
            w.apply(change.clone());
            for to in ["10.9.0.1", "fd09::1"] {
                assert!(
                    w.client.ask(Tcp, to, 80).is_some(),
                    "{driver:?} {to}: {setup}"
                );
            }
            assert_eq!(w.client.ask(Tcp, "10.77.0.2", 8080), None);
            assert_eq!(w.observe().networks.len(), 1);
            // Somebody flushes our way through: seen, and mended.
            w.host.sh("iptables -F LOCKER-FORWARD");
            assert_eq!(w.observe().networks.len(), 0, "{driver:?}");
            w.apply(FirewallChange {
                open: change.open.clone(),
                ..FirewallChange::default()
            });
            assert_eq!(w.observe().networks.len(), 1);
            w.host.sh("iptables -I FORWARD -s 10.9.0.2 -j DROP");
            assert_eq!(w.client.ask(Tcp, "10.9.0.1", 80), None, "{driver:?}");
            w.host.sh("iptables -D FORWARD -s 10.9.0.2 -j DROP");
            w.apply(change.inverse());
            if driver == Driver::Nft {
                assert_eq!(w.ruleset(), before);
            }
        }
    });
}
