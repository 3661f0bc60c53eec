//! Which values are secrets, and how they are kept out of what is printed.
//!
//! A variable counts as a secret by its name. What such a variable stands for is taken out of
//! messages, and what stands behind such a name in a source line is masked when it is drawn; the
//! columns stay, so that carets still point to the right place.

use std::collections::BTreeSet;

use super::diagnostic::Diagnostic;

/// What a secret is shown as.
const SHOWN: &str = "(secret)";

/// Parts of names that secrets have.
const NAMES: [&str; 9] = [
    "passw",
    "passphrase",
    "secret",
    "token",
    "credential",
    "api_key",
    "apikey",
    "private_key",
    "access_key",
];

/// Whether a variable of this name holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // The name of a file that holds a secret is none, and `secrets` is the list of their names.
    let file = name.ends_with("_file") || name.ends_with("_path") || name == "secrets";
    !file && (NAMES.iter().any(|part| name.contains(part)) || name.ends_with("_pw"))
}

/// What must not be shown.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// The values of secrets.
    values: BTreeSet<String>,
    /// Values of the file that secrets were put into.
    filled: BTreeSet<String>,
}

impl Hidden {
    /// The value of a secret.
    pub fn add(&mut self, value: &str) {
        if !value.is_empty() {
            self.values.insert(value.into());
        }
    }

    /// A value of the file in which variables were replaced.
    pub fn fill(&mut self, text: &str) {
        if self.values.iter().any(|value| text.contains(value)) {
            self.filled.insert(text.into());
        }
    }

    /// A quoted text without secrets: as a whole, where it is a part of a value of the file or holds one,
    /// or behind a sign that parts a path or an address. Words of ours that happen to be a part of a
    /// secret or to hold one stay.
    fn quoted(&self, text: &str) -> String {
        if self.values.contains(text) {
            return SHOWN.into();
        }
        let of_file = |filled: &&String| {
            let more = !self.values.contains(*filled);
            more && (filled.contains(text) || text.contains(filled.as_str()))
        };
        let whole = self.filled.iter().any(|filled| of_file(&filled));
        // The longest first: one may be a part of another.
        let mut values: Vec<&String> = self.values.iter().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let mut text = text.to_owned();
        for value in values {
            text = match whole {
                true => text.replace(value.as_str(), SHOWN),
                false => without_parts(&text, value),
            };
        }
        text
    }

    /// A message without secrets. Messages quote what comes from the file; all else is ours.
    fn message(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // Values that hold the quotation mark itself, the longest first.
        let all = self.values.iter().chain(&self.filled);
        let mut marked: Vec<&String> = all.filter(|value| value.contains('`')).collect();
        marked.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in marked {
            text = text.replace(&format!("`{value}`"), &format!("`{SHOWN}`"));
        }
        let parts = text.split('`').enumerate();
        let parts = parts.map(|(at, part)| match at % 2 {
            0 => part.to_owned(),
            _ => self.quoted(part),
        });
        parts.collect::<Vec<String>>().join("`")
    }
}

/// The text without the value where it is one part of a path, an address or an assignment and not the
/// first.
fn without_parts(text: &str, value: &str) -> String {
    const SIGNS: [char; 4] = ['/', ':', '@', '='];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, after) = (&rest[..at], &rest[at + value.len()..]);
        out.push_str(before);
        let part = out.ends_with(SIGNS) && (after.is_empty() || after.starts_with(SIGNS));
        out.push_str(if part { SHOWN } else { value });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Takes what is hidden out of all texts of diagnostics.
pub(super) fn take_out(diagnostics: &mut [Diagnostic], hidden: &Hidden) {
    if hidden.values.is_empty() {
        return;
    }
    for diagnostic in diagnostics {
        let related = diagnostic.related.iter_mut().map(|r| &mut r.label);
        let texts = std::iter::once(&mut diagnostic.message)
            .chain(&mut diagnostic.label)
            .chain(&mut diagnostic.help)
            .chain(related);
        for text in texts {
            *text = hidden.message(text);
        }
    }
}

