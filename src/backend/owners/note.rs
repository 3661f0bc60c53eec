//! The note of a gift: who had what, written before the first owner changes.
//!
//! One line of JSON, then a line for each file: device, inode, old user and group, new user and group. The last
//! line says how far it is: none while owners change, [`GIVEN`], then perhaps [`RETURNING`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Owner, io};
use crate::backend::BackendError;
use crate::model::IdRange;
use crate::store;

/// Last line: all owners are changed.
pub(super) const GIVEN: &str = "given";
/// Last line: the old owners are being given back.
pub(super) const RETURNING: &str = "returning";
/// The form that this program writes.
pub(super) const VERSION: u32 = 1;

/// First line of a note, in JSON.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) version: u32,
    pub(super) root: PathBuf,
    pub(super) from: Vec<IdRange>,
    pub(super) to: Vec<IdRange>,
}

/// A file, whatever names it has.
pub(super) type Key = (u64, u64);

/// What a note says.
pub(super) struct Note {
    pub(super) head: Head,
    /// Old and new owner of each file whose owner changes.
    pub(super) owners: BTreeMap<Key, (Owner, Owner)>,
    pub(super) under_way: bool,
}

/// Writes a note as a whole; nothing is changed before it is on the disk.
pub(super) fn write(
    note: &Path,
    head: &Head,
    owners: &BTreeMap<Key, (Owner, Owner)>,
) -> Result<(), BackendError> {
    let lost = |reason: String| BackendError::Mark {
        path: note.into(),
        reason,
    };
    let mut text = serde_json::to_string(head).map_err(|e| lost(e.to_string()))?;
    for ((device, inode), (old, new)) in owners {
        let (a, b, c, d) = (old.0, old.1, new.0, new.1);
        text.push_str(&format!("\n{device} {inode} {a} {b} {c} {d}"));
    }
    text.push('\n');
    store::write_atomic(note, text.as_bytes(), 0o600).map_err(|e| lost(e.to_string()))
}

/// Adds the last line, and makes sure that it outlives a power cut.
pub(super) fn end(note: &Path, word: &str) -> Result<(), BackendError> {
    let append = || -> std::io::Result<()> {
        let mut file = File::options().append(true).open(note)?;
        file.write_all(format!("{word}\n").as_bytes())?;
        file.sync_data()
    };
    append().map_err(io("write", note))
}

/// Reads a note; one that nobody can read is none.
pub(super) fn read(note: &Path) -> Result<Option<Note>, BackendError> {
    let text = match std::fs::read_to_string(note) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("read", note)(error)),
    };
    let mut lines = text.lines();
    let head = serde_json::from_str(lines.next().unwrap_or_default());
    let Ok(head) = head else { return Ok(None) };
    let mut found = Note {
        head,
        owners: BTreeMap::new(),
        under_way: true,
    };
    for line in lines {
        let fields: Vec<u64> = line
            .split(' ')
            .map_while(|word| word.parse().ok())
            .collect();
        let id = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        match fields[..] {
            [device, inode, a, b, c, d] => {
                let owners = ((id(a), id(b)), (id(c), id(d)));
                found.owners.insert((device, inode), owners);
            }
            _ => found.under_way = line != GIVEN,
        }
    }
    Ok(Some(found))
}
