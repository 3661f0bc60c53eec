//! Variables in values, with the syntax of the Compose Specification.
//!
//! `$VAR ${VAR} ${VAR:-default} ${VAR-default} ${VAR:?message} ${VAR?message} ${VAR:+other}
//! ${VAR+other} $$`; defaults may hold variables themselves. A `$` that begins none of these
//! stays as it is. Where a value comes from is the caller's business; a value that was put in is never
//! looked at again.

use std::borrow::Cow;

/// Most characters that a value may grow to.
const MAX_LENGTH: usize = 1 << 20;
/// Deepest nesting of defaults.
const MAX_DEPTH: usize = 16;

/// What a name stands for.
pub(super) enum Lookup {
    /// This text.
    Value(String),
    /// A word of locker's that a later stage reads: `$name` is left in place.
    Keep,
    /// Nothing.
    Unset,
    /// One of locker's words that has no meaning here; the reason.
    Refused(&'static str),
}

/// Why a value cannot be interpolated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InterpolateError {
    #[error("`${{` is not closed")]
    Open,
    #[error("`${{{0}}}` is not a variable")]
    Form(String),
    #[error("the variable `{name}` is not set: {message}")]
    Required { name: String, message: String },
    #[error("`${name}` has no meaning here: {reason}")]
    Refused { name: String, reason: &'static str },
    #[error("the value grows too long")]
    TooLong,
    #[error("the defaults are nested too deeply")]
    TooDeep,
}

impl InterpolateError {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Open | Self::Form(_) => Some("write `$$` for a dollar sign"),
            Self::Required { .. } => Some("set it in the environment or in `.env` beside the file"),
            Self::Refused { .. } | Self::TooLong | Self::TooDeep => None,
        }
    }
}

/// Puts values in the place of variables. Names that stand for nothing are added to `unset`.
pub(super) fn interpolate<'t>(
    text: &'t str,
    lookup: &dyn Fn(&str) -> Lookup,
    unset: &mut Vec<String>,
) -> Result<Cow<'t, str>, InterpolateError> {
    if !text.contains('$') {
        return Ok(Cow::Borrowed(text));
    }
    let mut reader = Reader { lookup, unset };
    reader.expand(text, 0).map(Cow::Owned)
}

struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Lookup,
    unset: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn expand(&mut self, text: &str, depth: usize) -> Result<String, InterpolateError> {
        if depth > MAX_DEPTH {
            return Err(InterpolateError::TooDeep);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            rest = if let Some(tail) = after.strip_prefix('$') {
                out.push('$');
                tail
            } else if let Some(inner) = after.strip_prefix('{') {
                let end = closing(inner).ok_or(InterpolateError::Open)?;
                let value = self.braced(&inner[..end], depth)?;
                out.push_str(&value);
                &inner[end + 1..]
            } else {
                let (name, tail) = after.split_at(name_length(after));
                match name {
                    "" => out.push('$'),
                    name => out.push_str(&self.value(name)?.unwrap_or_default()),
                }
                tail
            };
            if out.len() > MAX_LENGTH {
                return Err(InterpolateError::TooLong);
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    /// The value of a variable without a default; one that is unset is remembered.
    fn value(&mut self, name: &str) -> Result<Option<String>, InterpolateError> {
        let value = self.look(name)?;
        if value.is_none() && !self.unset.iter().any(|known| known == name) {
            self.unset.push(name.into());
        }
        Ok(value)
    }

    fn look(&self, name: &str) -> Result<Option<String>, InterpolateError> {
        match (self.lookup)(name) {
            Lookup::Value(value) => Ok(Some(value)),
            Lookup::Keep => Ok(Some(format!("${name}"))),
            Lookup::Unset => Ok(None),
            Lookup::Refused(reason) => Err(InterpolateError::Refused {
                name: name.into(),
                reason,
            }),
        }
    }

    fn braced(&mut self, inner: &str, depth: usize) -> Result<String, InterpolateError> {
        let (name, rest) = inner.split_at(name_length(inner));
        if name.is_empty() {
            return Err(InterpolateError::Form(inner.into()));
        }
        if rest.is_empty() {
            return Ok(self.value(name)?.unwrap_or_default());
        }
        let (empty_too, rest) = match rest.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let value = self.look(name)?.filter(|v| !(empty_too && v.is_empty()));
        let mut signs = rest.chars();
        let sign = signs.next();
        let word = signs.as_str();
        match (sign, value) {
            (Some('-' | '?'), Some(value)) => Ok(value),
            (Some('-'), None) | (Some('+'), Some(_)) => self.expand(word, depth + 1),
            (Some('+'), None) => Ok(String::new()),
            (Some('?'), None) => Err(InterpolateError::Required {
                name: name.into(),
                message: match self.expand(word, depth + 1)? {
                    message if message.is_empty() => "it is required".into(),
                    message => message,
                },
            }),
            (Some(_) | None, _) => Err(InterpolateError::Form(inner.into())),
        }
    }
}

fn name_length(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

/// Where the brace closes that was open before `text`. Every brace counts, as in Compose (`${A:-{"b":1}}`); where that
/// leads to no end, those of variables only.
fn closing(text: &str) -> Option<usize> {
    closed(text, |_| true).or_else(|| closed(text, |before| before == Some(b'$')))
}

/// Where it closes when those braces open another one whose byte before is one that counts.
fn closed(text: &str, counts: impl Fn(Option<u8>) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if counts(at.checked_sub(1).map(|at| bytes[at])) => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<(String, Vec<String>), InterpolateError> {
        let lookup = |name: &str| match name {
            "A" => Lookup::Value("a".into()),
            "EMPTY" => Lookup::Value(String::new()),
            "EVIL" => Lookup::Value("${A}$A".into()),
            "bridge" => Lookup::Keep,
            "fqdn" => Lookup::Refused("none"),
            _ => Lookup::Unset,
        };
        let mut unset = Vec::new();
        let value = interpolate(text, &lookup, &mut unset)?.into_owned();
        Ok((value, unset))
    }

    #[test]
    fn every_form_of_compose_works() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$A-${A}", "a-a"),
            ("$$A $${A}", "$A ${A}"),
            ("${A:-x}${NO:-x}${EMPTY:-x}", "axx"),
            ("${A-x}${NO-x}${EMPTY-x}.", "ax."),
            ("${A:+x}${NO:+x}${EMPTY:+x}.", "x."),
            ("${A+x}${NO+x}${EMPTY+x}", "xx"),
            ("${A:?no}${A?no}", "aa"),
            ("${NO:-${NEITHER:-$A}}!", "a!"),
            ("${NO:-}", ""),
            ("$EVIL", "${A}$A"),
            ("${A:-{\"b\":1}}.", "a."),
            ("${NO:-{\"b\":{}}}.", "{\"b\":{}}."),
            ("${A:-{}-${NO:-{}", "a-{"),
            ("$bridge ${bridge}", "$bridge $bridge"),
            ("é${A}é", "éaé"),
            // No variable begins here, as in Compose.
            ("$(date) $1 a $ b x$ $/x $é", "$(date) $1 a $ b x$ $/x $é"),
            ("^(:[0-9]+)?$", "^(:[0-9]+)?$"),
            ("${NO:-$1}$$$A$", "$1$a$"),
        ] {
            assert_eq!(run(text), Ok((expected.into(), vec![])), "{text}");
        }
    }

    #[test]
    fn a_variable_that_is_unset_is_empty_and_remembered_once() {
        let expected = Ok(("-".into(), vec!["NO".to_string()]));
        assert_eq!(run("$NO-${NO}"), expected);
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        for (text, error) in [
            ("${A", InterpolateError::Open),
            ("${}", InterpolateError::Form(String::new())),
            ("${A!b}", InterpolateError::Form("A!b".into())),
            ("${A:}", InterpolateError::Form("A:".into())),
        ] {
            assert_eq!(run(text), Err(error), "{text}");
        }
        assert_eq!(
            run("${NO:?set it, $A}").unwrap_err().to_string(),
            "the variable `NO` is not set: set it, a"
        );
        assert!(matches!(
            run("$fqdn"),
            Err(InterpolateError::Refused { .. })
        ));
        let deep = format!("{}{}", "${NO:-".repeat(5000), "}".repeat(5000));
        assert_eq!(run(&deep), Err(InterpolateError::TooDeep));
    }
}
