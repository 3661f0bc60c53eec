//! Entries of the journal as lines that a container printed. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::model::LinePart;

/// A line of a container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The service that it came from.
    pub service: String,
    /// When the journal got it.
    pub at: SystemTime,
    /// Whether it came on standard error.
    pub error: bool,
    /// The line without its end; what is no text in it is shown as U+FFFD.
    pub text: String,
}

/// Lines that the journal has not taken, because more came than its limit allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The service that they came from.
    pub service: String,
    /// When the journal said so: with the next line that it took.
    pub at: SystemTime,
    /// How many.
    pub count: u64,
}

impl Dropped {
    /// What a line of JSON tells; none for one that tells of nothing dropped.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        let written: WrittenDrop = serde_json::from_slice(json).ok()?;
        Some(Self {
            service: written.unit,
            at: UNIX_EPOCH + Duration::from_micros(written.at.parse().ok()?),
            count: written.count.parse().ok()?,
        })
    }
}

/// As `journalctl -o json` writes the journal's own words about it.
#[derive(Deserialize)]
struct WrittenDrop {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    at: String,
    #[serde(rename = "OBJECT_SYSTEMD_UNIT")]
    unit: String,
    #[serde(rename = "N_DROPPED")]
    count: String,
}

/// One entry: a line, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    service: String,
    pub(super) at: SystemTime,
    error: bool,
    part: LinePart,
    bytes: Vec<u8>,
}

/// An entry as `journalctl -o json` writes it (systemd.io, "Journal JSON Format").
#[derive(Deserialize)]
struct Written {
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    at: String,
    #[serde(rename = "LOCKER_UNIT")]
    unit: String,
    #[serde(rename = "LOCKER_STREAM")]
    stream: String,
    #[serde(rename = "LOCKER_PART")]
    part: Option<String>,
    #[serde(rename = "MESSAGE")]
    message: Option<Message>,
}

/// What is not all printable is written as its bytes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
}

impl Entry {
    /// The entry that a line of JSON tells; none for one that is not locker's.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(json).ok()?;
        let bytes = match written.message? {
            Message::Text(text) => text.into_bytes(),
            Message::Bytes(bytes) => bytes,
        };
        Some(Self {
            service: written.unit,
            at: UNIX_EPOCH + Duration::from_micros(written.at.parse().ok()?),
            error: written.stream == "stderr",
            part: LinePart::of(written.part.as_deref()),
            bytes,
        })
    }

    fn key(&self) -> (String, bool) {
        (self.service.clone(), self.error)
    }

    fn printed(self) -> Printed {
        let text = String::from_utf8_lossy(&self.bytes);
        Printed {
            at: self.at,
            error: self.error,
            // A terminal's line ends with both.
            text: text.trim_end_matches('\r').into(),
            service: self.service,
        }
    }
}

/// Lines that have begun, of each stream of each service.
type Begun = BTreeMap<(String, bool), Entry>;

/// Puts lines together from entries that come oldest first.
#[derive(Debug, Default)]
pub(super) struct Forwards(Begun);

impl Forwards {
    /// Takes the next entry; the lines that end with it.
    pub(super) fn take(&mut self, mut entry: Entry) -> Vec<Printed> {
        let begun = self.0.remove(&entry.key());
        let mut lines = Vec::new();
        match (entry.part, begun) {
            (LinePart::Whole | LinePart::Begin, Some(cut)) => {
                // Its supervisor ended in the middle of a line.
                lines.push(cut.printed());
            }
            (LinePart::Middle | LinePart::End, Some(mut before)) => {
                before.bytes.append(&mut entry.bytes);
                before.part = entry.part;
                entry = before;
            }
            (_, None) => {}
        }
        match entry.part {
            LinePart::Whole | LinePart::End => lines.push(entry.printed()),
            LinePart::Begin | LinePart::Middle => {
                self.0.insert(entry.key(), entry);
            }
        }
        lines
    }

    /// The lines that have no end.
    pub(super) fn rest(&mut self) -> Vec<Printed> {
        let begun = std::mem::take(&mut self.0);
        begun.into_values().map(Entry::printed).collect()
    }
}

/// Puts lines together from entries that come newest first.
#[derive(Debug, Default)]
pub(super) struct Backwards(Begun);

