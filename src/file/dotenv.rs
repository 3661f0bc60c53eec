//! Files of variables: `.env` beside the project file, and `env_file`.
//!
//! The format is Compose's: `NAME=VALUE` or `NAME: VALUE`, `export` before a name, comments, single
//! quotes for plain text, double quotes with escapes; a quoted value may have several lines.
//! Variables are put in everywhere but in single quotes. A name alone takes the value that is there.

use super::interpolate::{Lookup, interpolate};

/// Why a line is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DotenvError {
    /// Line, from 1.
    pub line: u32,
    pub message: String,
}

/// Reads all variables of `text`; `lookup` knows what was set before.
pub(super) fn parse(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, DotenvError> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut line = 1;
    while !rest.is_empty() {
        let known = |name: &str| {
            let earlier = || {
                variables
                    .iter()
                    .rfind(|(n, _)| n == name)
                    .map(|(_, v)| v.clone())
            };
            lookup(name).or_else(earlier)
        };
        let (found, after) =
            statement(rest, &known).map_err(|message| DotenvError { line, message })?;
        variables.extend(found);
        let lines = rest[..rest.len() - after.len()].matches('\n').count();
        line += u32::try_from(lines).unwrap_or(u32::MAX);
        rest = after;
    }
    Ok(variables)
}

/// What the next line says, with the lines that belong to it, and what follows.
type Statement<'t> = (Option<(String, String)>, &'t str);

fn statement<'t>(
    text: &'t str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Statement<'t>, String> {
    let end = text.find('\n').unwrap_or(text.len());
    let after = text.get(end + 1..).unwrap_or_default();
    let line = text[..end].trim_start();
    if line.trim_end().is_empty() || line.starts_with('#') {
        return Ok((None, after));
    }
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let Some(sign) = line.find(['=', ':']) else {
        let name = line.trim_end();
        check(name)?;
        return Ok((lookup(name).map(|value| (name.into(), value)), after));
    };
    let name = line[..sign].trim_end();
    check(name)?;
    let value = line[sign + 1..].trim_start();
    // Where the value begins in the whole text: a quoted one may go on behind the line.
    let start = end - value.len();
    if let Some(quote @ ('\'' | '"')) = value.chars().next() {
        let (value, after) = quoted(&text[start + 1..], quote)?;
        let value = match quote {
            '"' => expand(&unescape(value), lookup)?,
            _ => value.replace("\\'", "'"),
        };
        return Ok((Some((name.into(), value)), after));
    }
    let plain = match value.starts_with('#') {
        true => "",
        false => &value[..value.find(" #").unwrap_or(value.len())],
    };
    let value = expand(plain.trim_end(), lookup)?;
    Ok((Some((name.into(), value)), after))
}

/// What stands there may be the second line of a key whose quotes are missing, so it is not told.
fn check(name: &str) -> Result<(), String> {
    crate::model::check_variable(name, "").map_err(|_| {
        "this is no `NAME=VALUE`; a name is made of letters, digits, `_`, `.` and `-`, and starts with no digit; \
         a value of several lines stands in quotes"
            .into()
    })
}

/// The text up to the closing quote, and the lines after it; only a comment may follow the quote.
fn quoted(text: &str, quote: char) -> Result<(&str, &str), String> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            let tail = &text[at + 1..];
            let end = tail.find('\n').unwrap_or(tail.len());
            let rest = tail[..end].trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err("something follows the closing quote".into());
            }
            return Ok((&text[..at], tail.get(end + 1..).unwrap_or_default()));
        }
        escaped = c == '\\' && !escaped;
    }
    Err("the quote is not closed".into())
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (plain, false) => out.push(plain),
        }
    }
    out
}

fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let look = |name: &str| lookup(name).map_or(Lookup::Unset, Lookup::Value);
    interpolate(text, &look, &mut Vec::new())
        .map(|value| value.into_owned())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<Vec<(String, String)>, DotenvError> {
        parse(text, &|name| (name == "HOME").then(|| "/root".to_string()))
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        let text = "\u{feff}# comment\n\nA=1\nexport B = two words # comment\nC='$HOME # x'\n\
                    D=\"a\\n\\\"$HOME\\$\" # c\nE=$HOME/$A\nF=\nG=#x\nH=a#b\r\n\
                    I='it\\'s\n$HOME' # c\nJ: yaml\nK=\"a\nb\"\nHOME\nNOTHING\nL=last";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "$HOME # x"),
            ("D", "a\n\"/root$"),
            ("E", "/root/1"),
            ("F", ""),
            ("G", ""),
            ("H", "a#b"),
            ("I", "it's\n$HOME"),
            ("J", "yaml"),
            ("K", "a\nb"),
            ("HOME", "/root"),
            ("L", "last"),
        ];
        let expected = expected.map(|(k, v)| (k.to_string(), v.to_string()));
        assert_eq!(run(text), Ok(expected.to_vec()));
    }

    #[test]
    fn a_bad_line_is_named() {
        for text in [
            "A=1\nB C",
            "\n1A=x",
            "\nA='x\ny\n",
            "A=\"x\"\nB=\"x\" y",
            "\nA=\"x\" y",
            "\nA=${x",
            "\nA B=1",
        ] {
            assert_eq!(run(text).unwrap_err().line, 2, "{text}");
        }
    }
}
