//! How a diagnostic looks: title, source line, caret, help. The only place that draws.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Related, Severity, Sources};
use crate::model::Place;

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
