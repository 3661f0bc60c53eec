//! What the administrator denies with ufw, and what is denied on the way to containers, as `iptables-save` prints it.
//!
//! A rule of which not every word is understood is left out: it may deny less than what is understood of it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{CHAIN, USER};
use crate::model::{PortRange, Protocol};
use crate::observed::Denial;

/// The chains in which ufw keeps what its user denies to the host, and on the way to others.
pub(super) const INPUT: [&str; 2] = ["ufw-user-input", "ufw6-user-input"];
const ROUTE: [&str; 2] = ["ufw-user-forward", "ufw6-user-forward"];

/// The matches whose words are understood, all or some.
const MATCHES: [&str; 5] = ["tcp", "udp", "multiport", "comment", "conntrack"];

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accept,
    Drop,
    Reject,
    /// It leaves the chain, or goes on in another one.
    Leave,
}

/// What ufw denies to the host itself. What an earlier rule accepts is denied to nobody.
pub(super) fn to_host(saved: &str, ipv6: bool) -> Vec<Denial> {
    of_chain(saved, INPUT[usize::from(ipv6)], ipv6)
}

/// What is denied on the way to containers before locker lets it pass: what ufw routes comes before unless Docker's
/// chain for the rules of others is there.
pub(super) fn on_way(saved: &str, ipv6: bool) -> Vec<Denial> {
    let start = format!(":{USER} ");
    let has_docker = saved.lines().any(|line| line.starts_with(&start));
    let chain = match has_docker {
        true => USER,
        false => ROUTE[usize::from(ipv6)],
    };
    let mut denied = of_chain(saved, "FORWARD", ipv6);
    denied.extend(of_chain(saved, chain, ipv6));
    denied
}

fn of_chain(saved: &str, chain: &str, ipv6: bool) -> Vec<Denial> {
    let (mut accepted, mut denied): (Vec<Denial>, Vec<Denial>) = (Vec::new(), Vec::new());
    let start = format!("-A {chain} ");
    let rules = saved.lines().filter_map(|line| line.strip_prefix(&start));
    let ends = [format!("-j {CHAIN}"), format!("-j {USER}")];
    let ends = |rule: &&str| ends.iter().any(|end| rule.ends_with(end));
    for rule in rules.take_while(|rule| !ends(rule)) {
        let Some((verdict, all)) = read(rule, ipv6) else {
            continue;
        };
        let is_dead = |one: &Denial| accepted.iter().any(|earlier| earlier.covers(one));
        let alive: Vec<Denial> = all.into_iter().filter(|one| !is_dead(one)).collect();
        match verdict {
            Verdict::Accept | Verdict::Leave => accepted.extend(alive),
            Verdict::Drop | Verdict::Reject => denied.extend(alive),
        }
    }
    denied
}

/// What a rule matches, one for each of its ports, and what it does with that; none for one that is not understood.
fn read(rule: &str, ipv6: bool) -> Option<(Verdict, Vec<Denial>)> {
    let mut one = Denial {
        ipv6,
        ..Denial::default()
    };
    let (mut verdict, mut ports) = (None, Vec::new());
    let rule = without_comment(rule);
    let mut words = rule.split_whitespace();
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word {
            "-s" => one.from = Some(net(value)?),
            "-d" => one.to = Some(net(value)?),
            "--ctorigdst" => one.sent_to = Some(net(value)?),
            "-i" => one.interface = Some(value.to_owned()),
            "-p" => one.protocol = Some(value.parse::<Protocol>().ok()?),
            "-m" if MATCHES.contains(&value) => {}
            "--dport" | "--dports" => ports = ports_of(value)?,
            "-j" => verdict = Some(verdict_of(value)?),
            "--reject-with" => {}
            _ => return None,
        }
    }
    let verdict = verdict?;
    one.rejects = verdict == Verdict::Reject;
    let with = |range| Denial {
        ports: Some(range),
        ..one.clone()
    };
    let all = match ports.is_empty() {
        true => vec![one],
        false => ports.into_iter().map(with).collect(),
    };
    Some((verdict, all))
}

/// Who would go on in another chain may be accepted there, so that it is no verdict that is understood.
fn verdict_of(target: &str) -> Option<Verdict> {
    match target {
        "ACCEPT" => Some(Verdict::Accept),
        "DROP" => Some(Verdict::Drop),
        "REJECT" => Some(Verdict::Reject),
        "RETURN" => Some(Verdict::Leave),
        _ => None,
    }
}

/// An address stands for the network of it alone.
fn net(text: &str) -> Option<IpNet> {
    let whole = text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or(whole).ok()
}

fn ports_of(list: &str) -> Option<Vec<PortRange>> {
    let range = |text: &str| {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        Some(PortRange {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        })
    };
    list.split(',').map(range).collect()
}

