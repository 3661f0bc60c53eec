//! When a console log grew: a small index beside it, and how it is read.
//!
//! A console carries bytes and no times. The guard appends `(length, time)` whenever the log has grown,
//! so the first entry beyond the begin of a line tells when that line came. The index names the inode of
//! its log: a rotated log is found again, and a strange file is never dated.
//!
//! ```text
//! "LKTIMES1"  inode u64  { length u64  milliseconds since 1970 u64 }*      all little endian
//! ```

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::ended::time_of;

const MAGIC: &[u8; 8] = b"LKTIMES1";
/// Length of the head.
pub(super) const HEAD: u64 = 16;
/// Length of an entry.
pub(super) const ENTRY: u64 = 16;
/// More than the guard ever writes; what is longer is no index of ours.
const LIMIT: u64 = 4 << 20;

/// The index of a log.
pub(super) fn index_of(log: &Path) -> PathBuf {
    beside(log, ".times")
}

/// The older part of a log, or of an index.
pub(super) fn older_of(path: &Path) -> PathBuf {
    beside(path, ".1")
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The head of the index of the log with this inode.
pub(super) fn head(inode: u64) -> [u8; 16] {
    pair_of(u64::from_le_bytes(*MAGIC), inode)
}

/// An entry: the log was so long at this time; 0 is a time that nobody knows.
pub(super) fn entry(length: u64, millis: u64) -> [u8; 16] {
    pair_of(length, millis)
}

fn pair_of(first: u64, second: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_le_bytes());
    bytes[8..].copy_from_slice(&second.to_le_bytes());
    bytes
}

/// Two numbers of a head or an entry.
pub(super) fn pair(bytes: &[u8; 16]) -> (u64, u64) {
    let number = |from: usize| {
        let part = bytes
            .get(from..from + 8)
            .and_then(|part| part.try_into().ok());
        u64::from_le_bytes(part.unwrap_or_default())
    };
    (number(0), number(8))
}

/// The inode of which a head speaks; none when it is no head.
pub(super) fn inode_of(head: &[u8; 16]) -> Option<u64> {
    let (magic, inode) = pair(head);
    (magic == u64::from_le_bytes(*MAGIC)).then_some(inode)
}

/// The times of one log.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<(u64, u64)>);

impl Times {
    /// Those of the log with this inode, from the first of `files` that speaks of it.
    pub(super) fn read(files: &[PathBuf], inode: u64) -> Self {
        let found = files.iter().find_map(|file| parse(&content(file)?, inode));
        found.unwrap_or_default()
    }

    /// When the byte at `offset` came; none when that is not known.
    pub(super) fn at(&self, offset: u64) -> Option<SystemTime> {
        let first = self.0.partition_point(|(length, _)| *length <= offset);
        let (_, millis) = self.0.get(first)?;
        (*millis > 0).then(|| time_of(*millis))
    }

    /// The last time that is known.
    pub(super) fn last(&self) -> Option<SystemTime> {
        let (_, millis) = self.0.last()?;
        (*millis > 0).then(|| time_of(*millis))
    }
}

fn content(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(file).ok()?;
    file.take(LIMIT).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn parse(bytes: &[u8], inode: u64) -> Option<Times> {
    let (chunks, _) = bytes.as_chunks::<16>(); // half an entry is one that is being written
    let (head, entries) = chunks.split_first()?;
    (inode_of(head) == Some(inode)).then(|| Times(entries.iter().map(pair).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_came_when_the_log_first_went_beyond_it() {
        let mut bytes = head(7).to_vec();
        for (length, millis) in [(10, 0), (15, 1000), (40, 3000)] {
            bytes.extend(entry(length, millis));
        }
        bytes.extend([1, 2, 3]);
        let times = parse(&bytes, 7).unwrap();
        for (offset, at) in [
            (0, None),
            (9, None),
            (10, Some(1000)),
            (15, Some(3000)),
            (40, None),
        ] {
            assert_eq!(times.at(offset), at.map(time_of), "{offset}");
        }
        assert!(parse(&bytes, 8).is_none() && parse(b"LKTIMES", 7).is_none());
    }
}
