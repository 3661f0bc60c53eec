//! The one writer of unit files: everything that may stand in one passes here.
//!
//! A template's text is ours and stands as it is; a value of the file or the host is refused when it holds
//! a control character: a line break would make two settings of one. Words of a command are quoted.

use std::path::Path;

use super::UnitsError;

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In a comment.
    Comment,
    /// Text of ours that was put together here: names of units, whole lines.
    Ours,
}

/// Puts `values` into `template`, in one pass: what stands in a value is never looked at again.
pub(super) fn fill(template: &str, values: &[(&str, At, String)]) -> Result<String, UnitsError> {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((key, after)) = after.split_once('}') else {
            return Err(UnitsError::Template(template.into()));
        };
        let found = values.iter().find(|(name, _, _)| *name == key);
        let Some((_, at, value)) = found else {
            return Err(UnitsError::Template(key.into()));
        };
        out.push_str(checked(*at, value)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn checked(at: At, value: &str) -> Result<&str, UnitsError> {
    let bad = |c: char| c.is_control() && !(at == At::Ours && c == '\n');
    if value.chars().any(bad) {
        return Err(UnitsError::Control(value.escape_debug().to_string()));
    }
    Ok(value)
}

/// A command line of `ExecStart=` (systemd.service(5), "Command Lines"): each word quoted, so that
/// neither blanks, quotes, variables nor specifiers in it mean anything.
pub(super) fn command(program: &Path, arguments: &[&str]) -> Result<String, UnitsError> {
    let program = program.to_str().filter(|p| p.starts_with('/'));
    let Some(program) = program else {
        return Err(UnitsError::Control("a program's path".into()));
    };
    let words = std::iter::once(program).chain(arguments.iter().copied());
    let mut line = String::new();
    for word in words {
        if word.chars().any(char::is_control) {
            return Err(UnitsError::Control(word.escape_debug().to_string()));
        }
        let word = word.replace('\\', "\\\\").replace('"', "\\\"");
        let word = word.replace('%', "%%").replace('$', "$$");
        if !line.is_empty() {
            line.push(' ');
        }
        line.push('"');
        line.push_str(&word);
        line.push('"');
    }
    Ok(line)
}

/// Absolute paths of a list like `RequiresMountsFor=`: each quoted, and a `%` in it stands for itself
/// (systemd.syntax(7), "Quoting"; systemd.unit(5), "Specifiers").
pub(super) fn paths<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<String, UnitsError> {
    let quoted = paths.into_iter().map(|path| {
        let text = path.to_str().filter(|text| text.starts_with('/'));
        match text {
            Some(text) if !text.chars().any(char::is_control) => {
                let text = text.replace('\\', "\\\\").replace('"', "\\\"");
                Ok(format!("\"{}\"", text.replace('%', "%%")))
            }
            Some(_) | None => Err(UnitsError::Control(path.display().to_string())),
        }
    });
    let quoted: Result<Vec<String>, UnitsError> = quoted.collect();
    Ok(quoted?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_one_value_on_one_line() {
        let text = fill(
            "# {a}\n{c}",
            &[
                ("a", At::Comment, "{c} 100%".into()),
                ("c", At::Ours, "X=1\n".into()),
            ],
        );
        assert_eq!(text.unwrap(), "# {c} 100%\nX=1\n");
        for bad in ["a\nExecStart=/bin/sh", "a\rb", "a\0b", "\u{85}"] {
            let filled = fill("{a}", &[("a", At::Comment, bad.into())]);
            assert!(filled.is_err(), "{bad:?}");
        }
        assert!(fill("{unknown}", &[]).is_err());
    }

    #[test]
    fn a_word_of_a_command_stays_one_word() {
        let line = command(
            Path::new("/usr/bin/locker"),
            &["a b", "\"$HOME\" %h \\", "-x"],
        );
        assert_eq!(
            line.unwrap(),
            r#""/usr/bin/locker" "a b" "\"$$HOME\" %%h \\" "-x""#
        );
        assert!(command(Path::new("locker"), &[]).is_err());
        assert!(command(Path::new("/bin/true"), &["a\nb"]).is_err());
    }
}
