//! What every firewall driver promises, whatever its rules look like.

use std::collections::BTreeSet;
use std::time::Instant;

use locker::firewall::FirewallChange;
use locker::model::Protocol::{Tcp, Udp};
use locker::model::{Name, PortRule};

use super::ready;
use super::values::{allowed, network, rule};
use super::world::{DRIVERS, Driver, World};

/// Rules of every shape.
fn shapes() -> Vec<PortRule> {
    vec![
        rule("", (80, 80), (8080, 8080), Tcp),
        rule("", (80, 80), (8080, 8080), Udp),
        rule("", (9000, 9100), (9000, 9100), Tcp),
        rule("", (9200, 9203), (200, 203), Udp),
        rule("0.0.0.0", (443, 443), (443, 443), Tcp),
        rule("::", (443, 443), (8443, 8443), Tcp),
        rule("127.0.0.1", (53, 53), (53, 53), Udp),
        rule("fd09::1", (7000, 7001), (7000, 7001), Tcp),
        rule("10.9.0.1", (7000, 7001), (8000, 8001), Tcp),
        allowed(
            rule("", (22, 22), (22, 22), Tcp),
            &["192.168.0.0/16", "10.0.0.0/8", "fd00::/8", "::1/128"],
        ),
        allowed(
            rule("10.9.0.1", (23, 25), (23, 25), Tcp),
            &["0.0.0.0/0", "1.2.3.4/32"],
        ),
    ]
}

fn start() -> FirewallChange {
    FirewallChange {
        open: vec![network("shop", true), network("other", false)],
        add: shapes(),
        ..FirewallChange::default()
    }
}

fn each(test: impl Fn(World)) {
    if ready() {
        DRIVERS
            .into_iter()
            .for_each(|driver| test(World::new(driver)));
    }
}

#[test]
fn what_was_applied_is_observed_exactly() {
    each(|world| {
        world.apply(start());
        let observed = world.observe();
        let expected: BTreeSet<PortRule> = shapes().into_iter().collect();
        assert_eq!(observed.rules, expected, "{:?}", world.driver);
        let networks: Vec<_> = observed.networks.into_values().collect();
        assert_eq!(networks, [network("other", false), network("shop", true)]);
    });
}

#[test]
fn applying_twice_changes_nothing() {
    each(|world| {
        world.apply(start());
        let once = world.observe();
        world.apply(start());
        assert_eq!(world.observe(), once, "{:?}", world.driver);
        let lines = world.ruleset().lines().count();
        world.apply(start());
        assert_eq!(world.ruleset().lines().count(), lines, "{:?}", world.driver);
    });
}

#[test]
fn the_inverse_of_a_change_takes_it_back() {
    each(|world| {
        world.apply(start());
        let before = world.observe();
        let change = FirewallChange {
            close: vec![network("other", false)],
            add: vec![rule("", (99, 99), (99, 99), Tcp)],
            remove: shapes()[3..].to_vec(),
            ..FirewallChange::default()
        };
        world.apply(change.clone());
        let changed = world.observe();
        let counts = (changed.rules.len(), changed.networks.len());
        assert_eq!(counts, (4, 1), "{:?}", world.driver);
        world.apply(change.inverse());
        assert_eq!(world.observe(), before, "{:?}", world.driver);
    });
}

#[test]
fn the_last_project_leaves_the_rules_byte_for_byte_as_they_were() {
    // The comment looks like ours; the table and chains are not.
    let foreign = "echo 'table inet mine { chain forward {
            type filter hook forward priority 0; tcp dport 1 drop comment \"locker:shop:web\"; }; }' | nft -f -
        iptables -t nat -A PREROUTING -p tcp --dport 2 -j ACCEPT
        iptables -A FORWARD -s 1.1.1.1 -j DROP
        iptables -t raw -A PREROUTING -s 1.1.1.1 -j DROP
        for tool in iptables ip6tables; do for table in raw nat filter; do
            printf '*%s\\nCOMMIT\\n' $table | $tool-restore --noflush
            for chain in PREROUTING OUTPUT POSTROUTING FORWARD; do
                $tool -t $table -P $chain ACCEPT 2>/dev/null || true; done; done; done";
    each(|world| {
        world.host.sh(foreign);
        let before = world.ruleset();
        world.apply(start());
        assert_ne!(world.ruleset(), before);
        world.apply(start().inverse());
        assert_eq!(world.ruleset(), before, "{:?}", world.driver);
        world.apply(start().inverse());
        assert_eq!(world.ruleset(), before, "{:?}", world.driver);
    });
}

