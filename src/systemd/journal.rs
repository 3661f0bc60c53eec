//! Reading what containers have printed from the host's journal.
//!
//! `journalctl` reads: its JSON is the journal's stable interface for programs, it knows all files of
//! the journal, follows them through rotation, and costs one process (docs/dependencies.md says what was
//! weighed). This file finds containers' output by the fields of [`crate::model::JOURNAL_UNIT`] and puts
//! long lines together again. It never shows what a supervisor itself says.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, BoxStream, StreamExt};

use super::printed::{Backwards, Dropped, Entry, Forwards, Printed};
use crate::model::{JOURNAL_PART, JOURNAL_STREAM, JOURNAL_UNIT};
use crate::sys::{Exec, ExecError, Lines};

/// The id of the message by which the journal tells what it has dropped (sd-messages.h,
/// `SD_MESSAGE_JOURNAL_DROPPED`).
const DROPPED: &str = "a596d6fe7bfa4994828e72309e95d61e";

/// Lines as they are read.
pub type PrintedStream = BoxStream<'static, Result<Printed, ExecError>>;

/// From when to when; none is without end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Not before.
    pub since: Option<SystemTime>,
    /// Before.
    pub until: Option<SystemTime>,
}

impl Span {
    fn holds(&self, at: SystemTime) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    /// What `journalctl` is told; it knows microseconds, so it is told a little more.
    fn arguments(&self) -> Vec<String> {
        let seconds = |at: SystemTime| {
            let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            format!("@{}.{:06}", at.as_secs(), at.subsec_micros())
        };
        let later = |at| at + Duration::from_micros(1);
        let since = self
            .since
            .map(|since| format!("--since={}", seconds(since)));
        let until = self
            .until
            .map(|until| format!("--until={}", seconds(later(until))));
        since.into_iter().chain(until).collect()
    }
}

/// The journal of this host. Nothing is opened before it is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct JournalReader;

impl JournalReader {
    /// The services of which it holds output.
    ///
    /// # Errors
    /// `journalctl` is not there or cannot read.
    pub async fn services(&self) -> Result<BTreeSet<String>, ExecError> {
        let read = Exec::new("journalctl", ["-q", "--field", JOURNAL_UNIT]);
        let read = read.run().await?;
        Ok(read.stdout.lines().map(str::to_string).collect())
    }

    /// What a service's container printed, oldest first.
    ///
    /// # Errors
    /// `journalctl` cannot be started; what it fails with later stands in the stream.
    pub fn past(&self, service: &str, span: Span) -> Result<PrintedStream, ExecError> {
        let services = BTreeSet::from([service.to_string()]);
        let lines = journalctl(&services, &span.arguments()).lines()?;
        Ok(forwards(lines, span))
    }

    /// The last `count` lines of it, oldest first.
    ///
    /// # Errors
    /// `journalctl` is not there or cannot read.
    pub async fn last(
        &self,
        service: &str,
        count: usize,
        span: Span,
    ) -> Result<Vec<Printed>, ExecError> {
        let mut found = VecDeque::new();
        if count == 0 {
            return Ok(found.into());
        }
        let services = BTreeSet::from([service.to_string()]);
        let mut arguments = span.arguments();
        arguments.push("--reverse".into());
        let mut lines = journalctl(&services, &arguments).lines()?;
        let mut parts = Backwards::default();
        while found.len() < count {
            let Some(line) = lines.next().await? else {
                break;
            };
            let entry = Entry::read(&line).filter(|entry| span.holds(entry.at));
            let printed = entry.into_iter().flat_map(|entry| parts.take(entry));
            printed.for_each(|line| found.push_front(line));
        }
        // A line whose beginning is not there (any more).
        if found.len() < count {
            parts
                .rest()
                .into_iter()
                .for_each(|line| found.push_front(line));
        }
        let surplus = found.len().saturating_sub(count);
        found.drain(..surplus);
        Ok(found.into())
    }

