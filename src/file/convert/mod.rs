//! From Locker's layout to Compose's and back, as trees: variables stay variables, and what the other
//! layout does not have is told by name with its line. Comments are not part of a tree; they go.
//!
//! A file is converted only when it loads. Several files become one, with all that they extend and
//! include.

mod compose;
mod compose_body;
mod compose_values;
mod ipv6;
mod local;
mod locker;
mod words;
mod write;

use super::desk::Desk;
use super::diagnostic::{Diagnostic, Severity};
use super::layout::{Decision, Layout};
use super::reader::{Given, Reader, Unit};
use super::tree::{Entry, Kind, Node, Spot};
use super::{LoadError, LoadOptions, first_locker, gather, load, merge};
use crate::model::{Place, Project};

/// The layout that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `containers:`.
    Locker,
    /// `services:`.
    Compose,
}

/// A file in another layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The file.
    pub text: String,
    /// What it is now.
    pub target: Target,
    /// What could not be kept, in the order of the files.
    pub lost: Vec<Diagnostic>,
}

/// Writes the files that `options` name in another layout; none takes the one that they do not have.
///
/// # Errors
/// As [`load`]: what does not load is not converted.
pub fn convert(options: &LoadOptions, target: Option<Target>) -> Result<Converted, LoadError> {
    let mut all = options.clone();
    all.profiles = vec!["*".into()];
    let loaded = load(&all)?;
    let found = gather::gather(options)?;
    let (desk, given) = super::opened(&found);
    let reader = Reader::new(&desk, found.directory.clone(), options.cwd.clone());
    let converted = reader
        .unit(&given, None)
        .and_then(|unit| one(&desk, &given, unit, &loaded.project, target));
    match converted {
        Some((text, target, lost)) => Ok(Converted {
            text,
            target,
            lost: desk.sorted(lost),
        }),
        None => Err(LoadError::Invalid(desk.finish())),
    }
}

fn one(
    desk: &Desk<'_>,
    given: &[Given],
    unit: Unit,
    project: &Project,
    target: Option<Target>,
) -> Option<(String, Target, Vec<Diagnostic>)> {
    let Decision { layout, .. } = unit.decision?;
    let target = target.unwrap_or(match layout {
        Layout::Compose => Target::Locker,
        Layout::Locker | Layout::Early => Target::Compose,
    });
    let mut root = unit.root;
    merge::settle(&mut root);
    first_locker::settle(desk, &mut root, layout);
    let mut notes = Notes {
        desk,
        lost: Vec::new(),
    };
    let root = local::localise(&mut notes, root, layout);
    let root = match (layout, target) {
        (Layout::Compose, Target::Locker) => {
            ipv6::forbid(locker::from_compose(&mut notes, root), project)
        }
        (Layout::Locker | Layout::Early, Target::Compose) => {
            let root = compose::from_locker(&mut notes, root, project);
            ipv6::tell(&mut notes, &root, project);
            root
        }
        (Layout::Compose, Target::Compose) | (Layout::Locker | Layout::Early, Target::Locker) => {
            root
        }
    };
    if given.iter().any(|file| has_comment(&file.text)) {
        let message = "comments are not kept";
        notes
            .lost
            .push(Diagnostic::at(Severity::Warning, message, Place::nowhere()));
    }
    let from = desk.origins.numbered(0).shown;
    let mut text = format!("# Made by `locker convert` from {}.\n", from.display());
    write::write(&mut text, &root);
    Some((text, target, notes.lost))
}

fn has_comment(text: &str) -> bool {
    text.lines()
        .any(|line| line.trim_start().starts_with('#') || line.contains(" # "))
}

/// What could not be kept.
struct Notes<'n, 'd> {
    desk: &'n Desk<'d>,
    lost: Vec<Diagnostic>,
}

impl Notes<'_, '_> {
    /// Tells what is lost and why.
    fn lost(&mut self, spot: Spot, message: impl Into<String>, help: Option<&str>) {
        let place = self.desk.place(spot);
        let mut note = Diagnostic::at(Severity::Warning, message, place).with_length(spot.length);
        note.help = help.map(str::to_string);
        self.lost.push(note);
    }
}

/// The entries of a map, which it is no longer.
fn entries(node: Node) -> Vec<Entry> {
    match node.kind {
        Kind::Mapping(entries) => entries
            .into_iter()
            .filter(|e| e.duplicate_of.is_none())
            .collect(),
        Kind::Null | Kind::Scalar(_) | Kind::Sequence(_) => Vec::new(),
    }
}

/// What a single value becomes, seen with the keys that lead to it; none leaves it as it is.
type Change<'c> = &'c mut dyn FnMut(&[String], &str, Spot) -> Option<String>;

/// A tree in which every single value went through `change`, which also sees the keys that lead to it.
fn map_texts(node: Node, path: &mut Vec<String>, change: Change<'_>) -> Node {
    let (spot, mark, plain) = (node.spot, node.mark, node.plain);
    let node = match node.kind {
        Kind::Null => node,
        Kind::Scalar(text) => match change(path, &text, spot) {
            Some(changed) => Node::scalar(spot, changed),
            None => Node::scalar(spot, text).unquoted(plain),
        },
        Kind::Sequence(items) => {
            let items = items.into_iter().map(|item| map_texts(item, path, change));
            Node::new(spot, Kind::Sequence(items.collect()))
        }
        Kind::Mapping(entries) => {
            let mut all = Vec::with_capacity(entries.len());
            for mut entry in entries {
                path.push(entry.key.clone());
                entry.value = map_texts(entry.value, path, change);
                path.pop();
                all.push(entry);
            }
            Node::new(spot, Kind::Mapping(all))
        }
    };
    node.marked(mark)
}
