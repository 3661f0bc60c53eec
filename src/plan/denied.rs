//! What ufw denies and published ports never meet: told with the rule that has the effect.
//!
//! ufw asks for packets to the host itself, and those of a published port are led on to a container before. A denial
//! that is about other packets than a port's is no doubt about the port, and one that has its rule on the way neither.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::{PortRange, PortRule};
use crate::observed::{Denial, ForeignRules, Observed};

/// That a denial of ufw has no effect on a published port, and which rule has; the first of them, and how many there are.
pub fn denied(observed: &Observed, rule: &PortRule) -> Option<String> {
    let foreign = &observed.firewall.foreign;
    let met = foreign.denied.iter();
    let met = met.filter_map(|denial| Some((denial.to_string(), cure(observed, rule, denial)?)));
    // One command of its user is a rule for each family.
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for (words, cure) in met {
        match told.iter_mut().find(|(known, _)| *known == words) {
            Some((_, cures)) if cures.contains(&cure) => {}
            Some((_, cures)) => cures.push(cure),
            None => told.push((words, vec![cure])),
        }
    }
    let (words, cures) = told.first()?;
    let named = match rule.port.allow.is_empty() {
        true => "name who may use it with `allow`, or deny it with",
        false => "deny it with",
    };
    let more = match told.len() - 1 {
        0 => String::new(),
        1 => "; so has another of its rules".into(),
        more => format!("; so have {more} others of its rules"),
    };
    Some(format!(
        "`{words}` has no effect on the published port `{}` of `{}`: it is led on before ufw's rules for the host; {named}: {}{more}",
        rule.port,
        rule.container,
        cures.join(" && ")
    ))
}

/// The command that denies on the way what `denial` is to deny of a port; none where it is about other packets, or
/// where that is denied already.
fn cure(observed: &Observed, rule: &PortRule, denial: &Denial) -> Option<String> {
    let foreign = &observed.firewall.foreign;
    let to = leads_to(rule, denial.ipv6)?;
    let ports = inner(rule, denial)?;
    let same = denial
        .protocol
        .is_none_or(|protocol| protocol == rule.port.protocol);
    // ufw lets pass what the host sends itself.
    let local = denial.interface.as_deref() == Some("lo");
    if !same || local || !is_open_to(rule, denial.from) {
        return None;
    }
    let wanted = Denial {
        protocol: Some(rule.port.protocol),
        ports: Some(ports),
        to: Some(IpNet::from(to)),
        sent_to: address_of(observed, rule, denial)?,
        ..denial.clone()
    };
    let is_denied = foreign.on_way.iter().any(|known| known.covers(&wanted));
    (!is_denied).then(|| command(foreign, &wanted))
}

/// Where a port leads packets of a family; none where it takes none from outside.
fn leads_to(rule: &PortRule, ipv6: bool) -> Option<IpAddr> {
    let at = rule.port.host_ip;
    if at.is_some_and(|at| at.is_ipv6() != ipv6 || at.is_loopback()) {
        return None;
    }
    match ipv6 {
        true => rule.to6.map(IpAddr::from),
        false => Some(rule.to4.into()),
    }
}

/// The ports in the container of those that are denied.
fn inner(rule: &PortRule, denial: &Denial) -> Option<PortRange> {
    let (host, inside) = (rule.port.host, rule.port.container);
    let denied = denial.ports.unwrap_or(host);
    let (first, last) = (host.first.max(denied.first), host.last.min(denied.last));
    (first <= last).then(|| PortRange {
        first: inside.first + (first - host.first),
        last: inside.first + (last - host.first),
    })
}

/// Whether a port is for any of `from`.
fn is_open_to(rule: &PortRule, from: Option<IpNet>) -> bool {
    let allow = &rule.port.allow;
    let meets = |net: &IpNet| from.is_none_or(|from| net.contains(&from) || from.contains(net));
    allow.is_empty() || allow.iter().any(meets)
}

/// Which of the host's addresses a denial is about, where the port has others as well (`Some(None)`: all that the port
/// has); none where the port has none of them.
fn address_of(observed: &Observed, rule: &PortRule, denial: &Denial) -> Option<Option<IpNet>> {
    let Some(to) = denial.to else {
        return Some(None);
    };
    let bound = rule.port.host_ip.filter(|at| !at.is_unspecified());
    match bound {
        Some(at) => to.contains(&at).then_some(None),
        None => {
            let mut all = observed.host.addresses.iter();
            all.any(|at| to.contains(at)).then_some(Some(to))
        }
    }
}

/// Only iptables knows to which address of the host a packet was sent that was led on.
fn command(foreign: &ForeignRules, wanted: &Denial) -> String {
    let (tool, has_docker) = match wanted.ipv6 {
        true => ("ip6tables", foreign.has_docker6),
        false => ("iptables", foreign.has_docker),
    };
    if wanted.sent_to.is_none() && !has_docker {
        let route = wanted.to_string();
        return route.replacen("ufw ", "ufw route ", 1);
    }
    let chain = if has_docker { "DOCKER-USER" } else { "FORWARD" };
    let mut text = format!("{tool} -I {chain}");
    let mut add = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!(" {flag} {value}"));
        }
    };
    let net = |net: &IpNet| match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    };
    add("-i", wanted.interface.clone());
    add("-s", wanted.from.as_ref().map(net));
    add("-d", wanted.to.as_ref().map(net));
    add("-p", wanted.protocol.map(|protocol| protocol.to_string()));
    add(
        "--dport",
        wanted
            .ports
            .map(|ports| ports.to_string().replace('-', ":")),
    );
    add("-m conntrack --ctorigdst", wanted.sent_to.as_ref().map(net));
    add("-j", Some("DROP".into()));
    text
}
