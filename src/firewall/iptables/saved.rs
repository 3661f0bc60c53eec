//! Looks at what `iptables-save` printed: which of our chains are there, reached and filled.

use super::Counts;
use super::note::{CHAIN as NOTES, comment_of};
use super::render::CHAINS;

/// Takes every chain of ours that is there out again.
pub(super) fn removal(saved: &str) -> Option<String> {
    let mut script = String::new();
    for table in ["raw", "nat", "filter"] {
        let there = |chain: &str| {
            saved
                .lines()
                .any(|line| line.starts_with(&format!(":{chain} ")))
        };
        let chains = CHAINS
            .iter()
            .filter(|(of, chain, _)| *of == table && there(chain));
        let mut body = String::new();
        for (_, chain, _) in chains {
            for jump in jumps(saved, chain) {
                body.push_str(&jump.replacen("-A", "-D", 1));
                body.push('\n');
            }
            body.push_str(&format!("-F {chain}\n-X {chain}\n"));
        }
        if !body.is_empty() {
            script.push_str(&format!("*{table}\n{body}COMMIT\n"));
        }
    }
    (!script.is_empty()).then_some(script)
}

pub(super) fn jumps<'a>(saved: &'a str, chain: &str) -> impl Iterator<Item = &'a str> {
    let end = format!(" -j {chain}");
    let ours = move |line: &&str| line.starts_with("-A ") && line.ends_with(&end);
    saved.lines().filter(ours)
}

/// Whether every chain of ours is reached.
pub(super) fn has_jumps(saved: &str) -> bool {
    let reached = |(_, chain, from): &(&str, &str, Option<_>)| {
        from.is_none() || jumps(saved, chain).any(|_| true)
    };
    CHAINS.iter().all(reached)
}

/// How many rules each chain of ours has for each comment, in what `iptables-save` printed.
pub(super) fn count(saved: &str) -> Counts {
    let mut counts = Counts::new();
    for line in saved.lines() {
        let chain = line
            .strip_prefix("-A ")
            .and_then(|rest| rest.split(' ').next());
        let ours = chain.filter(|chain| CHAINS.iter().any(|(_, ours, _)| ours == chain));
        if let (Some(chain), Some(comment)) = (ours.filter(|c| *c != NOTES), comment_of(line)) {
            *counts.entry((chain.into(), comment.into())).or_insert(0) += 1;
        }
    }
    counts
}
