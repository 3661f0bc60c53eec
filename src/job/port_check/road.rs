//! The roads to a published port: who asks, and which address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::firewall::loopback6;
use crate::model::{Name, PortRule};
use crate::network::{Guest, NetworkError, Space};
use crate::observed::{Observed, State};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A machine beside the host.
    Guest,
    /// The host.
    Host,
    /// A container of the project.
    Container(Name),
}

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    pub(super) rule: &'a PortRule,
    pub(super) from: Asker,
    pub(super) to: IpAddr,
    /// Why it is not asked.
    pub(super) skip: Option<String>,
}

/// The namespaces of all who ask.
#[derive(Debug)]
pub(super) struct Spaces {
    guest: Space,
    containers: BTreeMap<Name, Space>,
}

impl Spaces {
    pub(super) fn open(observed: &Observed, guest: &Guest) -> Result<Self, NetworkError> {
        let mut containers = BTreeMap::new();
        for (name, found) in &observed.containers {
            if let (State::Running, Some(pid)) = (found.state, found.pid) {
                containers.insert(name.clone(), Space::of(pid)?);
            }
        }
        Ok(Self {
            guest: guest.space.clone(),
            containers,
        })
    }

    pub(super) fn of(&self, asker: &Asker) -> Space {
        match asker {
            Asker::Guest => self.guest.clone(),
            Asker::Host => Space::host(),
            Asker::Container(name) => {
                let found = self.containers.get(name).cloned();
                found.unwrap_or_else(Space::host)
            }
        }
    }
}

/// Every question that the rule should answer. Of a range the first port is asked for.
pub(super) fn questions<'a>(
    rule: &'a PortRule,
    observed: &Observed,
    guest: &Guest,
) -> Vec<Question<'a>> {
    let mut all = Vec::new();
    let bound = rule.port.host_ip.filter(|ip| !ip.is_unspecified());
    let own = observed.host.addresses.iter().copied();
    let own = own.filter(|ip| !is_link_local(*ip) && serves(rule, *ip));
    let mut ask = |from: Asker, to: IpAddr, source: Option<IpAddr>| {
        all.push(Question {
            rule,
            from,
            to,
            skip: reason_to_skip(rule, to, source),
        });
    };
    for to in own {
        ask(Asker::Host, to, None);
    }
    if bound.is_some_and(|ip| ip.is_loopback()) {
        return all;
    }
    let is_served = |ip: &IpAddr| serves(rule, *ip);
    let near = guest
        .host
        .iter()
        .copied()
        .filter(|ip| match rule.port.host_ip {
            Some(only) => only.is_ipv4() == ip.is_ipv4(),
            None => true,
        });
    for ip in near {
        ask(Asker::Guest, bound.unwrap_or(ip), Some(ip));
    }
    for name in neighbours(rule, observed) {
        let mark = observed.containers.get(name).and_then(|c| c.mark.as_ref());
        let Some(nic) = mark.and_then(|mark| mark.spec.nic.as_ref()) else {
            continue;
        };
        let gateways = nic.subnets.gateways().map(|net| net.addr());
        let pairs = gateways.zip(nic.addresses.each());
        for (to, source) in pairs {
            let to = bound
                .filter(|ip| ip.is_ipv4() == to.is_ipv4())
                .unwrap_or(to);
            if is_served(&to) {
                ask(Asker::Container(name.clone()), to, Some(source));
            }
        }
    }
    all
}

/// A running sibling, if there is one, and the container itself.
fn neighbours<'a>(rule: &'a PortRule, observed: &'a Observed) -> Vec<&'a Name> {
    let running = observed.containers.iter();
    let mut siblings = running.filter(|(name, found)| {
        found.state == State::Running && **name != rule.container && found.mark.is_some()
    });
    let sibling = siblings.next().map(|(name, _)| name);
    sibling.into_iter().chain([&rule.container]).collect()
}

/// Whether the rule takes packets to this address.
fn serves(rule: &PortRule, ip: IpAddr) -> bool {
    match rule.port.host_ip {
        None => ip.is_ipv4() || rule.to6.is_some(),
        Some(only) if only.is_unspecified() => only.is_ipv4() == ip.is_ipv4(),
        Some(only) => only == ip,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn reason_to_skip(rule: &PortRule, to: IpAddr, source: Option<IpAddr>) -> Option<String> {
    if to.is_loopback() && to.is_ipv6() && !loopback6() {
        let why = "the kernel loses the answers of ::1 while net.bridge.bridge-nf-call-ip6tables \
                   is 1; it refuses at once, use 127.0.0.1";
        return Some(why.into());
    }
    let source = source?;
    let allow = &rule.port.allow;
    let allowed = allow.is_empty() || allow.iter().any(|net| net.contains(&source));
    (!allowed).then(|| "`allow` does not let it use this port".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(port: &str) -> PortRule {
        PortRule {
            project: Name::new("shop").unwrap(),
            container: Name::new("web").unwrap(),
            port: port.parse().unwrap(),
            to4: [10, 77, 0, 2].into(),
            to6: "fd77::2".parse().ok(),
        }
    }

    fn asked(rule: &PortRule) -> Vec<String> {
        let mut observed = Observed::default();
        let own = ["127.0.0.1", "10.9.0.1", "fd09::1", "fe80::1"];
        observed.host.addresses = own.map(|ip| ip.parse().unwrap()).into();
        let guest = Guest::of_host(&["203.0.113.1", "2001:db8::1"]);
        let questions = questions(rule, &observed, &guest);
        let line = |q: Question<'_>| format!("{:?} {} {}", q.from, q.to, q.skip.is_some());
        questions.into_iter().map(line).collect()
    }

    #[test]
    fn every_address_that_a_rule_serves_is_asked_and_no_other() {
        let cases: [(&str, &[&str]); 4] = [
            (
                "80:80",
                &[
                    "Host 127.0.0.1 false",
                    "Host 10.9.0.1 false",
                    "Host fd09::1 false",
                    "Guest 203.0.113.1 false",
                    "Guest 2001:db8::1 false",
                ],
            ),
            (
                "0.0.0.0:80:80",
                &[
                    "Host 127.0.0.1 false",
                    "Host 10.9.0.1 false",
                    "Guest 203.0.113.1 false",
                ],
            ),
            (
                "[fd09::1]:80:80",
                &["Host fd09::1 false", "Guest fd09::1 false"],
            ),
            ("127.0.0.1:80:80", &["Host 127.0.0.1 false"]),
        ];
        for (port, expected) in cases {
            assert_eq!(asked(&rule(port)), expected, "{port}");
        }
    }

    #[test]
    fn who_is_not_allowed_is_not_asked() {
        let mut limited = rule("10.9.0.1:80:80");
        limited.port.allow = vec!["192.168.0.0/16".parse().unwrap()];
        let expected = ["Host 10.9.0.1 false", "Guest 10.9.0.1 true"];
        assert_eq!(asked(&limited), expected);
    }
}
