//! What is said of denials of ufw that published ports never meet.

use ipnet::IpNet;

use crate::model::{Name, Port, PortRange, PortRule, Protocol};
use crate::observed::{Denial, Observed};
use crate::plan::denied;

const ANY: Denial = Denial {
    ipv6: false,
    rejects: false,
    protocol: Some(Protocol::Tcp),
    ports: Some(PortRange {
        first: 8080,
        last: 8080,
    }),
    from: None,
    to: None,
    interface: None,
    sent_to: None,
};

fn rule(port: &str) -> PortRule {
    PortRule {
        project: Name::new("shop").unwrap(),
        container: Name::new("web").unwrap(),
        port: port.parse::<Port>().unwrap(),
        to4: [10, 80, 0, 2].into(),
        to6: "fd00::2".parse().ok(),
    }
}

fn seen(denied: &[Denial], docker: bool) -> Observed {
    let mut observed = Observed::default();
    let foreign = &mut observed.firewall.foreign;
    foreign.denied = denied.to_vec();
    foreign.has_docker = docker;
    let addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
    observed.host.addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    observed
}

/// The denial, and the command that is told.
fn told(denial: &Denial, port: &str, docker: bool) -> Option<(String, String)> {
    let said = denied(&seen(std::slice::from_ref(denial), docker), &rule(port))?;
    let words = said.split('`').nth(1)?.to_owned();
    let (_, cure) = said.rsplit_once("deny it with: ")?;
    Some((words, cure.to_owned()))
}

#[test]
fn a_denial_that_has_no_effect_is_told_with_the_rule_that_has() {
    let net = |text: &str| text.parse::<IpNet>().ok();
    let from = Denial {
        from: net("203.0.113.9/32"),
        ..ANY
    };
    let ban = Denial {
        protocol: None,
        ports: None,
        ..from.clone()
    };
    let on = Denial {
        interface: Some("eth1".into()),
        ..ANY
    };
    let to = Denial {
        to: net("192.0.2.2/32"),
        ..ANY
    };
    for (denial, docker, words, cure) in [
        (
            &ANY,
            false,
            "ufw deny 8080/tcp",
            "ufw route deny proto tcp from any to 10.80.0.2 port 80",
        ),
        (
            &ANY,
            true,
            "ufw deny 8080/tcp",
            "iptables -I DOCKER-USER -d 10.80.0.2 -p tcp --dport 80 -j DROP",
        ),
        (
            &from,
            false,
            "ufw deny proto tcp from 203.0.113.9 to any port 8080",
            "ufw route deny proto tcp from 203.0.113.9 to 10.80.0.2 port 80",
        ),
        (
            &ban,
            true,
            "ufw deny from 203.0.113.9 to any",
            "iptables -I DOCKER-USER -s 203.0.113.9 -d 10.80.0.2 -p tcp --dport 80 -j DROP",
        ),
        (
            &on,
            false,
            "ufw deny in on eth1 proto tcp from any to any port 8080",
            "ufw route deny in on eth1 proto tcp from any to 10.80.0.2 port 80",
        ),
        (
            &to,
            false,
            "ufw deny proto tcp from any to 192.0.2.2 port 8080",
            "iptables -I FORWARD -d 10.80.0.2 -p tcp --dport 80 -m conntrack --ctorigdst 192.0.2.2 -j DROP",
        ),
    ] {
        assert_eq!(
            told(denial, "8080:80", docker),
            Some((words.into(), cure.into()))
        );
    }
    // The port is at that address only: all of it is meant.
    let (_, cure) = told(&to, "192.0.2.2:8080:80", false).unwrap();
    assert_eq!(
        cure,
        "ufw route deny proto tcp from any to 10.80.0.2 port 80"
    );
    // The denied port of a range.
    let (_, cure) = told(&ANY, "8078-8082:90-94", true).unwrap();
    assert!(cure.contains("--dport 92 "), "{cure}");
}

#[test]
fn a_denial_of_other_packets_says_nothing_of_a_port() {
    let net = |text: &str| text.parse::<IpNet>().ok();
    let to = |text: &str| Denial {
        to: net(text),
        ..ANY
    };
    for (denial, port) in [
        (ANY, "8081:80"),
        (ANY, "8080:80/udp"),
        (ANY, "127.0.0.1:8080:80"),
        (ANY, "[::]:8080:80"),
        (
            Denial {
                interface: Some("lo".into()),
                ..ANY
            },
            "8080:80",
        ),
        (to("192.0.2.2/32"), "192.0.2.1:8080:80"),
        (to("198.51.100.0/24"), "8080:80"),
    ] {
        assert_eq!(told(&denial, port, false), None, "{denial} {port}");
    }
    let mut allowed = rule("8080:80");
    allowed.port.allow = vec!["10.0.0.0/8".parse().unwrap()];
    let from = |text: &str| {
        let denial = Denial {
            from: net(text),
            ..ANY
        };
        denied(&seen(&[denial], false), &allowed)
    };
    assert_eq!(from("203.0.113.9/32"), None);
    let said = from("10.0.0.7/32").unwrap();
    assert!(!said.contains("`allow`"), "{said}");
}

#[test]
fn a_denial_that_has_its_rule_on_the_way_is_not_told_and_each_family_has_its_own() {
    let six = Denial { ipv6: true, ..ANY };
    let mut observed = seen(
        &[
            ANY,
            six.clone(),
            Denial {
                protocol: None,
                ..ANY
            },
        ],
        true,
    );
    let said = denied(&observed, &rule("8080:80")).unwrap();
    let cures = "iptables -I DOCKER-USER -d 10.80.0.2 -p tcp --dport 80 -j DROP && ufw route deny proto tcp from any to fd00::2 port 80";
    assert!(
        said.ends_with(&format!("{cures}; so has another of its rules")),
        "{said}"
    );
    let on_way = |ipv6: bool, to: &str| Denial {
        ipv6,
        ports: Some(PortRange::single(80)),
        to: to.parse().ok(),
        ..ANY
    };
    let foreign = &mut observed.firewall.foreign;
    foreign.on_way = vec![on_way(false, "10.80.0.0/24")];
    let said = denied(&observed, &rule("8080:80")).unwrap();
    assert!(
        !said.contains("iptables") && said.contains("fd00::2"),
        "{said}"
    );
    observed
        .firewall
        .foreign
        .on_way
        .push(on_way(true, "fd00::2/128"));
    assert_eq!(denied(&observed, &rule("8080:80")), None);
}
