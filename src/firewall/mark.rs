//! The comment that every element and rule of ours bears, and the gate that every word must pass
//! before it is written into a rule.
//!
//! `locker` (shared), `locker:<project>` (a network), `locker:<project>:<name>` (a port rule), then a
//! space and what a driver needs to read its rules back.

use super::FirewallError;
use crate::model::{Name, NetworkRules, PortRule};

/// The mark of a network.
pub(super) fn of_network(network: &NetworkRules) -> String {
    format!("locker:{}", network.project)
}

/// The mark of a port rule.
pub(super) fn of_rule(rule: &PortRule) -> String {
    format!("locker:{}:{}", rule.project, rule.container)
}

/// A mark read back: project, container (none for a network) and what stands behind the space.
pub(super) fn parse(comment: &str) -> Option<(Name, Option<Name>, &str)> {
    let (mark, rest) = comment.split_once(' ').unwrap_or((comment, ""));
    let mut words = mark.strip_prefix("locker:")?.splitn(2, ':');
    let project = Name::new(words.next()?).ok()?;
    let container = match words.next() {
        Some(word) => Some(Name::new(word).ok()?),
        None => None,
    };
    Some((project, container, rest))
}

/// Passes a comment that cannot end its own string: nothing but visible ASCII and spaces, no quotes
/// and no backslash. Names are safe by their type; this is the last door, whatever came before it.
pub(super) fn comment(text: &str) -> Result<&str, FirewallError> {
    let safe =
        |c: char| (c == ' ' || c.is_ascii_graphic()) && !matches!(c, '"' | '\'' | '\\' | '`');
    check(text, !text.is_empty() && text.chars().all(safe))
}

/// Passes the name of an interface: at most 15 bytes (`IFNAMSIZ`, netdevice(7)), no wildcard.
pub(super) fn interface(text: &str) -> Result<&str, FirewallError> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let whole = !text.is_empty() && text.len() <= 15 && !text.starts_with('-');
    check(text, whole && text.chars().all(safe))
}

fn check(text: &str, good: bool) -> Result<&str, FirewallError> {
    match good {
        true => Ok(text),
        false => Err(FirewallError::Word { word: text.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_words_reach_no_rule() {
        for bad in [
            "",
            "a\nadd table inet x",
            "a\" drop",
            "a'b",
            "a\\",
            "a\0",
            "a\u{7f}",
            "ä",
            "`id`",
        ] {
            assert!(comment(bad).is_err(), "{bad:?}");
            assert!(interface(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "lk-*",
            "lk shop",
            "-o",
            "lk;drop",
            "sixteen-letters-",
            "a/b",
            "lk+",
        ] {
            assert!(interface(bad).is_err(), "{bad:?}");
        }
        assert!(interface("lk-shop").is_ok() && comment("locker:a:b *80-90").is_ok());
    }

    #[test]
    fn a_mark_is_read_back_and_a_foreign_comment_is_not() {
        let name = |word| Name::new(word).unwrap();
        let cases = [
            ("locker:a", Some((name("a"), None, ""))),
            (
                "locker:a:b.c x y",
                Some((name("a"), Some(name("b.c")), "x y")),
            ),
            ("locker", None),
            ("locker:", None),
            ("locker:a:", None),
            ("docker:a:b", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
