//! Links: the names under which a container knows another one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Name;

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
