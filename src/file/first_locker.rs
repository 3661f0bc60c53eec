//! How the first Locker read its placeholders in `volumes`.
//!
//! It replaced `$name`, `$project` and `$fqdn` wherever they stood, so `$project_$name` is the
//! project, an underscore and the name. Here a variable's name ends where its letters end, so such
//! words are written with braces before anything else reads them; `${…}` is left as it is.
//!
//! In the early layout `$name` was the full name, `PROJECT_NAME`, up to 0.4.0 and the short one from
//! 0.4.1 on. What only the later versions knew tells them apart; what cannot be told is warned of.

use std::borrow::Cow;

use super::desk::Desk;
use super::diagnostic::{Diagnostic, Severity};
use super::layout::Layout;
use super::tree::{Kind, Node, Spot};

/// The placeholders, none of which begins another one.
const PLACEHOLDERS: [&str; 3] = ["name", "project", "fqdn"];

/// What `$name` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameIs {
    /// The name in the file.
    Short,
    /// The project, an underscore and the name.
    Full,
}

/// Writes the placeholders in every `volumes` of the tree so that only one reading is left.
pub(super) fn settle(desk: &Desk<'_>, root: &mut Node, layout: Layout) {
    if layout == Layout::Compose {
        return;
    }
    let early = layout == Layout::Early;
    let Kind::Mapping(top) = &mut root.kind else {
        return;
    };
    for entry in top {
        if entry.key == "defaults" {
            volumes(desk, &mut entry.value, None);
        }
        if entry.key != layout.section() {
            continue;
        }
        // `dns` came after the short name.
        let late = |body: &Node| body.get("dns").is_some();
        let bodies = entry.value.entries().unwrap_or_default();
        let name_is = match bodies.iter().any(|body| late(&body.value)) {
            true => NameIs::Short,
            false => NameIs::Full,
        };
        let Kind::Mapping(bodies) = &mut entry.value.kind else {
            continue;
        };
        for body in bodies {
            volumes(desk, &mut body.value, early.then_some(name_is));
        }
    }
}

/// `early` is what a bare `$name` stands for in the early layout.
fn volumes(desk: &Desk<'_>, body: &mut Node, early: Option<NameIs>) {
    let Kind::Mapping(keys) = &mut body.kind else {
        return;
    };
    let all = keys.iter_mut().filter(|entry| entry.key == "volumes");
    all.for_each(|entry| texts(desk, &mut entry.value, early));
}

fn texts(desk: &Desk<'_>, node: &mut Node, early: Option<NameIs>) {
    let spot = node.spot;
    match &mut node.kind {
        Kind::Null => {}
        Kind::Scalar(text) => {
            let name_is = early.map(|general| name_in(text, general));
            if let Some(name_is) = name_is {
                doubt(desk, spot, text, name_is);
            }
            hidden(desk, spot, text);
            if let Cow::Owned(spelled) = spelled(text, name_is.unwrap_or(NameIs::Short)) {
                *text = spelled;
            }
        }
        Kind::Sequence(items) => items.iter_mut().for_each(|item| texts(desk, item, early)),
        Kind::Mapping(entries) => {
            let values = entries.iter_mut().map(|entry| &mut entry.value);
            values.for_each(|value| texts(desk, value, early));
        }
    }
}

/// What `$name` stands for in one value of the early layout. Beside the project or the fqdn it is the
/// short name: the full one holds the project already, and `$fqdn` came with the short one.
fn name_in(text: &str, general: NameIs) -> NameIs {
    match words(text).any(|(_, word)| word == "project" || word == "fqdn") {
        true => NameIs::Short,
        false => general,
    }
}

/// Tells what a name is taken for where the first Locker's versions differ.
fn doubt(desk: &Desk<'_>, spot: Spot, text: &str, name_is: NameIs) {
    if text.contains("$project_$name") || !words(text).any(|(_, word)| word == "name") {
        return;
    }
    let (now, then) = match name_is {
        NameIs::Full => ("PROJECT_NAME, as in the first Locker up to 0.4.0", "NAME"),
        NameIs::Short => ("NAME, as in the first Locker from 0.4.1 on", "PROJECT_NAME"),
    };
    let message = format!("`$name` stands for {now}; its other versions read {then}");
    let warning = Diagnostic::at(Severity::Warning, message, desk.place(spot));
    let help = "write `${name}` for NAME, `${project}_${name}` for PROJECT_NAME";
    desk.push(warning.with_length(spot.length).with_help(help));
}

/// Tells that a placeholder hides a variable that is set.
fn hidden(desk: &Desk<'_>, spot: Spot, text: &str) {
    for (at, word) in words(text) {
        let end = at + 1 + name_length(&text[at + 1..]);
        let whole = &text[at + 1..end];
        if whole == word || desk.variable(spot, whole).is_none() {
            continue;
        }
        let rest = &whole[word.len()..];
        let message = format!("`${whole}` is read as `${word}` followed by `{rest}`");
        let warning = Diagnostic::at(Severity::Warning, message, desk.place(spot));
        let help = format!("write `${{{whole}}}` for the variable of that name");
        desk.push(warning.with_length(spot.length).with_help(help));
    }
}

/// The text with its bare placeholders in braces.
fn spelled(text: &str, name_is: NameIs) -> Cow<'_, str> {
    let mut out = String::new();
    let mut done = 0;
    for (at, word) in words(text) {
        out.push_str(&text[done..at]);
        out.push_str(match (word, name_is) {
            ("name", NameIs::Full) => "${project}_${name}",
            ("name", NameIs::Short) => "${name}",
            ("project", _) => "${project}",
            (_, _) => "${fqdn}",
        });
        done = at + 1 + word.len();
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

/// The bare placeholders of a text, each with where its `$` is. `$$` is a dollar sign.
fn words(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(next) = text[at..].find('$') {
            let here = at + next;
            let after = &text[here + 1..];
            let found = PLACEHOLDERS.iter().find(|word| after.starts_with(**word));
            at = match found {
                Some(word) => here + 1 + word.len(),
                None if after.starts_with('$') => here + 2,
                None => here + 1,
            };
            if let Some(word) = found {
                return Some((here, *word));
            }
        }
        None
    })
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_wherever_they_stand() {
        for (text, short) in [
            ("/plain:/x", "/plain:/x"),
            ("/d/$name:/x", "/d/${name}:/x"),
            ("/d/$project_$name:/x", "/d/${project}_${name}:/x"),
            ("/d/$names/$fqdn.d:/x", "/d/${name}s/${fqdn}.d:/x"),
            ("$projectname$name1", "${project}name${name}1"),
            ("$$name $$$name", "$$name $$${name}"),
            ("${name} ${project_x}", "${name} ${project_x}"),
            ("$NAME $dir_name é$name", "$NAME $dir_name é${name}"),
            ("$", "$"),
        ] {
            assert_eq!(spelled(text, NameIs::Short), short, "{text}");
        }
        let full = spelled("/d/$name:/$project", NameIs::Full);
        assert_eq!(full, "/d/${project}_${name}:/${project}");
    }

    #[test]
    fn what_stands_beside_the_name_tells_its_version() {
        for (text, expected) in [
            ("/d/$name:/x", NameIs::Full),
            ("/d/$project/$name:/x", NameIs::Short),
            ("/d/$name:/$fqdn", NameIs::Short),
            ("/d/$name/$$project:/x", NameIs::Full),
        ] {
            assert_eq!(name_in(text, NameIs::Full), expected, "{text}");
        }
    }
}