/// A source line in which what stands behind the name of a secret is masked, sign for sign.
pub(super) fn masked(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let line = without_logins(line);
    let mut rest = line.as_str();
    while let Some((name, sign, value)) = assignment(rest) {
        out.push_str(&rest[..sign]);
        rest = &rest[sign..];
        // What a secret or a config is made of has no name that would tell it.
        if !is_secret(name) && name != "content" {
            continue;
        }
        let start = value - sign;
        let end = start + value_length(name, &rest[start..]);
        out.push_str(&rest[..start]);
        let hidden = &rest[start..end];
        // Only a name of a variable, which is no secret itself.
        let plain = hidden.starts_with(['$', '?', '&', '*']) || ["[", "{"].contains(&hidden);
        if plain {
            out.push_str(hidden);
        } else {
            let seen = |c: &char| matches!(c, '"' | '\'' | '[' | ']' | '{' | '}' | ',');
            let star = |c: char| if seen(&c) { c } else { '*' };
            out.extend(hidden.chars().map(star));
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// The next `NAME:` or `NAME=` of a line: the name, where the sign ends, where the value begins.
fn assignment(line: &str) -> Option<(&str, usize, usize)> {
    let sign = line.find([':', '='])?;
    let before = line[..sign].trim_end_matches(['"', '\'']);
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let start = before.rfind(|c| !is_word(c)).map_or(0, |at| {
        at + before[at..].chars().next().map_or(1, char::len_utf8)
    });
    let after = &line[sign + 1..];
    // The default of a variable: `${NAME:-value}`.
    let dash = after.len() - after.trim_start_matches(['-', '+']).len();
    let blanks = after[dash..].len() - after[dash..].trim_start().len();
    Some((&before[start..], sign + 1, sign + 1 + dash + blanks))
}

/// A line in which the passwords of addresses are masked, as in `postgres://user:password@host`.
fn without_logins(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | ',' | '?' | '#');
        let login = &after[..after.find(ends).unwrap_or(after.len())];
        let word = login.rfind('@').and_then(|end| {
            let start = login[..end].find(':')? + 1;
            (!login[start..end].starts_with('$')).then_some((start, end))
        });
        let (start, end) = word.unwrap_or((0, 0));
        out.push_str(&after[..start]);
        out.extend(after[start..end].chars().map(|_| '*'));
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

/// Bytes of a value: its quotes, or up to a sign that ends it. A variable, which is written large, has no
/// names of others in it.
fn value_length(name: &str, text: &str) -> usize {
    let variable = !name.contains(|c: char| c.is_lowercase());
    let up_to = |sign| text.find(sign).map_or(text.len(), |at| at + 1);
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text[1..].find(quote).map_or(text.len(), |end| end + 2),
        Some('[') => up_to(']'),
        Some('{') if variable => up_to('}'),
        // What is in a map has names of its own.
        Some('{') => 1,
        Some(_) | None => text.find([',', '}', ']', '"', '\'']).unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::diagnostic::Severity;
    use crate::model::Place;

    #[test]
    fn a_secret_is_known_by_its_name() {
        for name in [
            "DB_PASSWORD",
            "MYSQL_ROOT_PASSWD",
            "ApiKey",
            "SECRET",
            "GITHUB_TOKEN",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["TAG", "PASSWORD_FILE", "KEYBOARD", "HOME", "SECRETS_PATH"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn values_of_secrets_leave_what_messages_quote_and_fixed_words_stay() {
        let mut hidden = Hidden::default();
        for value in ["hunter22", "network", "1", "a`b"] {
            hidden.add(value);
        }
        for filled in ["redis://:hunter22@h", "8101:80", "network", "x`a`b`y"] {
            hidden.fill(filled);
        }
        for (text, expected) in [
            ("`hunter22` is no port", "`(secret)` is no port"),
            (
                "`redis://:hunter22@h` is no port",
                "`redis://:(secret)@h` is no port",
            ),
            (
                "`:hunter22@h` in `redis://:hunter22@h:1`",
                "`:(secret)@h` in `redis://:(secret)@h:(secret)`",
            ),
            // Words of ours neither change nor tell what the secret is.
            (
                "locker does not make networks; `docker network create n`, `network_mode`",
                "locker does not make networks; `docker network create n`, `network_mode`",
            ),
            (
                "there is no network `n` in line 1",
                "there is no network `n` in line 1",
            ),
            (
                "`/srv/network` and `networks/n`",
                "`/srv/(secret)` and `networks/n`",
            ),
            ("`1` is not `81`", "`(secret)` is not `8(secret)`"),
            (
                "`a`b` and `x`a`b`y` are wrong",
                "`(secret)` and `(secret)` are wrong",
            ),
        ] {
            let mut all = [Diagnostic::at(Severity::Error, text, Place::nowhere()).with_help(text)];
            take_out(&mut all, &hidden);
            assert_eq!(all[0].message, expected);
            assert_eq!(all[0].help.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_line_is_masked_sign_for_sign() {
        for (line, expected) in [
            ("  DB_PASSWORD: hunter2", "  DB_PASSWORD: *******"),
            (
                "  {A: b, PASSWORD: \"é x\", C: d}",
                "  {A: b, PASSWORD: \"***\", C: d}",
            ),
            ("  - \"API_TOKEN=abc\"", "  - \"API_TOKEN=***\""),
            ("  A: ${DB_PASSWORD:-abc}/x", "  A: ${DB_PASSWORD:-***}/x"),
            ("  PASSWORD: $PASSWORD", "  PASSWORD: $PASSWORD"),
            ("  A: ${PASSWORD:?set it}", "  A: ${PASSWORD:?set it}"),
            ("  ports: [80:80]", "  ports: [80:80]"),
            ("  secret_token:", "  secret_token:"),
            ("secrets: [db_password]", "secrets: [db_password]"),
            ("  tokens: {a: b, token: x}", "  tokens: {a: b, token: *}"),
            ("  X_TOKEN: {a: b}, C: d", "  X_TOKEN: {****}, C: d"),
            (
                "  {x.password: [ab, \"c\"], d: e}",
                "  {x.password: [**,*\"*\"], d: e}",
            ),
            (
                "  - \"postgres://u:pä@h:5432/x\", \"http://h:80/a@b\"",
                "  - \"postgres://u:**@h:5432/x\", \"http://h:80/a@b\"",
            ),
            ("  A: redis://:${P}@h", "  A: redis://:${P}@h"),
            ("  a: {content: x y, b: c}", "  a: {content: ***, b: c}"),
        ] {
            let shown = masked(line);
            assert_eq!(shown, expected);
            assert_eq!(shown.chars().count(), line.chars().count());
        }
    }
}