#[test]
fn a_container_with_another_address_takes_its_rules_along() {
    each(|world| {
        world.apply(start());
        let (old, mut new) = (shapes(), shapes());
        for rule in &mut new {
            rule.to4 = "10.77.0.3".parse().unwrap();
            rule.to6 = "fd77::3".parse().ok();
        }
        world.apply(FirewallChange {
            add: new.clone(),
            remove: old,
            ..FirewallChange::default()
        });
        let expected: BTreeSet<PortRule> = new.into_iter().collect();
        assert_eq!(world.observe().rules, expected, "{:?}", world.driver);
        let answer = world.client.ask(Tcp, "10.9.0.1", 80);
        assert_eq!(answer.as_deref(), Some("db 10.9.0.2"));
    });
}

#[test]
fn a_network_without_ipv6_is_served_on_ipv4_alone() {
    let four = |mut rule: PortRule| {
        rule.to6 = None;
        rule
    };
    let is_six = |rule: &PortRule| rule.port.host_ip.is_some_and(|ip| ip.is_ipv6());
    let rules: Vec<PortRule> = shapes().into_iter().filter(|rule| !is_six(rule)).collect();
    each(|world| {
        let mut own = network("shop", true);
        own.subnets.v6 = None;
        let change = FirewallChange {
            open: vec![own.clone()],
            add: rules.iter().cloned().map(four).collect(),
            ..FirewallChange::default()
        };
        world.apply(change.clone());
        let observed = world.observe();
        let expected: BTreeSet<PortRule> = change.add.iter().cloned().collect();
        assert_eq!(observed.rules, expected, "{:?}", world.driver);
        let networks: Vec<_> = observed.networks.into_values().collect();
        assert_eq!(networks, [own], "{:?}", world.driver);
        assert!(world.client.ask(Tcp, "10.9.0.1", 80).is_some());
        assert_eq!(world.client.ask(Tcp, "fd09::1", 80), None);

        // The same container on a network that got IPv6.
        world.apply(FirewallChange {
            open: vec![network("shop", true)],
            add: rules.clone(),
            remove: change.add.clone(),
            ..FirewallChange::default()
        });
        assert!(
            world.client.ask(Tcp, "fd09::1", 80).is_some(),
            "{:?}",
            world.driver
        );
        assert_eq!(world.observe().rules, rules.iter().cloned().collect());
        world.apply(FirewallChange {
            close: vec![network("shop", true)],
            remove: rules.clone(),
            ..FirewallChange::default()
        });
        let left = world.ruleset();
        assert!(!left.contains("locker"), "{left}");
    });
}

#[test]
fn what_somebody_flushed_is_seen_and_comes_back() {
    each(|world| {
        world.apply(start());
        let whole = world.observe();
        world.host.sh("nft flush ruleset");
        let gone = world.observe();
        assert!(gone.rules.is_empty() && gone.networks.is_empty());
        world.apply(start());
        assert_eq!(world.observe(), whole, "{:?}", world.driver);
        world.host.sh(match world.driver {
            Driver::Nft => "nft flush chain inet locker forward",
            Driver::Iptables => "iptables -D FORWARD 1",
        });
        assert!(world.observe().networks.is_empty(), "{:?}", world.driver);
        world.apply(start());
        assert_eq!(world.observe(), whole, "{:?}", world.driver);
    });
}

#[test]
fn half_a_rule_is_not_observed_and_is_made_whole() {
    each(|world| {
        world.apply(start());
        let whole = world.observe();
        world.host.sh(match world.driver {
            Driver::Nft => "nft delete element inet locker any6 '{ tcp . 80 }'",
            Driver::Iptables => "ip6tables -t nat -D LOCKER-PUBLISH 3",
        });
        let half = world.observe();
        assert_eq!(
            half.rules.len() + 1,
            whole.rules.len(),
            "{:?}",
            world.driver
        );
        world.apply(FirewallChange {
            add: shapes(),
            ..FirewallChange::default()
        });
        assert_eq!(world.observe(), whole, "{:?}", world.driver);
    });
}

