//! The desk at which a file is read: where it lies, what variables stand for, and the pile of
//! diagnostics. Every error goes onto the pile and reading goes on, so that one run shows them all.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Severity};
use super::interpolate::{Lookup, interpolate};
use super::tree::{Kind, Node, Spot};
use crate::model::{Fqdn, Key, Name, Place};

/// What the reading of one file needs everywhere.
pub(super) struct Desk<'a> {
    /// The file as the user would name it.
    pub file: Arc<Path>,
    /// The project's directory; relative host paths are below it.
    pub directory: &'a Path,
    /// Variables: the environment, and `.env` below it.
    pub environment: &'a BTreeMap<String, String>,
    pile: RefCell<Vec<Diagnostic>>,
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
    /// An empty desk.
    pub fn new(
        file: Arc<Path>,
        directory: &'a Path,
        environment: &'a BTreeMap<String, String>,
    ) -> Self {
        Self {
            file,
            directory,
            environment,
            pile: RefCell::default(),
        }
    }

    /// All that was found, in the order of the file, each once.
    pub fn finish(self) -> Vec<Diagnostic> {
        let mut pile = self.pile.into_inner();
        pile.sort_by(|a, b| {
            (&a.place, a.severity, &a.message).cmp(&(&b.place, b.severity, &b.message))
        });
        // What stands in `defaults` is read once for each container.
        pile.dedup_by(|a, b| a.place == b.place && a.message == b.message);
        pile
    }

    /// Whether nothing is wrong so far.
    pub fn is_clean(&self) -> bool {
        let pile = self.pile.borrow();
        !pile.iter().any(|d| d.severity == Severity::Error)
    }

    /// The place of a spot of this file.
    pub fn place(&self, spot: Spot) -> Place {
        Place::new(self.file.clone(), spot.line, spot.column)
    }

    /// The directory below which the relative host paths of a value are.
    pub fn directory_of(&self, _: Spot) -> Arc<Path> {
        Arc::from(self.directory)
    }

    /// The value of a variable as the file of a spot sees it.
    pub fn variable(&self, _: Spot, name: &str) -> Option<String> {
        self.environment.get(name).cloned()
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
        let result = interpolate(text, &|name| self.look(name, scope), &mut unset);
        for name in unset {
            let message = format!("the variable `{name}` is not set; it counts as empty");
            let warning = Diagnostic::at(Severity::Warning, message, self.place(spot));
            self.push(warning.with_length(spot.length).with_help(format!(
                "set it, give a default with `${{{name}:-…}}`, or write `$$` for a dollar sign"
            )));
        }
        match result {
            Ok(text) => Some(text.into_owned()),
            Err(error) => {
                let mut diagnostic = self.about(spot, error.to_string());
                diagnostic.help = error.help().map(str::to_string);
                self.push(diagnostic);
                None
            }
        }
    }

    fn look(&self, name: &str, scope: Scope<'_>) -> Lookup {
        let variable = || match self.environment.get(name) {
            Some(value) => Lookup::Value(value.clone()),
            None => Lookup::Unset,
        };
        let Scope::Container(words, key) = scope else {
            return variable();
        };
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
