//! Writing to the host's journal by its native protocol (systemd.io, "Native Journal Protocol"): one
//! datagram for an entry, no library.
//!
//! Unlike the pipe that a service has as its standard output it keeps empty lines, blanks at the end,
//! bytes that are no text and lines of any length apart, and takes fields beside the message.

use std::env;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// The way to the journal.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    to: PathBuf,
    entry: Vec<u8>,
}

impl Journal {
    /// The journal, where this process's standard output goes to it (systemd.exec(5),
    /// `$JOURNAL_STREAM`); none where somebody wants the output elsewhere.
    pub fn instead_of_stdout() -> Option<Self> {
        let said = env::var("JOURNAL_STREAM").ok()?;
        let stat = rustix::fs::fstat(rustix::stdio::stdout()).ok()?;
        if said != format!("{}:{}", stat.st_dev, stat.st_ino) {
            return None;
        }
        Self::at(SOCKET).ok()
    }

    /// The journal that listens at `to`.
    ///
    /// # Errors
    /// No socket can be made.
    pub fn at(to: impl Into<PathBuf>) -> io::Result<Self> {
        Ok(Self {
            socket: UnixDatagram::unbound()?,
            to: to.into(),
            entry: Vec::new(),
        })
    }

    /// Writes an entry: `fields` as [`journal_field`] makes them, and the message. Waits while the journal
    /// is busy. At most some 100 KiB in all.
    ///
    /// # Errors
    /// Nobody listens, or the entry is too long.
    pub fn send(&mut self, fields: &[u8], message: &[u8]) -> io::Result<()> {
        self.entry.clear();
        self.entry.extend_from_slice(fields);
        self.entry.extend_from_slice(b"MESSAGE\n");
        let length = message.len() as u64;
        self.entry.extend_from_slice(&length.to_le_bytes());
        self.entry.extend_from_slice(message);
        self.entry.push(b'\n');
        self.socket.send_to(&self.entry, &self.to).map(drop)
    }
}

/// A field of an entry. `value` must not hold a line break: it would begin another field.
pub fn journal_field(name: &str, value: &str) -> Vec<u8> {
    let value = value.replace('\n', " ");
    format!("{name}={value}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_become_a_field() {
        let dir = tempfile::tempdir().unwrap();
        let ears = UnixDatagram::bind(dir.path().join("socket")).unwrap();
        let mut journal = Journal::at(dir.path().join("socket")).unwrap();
        let fields = journal_field("PRIORITY", "6\n7");
        journal.send(&fields, b"a\nPRIORITY=0\n").unwrap();
        let mut bytes = [0; 100];
        let count = ears.recv(&mut bytes).unwrap();
        let wanted = b"PRIORITY=6 7\nMESSAGE\n\x0d\0\0\0\0\0\0\0a\nPRIORITY=0\n\n";
        assert_eq!(&bytes[..count], wanted);
    }
}
