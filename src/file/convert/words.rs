//! Locker's own words in texts: variables in one layout, plain variables in the other.

/// The words that have a meaning in the values of a container of Locker's layout.
pub(super) const WORDS: [&str; 5] = ["name", "project", "fqdn", "bridge", "copy"];

/// Whether a text holds one of the words as a variable.
pub(super) fn holds_word(text: &str) -> bool {
    let mut found = false;
    replace(text, &mut |word| {
        found |= WORDS.contains(&word);
        None
    });
    found
}

/// The text with what `value` gives in the place of variables; those for which it gives nothing stay
/// as they are written. Defaults are looked into, too.
pub(super) fn replace(text: &str, value: &mut dyn FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push_str("$$");
            rest = tail;
            continue;
        }
        let (open, inner) = match after.strip_prefix('{') {
            Some(inner) => ("${", inner),
            None => ("$", after),
        };
        let end = inner
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(inner.len());
        let (name, tail) = inner.split_at(end);
        match value(name) {
            Some(value) => {
                out.push_str(&value.replace('$', "$$"));
                rest = match open {
                    "${" => behind_brace(tail),
                    _ => tail,
                };
            }
            None => {
                out.push_str(open);
                out.push_str(name);
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What follows the brace that is open.
fn behind_brace(text: &str) -> &str {
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => return &text[at + 1..],
            '}' => open -= 1,
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_and_replaced_and_the_rest_stays() {
        for (text, holds, expected) in [
            ("plain", false, "plain"),
            ("$name/${name}/$names", true, "web/web/$names"),
            ("$$name ${TAG:-$name}", true, "$$name ${TAG:-web}"),
            ("${name:-a{b}c}d", true, "webd"),
            ("${TAG:?no} $", false, "${TAG:?no} $"),
        ] {
            assert_eq!(holds_word(text), holds, "{text}");
            let replaced = replace(text, &mut |word| (word == "name").then(|| "web".into()));
            assert_eq!(replaced, expected, "{text}");
        }
    }
}
