//! Whether a copy is the machine that it was copied from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The key `identity`: what a system container that is made becomes of the machine id (machine-id(5)) and the
/// SSH host keys that its source has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// A machine of its own: both are made anew.
    #[default]
    New,
    /// The machine of its source: both are kept.
    Keep,
}

impl Identity {
    /// The word of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Keep => "keep",
        }
    }

    /// Whether it is the default, which marks leave out.
    pub fn is_new(&self) -> bool {
        *self == Self::New
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a word is not an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an identity; it is `new` or `keep`")]
pub struct IdentityError(pub String);

impl FromStr for Identity {
    type Err = IdentityError;
    fn from_str(word: &str) -> Result<Self, IdentityError> {
        match word {
            "new" => Ok(Self::New),
            "keep" => Ok(Self::Keep),
            other => Err(IdentityError(other.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        for identity in [Identity::New, Identity::Keep] {
            assert_eq!(identity.to_string().parse(), Ok(identity));
        }
        assert_eq!("old".parse::<Identity>(), Err(IdentityError("old".into())));
        assert!(Identity::default().is_new());
    }
}
