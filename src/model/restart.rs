//! The words of the key `restart`.

use std::fmt;
use std::str::FromStr;

use super::Restart;

/// Why a text is not a restart policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestartError {
    /// Any other word.
    #[error(
        "`{0}` is not a restart policy; it is `no`, `always`, `unless-stopped`, `on-failure[:TIMES]` or `on-unhealthy`"
    )]
    Unknown(String),
    /// Not a number of tries.
    #[error("`{0}` is not how often it may be restarted; it is a number from 1 up")]
    Times(String),
}

/// `false` is what editors that know YAML 1.1 make of `no`.
impl FromStr for Restart {
    type Err = RestartError;
    fn from_str(text: &str) -> Result<Self, RestartError> {
        if let Some(times) = text.strip_prefix("on-failure:") {
            let digits = times.bytes().all(|b| b.is_ascii_digit());
            let most = times.parse().ok().filter(|most| *most > 0 && digits);
            return match most {
                Some(most) => Ok(Self::OnFailure { most: Some(most) }),
                None => Err(RestartError::Times(times.into())),
            };
        }
        match text {
            "no" | "false" => Ok(Self::No),
            "always" => Ok(Self::Always),
            "unless-stopped" => Ok(Self::UnlessStopped),
            "on-failure" => Ok(Self::OnFailure { most: None }),
            "on-unhealthy" => Ok(Self::OnUnhealthy),
            other => Err(RestartError::Unknown(other.into())),
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
            Self::OnFailure { most: None } => f.write_str("on-failure"),
            Self::OnFailure { most: Some(most) } => write!(f, "on-failure:{most}"),
            Self::OnUnhealthy => f.write_str("on-unhealthy"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_as_it_is_written() {
        for text in [
            "no",
            "always",
            "unless-stopped",
            "on-failure",
            "on-failure:3",
            "on-unhealthy",
        ] {
            assert_eq!(text.parse::<Restart>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "yes",
            "on-failure:",
            "on-failure:0",
            "on-failure:-1",
            "on-failure:x",
            "always\n",
        ] {
            assert!(text.parse::<Restart>().is_err(), "{text:?}");
        }
    }
}
