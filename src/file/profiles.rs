//! `profiles`: containers that take part only when one of their profiles is enabled.
//!
//! One that takes no part is known by name all the same: what needs it is told why it is not there,
//! and its container on the host is no leftover.

use std::collections::{BTreeMap, BTreeSet};

use super::desk::{Desk, Scope};
use super::diagnostic::{Diagnostic, Severity, nearest};
use super::tree::{Entry, Kind, Node};
use crate::model::Place;

/// What decides which profiles are enabled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'a> {
    /// Profiles by name; `*` is all of them.
    pub profiles: &'a [String],
    /// Containers that the command line names: their own profiles are enabled.
    pub named: &'a [String],
}

/// The containers that take part, and the others with their profiles.
pub(super) fn apply(
    desk: &Desk<'_>,
    entries: Vec<Entry>,
    choice: Choice<'_>,
) -> (Vec<Entry>, BTreeMap<String, Vec<String>>) {
    let profiles: Vec<Vec<String>> = entries.iter().map(|entry| of(desk, entry)).collect();
    let mut enabled: BTreeSet<&str> = choice.profiles.iter().map(String::as_str).collect();
    unknown(desk, &enabled, &profiles);
    for (entry, own) in entries.iter().zip(&profiles) {
        let on = |name: &String| enabled.contains(name.as_str());
        if choice.named.iter().any(|name| is_named(name, &entry.key)) && !own.iter().any(on) {
            enabled.extend(own.iter().map(String::as_str));
        }
    }
    let takes_part = |own: &[String]| {
        own.is_empty()
            || enabled.contains("*")
            || own.iter().any(|name| enabled.contains(name.as_str()))
    };
    let parts: Vec<bool> = profiles.iter().map(|own| takes_part(own)).collect();
    let mut taking = Vec::with_capacity(entries.len());
    let mut out = BTreeMap::new();
    for ((entry, part), own) in entries.into_iter().zip(parts).zip(profiles) {
        if part {
            taking.push(entry);
        } else {
            out.insert(entry.key, own);
        }
    }
    (taking, out)
}

/// A container by its name, or by that of one of its replicas.
fn is_named(word: &str, key: &str) -> bool {
    let number = word
        .strip_prefix(key)
        .and_then(|rest| rest.strip_prefix('-'));
    word == key || number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The profiles of a container.
fn of(desk: &Desk<'_>, entry: &Entry) -> Vec<String> {
    let Some(profiles) = entry.value.get("profiles") else {
        return Vec::new();
    };
    let items = match &profiles.value.kind {
        Kind::Sequence(items) => items.as_slice(),
        Kind::Null => &[],
        Kind::Scalar(_) | Kind::Mapping(_) => {
            let kind = profiles.value.kind_name();
            let message = format!("`profiles` takes a list, not {kind}");
            desk.error_help(profiles.value.spot, message, "write `profiles: [NAME]`");
            return Vec::new();
        }
    };
    items.iter().filter_map(|item| name(desk, item)).collect()
}

fn name(desk: &Desk<'_>, item: &Node) -> Option<String> {
    let text = desk.text(item, Scope::Project, "profiles")?;
    let sign = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(sign) {
        return Some(text);
    }
    let message = format!(
        "`{text}` is not the name of a profile; it is made of letters, digits, `_`, `.` and `-`"
    );
    desk.error(item.spot, message);
    None
}

/// Warns of an enabled profile that nobody has.
fn unknown(desk: &Desk<'_>, enabled: &BTreeSet<&str>, profiles: &[Vec<String>]) {
    let known: BTreeSet<&str> = profiles.iter().flatten().map(String::as_str).collect();
    for name in enabled
        .iter()
        .filter(|name| **name != "*" && !known.contains(**name))
    {
        let message = format!("no container has the profile `{name}`");
        let mut warning = Diagnostic::at(Severity::Warning, message, Place::nowhere());
        let near = nearest(name, known.iter().copied());
        warning.help = near.map(|near| format!("did you mean `{near}`?"));
        desk.push(warning);
    }
}