impl Backwards {
    /// Takes the entry before; the lines that begin with it, newest first.
    pub(super) fn take(&mut self, mut entry: Entry) -> Vec<Printed> {
        let mut lines = Vec::new();
        match (entry.part, self.0.remove(&entry.key())) {
            (LinePart::Begin | LinePart::Middle, Some(after)) => entry.bytes.extend(after.bytes),
            // The journal has lost its beginning.
            (LinePart::Whole | LinePart::End, Some(after)) => lines.push(after.printed()),
            (_, None) => {}
        }
        match entry.part {
            LinePart::Whole | LinePart::Begin => lines.push(entry.printed()),
            LinePart::Middle | LinePart::End => {
                self.0.insert(entry.key(), entry);
            }
        }
        lines
    }

    /// The lines whose beginning did not come.
    pub(super) fn rest(&mut self) -> Vec<Printed> {
        let begun = std::mem::take(&mut self.0);
        begun.into_values().map(Entry::printed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(part: LinePart, text: &str) -> Entry {
        Entry {
            service: "locker-shop-web.service".into(),
            at: UNIX_EPOCH,
            error: false,
            part,
            bytes: text.into(),
        }
    }

    fn shop() -> Vec<Entry> {
        vec![
            entry(LinePart::Whole, "one\r"),
            entry(LinePart::Begin, "cut"),
            entry(LinePart::Begin, "tw"),
            entry(LinePart::Middle, "o\u{e9}"),
            entry(LinePart::End, " three"),
            entry(LinePart::Whole, ""),
            entry(LinePart::Begin, "login: "),
        ]
    }

    const LINES: [&str; 5] = ["one", "cut", "two\u{e9} three", "", "login: "];

    #[test]
    fn lines_are_whole_again_in_both_directions() {
        let mut forwards = Forwards::default();
        let mut lines: Vec<Printed> = shop().into_iter().flat_map(|e| forwards.take(e)).collect();
        lines.extend(forwards.rest());
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, LINES);

        let mut backwards = Backwards::default();
        let mut lines: Vec<Printed> = shop()
            .into_iter()
            .rev()
            .flat_map(|e| backwards.take(e))
            .collect();
        lines.extend(backwards.rest());
        lines.reverse();
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, LINES);
    }

    #[test]
    fn the_streams_of_a_container_do_not_mix() {
        let mut error = entry(LinePart::Whole, "bad");
        error.error = true;
        let mut forwards = Forwards::default();
        assert_eq!(forwards.take(entry(LinePart::Begin, "a")), []);
        assert_eq!(forwards.take(error)[0].text, "bad");
        assert_eq!(forwards.take(entry(LinePart::End, "b"))[0].text, "ab");
    }

    #[test]
    fn entries_are_read_whatever_a_container_wrote() {
        let text = |message: &str| {
            let json = format!(
                r#"{{"__CURSOR":"x","__REALTIME_TIMESTAMP":"1500000","LOCKER_UNIT":"u","LOCKER_STREAM":"stderr","MESSAGE":{message}}}"#
            );
            let entry = Entry::read(json.as_bytes())?;
            assert_eq!(entry.at, UNIX_EPOCH + Duration::from_millis(1500));
            assert!(entry.error);
            Some(entry.printed().text)
        };
        assert_eq!(text(r#""<0>hello""#).unwrap(), "<0>hello");
        assert_eq!(text(r#"[104,0,27,255]"#).unwrap(), "h\0\u{1b}\u{fffd}");
        assert_eq!(text(r#""""#).unwrap(), "");
        assert_eq!(text("[]").unwrap(), "");
        assert_eq!(text("null"), None);
        assert_eq!(Entry::read(b"-- Reboot --"), None);
        assert_eq!(Entry::read(br#"{"MESSAGE":"not ours"}"#), None);
    }

    #[test]
    fn what_the_journal_dropped_is_read_from_its_own_words() {
        let said = br#"{"__REALTIME_TIMESTAMP":"1500000","OBJECT_SYSTEMD_UNIT":"u.service","N_DROPPED":"162501"}"#;
        let dropped = Dropped {
            service: "u.service".into(),
            at: UNIX_EPOCH + Duration::from_millis(1500),
            count: 162_501,
        };
        assert_eq!(Dropped::read(said), Some(dropped));
        assert_eq!(Dropped::read(br#"{"MESSAGE":"not of a unit"}"#), None);
    }
}
