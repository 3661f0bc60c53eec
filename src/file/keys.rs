//! The one table of keys: what the loader knows, how each key is treated, and what the published
//! schema says.
//!
//! Unknown keys are found with it, suggestions come from it, [`super::schema`] is made from it and
//! docs/compose.md is tested against it, so that none of them can say something else than the others.

mod container;
mod inner;
mod instead;
mod top;

use serde_json::Value;

use super::desk::Desk;
use super::diagnostic::{Diagnostic, Severity, nearest};
use super::schema;
use super::tree::{Entry, Node};
use crate::model::{Key, Kind};

pub(super) use container::CONTAINER;
pub(super) use inner::*;
use instead::instead_of;
pub(super) use top::*;

/// Which containers a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Both,
    System,
    Application,
}

/// What happens to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It does what it says.
    Works,
    /// It is read and told to have no effect, with the reason.
    Warned(&'static str),
    /// The file is refused, with the reason.
    Refused(&'static str),
}

/// One key of a map.
#[derive(Clone, Copy)]
pub(super) struct KeySpec {
    /// As it is written.
    pub name: &'static str,
    /// What it means, in one line.
    pub about: &'static str,
    /// What its value may look like.
    pub schema: fn() -> Value,
    /// Whose key it is.
    pub of: For,
    /// What happens to it.
    pub treatment: Treatment,
}

const fn key(name: &'static str, about: &'static str, schema: fn() -> Value) -> KeySpec {
    KeySpec {
        name,
        about,
        schema,
        of: For::Both,
        treatment: Treatment::Works,
    }
}

/// A key of application containers.
const fn app(name: &'static str, about: &'static str, schema: fn() -> Value) -> KeySpec {
    let mut spec = key(name, about, schema);
    spec.of = For::Application;
    spec
}

/// A key of system containers.
const fn sys(name: &'static str, about: &'static str, schema: fn() -> Value) -> KeySpec {
    let mut spec = key(name, about, schema);
    spec.of = For::System;
    spec
}

/// A key that has no effect.
const fn warned(name: &'static str, about: &'static str, reason: &'static str) -> KeySpec {
    let mut spec = app(name, about, schema::anything);
    spec.treatment = Treatment::Warned(reason);
    spec
}

/// A key that is refused.
const fn refused(name: &'static str, about: &'static str, reason: &'static str) -> KeySpec {
    let mut spec = app(name, about, schema::anything);
    spec.treatment = Treatment::Refused(reason);
    spec
}

/// The key of a container that is written so.
pub(super) fn container_key(name: &str) -> Option<Key> {
    Key::ALL.iter().copied().find(|key| key.as_str() == name)
}

/// Which containers a key is for.
pub(super) fn whose(key: Key) -> For {
    // The table is in the order of the keys, which a test holds.
    CONTAINER
        .get(key as usize)
        .map_or(For::Both, |spec| spec.of)
}

/// Whether a key has a meaning for containers of this kind.
pub(super) fn fits(key: Key, kind: Kind) -> bool {
    match whose(key) {
        For::Both => true,
        For::System => kind == Kind::System,
        For::Application => kind == Kind::Application,
    }
}

/// Whether a map under a name would look like a container's body because of this key.
pub(super) fn is_body_key(name: &str) -> bool {
    container_key(name).is_some()
}

/// Reports every key of a container's body that is none, is not for this kind of container, or
/// cannot be done. `kind` is none for `defaults`, whose keys go to those that they fit.
pub(super) fn check_container(desk: &Desk<'_>, map: &Node, owner: &str, kind: Option<Kind>) {
    for entry in map.entries().unwrap_or_default() {
        let key = container_key(&entry.key);
        match (key, kind) {
            (Some(key), Some(kind)) if !fits(key, kind) => wrong_kind(desk, entry, owner, kind),
            (Some(_) | None, Some(_) | None) => check_entry(desk, entry, CONTAINER, owner),
        }
    }
}

fn wrong_kind(desk: &Desk<'_>, entry: &Entry, owner: &str, kind: Kind) {
    let name = entry.key.as_str();
    let message = match kind {
        Kind::System => {
            format!("`{name}` is for Docker containers, and {owner} is an LXC container")
        }
        Kind::Application => {
            format!("`{name}` is for LXC containers, and {owner} is a Docker container")
        }
    };
    let mut error = desk.about(entry.spot, message);
    error.help = instead_of(name).map(str::to_string);
    desk.push(error);
}

/// Reports every key of a map that `table` does not have, and those that it warns of or refuses.
/// `owner` names the map in errors.
pub(super) fn check(desk: &Desk<'_>, map: &Node, table: &[KeySpec], owner: &str) {
    for entry in map.entries().unwrap_or_default() {
        check_entry(desk, entry, table, owner);
    }
}

fn check_entry(desk: &Desk<'_>, entry: &Entry, table: &[KeySpec], owner: &str) {
    let name = entry.key.as_str();
    if name.starts_with("x-") {
        return;
    }
    let Some(spec) = table.iter().find(|spec| spec.name == name) else {
        return unknown(desk, entry, table, owner);
    };
    match spec.treatment {
        Treatment::Works => {}
        Treatment::Warned(reason) => {
            let message = format!("`{name}` has no effect here: {reason}");
            let warning = Diagnostic::at(Severity::Warning, message, desk.place(entry.spot));
            desk.push(warning.with_length(entry.spot.length));
        }
        Treatment::Refused(reason) => {
            let message = format!("locker does not have `{name}`: {reason}");
            let mut error = desk.about(entry.spot, message);
            error.help = instead_of(name).map(str::to_string);
            desk.push(error);
        }
    }
}

fn unknown(desk: &Desk<'_>, entry: &Entry, table: &[KeySpec], owner: &str) {
    let name = entry.key.as_str();
    let mut error = desk.about(entry.spot, format!("unknown key `{name}` in {owner}"));
    error.help = Some(match nearest(name, table.iter().map(|spec| spec.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if table.len() > 30 => "docs/file.md has the list of keys".into(),
        None => {
            let names: Vec<String> = table.iter().map(|s| format!("`{}`", s.name)).collect();
            format!("known keys: {}", names.join(", "))
        }
    });
    desk.push(error);
}

#[cfg(test)]
mod tests;
