//! Who keeps containers up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The key `supervisor`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Supervisor {
    /// systemd where the host has it, else whoever runs the container.
    #[default]
    Auto,
    /// systemd.
    Systemd,
    /// Nobody beside whoever runs the container.
    None,
}

impl Supervisor {
    /// The word of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Systemd => "systemd",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a word is not a supervisor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a supervisor; it is `auto`, `systemd` or `none`")]
pub struct SupervisorError(pub String);

impl FromStr for Supervisor {
    type Err = SupervisorError;
    fn from_str(word: &str) -> Result<Self, SupervisorError> {
        match word {
            "auto" => Ok(Self::Auto),
            "systemd" => Ok(Self::Systemd),
            "none" => Ok(Self::None),
            other => Err(SupervisorError(other.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_is_read_as_it_is_written() {
        for one in [Supervisor::Auto, Supervisor::Systemd, Supervisor::None] {
            assert_eq!(one.as_str().parse(), Ok(one));
        }
        assert!("runit".parse::<Supervisor>().is_err());
    }
}
