//! Names: the one gate through which a user's word must pass before it reaches a path, a rule or a unit.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name in characters: a label of a host name (RFC 1035).
pub const NAME_MAX: usize = 63;

/// Most characters of a project's and a container's name together: both stand in the comment of a rule of
/// nftables, which has at most 127 with the ports.
pub const BOTH_MAX: usize = 100;

/// Why a word is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The empty word.
    #[error("a name must not be empty")]
    Empty,
    /// Longer than [`NAME_MAX`].
    #[error("`{name}` has {length} characters; a name has at most {NAME_MAX}")]
    TooLong {
        /// The word.
        name: String,
        /// Its length in characters.
        length: usize,
    },
    /// Starts with something else than a letter or digit.
    #[error("`{name}` must start with a letter or digit")]
    Start {
        /// The word.
        name: String,
    },
    /// Holds a character that is not allowed.
    #[error("`{name}` holds {character:?}; a name is made of letters, digits, `_`, `.` and `-`")]
    Character {
        /// The word.
        name: String,
        /// The first character that is not allowed.
        character: char,
    },
}

/// The name of a project, container, group or volume: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, at most 63 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(
    /// Shared: names are the keys of nearly every map, and copied with each.
    Arc<str>,
);

impl Name {
    /// What a project in a directory called `directory` is called that has no other name.
    ///
    /// # Errors
    /// Nothing of the directory's name can be one.
    pub fn of_directory(directory: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let fit = directory.replace(|c| !allowed(c), "-");
        Self::new(fit.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()))
    }

    /// Checks `word`.
    pub fn new(word: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        match word.chars().next() {
            None => return Err(NameError::Empty),
            Some(first) if !allowed(first) => {
                return Err(NameError::Character {
                    name: word.into(),
                    character: first,
                });
            }
            Some(first) if !first.is_ascii_alphanumeric() => {
                return Err(NameError::Start { name: word.into() });
            }
            Some(_) => {}
        }
        if let Some(character) = word.chars().find(|c| !allowed(*c)) {
            return Err(NameError::Character {
                name: word.into(),
                character,
            });
        }
        if word.len() > NAME_MAX {
            return Err(NameError::TooLong {
                name: word.into(),
                length: word.len(),
            });
        }
        Ok(Self(word.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;
    fn from_str(word: &str) -> Result<Self, NameError> {
        Self::new(word)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(word: String) -> Result<Self, NameError> {
        Self::new(&word)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().into()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The name of a container on the host: `<project>_<name>`.
pub fn host_name_of(project: &Name, container: &Name) -> String {
    format!("{project}_{container}")
}

/// The project's bridge: `lk-` and at most 12 characters, stable, from the project's name.
///
/// A short name stands as it is; a longer one is cut and told apart by a hash, since an interface
/// name has at most 15 bytes (`IFNAMSIZ`, netdevice(7)).
pub fn bridge_of(project: &Name) -> String {
    let name = project.as_str();
    if name.len() <= 12 {
        return format!("lk-{name}");
    }
    format!("lk-{}-{}", &name[..6], &hash_word(name)[..5])
}

/// The bridge of one of the project's networks: [`bridge_of`] for `default`, else as stable.
pub fn bridge_of_network(project: &Name, network: &Name) -> String {
    if network.as_str() == "default" {
        return bridge_of(project);
    }
    // A slash is in no name, so that no project's own bridge is called like this.
    let hash = hash_word(&format!("{project}/{network}"));
    let shown: String = network.as_str().chars().take(5).collect();
    format!("lk-{shown}-{}", &hash[..6])
}

/// What the host end of every container's veth pair begins with.
pub const VETH_PREFIX: &str = "lkv";

/// The host end of a container's veth pair: `lk` and 11 characters, stable, from both names.
pub fn veth_of(project: &Name, container: &Name) -> String {
    format!(
        "{VETH_PREFIX}{}",
        &hash_word(&host_name_of(project, container))[..12]
    )
}

/// A stable word of 13 characters `[a-z2-7]` from `text` (FNV-1a 64; not for secrets).
pub fn hash_word(text: &str) -> String {
    let mut hash = stable_hash(text);
    let mut word = String::with_capacity(13);
    for _ in 0..13 {
        word.push(char::from(
            b"abcdefghijklmnopqrstuvwxyz234567"[(hash & 31) as usize],
        ));
        hash >>= 5;
    }
    word
}

/// A stable hash of `text` (FNV-1a 64). Unlike the standard hasher's it never changes between
/// versions, so names on the host may be made from it.
pub fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_digits_and_three_signs() {
        for good in ["a", "0", "my-app", "a_b.c", "A9", &"x".repeat(NAME_MAX)] {
            assert_eq!(Name::new(good).map(String::from), Ok(good.to_string()));
        }
        for bad in [
            "",
            "-a",
            ".a",
            "_a",
            "a b",
            "a/b",
            "a\n",
            "é",
            "..",
            "a\0",
            &"x".repeat(NAME_MAX + 1),
        ] {
            assert!(Name::new(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn interface_names_fit_and_differ() {
        let name = |s: &str| Name::new(s).unwrap();
        assert_eq!(bridge_of(&name("shop")), "lk-shop");
        let (one, two) = (
            format!("{}1", "p".repeat(40)),
            format!("{}2", "p".repeat(40)),
        );
        let (one, two) = (bridge_of(&name(&one)), bridge_of(&name(&two)));
        assert_ne!(one, two);
        assert!(one.len() <= 15 && two.len() <= 15, "{one} {two}");
        let veth = veth_of(&name("a-long-project-name"), &name("a-long-container-name"));
        assert_eq!(veth.len(), 15);
    }

    #[test]
    fn the_hash_never_changes() {
        // The published FNV-1a 64 test vectors.
        assert_eq!(stable_hash("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(stable_hash("foobar"), 0x8594_4171_f739_67e8);
    }
}
