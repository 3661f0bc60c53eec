//! What is wrong with a file and where: one value for an error or warning, one way to draw it.
//!
//! The counter turns the planner's problems into [`Diagnostic`]s too, so that every message about a
//! file looks the same. Nothing here decides what is an error.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::model::Place;

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
        }
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
        self.texts.insert(file.into(), text.into());
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
                && let Ok(text) = fs::read_to_string(self.directory.join(&place.file))
            {
                texts.insert(place.file.to_path_buf(), text);
            }
        }
        texts
    }
}

/// Draws `diagnostics` one after the other, an empty line between them; empty for none.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let texts = sources.read_for(diagnostics);
    let drawn = diagnostics.iter().map(|diagnostic| {
        let text = texts.get(&*diagnostic.place.file).map(String::as_str);
        let lines: Vec<String> = renderer
            .render(&[group(diagnostic, text)])
            .lines()
            .map(|line| line.trim_end().to_string() + "\n")
            .collect();
        lines.concat()
    });
    drawn.collect::<Vec<_>>().join("\n")
}

fn group<'a>(diagnostic: &'a Diagnostic, text: Option<&'a str>) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let file = diagnostic.place.file.to_string_lossy();
    let title = level.primary_title(visible(&diagnostic.message));
    let mut group = match text.and_then(|text| Window::around(diagnostic, text)) {
        Some(window) => {
            let mut snippet = Snippet::source(window.text)
                .line_start(window.first_line)
                .path(file);
            for (range, label, kind) in window.marks(diagnostic) {
                snippet = snippet.annotation(kind.span(range).label(label.map(visible)));
            }
            title.element(snippet)
        }
        None if diagnostic.place.is_somewhere() => title.element(
            Origin::path(file)
                .line(diagnostic.place.line as usize)
                .char_column(diagnostic.place.column as usize),
        ),
        None => Group::with_title(title),
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    group
}

/// Text from a file must not move the cursor of the terminal that shows it.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The lines of a text that a diagnostic needs, so that drawing costs nothing in long files.
struct Window<'a> {
    text: &'a str,
    first_line: usize,
}

impl<'a> Window<'a> {
    fn around(diagnostic: &Diagnostic, text: &'a str) -> Option<Self> {
        let lines = || {
            let related = diagnostic.related.iter().map(|related| related.place.line);
            std::iter::once(diagnostic.place.line).chain(related)
        };
        let (first, last) = (lines().min()? as usize, lines().max()? as usize);
        if first == 0 {
            return None;
        }
        let mut starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        let start = starts.nth(first - 1)?;
        let rest = &text[start..];
        let end = rest
            .match_indices('\n')
            .nth(last - first)
            .map_or(rest.len(), |(at, _)| at);
        Some(Self {
            text: &rest[..end],
            first_line: first,
        })
    }

    fn marks<'d>(
        &self,
        diagnostic: &'d Diagnostic,
    ) -> Vec<(std::ops::Range<usize>, Option<&'d str>, AnnotationKind)> {
        let main = (
            self.range(&diagnostic.place, diagnostic.length),
            diagnostic.label.as_deref(),
            AnnotationKind::Primary,
        );
        let same_file = |related: &&Related| related.place.file == diagnostic.place.file;
        let others = diagnostic.related.iter().filter(same_file).map(|related| {
            let range = self.range(&related.place, related.length);
            (range, Some(related.label.as_str()), AnnotationKind::Context)
        });
        std::iter::once(main).chain(others).collect()
    }

    /// The bytes of a place within the window.
    fn range(&self, place: &Place, length: u32) -> std::ops::Range<usize> {
        let index = (place.line as usize).saturating_sub(self.first_line);
        let line = self.text.split('\n').nth(index).unwrap_or("");
        let before: usize = self.text.split('\n').take(index).map(|l| l.len() + 1).sum();
        let column = (place.column as usize).saturating_sub(1);
        let byte_of = |chars: usize| {
            line.char_indices()
                .nth(chars)
                .map_or(line.len(), |(at, _)| at)
        };
        let start = byte_of(column);
        let end = if length == 0 {
            start + word_length(&line[start..])
        } else {
            byte_of(column + length as usize)
        };
        (before + start)..(before + end)
    }
}

/// Bytes of the value that begins `text`: up to its closing quote, or up to a blank or a sign that
/// ends a value in YAML.
fn word_length(text: &str) -> usize {
    let Some(first) = text.chars().next() else {
        return 0;
    };
    match first {
        '"' | '\'' => text[1..].find(first).map_or(text.len(), |end| end + 2),
        '[' | '{' => 1,
        _ => {
            let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}');
            let word = &text[..text.find(ends).unwrap_or(text.len())];
            word.trim_end_matches(':').len().max(first.len_utf8())
        }
    }
}

/// The nearest of `words` to `word`, if it is near enough to be a slip of the finger.
pub(super) fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
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
