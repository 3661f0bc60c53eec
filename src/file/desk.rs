//! The desk at which the files of a project are read: where they lie, what variables stand for, and
//! the pile of diagnostics. Every error goes onto the pile and reading goes on, so that one run
//! shows them all.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Severity};
use super::interpolate::{Lookup, interpolate};
use super::origin::{Origin, Origins, Variables};
use super::secret::{self, Hidden};
use super::tree::{Kind, Node, Spot};
use crate::model::{Fqdn, Key, Name, Place};

/// What the reading of a project needs everywhere.
pub(super) struct Desk<'a> {
    /// The project's directory. A value's own is [`Self::directory_of`].
    pub directory: &'a Path,
    /// The files that were read so far.
    pub origins: Origins,
    /// Whether locker's own words have a meaning in values; not so in Compose files.
    words: Cell<bool>,
    /// What `COMPOSE_PROJECT_NAME` is in Compose files.
    project: RefCell<Option<String>>,
    pile: RefCell<Vec<Diagnostic>>,
    /// Values that were put in and must not be shown.
    hidden: RefCell<Hidden>,
}

/// What locker's own words stand for in the values of one container.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub name: &'a Name,
    pub project: &'a Name,
    pub bridge: &'a str,
    pub fqdn: Option<&'a Fqdn>,
}

/// Whose words may stand in a value.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    /// The environment's only.
    Project,
    /// Those of a container too, in the value of this key.
    Container(Words<'a>, Key),
}

impl<'a> Desk<'a> {
    /// An empty desk with the first file.
    pub fn new(shown: Arc<Path>, directory: &'a Path, variables: Arc<Variables>) -> Self {
        let first = Origin {
            shown,
            directory: Arc::from(directory),
            variables,
        };
        Self {
            directory,
            origins: Origins::new(first),
            words: Cell::new(true),
            project: RefCell::default(),
            pile: RefCell::default(),
            hidden: RefCell::default(),
        }
    }

    /// Takes locker's own words for plain variables from now on.
    pub fn without_words(&self) {
        self.words.set(false);
    }

    /// Whether the files are Compose's.
    pub fn is_compose(&self) -> bool {
        !self.words.get()
    }

    /// Compose knows the project's name as a variable.
    pub fn set_project(&self, name: &str) {
        *self.project.borrow_mut() = Some(name.into());
    }

    /// All that was found, in the order of the files, each once; secret values taken out.
    pub fn finish(self) -> Vec<Diagnostic> {
        let pile = self.pile.take();
        self.sorted(pile)
    }

    /// Diagnostics as [`Self::finish`] gives them.
    pub fn sorted(&self, mut pile: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let origins = &self.origins;
        pile.sort_by_cached_key(|d| {
            let rank = origins.rank(&d.place.file);
            let place = (d.place.line, d.place.column);
            (rank, place, d.severity, d.message.clone())
        });
        // What stands in `defaults` is read once for each container.
        pile.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        secret::take_out(&mut pile, &self.hidden.borrow());
        pile
    }

    /// Whether nothing is wrong so far.
    pub fn is_clean(&self) -> bool {
        let pile = self.pile.borrow();
        !pile.iter().any(|d| d.severity == Severity::Error)
    }

    /// The place of a spot.
    pub fn place(&self, spot: Spot) -> Place {
        Place::new(self.origins.of(spot).shown, spot.line, spot.column)
    }

    /// What places are sorted by: the order of the files, then lines.
    pub fn order(&self, place: &Place) -> (usize, u32, u32) {
        (self.origins.rank(&place.file), place.line, place.column)
    }

    /// The directory below which the relative host paths of a value are.
    pub fn directory_of(&self, spot: Spot) -> Arc<Path> {
        self.origins.of(spot).directory
    }

    /// The value of a variable as the file of a spot sees it. One that is named like a secret is
    /// never shown.
    pub fn variable(&self, spot: Spot, name: &str) -> Option<String> {
        if name == "COMPOSE_PROJECT_NAME"
            && let Some(project) = self.project.borrow().clone()
        {
            return Some(project);
        }
        let value = self.origins.of(spot).variables.get(name).cloned()?;
        if secret::is_secret(name) && !value.is_empty() {
            self.hidden.borrow_mut().add(&value);
        }
        Some(value)
    }

