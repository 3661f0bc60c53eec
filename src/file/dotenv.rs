//! Files of variables: `.env` beside the project file, and `env_file`.
//!
//! The format is Compose's: `NAME=VALUE` or `NAME: VALUE`, `export` before a name, comments, single
//! quotes for plain text, double quotes with escapes; a quoted value may have several lines.
//! Variables are put in everywhere but in single quotes. A name alone takes the value that is there.

use std::collections::HashMap;

use super::interpolate::{Lookup, interpolate};
use super::secret;

/// What a file of variables says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dotenv {
    /// In the order of the file.
    pub variables: Vec<(String, String)>,
    /// Variables inside values that stand for nothing.
    pub unset: Vec<Unset>,
}

/// A variable inside a value that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unset {
    /// Line of the value, from 1.
    pub line: u32,
    /// Whose value it is.
    pub of: String,
    /// What is not set.
    pub name: String,
}

impl Unset {
    /// What the user should know. What looks like a variable in a secret may be a part of it.
    pub fn message(&self) -> String {
        let Self { of, name, .. } = self;
        match secret::is_secret(of) {
            true => {
                format!("the value of `{of}` holds a variable that is not set; it counts as empty")
            }
            false => format!(
                "the variable `{name}` in the value of `{of}` is not set; it counts as empty"
            ),
        }
    }

    /// What to do about it.
    pub const HELP: &'static str =
        "set it, or write the value in single quotes to keep `$` as it is";
}

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
) -> Result<Dotenv, DotenvError> {
    let mut variables: Vec<(String, String)> = Vec::new();
    // Beside the list: long files are not searched from end to end for each variable.
    let mut values: HashMap<String, String> = HashMap::new();
    let mut unset: Vec<Unset> = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut line = 1;
    while !rest.is_empty() {
        let known = |name: &str| {
            let earlier = || values.get(name).cloned();
            lookup(name).or_else(earlier)
        };
        let mut names = Vec::new();
        let (found, after) =
            statement(rest, &known, &mut names).map_err(|message| DotenvError { line, message })?;
        if let Some((of, _)) = &found {
            let of = |name| Unset {
                line,
                of: of.clone(),
                name,
            };
            unset.extend(names.into_iter().map(of));
        }
        values.extend(found.clone());
        variables.extend(found);
        let lines = rest[..rest.len() - after.len()].matches('\n').count();
        line += u32::try_from(lines).unwrap_or(u32::MAX);
        rest = after;
    }
    Ok(Dotenv { variables, unset })
}

/// What the next line says, with the lines that belong to it, and what follows.
type Statement<'t> = (Option<(String, String)>, &'t str);

fn statement<'t>(
    text: &'t str,
    lookup: &dyn Fn(&str) -> Option<String>,
    unset: &mut Vec<String>,
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
            '"' => expand(&unescape(value), lookup, unset)?,
            _ => value.replace("\\'", "'"),
        };
        return Ok((Some((name.into(), value)), after));
    }
    // A comment has a blank before it: a value that begins with `#` is one.
    let plain = &value[..value.find(" #").unwrap_or(value.len())];
    let value = expand(plain.trim_end(), lookup, unset)?;
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

/// The escapes that Compose knows; any other backslash is one.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(sign) = after.chars().next() else {
            out.push('\\');
            return out;
        };
        rest = &after[sign.len_utf8()..];
        match sign {
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\x0b'),
            '$' => out.push_str("$$"),
            '"' | '\\' => out.push(sign),
            '0' => match rest.get(..3).map(|digits| u8::from_str_radix(digits, 8)) {
                Some(Ok(byte)) => {
                    out.push(char::from(byte));
                    rest = &rest[3..];
                }
                Some(Err(_)) | None => out.push_str("\\0"),
            },
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out.push_str(rest);
    out
}

fn expand(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    unset: &mut Vec<String>,
) -> Result<String, String> {
    let look = |name: &str| lookup(name).map_or(Lookup::Unset, Lookup::Value);
    interpolate(text, &look, unset)
        .map(|value| value.into_owned())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<Dotenv, DotenvError> {
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
            ("G", "#x"),
            ("H", "a#b"),
            ("I", "it's\n$HOME"),
            ("J", "yaml"),
            ("K", "a\nb"),
            ("HOME", "/root"),
            ("L", "last"),
        ];
        let expected = expected.map(|(k, v)| (k.to_string(), v.to_string()));
        let read = run(text).unwrap();
        assert_eq!((read.variables, read.unset), (expected.to_vec(), vec![]));
    }

    #[test]
    fn a_value_may_begin_with_a_hash_and_keep_its_dollars_and_backslashes() {
        for (text, expected) in [
            ("A=#s3cret", "#s3cret"),
            ("A= # only comment", "# only comment"),
            ("A=#", "#"),
            ("A=#a #b", "#a"),
            ("A=a#b # c", "a#b"),
            ("A=^x(y)$", "^x(y)$"),
            ("A=$1", "$1"),
            (r#"A="a\d\(x)""#, r"a\d\(x)"),
            (r#"A="a\\b\0101\t.""#, "a\\bA\t."),
            (r"A='a\b'", r"a\b"),
        ] {
            let read = run(text).unwrap();
            assert_eq!(
                read.variables,
                [("A".into(), expected.to_string())],
                "{text}"
            );
            assert_eq!(read.unset, [], "{text}");
        }
    }

    #[test]
    fn a_variable_inside_that_is_unset_is_told_with_its_line() {
        let read = run("A=1\nB=\"x\n$NO\"\nC=$A$B$NO\nD='$NO'\nE=${NO:-x}\nPASSWORD=a$NO").unwrap();
        let told: Vec<(u32, String)> = read.unset.iter().map(|u| (u.line, u.message())).collect();
        let of = |name: &str| {
            format!("the variable `NO` in the value of `{name}` is not set; it counts as empty")
        };
        let hidden = "the value of `PASSWORD` holds a variable that is not set; it counts as empty";
        assert_eq!(told, [(2, of("B")), (4, of("C")), (7, hidden.into())]);
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
