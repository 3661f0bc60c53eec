//! How a container's output is written down in the host's journal: fields of an entry.
//!
//! Who writes (`supervise`) and who reads (`systemd`) know each other by these names only. A container
//! cannot forge them: its text stands in `MESSAGE` alone, and an entry counts only when root sent it.

/// The service of the container.
pub const JOURNAL_UNIT: &str = "LOCKER_UNIT";

/// `stdout` or `stderr`. What the supervisor itself says does not have it.
pub const JOURNAL_STREAM: &str = "LOCKER_STREAM";

/// Which part of a long line it is, see [`LinePart`]; a whole line does not have it.
pub const JOURNAL_PART: &str = "LOCKER_PART";

/// The part of a line that is too long for one entry, or was not ended yet when it was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinePart {
    /// Nothing is missing.
    Whole,
    /// The first part.
    Begin,
    /// One after which others come.
    Middle,
    /// The last one.
    End,
}

impl LinePart {
    /// The word in the journal; none for a whole line.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Begin => Some("begin"),
            Self::Middle => Some("middle"),
            Self::End => Some("end"),
        }
    }

    /// The part that a word of the journal means; what is no such word is a whole line.
    pub fn of(word: Option<&str>) -> Self {
        let parts = [Self::Begin, Self::Middle, Self::End];
        let found = parts.into_iter().find(|part| part.word() == word);
        found.unwrap_or(Self::Whole)
    }
}
