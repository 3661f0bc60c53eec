//! What is wrong with a file and where: one value for an error or warning, one way to draw it.
//!
//! The counter turns the planner's problems into [`Diagnostic`]s too, so that every message about a
//! file looks the same. Nothing here decides what is an error.

mod alike;
mod render;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::text;
use crate::model::Place;

pub use render::render;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is done.
    Error,
    /// The user should know; nothing is stopped.
    Warning,
}

/// Another place that belongs to a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// Length in characters.
    pub length: u32,
    /// What is there: `first published here`.
    pub label: String,
}

/// One error or warning about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, names in backticks.
    pub message: String,
    /// Where; nowhere when it is about no place in a file.
    pub place: Place,
    /// How many characters are marked; 0 marks the word at the place.
    pub length: u32,
    /// What stands beside the caret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places of the same file that belong to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// Its line is not drawn, since any of it may be a secret.
    #[serde(skip)]
    pub unseen: bool,
}

impl Diagnostic {
    /// A diagnostic about the word at `place`.
    pub fn at(severity: Severity, message: impl Into<String>, place: Place) -> Self {
        Self {
            severity,
            message: message.into(),
            place,
            length: 0,
            label: None,
            help: None,
            related: Vec::new(),
            unseen: false,
        }
    }

    /// Does not draw the line: any of it may be a secret.
    pub fn without_line(mut self) -> Self {
        self.unseen = true;
        self
    }

    /// Marks `length` characters.
    pub fn with_length(mut self, length: u32) -> Self {
        self.length = length;
        self
    }

    /// Says what to do about it.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Writes something beside the caret.
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Points to another place too.
    pub fn with_related(mut self, place: Place, length: u32, label: impl Into<String>) -> Self {
        self.related.push(Related {
            place,
            length,
            label: label.into(),
        });
        self
    }
}

/// The texts that places point into; read when they are needed, never kept open.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    directory: PathBuf,
    texts: BTreeMap<PathBuf, String>,
}

impl Sources {
    /// Texts of files; a relative name is below `directory`, the one that the user stands in.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.into(),
            texts: BTreeMap::new(),
        }
    }

    /// The same with one text that need not be a file.
    pub fn with(mut self, file: &Path, text: &str) -> Self {
        self.texts.insert(file.into(), text.replace("\r\n", "\n"));
        self
    }

    /// Reads the files that `diagnostics` speak of; one that cannot be read is left out.
    fn read_for(&self, diagnostics: &[Diagnostic]) -> BTreeMap<PathBuf, String> {
        let mut texts = self.texts.clone();
        let places = diagnostics.iter().flat_map(|d| {
            let related = d.related.iter().map(|related| &related.place);
            std::iter::once(&d.place).chain(related)
        });
        for place in places.filter(|place| place.is_somewhere()) {
            if !texts.contains_key(&*place.file)
                && let Ok(text) = text::read(&self.directory.join(&place.file))
            {
                texts.insert(place.file.to_path_buf(), text.replace("\r\n", "\n"));
            }
        }
        texts
    }
}

/// The nearest of `words` to `word`, if it is near enough to be a slip of the finger.
pub(crate) fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    words
        .into_iter()
        .map(|other| (strsim::damerau_levenshtein(word, other), other))
        .filter(|(distance, other)| *distance <= allowed && *distance < other.chars().count())
        .min()
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn place(line: u32, column: u32) -> Place {
        Place::new(Arc::from(Path::new("locker.yaml")), line, column)
    }

    #[test]
    fn a_diagnostic_shows_line_caret_and_help() {
        let sources =
            Sources::new(Path::new("/")).with(Path::new("locker.yaml"), "a:\n  é: prots x\n");
        let one = Diagnostic::at(Severity::Error, "unknown key `prots`", place(2, 6))
            .with_help("did you mean `ports`?");
        let two = Diagnostic::at(Severity::Warning, "twice", place(2, 3))
            .with_length(1)
            .with_related(place(1, 1), 1, "first here");
        assert_eq!(
            render(&[one, two], &sources, false),
            "\
error: unknown key `prots`
 --> locker.yaml:2:6
  |
2 |   é: prots x
  |      ^^^^^
  |
  = help: did you mean `ports`?

warning: twice
 --> locker.yaml:2:3
  |
1 | a:
  | - first here
2 |   é: prots x
  |   ^
"
        );
    }

    #[test]
    fn a_place_beyond_the_text_is_still_shown() {
        let sources = Sources::new(Path::new("/nonexistent"));
        let gone = Diagnostic::at(Severity::Error, "gone", place(7, 2));
        assert_eq!(
            render(std::slice::from_ref(&gone), &sources, false),
            "error: gone\n--> locker.yaml:7:2\n"
        );
        let short = sources.with(Path::new("locker.yaml"), "a");
        assert_eq!(
            render(&[gone], &short, false),
            "error: gone\n--> locker.yaml:7:2\n"
        );
        let nowhere = Diagnostic::at(Severity::Error, "bad\u{1b}[2J", Place::nowhere());
        assert_eq!(render(&[nowhere], &short, false), "error: bad\\u{1b}[2J\n");
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let words = ["ports", "volumes", "links"];
        for (word, expected) in [
            ("prots", Some("ports")),
            ("port", Some("ports")),
            ("volume", Some("volumes")),
            ("zzz", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, words), expected, "{word}");
        }
    }

    #[test]
    fn a_diagnostic_has_a_json_form() {
        let one = Diagnostic::at(Severity::Error, "m", place(2, 6)).with_length(3);
        assert_eq!(
            serde_json::to_string(&one).unwrap(),
            r#"{"severity":"error","message":"m","place":{"file":"locker.yaml","line":2,"column":6},"length":3}"#
        );
    }
}
