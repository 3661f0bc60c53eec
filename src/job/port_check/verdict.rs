//! What an outcome means, and whose work a drop is.

use crate::firewall::Dropped;
use crate::model::{Name, Protocol, bridge_of};
use crate::network::Answer;
use crate::observed::Observed;

use super::road::{Asker, Question};
use super::{Outcome, PortCheckRow, PortResult};

/// The row of a question; [`PortResult::Lost`] is still to be looked into.
pub(super) fn row(question: &Question<'_>, outcome: Outcome) -> PortCheckRow {
    let rule = question.rule;
    let from = match &question.from {
        Asker::Guest => "another machine".to_string(),
        Asker::Host => "this host".to_string(),
        Asker::Container(name) if *name == rule.container => "itself".to_string(),
        Asker::Container(name) => format!("container {name}"),
    };
    let to = std::net::SocketAddr::new(question.to, rule.port.host.first).to_string();
    let row = |result| PortCheckRow::new(rule, &from, to.clone(), result);
    if let Some(why) = &question.skip {
        return row(PortResult::Skipped).because(why.clone(), None);
    }
    let (protocol, port, name) = (
        rule.port.protocol,
        rule.port.container.first,
        &rule.container,
    );
    match (outcome.answer, outcome.arrived, protocol) {
        (Answer::Answered, _, _) => row(PortResult::Answers),
        (Answer::Refused, true, _) => row(PortResult::Refused).because(
            format!("refused by the container: nothing listens on {protocol} {port} in `{name}`"),
            Some(format!("look at the service inside: `locker shell {name}`")),
        ),
        (Answer::Silent | Answer::NoRoute, true, Protocol::Udp) => row(PortResult::Delivered)
            .because(
                "arrived; the service does not answer an empty datagram",
                None,
            ),
        (Answer::Silent | Answer::NoRoute, true, Protocol::Tcp) => row(PortResult::Silent).because(
            format!("arrived in `{name}` and is not answered: a firewall inside?"),
            Some(format!("look at the rules inside: `locker shell {name}`")),
        ),
        (Answer::Refused | Answer::Silent | Answer::NoRoute, false, _) => row(PortResult::Lost),
    }
}

/// A packet that a rule dropped.
pub(super) fn dropped(row: PortCheckRow, dropped: Dropped, project: &Name) -> PortCheckRow {
    let Dropped { table, chain, rule } = &dropped;
    let (owner, help) = owner(&dropped, project);
    let reason = format!("dropped in table `{table}`, chain `{chain}` ({owner}) by `{rule}`");
    PortCheckRow {
        result: PortResult::Dropped,
        table: Some(table.clone()),
        chain: Some(chain.clone()),
        ..row.because(reason, Some(help))
    }
}

/// Whose rule it is, and what to do.
fn owner(dropped: &Dropped, project: &Name) -> (&'static str, String) {
    let bridge = bridge_of(project);
    let Dropped { table, chain, rule } = dropped;
    if table == "inet locker" || chain.starts_with("LOCKER") {
        let help = "look at `allow` and `network.isolate` of the project";
        return ("locker", help.into());
    }
    if table.ends_with(" firewalld") {
        let help = format!("`firewall-cmd --permanent --zone=trusted --add-interface={bridge}`");
        return ("firewalld", help + ", then `firewall-cmd --reload`");
    }
    if chain.starts_with("ufw") {
        return ("ufw", format!("`ufw route allow out on {bridge}`"));
    }
    if chain == "FORWARD" && rule == "policy drop" {
        let help = "let locker put its way through it back: `locker ports`";
        return ("a policy, as Docker and ufw set it", help.into());
    }
    if chain.starts_with("DOCKER") {
        let help = format!("`iptables -I DOCKER-USER -o {bridge} -j ACCEPT`");
        return ("Docker", help);
    }
    let help = format!("take the rule out, or accept packets to `{bridge}` before it");
    ("a rule that is not locker's", help)
}

