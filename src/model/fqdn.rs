//! Fully qualified domain names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A host name with or without a domain, checked against RFC 1123: labels of 1 to 63 letters,
/// digits and inner hyphens, at most 253 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fqdn(String);

/// Why a word is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a host name: {reason}")]
pub struct FqdnError {
    /// The word.
    pub word: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Fqdn {
    /// Checks `word`.
    pub fn new(word: &str) -> Result<Self, FqdnError> {
        let fail = |reason| {
            Err(FqdnError {
                word: word.into(),
                reason,
            })
        };
        if word.is_empty() || word.len() > 253 {
            return fail("it must have 1 to 253 characters");
        }
        for label in word.split('.') {
            if label.is_empty() || label.len() > 63 {
                return fail("each part between dots must have 1 to 63 characters");
            }
            if !label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                return fail("it may hold letters, digits, `-` and dots only");
            }
            if label.starts_with('-') || label.ends_with('-') {
                return fail("a part between dots must not start or end with `-`");
            }
        }
        Ok(Self(word.into()))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text up to the first dot.
    pub fn host(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for Fqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Fqdn {
    type Error = FqdnError;
    fn try_from(word: String) -> Result<Self, FqdnError> {
        Self::new(&word)
    }
}

impl From<Fqdn> for String {
    fn from(name: Fqdn) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_name_keeps_to_rfc_1123() {
        for good in ["a", "db.example.net", "A-1.b", &"x".repeat(63)] {
            assert_eq!(Fqdn::new(good).map(String::from), Ok(good.to_string()));
        }
        for bad in [
            "",
            ".",
            "a.",
            "-a",
            "a-.b",
            "a_b",
            "a b",
            "a\n",
            &"x".repeat(64),
        ] {
            assert!(Fqdn::new(bad).is_err(), "{bad:?} was taken");
        }
        assert_eq!(Fqdn::new("db.example.net").unwrap().host(), "db");
    }
}
