//! Id maps: which host users and groups an unprivileged container's own ones are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which ids a range maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdKind {
    /// User ids.
    User,
    /// Group ids.
    Group,
}

/// One range: `count` ids from `container` on are the host's ids from `host` on (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IdRange {
    /// Users or groups.
    pub kind: IdKind,
    /// First id inside.
    pub container: u32,
    /// First id on the host.
    pub host: u32,
    /// How many.
    pub count: u32,
}

/// `u 0 100000 65536`, as lxc.container.conf(5) writes it.
impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            IdKind::User => 'u',
            IdKind::Group => 'g',
        };
        write!(f, "{kind} {} {} {}", self.container, self.host, self.count)
    }
}

/// The key `idmap`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idmap {
    /// locker picks a free block of 65536 ids.
    Auto,
    /// Exactly these ranges.
    Ranges(Vec<IdRange>),
}
