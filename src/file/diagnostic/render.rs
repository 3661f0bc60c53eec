//! How a diagnostic looks: title, source line, caret, help. The only place that draws.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::super::secret;
use super::alike::{self, Alike};
use super::{Diagnostic, Related, Severity, Sources};
use crate::model::{Place, shown, turns_text};

/// Draws `diagnostics` one after the other, an empty line between them; empty for none.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let texts = sources.read_for(diagnostics);
    let texts: Texts = texts.into_iter().map(|(f, t)| (f, Text::new(t))).collect();
    let drawn = alike::gather(diagnostics, &texts).into_iter().map(|alike| {
        let lines: Vec<String> = renderer
            .render(&[group(&alike, &texts)])
            .lines()
            .map(|line| line.trim_end().to_string() + "\n")
            .collect();
        lines.concat()
    });
    drawn.collect::<Vec<_>>().join("\n")
}

/// What places point into.
pub(super) type Texts = BTreeMap<PathBuf, Text>;

/// A text whose lines are found without a walk through all before them.
pub(super) struct Text {
    text: String,
    /// Where each line begins, in bytes.
    starts: Vec<usize>,
}

impl Text {
    fn new(text: String) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            starts: std::iter::once(0).chain(breaks).collect(),
            text,
        }
    }

    /// The lines from `first` to `last`, counted from 1; none when there is no such first line.
    fn lines(&self, first: usize, last: usize) -> Option<&str> {
        let start = *self.starts.get(first.checked_sub(1)?)?;
        let end = self.starts.get(last).map_or(self.text.len(), |end| end - 1);
        self.text.get(start..end)
    }
}

