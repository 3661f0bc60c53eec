//! Files of `secrets` and `configs` inside an application container.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A file of `secrets` or `configs` inside, read-only. Its content never leaves this value by itself:
/// marks, plans and messages hold a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InnerFile {
    /// Absolute path inside.
    pub target: PathBuf,
    /// Owner inside, a number.
    pub uid: u32,
    /// Group inside, a number.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// What tells one content from another; empty while the variable that holds it is not set.
    pub digest: String,
    /// Where the file has it from; of use only to write the project file again.
    #[serde(skip)]
    pub origin: FileOrigin,
    /// What is in it; empty when it was read from a mark.
    #[serde(skip)]
    pub content: Secret,
}

impl InnerFile {
    /// Whether its content is not known: the variable that holds it is not set.
    pub fn is_unset(&self) -> bool {
        self.digest.is_empty()
    }
}

/// The entry of `secrets` or `configs` that an [`InnerFile`] comes from.
#[derive(Clone, Debug, Default, Eq)]
pub struct FileOrigin {
    /// Whether it is a secret, else a config.
    pub secret: bool,
    /// Its key in the file.
    pub name: String,
    /// Where its content is.
    pub content: FileContent,
}

/// It says nothing about what is inside; a mark that was read back has none.
impl PartialEq for FileOrigin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Where the content of a secret or config is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FileContent {
    /// Written in the project file itself.
    #[default]
    Inline,
    /// A file of the host, absolute.
    File(PathBuf),
    /// A variable of the environment, by its name.
    Variable(String),
}

/// What tells one content of an [`InnerFile`] from another: two stable hashes in 32 characters.
/// It keeps nothing secret that can be guessed; those who see it may read the file itself.
pub fn digest_of(content: &[u8]) -> String {
    let hash = |seed: u64| {
        content.iter().fold(seed, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    // FNV-1a with its own start value and with another one.
    let (one, two) = (hash(0xcbf2_9ce4_8422_2325), hash(0x9ae1_6a3b_2f90_404f));
    format!("{one:016x}{two:016x}")
}

/// Bytes that are never printed.
#[derive(Clone, Default, Eq)]
pub struct Secret(pub Vec<u8>);

/// The digest beside it tells contents apart; a mark that was read back has none.
impl PartialEq for Secret {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
