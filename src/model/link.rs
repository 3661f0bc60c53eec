//! Links: the names under which a container knows another one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Name, NameError};

/// `NAME[:ALIAS]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// The container that is linked to, of the same project.
    pub target: Name,
    /// A further name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Name>,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.alias {
            Some(alias) => write!(f, "{}:{alias}", self.target),
            None => write!(f, "{}", self.target),
        }
    }
}

impl FromStr for Link {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (target, alias) = match text.split_once(':') {
            Some((target, alias)) => (target, Some(alias)),
            None => (text, None),
        };
        Ok(Self {
            target: Name::new(target)?,
            alias: alias.map(Name::new).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_name_and_perhaps_an_alias() {
        for text in ["db", "db:database", "db:a"] {
            assert_eq!(text.parse::<Link>().unwrap().to_string(), text);
        }
        for text in ["", ":x", "db:", "db:a:b", "db:a b", "db\n:a"] {
            assert!(text.parse::<Link>().is_err(), "{text:?} was taken");
        }
    }
}
