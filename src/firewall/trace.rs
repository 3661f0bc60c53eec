//! Who drops a packet: the kernel's own trace of it, nft(8) `monitor trace`.
//!
//! For the time of one question a table of our own, `inet locker_check`, marks the packets of that
//! question for tracing; it decides nothing. Tables of legacy iptables cannot be traced: there the
//! counters of their dropping rules are compared. A foreign rule is only read.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use super::FirewallError;
use super::gate;
use crate::model::Protocol;
use crate::sys::{Exec, ExecError};

const TABLE: &str = "inet locker_check";
/// Programs whose tables cannot be traced, with the kernel's list of their tables.
const LEGACY: [(&str, &str); 2] = [
    ("iptables-legacy", "ip_tables_names"),
    ("ip6tables-legacy", "ip6_tables_names"),
];
/// How long the trace may lag behind the packets.
const LAG: Duration = Duration::from_millis(200);

/// Where a packet ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Family and name of the table: `ip filter`.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule as the kernel shows it, or `policy drop`.
    pub rule: String,
}

/// A trace that is under way.
#[derive(Debug)]
pub struct Trace {
    from_port: u16,
    monitor: Option<Child>,
    counters: Vec<(&'static str, String)>,
}

impl Trace {
    /// Traces packets from `from_port` and the answers to it.
    pub async fn begin(protocol: Protocol, from_port: u16) -> Result<Self, FirewallError> {
        let monitor = match mark_packets(protocol, from_port).await {
            Ok(()) => Some(listen().await?),
            // A host without nft has legacy counters only.
            Err(ExecError::Io { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            from_port,
            monitor,
            counters: counters().await?,
        })
    }

    /// Ends the trace and tells where the packet was dropped; none when no rule dropped it.
    pub async fn end(mut self) -> Result<Option<Dropped>, FirewallError> {
        let text = match self.monitor.take() {
            Some(monitor) => {
                tokio::time::sleep(LAG).await;
                let text = hear(monitor).await;
                forget().await?;
                text?
            }
            None => String::new(),
        };
        if let Some(found) = find(&text, self.from_port) {
            return Ok(Some(found));
        }
        let after = counters().await?;
        let grown = self.counters.iter().zip(&after);
        let mut grown =
            grown.filter_map(|((tool, before), (_, after))| grown_in(tool, before, after));
        Ok(grown.next())
    }
}

async fn mark_packets(protocol: Protocol, port: u16) -> Result<(), ExecError> {
    let mut script = format!("add table {TABLE}\ndelete table {TABLE}\nadd table {TABLE}\n");
    for (chain, hook) in [("pre", "prerouting"), ("out", "output")] {
        script.push_str(&format!(
            "add chain {TABLE} {chain} {{ type filter hook {hook} priority -450; }}\n"
        ));
        for side in ["sport", "dport"] {
            script.push_str(&format!(
                "add rule {TABLE} {chain} {protocol} {side} {port} meta nftrace set 1\n"
            ));
        }
    }
    let nft = Exec::new("nft", ["-f", "-"]).stdin(script);
    nft.run().await.map(|_| ())
}

async fn forget() -> Result<(), FirewallError> {
    let script = format!("add table {TABLE}\ndelete table {TABLE}\n");
    Exec::new("nft", ["-f", "-"]).stdin(script).run().await?;
    Ok(())
}

/// Starts the monitor; what it prints waits in its pipe.
async fn listen() -> Result<Child, FirewallError> {
    let started = Command::new("nft")
        .args(["monitor", "trace"])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let child = started.map_err(|source| FirewallError::Missing {
        program: "nft".into(),
        source,
    })?;
    // It reads all tables before it listens.
    tokio::time::sleep(LAG).await;
    Ok(child)
}

async fn hear(mut monitor: Child) -> Result<String, FirewallError> {
    let unreadable = |error: std::io::Error| FirewallError::Unreadable {
        program: "nft monitor".into(),
        reason: error.to_string(),
    };
    monitor.start_kill().map_err(unreadable)?;
    let mut text = Vec::new();
    if let Some(mut pipe) = monitor.stdout.take() {
        pipe.read_to_end(&mut text).await.map_err(unreadable)?;
    }
    monitor.wait().await.map_err(unreadable)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The first drop in what the monitor printed of packets from or to `port`.
fn find(text: &str, port: u16) -> Option<Dropped> {
    let (from, to) = (format!(" sport {port} "), format!(" dport {port} "));
    let mut ours: Vec<&str> = Vec::new();
    for line in text.lines() {
        let mut words = line.strip_prefix("trace id ")?.split(' ');
        let (id, family, table, chain) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let rest = words.collect::<Vec<_>>().join(" ");
        let rest = rest.trim();
        if rest.starts_with("packet:") {
            let padded = format!("{rest} ");
            if padded.contains(&from) || padded.contains(&to) {
                ours.push(id);
            }
        }
        let dropped = rest.ends_with("(verdict drop)") || rest == "policy drop";
        if dropped && ours.contains(&id) {
            let rule = rest
                .trim_end_matches("(verdict drop)")
                .trim_start_matches("rule ");
            return Some(Dropped {
                table: format!("{family} {table}"),
                chain: chain.into(),
                rule: rule.trim().into(),
            });
        }
    }
    None
}

/// The filter tables of legacy iptables with their counters, of the families that have one.
async fn counters() -> Result<Vec<(&'static str, String)>, FirewallError> {
    let mut found = Vec::new();
    for (tool, names) in LEGACY {
        let names = std::fs::read_to_string(format!("/proc/thread-self/net/{names}"));
        if names.is_ok_and(|names| !names.trim().is_empty()) {
            match gate::run(tool, "save", &["-c"], "").await {
                Ok(text) => found.push((tool, text)),
                Err(FirewallError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

/// The first dropping rule or policy whose packet counter grew.
fn grown_in(tool: &str, before: &str, after: &str) -> Option<Dropped> {
    let mut table = "";
    for line in after.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        }
        let Some((what, packets)) = counted(line) else {
            continue;
        };
        let earlier = before
            .lines()
            .filter_map(counted)
            .find(|(same, _)| *same == what);
        if earlier.is_some_and(|(_, earlier)| packets > earlier) {
            let mut words = what.split(' ');
            let chain = match words.next()? {
                "-A" => words.next()?,
                policy => policy.trim_start_matches(':'),
            };
            let rule = match what.starts_with(':') {
                true => "policy drop",
                false => what.as_str(),
            };
            return Some(Dropped {
                table: format!("{tool} {table}"),
                chain: chain.into(),
                rule: rule.into(),
            });
        }
    }
    None
}

/// A dropping rule or policy of `iptables-save -c` without its counters, and how many packets it had.
fn counted(line: &str) -> Option<(String, u64)> {
    let (what, counts) = match line.strip_prefix('[') {
        Some(rest) => {
            let (counts, rule) = rest.split_once("] ")?;
            (rule.to_string(), counts)
        }
        None => {
            let (policy, counts) = line.strip_prefix(':')?.split_once(" [")?;
            (format!(":{policy}"), counts)
        }
    };
    let drops = what.contains("-j DROP") || what.contains("-j REJECT") || what.ends_with(" DROP");
    let packets = counts.split(':').next()?.parse().ok()?;
    drops.then_some((what, packets))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
trace id 11 inet locker_check pre packet: iif \"a\" ip saddr 1.1.1.1 tcp sport 9 tcp dport 80 x
trace id 22 inet fw input packet: iif \"a\" ip saddr 1.1.1.2 tcp sport 40000 tcp dport 80 x
trace id 11 inet fw input rule tcp dport 80 drop (verdict drop)
trace id 22 inet fw input rule tcp dport 80 counter drop comment \"adm\" (verdict drop)
trace id 33 ip filter FORWARD packet: tcp sport 80 tcp dport 50000 y
trace id 33 ip filter FORWARD policy drop 
";

    #[test]
    fn the_rule_that_dropped_our_packet_is_found_among_others() {
        let drop = |table: &str, chain: &str, rule: &str| {
            Some(Dropped {
                table: table.into(),
                chain: chain.into(),
                rule: rule.into(),
            })
        };
        let rule = "tcp dport 80 counter drop comment \"adm\"";
        assert_eq!(find(TEXT, 40_000), drop("inet fw", "input", rule));
        assert_eq!(
            find(TEXT, 50_000),
            drop("ip filter", "FORWARD", "policy drop")
        );
        assert_eq!(find(TEXT, 4000), None);
        assert_eq!(find("noise", 4000), None);
    }

    #[test]
    fn a_counter_that_grew_names_its_rule_or_policy() {
        let saved = |policy: u32, rule: u32| {
            format!(
                "*filter\n:FORWARD DROP [{policy}:9]\n[5:5] -A FORWARD -j ACCEPT\n\
                 [{rule}:60] -A FORWARD -s 1.2.3.4/32 -j DROP\nCOMMIT\n"
            )
        };
        let grown = |policy, rule| grown_in("iptables-legacy", &saved(1, 1), &saved(policy, rule));
        assert_eq!(grown(1, 1), None);
        let by_policy = grown(2, 1).unwrap();
        assert_eq!(
            (by_policy.chain.as_str(), by_policy.rule.as_str()),
            ("FORWARD", "policy drop")
        );
        let by_rule = grown(1, 2).unwrap();
        assert_eq!(by_rule.rule, "-A FORWARD -s 1.2.3.4/32 -j DROP");
        assert_eq!(by_rule.table, "iptables-legacy filter");
    }
}
