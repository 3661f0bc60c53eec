//! The same mistake in many places is one message: drawn once, with the other places beside it.
//!
//! A file that a program has written repeats a mistake thousands of times; the others would be lost between
//! them. It leaves nothing out of what programs read: only drawing knows of it.

use std::collections::BTreeMap;

use super::render::{Texts, marked};
use super::{Diagnostic, Severity};

/// From how many on a mistake is told once; fewer are quicker read one by one.
const MANY: usize = 4;
/// How many of the other places are named.
const NAMED: usize = 8;

/// A diagnostic, and those that differ from it in names and places only.
pub(super) struct Alike<'d> {
    pub(super) first: &'d Diagnostic,
    others: Vec<&'d Diagnostic>,
}

/// What those that are alike have in common: all but the names in the message.
type Kind<'d> = (Severity, Vec<&'d str>, &'d str, Option<&'d str>);

/// None of what points to more than one place, or to none.
fn kind<'d>(diagnostic: &'d Diagnostic, texts: &'d Texts) -> Option<Kind<'d>> {
    let is_simple = diagnostic.place.is_somewhere() && diagnostic.related.is_empty();
    is_simple.then(|| {
        let fixed = diagnostic.message.split('`').step_by(2);
        let help = diagnostic.help.as_deref();
        let word = marked(diagnostic, texts);
        (diagnostic.severity, fixed.collect(), word, help)
    })
}

/// Puts together what is alike, each where the first of them stands.
pub(super) fn gather<'d>(diagnostics: &'d [Diagnostic], texts: &'d Texts) -> Vec<Alike<'d>> {
    let kinds: Vec<_> = diagnostics.iter().map(|d| kind(d, texts)).collect();
    let mut by_kind: BTreeMap<&Kind<'_>, Vec<&Diagnostic>> = BTreeMap::new();
    for (diagnostic, kind) in diagnostics.iter().zip(&kinds) {
        if let Some(kind) = kind {
            by_kind.entry(kind).or_default().push(diagnostic);
        }
    }
    by_kind.retain(|_, alike| alike.len() >= MANY);
    let mut drawn = Vec::new();
    for (first, kind) in diagnostics.iter().zip(&kinds) {
        let alike = kind.as_ref().and_then(|kind| by_kind.get(kind));
        let others = match alike.and_then(|alike| alike.split_first()) {
            None => Vec::new(),
            Some((leader, others)) if std::ptr::eq(*leader, first) => others.to_vec(),
            Some(_) => continue,
        };
        drawn.push(Alike { first, others });
    }
    drawn
}

impl Alike<'_> {
    /// Where else; none when it is nowhere else.
    pub(super) fn note(&self) -> Option<String> {
        let count = self.others.len();
        let places: Vec<String> = self.others.iter().take(NAMED).map(|o| self.at(o)).collect();
        let more = if count > NAMED { ", …" } else { "" };
        (count > 0).then(|| format!("the same {count} times more: {}{more}", places.join(", ")))
    }

    /// The place of another one, with the name that it is about where that tells it apart.
    fn at(&self, other: &Diagnostic) -> String {
        let file = match other.place.file == self.first.place.file {
            true => String::new(),
            false => format!("{} ", other.place.file.display()),
        };
        let names = |of: &Diagnostic| {
            let names = of.message.split('`').skip(1).step_by(2);
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        let pairs = names(other).into_iter().zip(names(self.first));
        let own = pairs.into_iter().find(|(own, first)| own != first);
        let own = own.map_or_else(String::new, |(own, _)| format!(" (`{own}`)"));
        format!("{file}line {}{own}", other.place.line)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::{Sources, render};
    use super::*;
    use crate::model::Place;

    fn file(count: u32, key: &str) -> (Sources, Vec<Diagnostic>) {
        let path = Path::new("locker.yaml");
        let text: String = (0..count).map(|i| format!("c{i}:\n  {key}: 1\n")).collect();
        let place = |i| Place::new(Arc::from(path), 2 * i + 2, 3);
        let said = (0..count).map(|i| {
            let message = format!("unknown key `{key}` in container `c{i}`");
            Diagnostic::at(Severity::Error, message, place(i)).with_help("did you mean `ports`?")
        });
        (
            Sources::new(Path::new("/")).with(path, &text),
            said.collect(),
        )
    }

    #[test]
    fn the_same_mistake_in_many_places_is_told_once_with_the_others_beside_it() {
        let (sources, said) = file(20, "prots");
        assert_eq!(
            render(&said, &sources, false),
            "\
error: unknown key `prots` in container `c0`
 --> locker.yaml:2:3
  |
2 |   prots: 1
  |   ^^^^^
  |
  = note: the same 19 times more: line 4 (`c1`), line 6 (`c2`), line 8 (`c3`), line 10 (`c4`), line 12 (`c5`), line 14 (`c6`), line 16 (`c7`), line 18 (`c8`), …
  = help: did you mean `ports`?
"
        );
    }

    #[test]
    fn what_is_few_or_has_another_word_help_or_severity_stands_alone() {
        let (sources, said) = file(3, "prots");
        assert_eq!(render(&said, &sources, false).matches("error:").count(), 3);
        let (sources, mut said) = file(4, "prots");
        said[2].help = None;
        assert_eq!(render(&said, &sources, false).matches("error:").count(), 4);
        let (sources, mut said) = file(4, "prots");
        said[2].severity = Severity::Warning;
        assert_eq!(render(&said, &sources, false).matches("same").count(), 0);
        let (sources, mut said) = file(4, "prots");
        said.iter_mut().for_each(|one| one.message = "bad".into());
        let drawn = render(&said, &sources, false);
        assert!(
            drawn.contains("the same 3 times more: line 4, line 6, line 8\n"),
            "{drawn}"
        );
    }

    #[test]
    fn twenty_thousand_mistakes_cost_no_more_each_than_a_few() {
        let (sources, said) = file(20_000, "prots");
        let drawn = render(&said, &sources, false);
        assert!(drawn.contains("the same 19999 times more"), "{drawn}");
    }
}
