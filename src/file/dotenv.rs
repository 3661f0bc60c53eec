//! Files of variables: `.env` beside the project file, and `env_file`.
//!
//! The format is Compose's: `NAME=VALUE` lines, `export` before a name, comments, single quotes for
//! plain text, double quotes with escapes; variables are put in everywhere but in single quotes.

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
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let known = |name: &str| {
            let earlier = || {
                variables
                    .iter()
                    .rfind(|(n, _)| n == name)
                    .map(|(_, v)| v.clone())
            };
            lookup(name).or_else(earlier)
        };
        let variable = parse_line(line, &known).map_err(|message| DotenvError {
            line: u32::try_from(index + 1).unwrap_or(u32::MAX),
            message,
        })?;
        variables.push(variable);
    }
    Ok(variables)
}

fn parse_line(
    line: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(String, String), String> {
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = line
        .split_once('=')
        .ok_or_else(|| format!("`{line}` is not `NAME=VALUE`"))?;
    let name = name.trim_end();
    let value = value.trim_start();
    crate::model::check_variable(name, "").map_err(|error| error.to_string())?;
    let value = if let Some(rest) = value.strip_prefix('\'') {
        quoted(rest, '\'')?.to_string()
    } else if let Some(rest) = value.strip_prefix('"') {
        expand(&unescape(quoted(rest, '"')?), lookup)?
    } else {
        let end = value.find(" #").unwrap_or(value.len());
        let plain = if value.starts_with('#') {
            ""
        } else {
            &value[..end]
        };
        expand(plain.trim_end(), lookup)?
    };
    Ok((name.into(), value))
}

/// The text up to the closing quote; only a comment may follow it.
fn quoted(text: &str, quote: char) -> Result<&str, String> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == quote && !escaped {
            let rest = text[at + 1..].trim_start();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(format!("`{rest}` follows the closing quote"));
            }
            return Ok(&text[..at]);
        }
        escaped = quote == '"' && c == '\\' && !escaped;
    }
    Err("the quote is not closed on its line".into())
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
                    D=\"a\\n\\\"$HOME\\$\" # c\nE=$HOME/$A\nF=\nG=#x\nH=a#b\n";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "$HOME # x"),
            ("D", "a\n\"/root$"),
            ("E", "/root/1"),
            ("F", ""),
            ("G", ""),
            ("H", "a#b"),
        ];
        let expected = expected.map(|(k, v)| (k.to_string(), v.to_string()));
        assert_eq!(run(text), Ok(expected.to_vec()));
    }

    #[test]
    fn a_bad_line_is_named() {
        for text in [
            "A=1\nB",
            "\n1A=x",
            "\nA='x",
            "\nA=\"x\" y",
            "\nA=${x",
            "\nA B=1",
        ] {
            assert_eq!(run(text).unwrap_err().line, 2, "{text}");
        }
    }
}
