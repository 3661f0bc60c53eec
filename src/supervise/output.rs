//! A container's output on its way to the journal, line by line, with the container's name as identifier.
//!
//! What the supervisor says itself goes its own way (standard error), so that the two are never taken
//! for each other. Where the service's output is to go elsewhere than to the journal, it goes there as
//! it is.

use std::io::{self, Write};

use crate::model::{
    JOURNAL_PART, JOURNAL_STREAM, JOURNAL_UNIT, LinePart, Name, UnitSpec, service_of,
};
use crate::sys::{Journal, journal_field};

/// A longer line becomes several entries.
const LONGEST: usize = 32 * 1024;

/// Where output goes.
pub(super) struct Output {
    to: To,
    /// Of standard output and of standard error.
    lines: [Line; 2],
}

enum To {
    Journal(Journal),
    Plain(Box<dyn Write + Send>),
}

/// The line that has no end yet.
struct Line {
    /// What every entry of this stream holds.
    fields: Vec<u8>,
    bytes: Vec<u8>,
    /// Whether a part of it is written down already.
    begun: bool,
}

/// Says something about the container where its output goes, so that who reads that finds it.
pub(super) fn remark(unit: &UnitSpec, text: &str) {
    let mut output = Output::of(unit);
    // A journal that is away is told nothing.
    let _ = output.take(true, format!("{text}\n").as_bytes());
}

impl Output {
    /// The way that the service's output is to go.
    pub(super) fn of(unit: &UnitSpec) -> Self {
        Self::from(&unit.name, &service_of(&unit.project, &unit.name))
    }

    /// The same for the container `name` that the service `service` runs.
    pub(super) fn from(name: &Name, service: &str) -> Self {
        let to = match Journal::instead_of_stdout() {
            Some(journal) => To::Journal(journal),
            None => To::Plain(Box::new(io::stdout())),
        };
        Self::to(name, service, to)
    }

    /// To somewhere else than the journal.
    #[cfg(test)]
    pub(super) fn plain(name: &Name, out: Box<dyn Write + Send>) -> Self {
        Self::to(name, "x.service", To::Plain(out))
    }

    fn to(name: &Name, service: &str, to: To) -> Self {
        let line = |stream, priority| Line {
            fields: fields(name, service, stream, priority),
            bytes: Vec::new(),
            begun: false,
        };
        // syslog(3): LOG_INFO, LOG_ERR.
        let lines = [line("stdout", "6"), line("stderr", "3")];
        Self { to, lines }
    }

    /// Hands on what came on standard output, or on standard error.
    pub(super) fn take(&mut self, error: bool, bytes: &[u8]) -> io::Result<()> {
        let line = &mut self.lines[usize::from(error)];
        let journal = match &mut self.to {
            To::Journal(journal) => journal,
            To::Plain(out) => {
                out.write_all(bytes)?;
                return out.flush();
            }
        };
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            line.bytes.extend_from_slice(text);
            while line.bytes.len() > LONGEST {
                line.send(journal, LONGEST, false)?;
            }
            if ends {
                line.send(journal, line.bytes.len(), true)?;
            }
        }
        Ok(())
    }

    /// Nothing more comes for now: a line without an end, a question perhaps, is handed on as it is.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        self.rest(false)
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.rest(true)
    }

    fn rest(&mut self, ends: bool) -> io::Result<()> {
        let To::Journal(journal) = &mut self.to else {
            return Ok(());
        };
        for line in &mut self.lines {
            if !line.bytes.is_empty() || (ends && line.begun) {
                line.send(journal, line.bytes.len(), ends)?;
            }
        }
        Ok(())
    }
}

impl Line {
    /// Writes down the first `count` bytes; `ends` when the line ends there.
    fn send(&mut self, journal: &mut Journal, count: usize, ends: bool) -> io::Result<()> {
        let part = match (self.begun, ends) {
            (false, true) => LinePart::Whole,
            (false, false) => LinePart::Begin,
            (true, false) => LinePart::Middle,
            (true, true) => LinePart::End,
        };
        let count = count.min(self.bytes.len());
        let mut fields = self.fields.clone();
        let word = part.word().map(|word| journal_field(JOURNAL_PART, word));
        fields.extend(word.into_iter().flatten());
        let sent = journal.send(&fields, &self.bytes[..count]);
        // Kept for ever it would only grow; the journal that is away comes back by itself.
        self.bytes.drain(..count);
        self.begun = !ends;
        sent
    }
}

fn fields(name: &Name, service: &str, stream: &str, priority: &str) -> Vec<u8> {
    let fields = [
        ("SYSLOG_IDENTIFIER", name.as_str()),
        ("PRIORITY", priority),
        (JOURNAL_STREAM, stream),
        (JOURNAL_UNIT, service),
        // The journal finds out by itself who has sent an entry, but not of a process that has just ended;
        // `journalctl -u` looks here as well (systemd.journal-fields(7)).
        ("OBJECT_SYSTEMD_UNIT", service),
    ];
    let fields = fields.into_iter();
    fields
        .flat_map(|(name, value)| journal_field(name, value))
        .collect()
}

#[cfg(test)]
#[path = "output_tests.rs"]
pub(super) mod tests;
