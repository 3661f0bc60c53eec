//! Remembered connections follow the rules.
//!
//! The kernel asks the rules for the first packet of a connection only. A UDP client that keeps on sending
//! from one port keeps its connection alive, and would for ever go where the rules led it once. So whenever
//! a rule comes, changes or goes, connections of its ports are forgotten and their next packet is judged
//! anew. A connection of TCP that the new rules would lead to the same place stays; one that a rule has led
//! and none leads any more ends (docs/network.md). What only passes through this host is never touched.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{FirewallChange, FirewallError};
use crate::model::{PortRule, Protocol};
use crate::sys::{self, Flow, Transport};

/// Lets the kernel forget what `change`, which has just been made, concerns.
pub(super) fn follow(change: &FirewallChange) -> Result<(), FirewallError> {
    let is_udp = |rule: &PortRule| rule.port.protocol == Protocol::Udp;
    // What a new rule of TCP concerns stays as it is.
    if change.remove.is_empty() && !change.add.iter().any(is_udp) {
        return Ok(());
    }
    let failed = |source| FirewallError::Flows { source };
    let own: BTreeSet<IpAddr> = sys::addresses()
        .map_err(failed)?
        .into_iter()
        .map(|(_, address)| address)
        .collect();
    let is_own = |ip: IpAddr| ip.is_loopback() || own.contains(&ip);
    let stale = sys::flows(|flow| is_stale(flow, change, &is_own)).map_err(failed)?;
    sys::forget_flows(&stale).map_err(failed)
}

fn is_stale(flow: &Flow, change: &FirewallChange, is_own: &impl Fn(IpAddr) -> bool) -> bool {
    let of_removed = |rule: &&PortRule| leads(rule, flow);
    let mut removed = change.remove.iter();
    match flow.transport {
        Transport::Tcp => {
            let may = |rule: &PortRule| is_own(flow.client) || lets_in(rule, flow);
            let lead = |rule: &PortRule| leads(rule, flow) && may(rule);
            removed.any(|rule| of_removed(&rule)) && !change.add.iter().any(lead)
        }
        Transport::Udp => {
            let meant = |rule: &PortRule| is_for(rule, flow, is_own);
            removed.any(|rule| of_removed(&rule) || meant(rule)) || change.add.iter().any(meant)
        }
    }
}

/// Whether the connection asked for a port of the rule.
fn asks(rule: &PortRule, flow: &Flow) -> bool {
    let transport = match rule.port.protocol {
        Protocol::Tcp => Transport::Tcp,
        Protocol::Udp => Transport::Udp,
    };
    let bound = match rule.port.host_ip {
        None => true,
        Some(ip) if ip.is_unspecified() => ip.is_ipv4() == flow.to.0.is_ipv4(),
        Some(ip) => ip == flow.to.0,
    };
    let host = rule.port.host;
    transport == flow.transport && bound && (host.first..=host.last).contains(&flow.to.1)
}

/// Whether it asked this host for a port of the rule.
fn is_for(rule: &PortRule, flow: &Flow, is_own: &impl Fn(IpAddr) -> bool) -> bool {
    asks(rule, flow) && is_own(flow.to.0)
}

/// Whether the rule led it to where it goes, or would.
fn leads(rule: &PortRule, flow: &Flow) -> bool {
    let to = match flow.answers.0 {
        IpAddr::V4(ip) => ip == rule.to4,
        IpAddr::V6(ip) => Some(ip) == rule.to6,
    };
    let (host, inner) = (rule.port.host, rule.port.container);
    let port = u32::from(inner.first) + u32::from(flow.to.1.saturating_sub(host.first));
    asks(rule, flow) && flow.is_led && to && u32::from(flow.answers.1) == port
}

/// Whether the rule serves its client.
fn lets_in(rule: &PortRule, flow: &Flow) -> bool {
    let allow = &rule.port.allow;
    allow.is_empty() || allow.iter().any(|net| net.contains(&flow.client))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::testing::rule;
    use crate::sys::Flow;

    const CLIENT: &str = "10.9.0.2";
    const HOST: &str = "10.9.0.1";

    fn flow(transport: Transport, to: (&str, u16), answers: (&str, u16)) -> Flow {
        let end = |(ip, port): (&str, u16)| (ip.parse().unwrap(), port);
        Flow::of(transport, CLIENT.parse().unwrap(), end(to), end(answers))
    }

    fn change(add: &[PortRule], remove: &[PortRule]) -> FirewallChange {
        FirewallChange {
            add: add.into(),
            remove: remove.into(),
            ..FirewallChange::default()
        }
    }

    fn stale(flow: &Flow, change: &FirewallChange) -> bool {
        is_stale(flow, change, &|ip| ip.to_string() == HOST)
    }

    #[test]
    fn udp_is_judged_anew_whenever_its_port_is_touched_and_what_passes_through_never() {
        use Transport::Udp;
        let web = rule("53:5353/udp", &[]);
        let (comes, goes) = (change(std::slice::from_ref(&web), &[]), change(&[], &[web]));
        let plain = flow(Udp, (HOST, 53), (HOST, 53));
        let led = flow(Udp, (HOST, 53), ("10.77.0.2", 5353));
        let gone = flow(Udp, ("10.9.0.9", 53), ("10.77.0.2", 5353));
        let transit = flow(Udp, ("8.8.8.8", 53), ("8.8.8.8", 53));
        let led_elsewhere = flow(Udp, ("10.9.0.9", 53), ("10.88.0.2", 5353));
        assert!(stale(&plain, &comes) && stale(&led, &comes) && stale(&led, &goes));
        assert!(stale(&gone, &goes), "our rule led it to where it goes");
        for other in [transit, led_elsewhere, flow(Udp, (HOST, 54), (HOST, 54))] {
            assert!(!stale(&other, &comes) && !stale(&other, &goes), "{other:?}");
        }
        let bound = change(&[rule("127.0.0.1:53:53/udp", &[])], &[]);
        assert!(!stale(&plain, &bound));
        assert!(stale(&led, &comes) && !stale(&led, &bound));
    }

    #[test]
    fn tcp_stays_on_publish_and_ends_where_no_rule_leads_it_any_more() {
        use Transport::Tcp;
        let (web, narrow) = (
            rule("80:8080/tcp", &[]),
            rule("80:8080/tcp", &["10.8.0.0/16"]),
        );
        let wide = rule("80:8080/tcp", &["10.9.0.0/24"]);
        let plain = flow(Tcp, (HOST, 80), (HOST, 80));
        let led = flow(Tcp, (HOST, 80), ("10.77.0.2", 8080));
        let one = std::slice::from_ref;
        assert!(!stale(&plain, &change(one(&web), &[])));
        assert!(!stale(&led, &change(one(&web), &[])));
        assert!(stale(&led, &change(&[], one(&web))));
        assert!(
            !stale(&plain, &change(&[], one(&web))),
            "no rule of ours led it"
        );
        assert!(stale(&led, &change(&[narrow], one(&web))));
        assert!(!stale(&led, &change(&[wide], one(&web))));
    }
}
