//! Why a health check does not pass, as it is told.

use std::fmt;

use serde::Serialize;

/// How much of a check's output is told.
const SHOWN: usize = 200;

/// A health check that did not pass. The names of the keys of its JSON form are a promise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FailedCheck {
    /// Its exit code; none when it is no command, or did not come to its end.
    pub exit_code: Option<i32>,
    /// The first 200 characters that it printed, control characters escaped; else why it could not be asked.
    pub output: String,
}

impl FailedCheck {
    /// Of a command that ended with `exit_code` and printed `output`.
    pub fn new(exit_code: Option<i32>, output: &str) -> Self {
        let output = output.trim().chars().take(SHOWN);
        let shown = |c: char| match c.is_control() {
            true => c.escape_default().to_string(),
            false => c.to_string(),
        };
        Self {
            exit_code,
            output: output.map(shown).collect(),
        }
    }
}

impl From<String> for FailedCheck {
    fn from(reason: String) -> Self {
        Self::new(None, &reason)
    }
}

impl From<&str> for FailedCheck {
    fn from(reason: &str) -> Self {
        Self::new(None, reason)
    }
}

impl fmt::Display for FailedCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.output.as_str() {
            "" => f.write_str("its check fails and says nothing")?,
            output => f.write_str(output)?,
        }
        match self.exit_code {
            Some(code) => write!(f, " (exit code {code})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_told_in_its_first_200_characters_that_steer_no_terminal() {
        let check = FailedCheck::new(Some(7), "  no\x1b[2J answer\nat all\n");
        assert_eq!(
            check.to_string(),
            r"no\u{1b}[2J answer\nat all (exit code 7)"
        );
        let long = FailedCheck::new(None, &"\u{e4}".repeat(500));
        assert_eq!(long.output.chars().count(), 200);
        let none = FailedCheck::new(Some(1), "\n");
        assert_eq!(
            none.to_string(),
            "its check fails and says nothing (exit code 1)"
        );
        let json = serde_json::to_string(&none).unwrap();
        assert_eq!(json, r#"{"exit_code":1,"output":""}"#);
    }
}
