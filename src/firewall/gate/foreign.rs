//! Rules of others that meet published ports: told, never changed.
//!
//! A chain of nftables that drops forwarded packets by policy stands beside ours, and an accept of ours does not end it.

use serde_json::Value;

/// Tables of others whose forward chains have a way for us, or are about their own bridges alone: Docker's where it
/// makes rules of nftables itself, libvirt's.
const KNOWN: [&str; 4] = ["firewalld", "locker", "docker-bridges", "libvirt_network"];

/// The chains that forwarded packets must pass, as `family table chain`, and whether they drop by policy; but those
/// for which there is a way already: of iptables ([`super`]), of [`KNOWN`] tables. `chains` is what
/// `nft -j list chains` printed.
pub(super) fn passed(chains: &Value) -> Vec<([String; 3], bool)> {
    let objects = chains["nftables"].as_array().into_iter().flatten();
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let passed = objects.map(|object| &object["chain"]).filter_map(|chain| {
        let (family, table, name) = (
            word(&chain["family"])?,
            word(&chain["table"])?,
            word(&chain["name"])?,
        );
        let forward = chain["hook"] == "forward";
        let of_iptables = table == "filter" && name == "FORWARD" && family != "inet";
        let known = of_iptables || KNOWN.contains(&table.as_str());
        let drops = chain["policy"] == "drop";
        let ours = matches!(family.as_str(), "ip" | "ip6" | "inet");
        (forward && !known && ours).then_some(([family, table, name], drops))
    });
    passed.collect()
}

/// What a chain of others drops of what containers get and send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    Nothing,
    /// What published ports lead on to them, as far as can be told; other rules may let out what they send.
    Led,
    /// What they send by themselves; what was led on to them by a published port passes.
    Sent,
    All,
}

/// What a chain, as `nft list chain` prints it, drops: by policy, by a rule without a condition, or by a rule for
/// locker's bridges. A rule that lets it pass stands before that.
pub(super) fn drops(text: &str, by_policy: bool) -> Dropped {
    let is_rule = |line: &&str| {
        let head = ["table ", "chain ", "type ", "policy ", "#", "}", "comment "];
        !line.is_empty() && !head.iter().any(|start| line.starts_with(start))
    };
    let rules: Vec<&str> = text.lines().map(str::trim).filter(is_rule).collect();
    let for_us = |rule: &&str| {
        let of = ["oifname ", "iifname "]
            .iter()
            .find_map(|word| rule.strip_prefix(word));
        let of = of.and_then(|rest| rest.trim_start_matches('"').strip_prefix("lk-"));
        of.and_then(|rest| rest.split_once(' '))
            .is_some_and(|(_, rest)| is_drop(bare(rest)))
    };
    let ends = |rule: &&str| is_drop(bare(rule)) || for_us(rule);
    let end = rules.iter().position(ends);
    // Without a condition it is the end of the chain, whatever stands below.
    let before = &rules[..end.unwrap_or(rules.len())];
    let all = before
        .iter()
        .any(|rule| bare(rule).split_whitespace().next() == Some("accept"));
    if all || !(by_policy || end.is_some()) {
        return Dropped::Nothing;
    }
    passes(before)
}

/// A rule without what decides nothing: a counter at its begin, and a line for the log.
fn bare(rule: &str) -> &str {
    let mut rest = rule.trim();
    if let Some(after) = rest.strip_prefix("counter packets ") {
        let mut words = after.splitn(4, ' ');
        rest = words.nth(3).unwrap_or_default();
    } else if let Some(after) = rest.strip_prefix("counter ") {
        rest = after;
    }
    match rest
        .strip_prefix("log prefix \"")
        .and_then(|after| after.split_once("\" "))
    {
        Some((_, after)) => bare(after),
        None => rest,
    }
}

fn is_drop(verdict: &str) -> bool {
    let word = verdict.split_whitespace().next();
    matches!(word, Some("drop" | "reject"))
}