    /// What the journal says that it has dropped of what services wrote, from `since` on. It says so with the next
    /// line that it takes of the service.
    ///
    /// # Errors
    /// `journalctl` is not there or cannot read.
    pub async fn dropped(
        &self,
        services: &BTreeSet<String>,
        since: Option<SystemTime>,
    ) -> Result<Vec<Dropped>, ExecError> {
        let span = Span { since, until: None };
        let mut words = reading(["N_DROPPED", "OBJECT_SYSTEMD_UNIT"].join(","));
        words.extend(span.arguments());
        // The journal alone is heard by this way.
        words.push("_TRANSPORT=driver".into());
        words.push(format!("MESSAGE_ID={DROPPED}"));
        let units = services.iter();
        words.extend(units.map(|unit| format!("OBJECT_SYSTEMD_UNIT={unit}")));
        let told = Exec::new("journalctl", words).run().await?;
        let lines = told.stdout.lines();
        Ok(lines
            .filter_map(|line| Dropped::read(line.as_bytes()))
            .collect())
    }

    /// What containers print from `since` on, as it comes, without end.
    ///
    /// # Errors
    /// `journalctl` cannot be started.
    pub fn follow(
        &self,
        services: &BTreeSet<String>,
        since: SystemTime,
    ) -> Result<PrintedStream, ExecError> {
        let span = Span {
            since: Some(since),
            until: None,
        };
        let mut arguments = span.arguments();
        arguments.extend(["--follow".into(), "--no-tail".into()]);
        let lines = journalctl(services, &arguments).lines()?;
        Ok(forwards(lines, span))
    }
}

/// `journalctl` for the output of some services: those of one field are alternatives, and only root
/// writes for containers.
fn journalctl(services: &BTreeSet<String>, arguments: &[String]) -> Exec {
    let fields = [JOURNAL_UNIT, JOURNAL_STREAM, JOURNAL_PART, "MESSAGE"].join(",");
    let mut words = reading(fields);
    words.extend(arguments.iter().cloned());
    words.push("_UID=0".into());
    words.extend(["stdout", "stderr"].map(|stream| format!("{JOURNAL_STREAM}={stream}")));
    words.extend(services.iter().map(|unit| format!("{JOURNAL_UNIT}={unit}")));
    Exec::new("journalctl", words)
}

/// The options that every reading has, with what is to be read.
fn reading(fields: String) -> Vec<String> {
    let words = ["-q", "--no-pager", "--all", "-o", "json"].map(String::from);
    let fields = [format!("--output-fields={fields}")];
    words.into_iter().chain(fields).collect()
}

fn forwards(lines: Lines, span: Span) -> PrintedStream {
    let begin = (lines, Forwards::default(), VecDeque::new(), false);
    let printed = stream::unfold(
        begin,
        move |(mut lines, mut parts, mut ready, over)| async move {
            let mut over = over;
            loop {
                if let Some(printed) = ready.pop_front() {
                    return Some((Ok(printed), (lines, parts, ready, over)));
                }
                if over {
                    return None;
                }
                match lines.next().await {
                    Ok(Some(line)) => {
                        let entry = Entry::read(&line).filter(|entry| span.holds(entry.at));
                        ready.extend(entry.into_iter().flat_map(|entry| parts.take(entry)));
                    }
                    Ok(None) => {
                        over = true;
                        ready.extend(parts.rest());
                    }
                    Err(error) => return Some((Err(error), (lines, parts, ready, true))),
                }
            }
        },
    );
    printed.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_asked_for_a_little_wider_and_kept_exactly() {
        let at = |nanos| UNIX_EPOCH + Duration::from_nanos(nanos);
        let span = Span {
            since: Some(at(1_000_000_500)),
            until: Some(at(2_000_000_500)),
        };
        let wanted = ["--since=@1.000000", "--until=@2.000001"];
        assert_eq!(span.arguments(), wanted);
        assert!(span.holds(at(1_000_000_500)) && span.holds(at(2_000_000_499)));
        assert!(!span.holds(at(1_000_000_499)) && !span.holds(at(2_000_000_500)));
        assert!(Span::default().arguments().is_empty());
    }
}