/// A comment of several words stands in quotes.
fn without_comment(rule: &str) -> String {
    const WORD: &str = "--comment ";
    let Some((before, after)) = rule.split_once(WORD) else {
        return rule.to_owned();
    };
    let end = match after.strip_prefix('"') {
        Some(quoted) => quoted.find("\" ").map(|at| at + 2),
        None => after.find(' '),
    };
    let after = end.map_or("", |at| &after[at..]);
    format!("{before}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(denied: &[Denial]) -> Vec<String> {
        denied.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_ufw_denies_is_read_with_all_its_conditions() {
        let saved = "*filter\n:ufw-user-input - [0:0]\n\
            -A ufw-user-input -p tcp -m tcp --dport 8080 -j DROP\n\
            -A ufw-user-input -p udp -m multiport --dports 53,5000:5010 -j REJECT --reject-with icmp-port-unreachable\n\
            -A ufw-user-input -s 10.0.0.1/32 -p tcp -m tcp --dport 81 -j DROP\n\
            -A ufw-user-input -d 192.0.2.7/32 -i eth1 -p tcp -m tcp --dport 84 -j DROP\n\
            -A ufw-user-input -s 203.0.113.0/24 -j DROP\n\
            -A ufw-user-input -p tcp -m multiport --dports 90,91 -m comment --comment \"\\'dapp_Apache Full\\'\" -j DROP\n\
            -A ufw-user-input -p tcp -m tcp --dport 92 -m comment --comment mine -j DROP\n\
            -A INPUT -p tcp -m tcp --dport 83 -j DROP\n";
        assert_eq!(
            told(&to_host(saved, false)),
            [
                "ufw deny 8080/tcp",
                "ufw reject 53/udp",
                "ufw reject 5000:5010/udp",
                "ufw deny proto tcp from 10.0.0.1 to any port 81",
                "ufw deny in on eth1 proto tcp from any to 192.0.2.7 port 84",
                "ufw deny from 203.0.113.0/24 to any",
                "ufw deny 90/tcp",
                "ufw deny 91/tcp",
                "ufw deny 92/tcp",
            ]
        );
        assert!(to_host(saved, true).is_empty());
        let six = "-A ufw6-user-input -s 2001:db8::1/128 -p tcp -m tcp --dport 80 -j DROP\n";
        let words = ["ufw deny proto tcp from 2001:db8::1 to any port 80"];
        assert_eq!(told(&to_host(six, true)), words);
    }

    #[test]
    fn what_is_not_understood_or_accepted_before_is_no_denial() {
        for rules in [
            "-A ufw-user-input -p tcp -m tcp --dport 82 -j ACCEPT\n",
            "-A ufw-user-input ! -s 10.0.0.0/8 -p tcp -m tcp --dport 82 -j DROP\n",
            "-A ufw-user-input -p tcp -m tcp --sport 53 --dport 82 -j DROP\n",
            "-A ufw-user-input -p icmp -j DROP\n",
            "-A ufw-user-input -p tcp -m limit --limit 3/min -m tcp --dport 82 -j DROP\n",
            "-A ufw-user-input -p tcp -m tcp --dport 82 -j ufw-user-limit\n",
            "-A ufw-user-input -p tcp -m tcp --dport 82 -j ACCEPT\n\
             -A ufw-user-input -s 10.0.0.1/32 -p tcp -m tcp --dport 82 -j DROP\n",
        ] {
            assert_eq!(told(&to_host(rules, false)), [""; 0], "{rules}");
        }
        let some = "-A ufw-user-input -s 10.0.0.0/8 -p tcp -m tcp --dport 82 -j ACCEPT\n\
            -A ufw-user-input -p tcp -m tcp --dport 82 -j DROP\n";
        assert_eq!(told(&to_host(some, false)), ["ufw deny 82/tcp"]);
    }

    #[test]
    fn a_denial_on_the_way_counts_where_it_comes_before_lockers_accept() {
        let ufw =
            "-A ufw-user-forward -d 10.80.0.2/32 -p tcp -m tcp --dport 80 -j DROP\n".to_owned();
        assert_eq!(on_way(&ufw, false).len(), 1);
        assert!(on_way(&ufw, true).is_empty());
        let rule = "-A DOCKER-USER -d 10.80.0.3/32 -p tcp -m tcp --dport 80 -j DROP\n";
        let jump = "-A DOCKER-USER -m comment --comment locker -j LOCKER-FORWARD\n";
        let docker = format!(":DOCKER-USER - [0:0]\n{ufw}{rule}{jump}");
        let to: Vec<_> = on_way(&docker, false).into_iter().map(|d| d.to).collect();
        assert_eq!(to, ["10.80.0.3/32".parse().ok()]);
        let first = "-A FORWARD -d 10.80.0.4/32 -p tcp -m tcp --dport 80 -m conntrack --ctorigdst 192.0.2.2 -j DROP\n\
            -A FORWARD -j DOCKER-USER\n-A FORWARD -d 10.80.0.5/32 -j DROP\n";
        let told = on_way(&format!(":DOCKER-USER - [0:0]\n{first}"), false);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].sent_to, "192.0.2.2/32".parse().ok());
        let late = format!(":DOCKER-USER - [0:0]\n{jump}{rule}");
        assert!(on_way(&late, false).is_empty());
    }
}