/// What is dropped below the rules of a chain. A rule for locker's bridges lets all pass, one for what was led on by
/// somebody the published ports. Beside that one, what any other rule lets pass may be what containers send: who
/// asks for a state of the connection alone lets no new one pass.
fn passes(rules: &[&str]) -> Dropped {
    let accepts = || rules.iter().filter(|rule| rule.contains("accept"));
    if accepts().any(|rule| rule.contains("\"lk-")) {
        return Dropped::Nothing;
    }
    let of_state = |rule: &&&str| rule.starts_with("ct st") && !rule.contains("new");
    let led = accepts().any(|rule| rule.contains("ct status dnat"));
    match (led, accepts().all(|rule| of_state(&rule))) {
        (true, true) => Dropped::Sent,
        (true, false) => Dropped::Nothing,
        (false, true) => Dropped::All,
        (false, false) => Dropped::Led,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
            chain("ip", "docker-bridges", "filter-FORWARD", "forward", "accept"),
            chain("ip", "libvirt_network", "forward", "forward", "accept"),
            chain("bridge", "filter", "forward", "forward", "drop"),
        ]});
        let named = |words: [&str; 3]| words.map(String::from);
        assert_eq!(
            passed(&all),
            [
                (named(["inet", "filter", "forward"]), true),
                (named(["inet", "open", "forward"]), false)
            ]
        );
        let (state, dnat) = (
            "ct state established,related accept",
            "ct status dnat accept",
        );
        for (rules, dropped) in [
            (&["oifname \"lk-*\" accept"][..], Dropped::Nothing),
            (&[dnat], Dropped::Sent),
            (&[state, dnat], Dropped::Sent),
            // It may be the way out.
            (&[dnat, "oifname \"eth0\" accept"], Dropped::Nothing),
            (
                &[dnat, "ct state new oifname \"eth0\" accept"],
                Dropped::Nothing,
            ),
            (&[state, "oifname \"lk-*\" drop"], Dropped::All),
        ] {
            assert_eq!(passes(rules), dropped, "{rules:?}");
        }
    }

    #[test]
    fn rules_that_drop_all_or_what_is_ours_are_seen_and_no_others() {
        let chain = |rules: &str| {
            format!(
                "table inet filter {{\n\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;\n{rules}\t}}\n}}\n"
            )
        };
        for rules in [
            "\t\tdrop\n",
            "\t\tct state established,related accept\n\t\tcounter packets 5 bytes 300 drop\n",
            "\t\tcounter packets 5 bytes 300 reject with icmpx admin-prohibited\n",
            "\t\tlog prefix \"no way: \" drop\n",
            "\t\tcounter packets 0 bytes 0 log prefix \"x\" reject\n",
            "\t\toifname \"lk-*\" drop\n\t\taccept\n",
            "\t\tiifname \"lk-shop\" counter packets 0 bytes 0 drop\n",
            "\t\tdrop\n\t\toifname \"lk-*\" accept\n",
        ] {
            assert_eq!(drops(&chain(rules), false), Dropped::All, "{rules}");
        }
        for rules in [
            "",
            "\t\taccept\n",
            "\t\taccept\n\t\tdrop comment \"never reached\"\n",
            "\t\tiifname \"eth1\" drop\n",
            "\t\tct state invalid drop\n",
            "\t\tip saddr 10.0.0.0/8 counter packets 0 bytes 0 drop\n",
            "\t\tjump guests\n",
            "\t\toifname \"lk-*\" accept\n\t\tdrop\n",
            "\t\toifname \"lk-shop\" ip saddr 10.0.0.1 drop\n",
        ] {
            assert_eq!(drops(&chain(rules), false), Dropped::Nothing, "{rules}");
        }
        for (rules, by_policy, dropped) in [
            ("\t\tct state established accept\n", true, Dropped::All),
            ("\t\tct status dnat accept\n", true, Dropped::Sent),
            (
                "\t\tct status dnat accept\n\t\tdrop\n",
                false,
                Dropped::Sent,
            ),
        ] {
            assert_eq!(drops(&chain(rules), by_policy), dropped, "{rules}");
        }
    }
}