#[test]
fn what_is_not_there_can_be_taken_out() {
    each(|world| {
        let change = FirewallChange {
            close: vec![network("shop", false)],
            remove: shapes(),
            ..FirewallChange::default()
        };
        let before = world.ruleset();
        world.apply(change.clone());
        assert_eq!(world.ruleset(), before, "{:?}", world.driver);
        let ports = FirewallChange {
            remove: shapes(),
            ..FirewallChange::default()
        };
        world.apply(ports.clone());
        assert_eq!(world.ruleset(), before, "{:?}", world.driver);
        world.apply(FirewallChange {
            open: vec![network("shop", false)],
            ..FirewallChange::default()
        });
        world.apply(ports);
        let after = world.observe();
        assert!(after.rules.is_empty() && after.networks.len() == 1);
    });
}

#[test]
fn a_refused_change_changes_nothing() {
    if !ready() {
        return;
    }
    let world = World::new(Driver::Nft);
    world.apply(start());
    let before = world.ruleset();
    let mut thief = rule("", (80, 80), (1, 1), Tcp);
    thief.container = Name::new("thief").unwrap();
    let refused = world.try_apply(FirewallChange {
        add: vec![rule("", (98, 98), (98, 98), Tcp), thief],
        ..FirewallChange::default()
    });
    assert!(refused.unwrap_err().contains("refused"));
    assert_eq!(world.ruleset(), before);
}

#[test]
fn ninety_ports_and_a_network_are_one_quick_change() {
    each(|world| {
        let ports = (0..90).map(|i| rule("", (2000 + i, 2000 + i), (80, 80), Tcp));
        let change = FirewallChange {
            open: vec![network("shop", false)],
            add: ports.collect(),
            ..FirewallChange::default()
        };
        let begin = Instant::now();
        world.apply(change);
        let took = begin.elapsed();
        let begin = Instant::now();
        let each = "for i in $(seq 90); do nft list tables >/dev/null; done";
        world.host.sh(each);
        let processes = begin.elapsed();
        eprintln!("{:?}: {took:?}, 90 processes {processes:?}", world.driver);
        assert!(took * 2 < processes, "{took:?}, 90 processes {processes:?}");
    });
}

#[test]
fn a_bridge_filter_that_is_turned_on_later_is_seen_and_minded() {
    const SWITCH: &str = "/proc/sys/net/bridge/bridge-nf-call-ip6tables";
    if !std::path::Path::new(SWITCH).exists() {
        eprintln!("this kernel has no br_netfilter loaded: ::1 always answers");
        return;
    }
    each(|world| {
        world.apply(start());
        assert!(
            world.host.ask(Tcp, "::1", 80).is_some(),
            "{:?}",
            world.driver
        );
        world.host.sh(&format!("echo 1 > {SWITCH}"));
        assert!(world.observe().networks.is_empty(), "{:?}", world.driver);
        world.apply(start());
        assert_eq!(world.observe().networks.len(), 2, "{:?}", world.driver);
        let begin = Instant::now();
        assert_eq!(world.host.ask(Tcp, "::1", 80), None);
        assert!(begin.elapsed().as_millis() < 300, "{:?}", world.driver);
    });
}

#[test]
fn what_was_seen_before_is_never_taken_for_rules_that_changed_since() {
    if !ready() {
        return;
    }
    let world = World::new(Driver::Nft);
    world.apply(start());
    let all = world.observe();
    let kept = world.paths.firewall_seen();
    let first = std::fs::metadata(&kept).unwrap().modified().unwrap();
    assert_eq!(world.observe(), all);
    let again = std::fs::metadata(&kept).unwrap().modified().unwrap();
    assert_eq!(again, first, "the second look was remembered, not made");
    // Somebody else changes one rule, then all of them, then what all packets must pass besides.
    world.host.sh("nft flush chain inet locker forward");
    assert_ne!(world.observe(), all);
    world.apply(start());
    assert_eq!(world.observe(), all);
    world.host.sh("nft delete table inet locker");
    assert!(world.observe().rules.is_empty());
    world.apply(start());
    world.host.sh("iptables-nft -P FORWARD DROP");
    assert!(world.observe().networks.is_empty(), "they do not pass");
    world.host.sh("iptables-nft -P FORWARD ACCEPT");
    assert_eq!(world.observe(), all);
    if world
        .host
        .sh("command -v iptables-legacy || true")
        .is_empty()
    {
        return;
    }
    // The kernel does not count what the older kind changes.
    world.host.sh("iptables-legacy -P FORWARD DROP");
    assert!(world.observe().networks.is_empty(), "they do not pass");
    world.host.sh("iptables-legacy -P FORWARD ACCEPT");
    // What is kept is of no use, or damaged: then the rules are read.
    std::fs::write(&kept, "{").unwrap();
    assert_eq!(world.observe(), all);
}