    /// An error at a spot, to be put on the pile by [`Self::push`].
    pub fn about(&self, spot: Spot, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(Severity::Error, message, self.place(spot)).with_length(spot.length)
    }

    /// Puts a diagnostic on the pile.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.pile.borrow_mut().push(diagnostic);
    }

    /// Reports an error.
    pub fn error(&self, spot: Spot, message: impl Into<String>) {
        self.push(self.about(spot, message));
    }

    /// Reports an error and says what to do about it.
    pub fn error_help(&self, spot: Spot, message: impl Into<String>, help: impl Into<String>) {
        self.push(self.about(spot, message).with_help(help));
    }

    /// The value or, reported at the spot, why there is none.
    pub fn check<T, E: std::fmt::Display>(&self, spot: Spot, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.error(spot, error.to_string()))
            .ok()
    }

    /// The text of a single value with all variables put in; `what` names it in errors.
    pub fn text(&self, node: &Node, scope: Scope<'_>, what: &str) -> Option<String> {
        match &node.kind {
            Kind::Scalar(text) => self.expand(text, node.spot, scope),
            Kind::Null => {
                self.error(node.spot, format!("`{what}` has no value"));
                None
            }
            Kind::Sequence(_) | Kind::Mapping(_) => {
                let kind = node.kind_name();
                self.error(
                    node.spot,
                    format!("`{what}` takes a single value, not {kind}"),
                );
                None
            }
        }
    }

    /// `text` with all variables put in.
    pub fn expand(&self, text: &str, spot: Spot, scope: Scope<'_>) -> Option<String> {
        let mut unset = Vec::new();
        let result = interpolate(text, &|name| self.look(name, spot, scope), &mut unset);
        for name in unset {
            let message = format!("the variable `{name}` is not set; it counts as empty");
            let warning = Diagnostic::at(Severity::Warning, message, self.place(spot));
            self.push(warning.with_length(spot.length).with_help(format!(
                "set it, give a default with `${{{name}:-…}}`, or write `$$` for a dollar sign"
            )));
        }
        match result {
            Ok(Cow::Borrowed(text)) => Some(text.into()),
            Ok(Cow::Owned(text)) => {
                self.hidden.borrow_mut().fill(&text);
                Some(text)
            }
            Err(error) => {
                let mut diagnostic = self.about(spot, error.to_string());
                diagnostic.help = error.help().map(str::to_string);
                self.push(diagnostic);
                None
            }
        }
    }

    /// `text` with all variables put in, for comparing only: nothing is reported, and what has no
    /// value yet stays as it stands.
    pub fn peek(&self, text: &str, spot: Spot) -> String {
        let look = |name: &str| match (self.variable(spot, name), self.words.get(), name) {
            (_, true, "name" | "project" | "fqdn" | "bridge" | "copy") => Lookup::Keep,
            (Some(value), _, _) => Lookup::Value(value),
            (None, _, _) => Lookup::Unset,
        };
        match interpolate(text, &look, &mut Vec::new()) {
            Ok(value) => value.into_owned(),
            Err(_) => text.into(),
        }
    }

    fn look(&self, name: &str, spot: Spot, scope: Scope<'_>) -> Lookup {
        let variable = || match self.variable(spot, name) {
            Some(value) => Lookup::Value(value),
            None => Lookup::Unset,
        };
        let Scope::Container(words, key) = scope else {
            return variable();
        };
        if !self.words.get() {
            return variable();
        }
        match name {
            "name" => Lookup::Value(words.name.to_string()),
            "project" => Lookup::Value(words.project.to_string()),
            "fqdn" => match words.fqdn {
                Some(fqdn) => Lookup::Value(fqdn.to_string()),
                None => Lookup::Refused("the container has no `fqdn`"),
            },
            "bridge" | "copy" if key == Key::Dns => Lookup::Keep,
            "bridge" => Lookup::Value(words.bridge.to_string()),
            _ => variable(),
        }
    }
}
