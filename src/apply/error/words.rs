//! The words of an error that is about many.

use std::collections::BTreeSet;

use crate::model::Name;

use super::{Aftermath, StepFailure};

/// Of many lines the last is in the message; all of them are among the details of the error.
pub(super) fn last_line(output: &str) -> String {
    let last = output.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or(String::new(), |line| format!(": {line}"))
}

/// The code of an end that may look like a good one.
pub(super) fn code_of(code: i32) -> String {
    format!("; it ended with exit code {code}")
}

pub(super) fn list(failures: &[StepFailure]) -> String {
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn names(names: &BTreeSet<Name>) -> String {
    let texts: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    texts.join(", ")
}

/// What became of the containers: undone, kept for a look, finished.
pub(super) fn partly_words(
    (lost, kept, finished): (&BTreeSet<Name>, &BTreeSet<Name>, &BTreeSet<Name>),
    aftermath: &Aftermath,
) -> String {
    let undone: BTreeSet<Name> = lost.difference(kept).cloned().collect();
    let undone = match aftermath.is_clean() {
        true => some("undone", &undone),
        false => Some(aftermath.to_string()),
    };
    let kept = some("kept for a look", kept);
    let finished = some("finished and kept", finished);
    let parts = [undone, kept, finished].into_iter().flatten();
    parts.collect::<Vec<String>>().join("; ")
}

fn some(what: &str, all: &BTreeSet<Name>) -> Option<String> {
    (!all.is_empty()).then(|| format!("{what}: {}", names(all)))
}

pub(super) fn finished_words(finished: &[String]) -> String {
    if finished.is_empty() {
        return String::new();
    }
    format!("waited for: {}; ", finished.join(", "))
}

pub(super) fn not_done_words(not_done: &[String]) -> String {
    if not_done.is_empty() {
        return String::new();
    }
    format!("not done because of that: {}; ", not_done.join(", "))
}
