//! Rules of others that meet published ports: told, never changed.
//!
//! ufw denies a port in the INPUT chain, which a packet that is led on to a container never passes. A chain of
//! nftables that drops forwarded packets by policy stands beside ours, and an accept of ours does not end it.

use serde_json::Value;

use crate::model::{PortRange, Protocol};
use crate::observed::DeniedPort;

/// The chains in which ufw keeps what its user denies.
const USER_INPUT: [&str; 2] = ["ufw-user-input", "ufw6-user-input"];

/// Whether a chain is one of those.
pub(super) fn is_ufws(chain: &Value) -> bool {
    USER_INPUT.iter().any(|name| chain["name"] == *name)
}

/// What ufw denies, in what `iptables-save` printed. Only what everybody is denied: a deny for some is no
/// promise about all.
pub(super) fn denied(saved: &str) -> Vec<DeniedPort> {
    let of_ufw = |line: &&str| {
        let mut starts = USER_INPUT.iter().map(|chain| format!("-A {chain} "));
        starts.any(|start| line.starts_with(&start))
    };
    saved.lines().filter(of_ufw).flat_map(ports).collect()
}

fn ports(line: &str) -> Vec<DeniedPort> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |word: &str| {
        let at = words.iter().position(|other| *other == word)?;
        words.get(at + 1).copied()
    };
    let closes = matches!(after("-j"), Some("DROP" | "REJECT"));
    let protocol = match after("-p") {
        Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some(_) | None => return Vec::new(),
    };
    let list = after("--dport").or_else(|| after("--dports"));
    let Some(list) = list.filter(|_| closes && !words.contains(&"-s")) else {
        return Vec::new();
    };
    let range = |text: &str| {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let ports = PortRange {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        };
        Some(DeniedPort { protocol, ports })
    };
    list.split(',').filter_map(range).collect()
}

/// The chains that drop forwarded packets by policy, as `family table chain`, but those for which there is a
/// way already: of iptables ([`super`]), of firewalld, and our own. `chains` is what `nft -j list chains`
/// printed.
pub(super) fn closed(chains: &Value) -> Vec<[String; 3]> {
    let objects = chains["nftables"].as_array().into_iter().flatten();
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let closed = objects.map(|object| &object["chain"]).filter_map(|chain| {
        let (family, table, name) = (
            word(&chain["family"])?,
            word(&chain["table"])?,
            word(&chain["name"])?,
        );
        let drops = chain["hook"] == "forward" && chain["policy"] == "drop";
        let of_iptables = table == "filter" && name == "FORWARD" && family != "inet";
        let known = of_iptables || matches!(table.as_str(), "firewalld" | "locker");
        (drops && !known && family != "bridge").then_some([family, table, name])
    });
    closed.collect()
}

/// Whether a chain, as `nft list chain` prints it, has a rule for locker's bridges or for all that is led on.
pub(super) fn lets_pass(text: &str) -> bool {
    let lines = text.lines().filter(|line| line.contains("accept"));
    let mut words =
        lines.flat_map(|line| [line.contains("\"lk-"), line.contains("ct status dnat")]);
    words.any(|found| found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_ufw_denies_to_everybody_is_read() {
        let saved = "*filter\n:ufw-user-input - [0:0]\n\
            -A ufw-user-input -p tcp -m tcp --dport 8080 -j DROP\n\
            -A ufw-user-input -p udp -m multiport --dports 53,5000:5010 -j REJECT --reject-with icmp-port-unreachable\n\
            -A ufw-user-input -s 10.0.0.1/32 -p tcp -m tcp --dport 81 -j DROP\n\
            -A ufw-user-input -p tcp -m tcp --dport 82 -j ACCEPT\n\
            -A INPUT -p tcp -m tcp --dport 83 -j DROP\n";
        let denied = denied(saved);
        let text: Vec<String> = denied
            .iter()
            .map(|denied| format!("{}/{}", denied.ports, denied.protocol))
            .collect();
        assert_eq!(text, ["8080/tcp", "53/udp", "5000-5010/udp"]);
    }

    #[test]
    fn chains_that_drop_by_policy_are_seen_unless_there_is_a_way_through_them() {
        let chain = |family: &str, table: &str, name: &str, hook: &str, policy: &str| json!({"chain": {"family": family, "table": table, "name": name, "hook": hook, "policy": policy}});
        let all = json!({"nftables": [
            chain("inet", "filter", "forward", "forward", "drop"),
            chain("inet", "open", "forward", "forward", "accept"),
            chain("inet", "filter", "input", "input", "drop"),
            chain("ip", "filter", "FORWARD", "forward", "drop"),
            chain("inet", "firewalld", "filter_FORWARD", "forward", "drop"),
            chain("inet", "locker", "forward", "forward", "drop"),
        ]});
        assert_eq!(
            closed(&all),
            [["inet", "filter", "forward"].map(String::from)]
        );
        assert!(lets_pass("  oifname \"lk-*\" accept\n"));
        assert!(lets_pass("  ct status dnat accept\n"));
        assert!(!lets_pass(
            "  ct state established,related accept\n  oifname \"lk-*\" drop\n"
        ));
    }
}