fn group<'a>(alike: &Alike<'a>, texts: &'a Texts) -> Group<'a> {
    let diagnostic = alike.first;
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let file = diagnostic.place.file.to_string_lossy();
    let text_of = |place: &Place| texts.get(&*place.file);
    let text = text_of(&diagnostic.place).filter(|_| !diagnostic.unseen);
    let title = level.primary_title(visible(&diagnostic.message));
    let mut group = match text.and_then(|text| Window::around(diagnostic, text)) {
        Some(window) => {
            let marks = window.marks(diagnostic);
            title.element(window.snippet(file, marks))
        }
        None if diagnostic.place.is_somewhere() => title.element(
            Origin::path(file)
                .line(diagnostic.place.line as usize)
                .char_column(diagnostic.place.column as usize),
        ),
        None => Group::with_title(title),
    };
    for related in diagnostic
        .related
        .iter()
        .filter(|r| r.place.file != diagnostic.place.file)
    {
        let file = related.place.file.to_string_lossy();
        let text = text_of(&related.place);
        let line = related.place.line;
        if let Some(window) = text.and_then(|text| Window::of(line, line, text)) {
            let marks = vec![window.mark_of(related)];
            group = group.element(window.snippet(file, marks));
        }
    }
    if let Some(note) = alike.note() {
        group = group.element(Level::NOTE.message(visible(&note)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    group
}

/// Most characters of a message that are shown; a value of a file may be a megabyte long.
const SHOWN: usize = 1200;

/// How many of them are its end: that says what became of all that stands before it.
const END: usize = 400;

/// Text from a file must neither move the cursor of the terminal that shows it nor fill its screen.
fn visible(text: &str) -> String {
    let length = text.chars().count();
    let left_out = (SHOWN - END)..length.saturating_sub(END);
    let mut shown = String::with_capacity(text.len().min(SHOWN));
    for (place, c) in text.chars().enumerate() {
        if length > SHOWN && left_out.contains(&place) {
            if place == left_out.start {
                shown.push_str(" … ");
            }
        } else if (c.is_control() && c != '\n') || turns_text(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The lines of a text that a diagnostic needs, so that drawing costs nothing in long files.
struct Window {
    /// Secrets are masked in it, sign for sign.
    lines: Vec<String>,
    first_line: usize,
}

/// What is marked, what stands beside it, and how it looks.
type Marking<'d> = (std::ops::Range<usize>, Option<&'d str>, AnnotationKind);

impl Window {
    fn around(diagnostic: &Diagnostic, text: &Text) -> Option<Self> {
        let lines = || {
            let related = diagnostic.related.iter();
            let here = related.filter(|related| related.place.file == diagnostic.place.file);
            std::iter::once(diagnostic.place.line).chain(here.map(|related| related.place.line))
        };
        Self::of(lines().min()?, lines().max()?, text)
    }

    /// The lines from `first` to `last`.
    fn of(first: u32, last: u32, text: &Text) -> Option<Self> {
        let (first, last) = (first as usize, last as usize);
        let lines = text.lines(first, last)?.split('\n');
        Some(Self {
            lines: lines.map(secret::masked).collect(),
            first_line: first,
        })
    }

    fn snippet<'a>(
        self,
        file: Cow<'a, str>,
        marks: Vec<Marking<'a>>,
    ) -> Snippet<'a, Annotation<'a>> {
        let text: Vec<Cow<'_, str>> = self.lines.iter().map(|line| shown(line)).collect();
        let mut snippet = Snippet::source(text.join("\n"))
            .line_start(self.first_line)
            .path(file);
        for (range, label, kind) in marks {
            snippet = snippet.annotation(kind.span(range).label(label.map(visible)));
        }
        snippet
    }

    fn mark_of<'d>(&self, related: &'d Related) -> Marking<'d> {
        let range = self.range(&related.place, related.length);
        (range, Some(related.label.as_str()), AnnotationKind::Context)
    }

    fn marks<'d>(&self, diagnostic: &'d Diagnostic) -> Vec<Marking<'d>> {
        let main = (
            self.range(&diagnostic.place, diagnostic.length),
            diagnostic.label.as_deref(),
            AnnotationKind::Primary,
        );
        let same_file = |related: &&Related| related.place.file == diagnostic.place.file;
        let others = diagnostic.related.iter().filter(same_file);
        let others = others.map(|related| self.mark_of(related));
        std::iter::once(main).chain(others).collect()
    }

    /// The bytes of a place within the window as it is shown.
    fn range(&self, place: &Place, length: u32) -> std::ops::Range<usize> {
        let index = (place.line as usize).saturating_sub(self.first_line);
        let line = self.lines.get(index).map_or("", String::as_str);
        let wide = |text: &str| shown(text).len();
        let before: usize = self.lines.iter().take(index).map(|l| wide(l) + 1).sum();
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
        (before + wide(&line[..start]))..(before + wide(&line[..end]))
    }
}

/// The word that a diagnostic marks, as it stands in the file.
pub(super) fn marked<'a>(diagnostic: &Diagnostic, texts: &'a Texts) -> &'a str {
    let place = &diagnostic.place;
    let (line, column) = (place.line as usize, place.column as usize);
    let text = texts.get(&*place.file);
    let line = text.and_then(|text| text.lines(line, line)).unwrap_or("");
    let start = line.char_indices().nth(column.saturating_sub(1));
    let rest = start.map_or("", |(at, _)| &line[at..]);
    match diagnostic.length as usize {
        0 => &rest[..word_length(rest)],
        length => rest
            .char_indices()
            .nth(length)
            .map_or(rest, |(at, _)| &rest[..at]),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_message_without_end_its_beginning_and_its_end_are_shown() {
        let long = format!("cannot start a: {}; undone: `a`", "é".repeat(5000));
        let shown = visible(&long);
        assert!(shown.starts_with("cannot start a: é") && shown.ends_with("é; undone: `a`"));
        assert_eq!(shown.chars().count(), SHOWN + " … ".len() - 2);
        assert_eq!(visible("a\u{1b}b"), "a\\u{1b}b");
    }
}