/// A packet that vanished without a rule.
pub(super) fn lost(
    row: PortCheckRow,
    question: &Question<'_>,
    answer: Answer,
    observed: &Observed,
) -> PortCheckRow {
    let again = || Some("mend it with `locker ports`".to_string());
    if !observed.network.forwarding {
        return row.because(
            "the kernel does not forward: a setting was turned off",
            again(),
        );
    }
    let name = &question.rule.container;
    let mut strays = observed.network.strays.iter();
    if let Some(stray) = strays.find(|stray| stray.container == *name && !stray.misfit) {
        let reason = format!("the card of `{name}` is not on the bridge {}", stray.bridge);
        return row.because(reason, Some("put it back with `locker up`".to_string()));
    }
    if !is_open(question, observed) {
        return row.because("the project's network rules are not whole", again());
    }
    match (answer, &question.from) {
        (Answer::NoRoute, _) => row.because(
            format!("who asks has no way to {}", question.to),
            Some("look at the routes there".into()),
        ),
        (_, Asker::Container(name)) if *name == question.rule.container => row.because(
            "a bridge sends nothing back where it came from, unless the port is in hairpin mode",
            Some(format!("restart it: `locker restart {name}`")),
        ),
        (Answer::Refused, _) => row.because(
            "refused by the host itself: no rule leads the packet on",
            again(),
        ),
        (Answer::Answered | Answer::Silent, _) => row.because(
            "lost on the way, and no rule dropped it",
            Some("look at `rp_filter` of the interfaces and at the routes".into()),
        ),
    }
}

/// Whether the rules of the network that the port leads into are whole.
fn is_open(question: &Question<'_>, observed: &Observed) -> bool {
    let found = observed.containers.get(&question.rule.container);
    let mark = found.and_then(|found| found.mark.as_ref());
    let nic = mark.and_then(|mark| mark.spec.nic.as_ref());
    let networks = &observed.firewall.networks;
    nic.is_some_and(|nic| networks.contains_key(&nic.bridge))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PortRule;

    fn rule(port: &str) -> PortRule {
        PortRule {
            project: Name::new("shop").unwrap(),
            container: Name::new("web").unwrap(),
            port: port.parse().unwrap(),
            to4: [10, 77, 0, 2].into(),
            to6: "fd77::2".parse().ok(),
        }
    }

    fn question(rule: &PortRule) -> Question<'_> {
        Question {
            rule,
            from: Asker::Guest,
            to: [203, 0, 113, 1].into(),
            skip: None,
        }
    }

    #[test]
    fn an_outcome_becomes_the_right_word() {
        use Answer::{Answered, Refused, Silent};
        for (port, answer, arrived, expected) in [
            ("80:8080", Answered, true, PortResult::Answers),
            ("80:8080", Refused, true, PortResult::Refused),
            ("80:8080", Refused, false, PortResult::Lost),
            ("80:8080", Silent, true, PortResult::Silent),
            ("53:53/udp", Silent, true, PortResult::Delivered),
            ("53:53/udp", Silent, false, PortResult::Lost),
        ] {
            let rule = rule(port);
            let row = row(&question(&rule), Outcome { answer, arrived });
            assert_eq!(row.result, expected, "{port} {answer:?} {arrived}");
            assert_eq!(row.reason.is_none(), !expected.needs_reason());
        }
    }

    impl PortResult {
        fn needs_reason(self) -> bool {
            !matches!(self, Self::Answers | Self::Lost)
        }
    }

    #[test]
    fn a_drop_names_its_owner() {
        for (table, chain, rule, expected) in [
            ("inet firewalld", "filter_FORWARD", "reject", "firewalld"),
            ("ip filter", "ufw-user-forward", "drop", "ufw"),
            (
                "ip filter",
                "FORWARD",
                "policy drop",
                "a policy, as Docker and ufw set it",
            ),
            (
                "ip filter",
                "FORWARD",
                "unknown rule handle 4",
                "a rule that is not locker's",
            ),
            ("ip filter", "DOCKER-ISOLATION-STAGE-2", "drop", "Docker"),
            ("inet locker", "forward", "drop", "locker"),
            ("inet mine", "x", "drop", "a rule that is not locker's"),
        ] {
            let [table, chain, rule] = [table, chain, rule].map(String::from);
            let found = owner(&Dropped { table, chain, rule }, &Name::new("shop").unwrap());
            assert_eq!(found.0, expected);
        }
    }
}
