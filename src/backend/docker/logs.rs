//! The output of containers: what the engine has kept of it and what comes.
//!
//! The engine cuts long lines into pieces and tells times by the piece; here they are lines again. Its
//! stream ends when the container stops. One that is followed may be started again, so it is waited for
//! until it is gone.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{EventsOptions, InspectContainerOptions, LogsOptions};
use futures_util::stream::{BoxStream, StreamExt};

use super::error::{broke_off, failed, is_missing};
use super::images::LONG;
use crate::backend::{BackendError, LogLine, LogStream, LogWish};

const VERB: &str = "read the log of";
/// A line that never ends is cut here.
const LONGEST: usize = 1 << 20;

/// Its output as lines, oldest first.
pub(super) async fn logs(
    docker: &Docker,
    full: &str,
    wish: &LogWish,
) -> Result<LogStream, BackendError> {
    let docker = docker.clone().with_timeout(LONG);
    let seen = docker.inspect_container(full, None::<InspectContainerOptions>);
    let seen = seen.await.map_err(|error| failed(VERB, full, &error))?;
    // By its id: another one may get its name.
    let id = seen.id.unwrap_or_else(|| full.into());
    let reading = Reading::new(docker, id, full.into(), wish.clone());
    let lines = futures_util::stream::unfold(reading, |mut reading| async {
        reading.next().await.map(|line| (line, reading))
    });
    match wish.lines {
        // The engine counts from the end of all, not from that of the time asked for.
        Some(most) if wish.until.is_some() => Ok(last(lines.boxed(), most).boxed()),
        Some(_) | None => Ok(lines.boxed()),
    }
}

/// The last so many lines of a stream that ends.
fn last(
    lines: LogStream,
    most: usize,
) -> impl futures_util::Stream<Item = <LogStream as futures_util::Stream>::Item> {
    let kept = lines.fold(VecDeque::new(), move |mut kept, line| async move {
        kept.push_back(line);
        if kept.len() > most {
            kept.pop_front();
        }
        kept
    });
    futures_util::stream::once(kept).flat_map(futures_util::stream::iter)
}

struct Reading {
    docker: Docker,
    id: String,
    full: String,
    wish: LogWish,
    pieces: BoxStream<'static, Result<LogOutput, Error>>,
    /// The beginnings of lines, of standard output and of standard error.
    begun: HashMap<bool, Begun>,
    /// The time of the last line, and how many lines have it: where to go on after a new start.
    reached: Option<(SystemTime, usize)>,
    /// Lines that come once more.
    again: usize,
    ended: bool,
}

impl Reading {
    fn new(docker: Docker, id: String, full: String, wish: LogWish) -> Self {
        let tail = match (wish.lines, wish.until) {
            (Some(most), None) => most.to_string(),
            (Some(_) | None, _) => "all".into(),
        };
        let pieces = pieces(&docker, &id, &wish, wish.since, tail);
        Self {
            docker,
            id,
            full,
            wish,
            pieces,
            begun: HashMap::new(),
            reached: None,
            again: 0,
            ended: false,
        }
    }

    /// The next line; none at the end.
    async fn next(&mut self) -> Option<Result<LogLine, BackendError>> {
        while !self.ended {
            match self.pieces.next().await {
                Some(Ok(piece)) => {
                    let line = self.hear(&piece);
                    if let Some(line) = line.and_then(|line| self.wanted(line)) {
                        return Some(Ok(line));
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    // Whoever follows hears when an engine that has gone away is back.
                    let is_over = is_missing(&error) || (self.wish.follow && broke_off(&error));
                    if !is_over {
                        return Some(Err(failed(VERB, &self.full, &error)));
                    }
                }
                None => {
                    self.ended = !(self.wish.follow && self.started_again().await);
                    if !self.ended {
                        let since = self.reached.map(|(at, _)| at).or(self.wish.since);
                        self.again = self.reached.map_or(0, |(_, lines)| lines);
                        self.pieces =
                            pieces(&self.docker, &self.id, &self.wish, since, "all".into());
                    }
                }
            }
        }
        let (&error, _) = self.begun.iter().next()?;
        self.begun.remove(&error).map(|begun| Ok(begun.line(error)))
    }

    /// Takes a piece; gives the line that it ends.
    fn hear(&mut self, piece: &LogOutput) -> Option<LogLine> {
        let error = matches!(piece, LogOutput::StdErr { .. });
        let (at, bytes) = timed(piece.as_ref());
        let begun = self.begun.entry(error).or_insert(Begun {
            at,
            bytes: Vec::new(),
        });
        begun.bytes.extend_from_slice(bytes);
        if bytes.ends_with(b"\n") || begun.bytes.len() > LONGEST {
            return self.begun.remove(&error).map(|begun| begun.line(error));
        }
        None
    }

    /// The line, when it lies within the times asked for and was not given before. The engine knows
    /// whole seconds only.
    fn wanted(&mut self, line: LogLine) -> Option<LogLine> {
        if let Some(at) = line.at {
            if self.wish.since.is_some_and(|since| at < since)
                || self.wish.until.is_some_and(|until| at >= until)
            {
                return None;
            }
            let (last, lines) = self.reached.unwrap_or((at, 0));
            if at < last {
                // Two streams may differ a little; only after a new start it is an old line.
                return (self.again == 0).then_some(line);
            }
            if at == last && self.again > 0 {
                self.again -= 1;
                return None;
            }
            self.again = 0;
            self.reached = Some((at, if at == last { lines + 1 } else { 1 }));
        }
        Some(line)
    }

    /// Waits until it runs again. False when it is gone.
    async fn started_again(&mut self) -> bool {
        let filters = HashMap::from([
            ("container".into(), vec![self.id.clone()]),
            ("event".into(), vec!["start".into(), "destroy".into()]),
        ]);
        let options = EventsOptions {
            filters: Some(filters),
            ..EventsOptions::default()
        };
        let mut events = self.docker.events(Some(options)).boxed();
        loop {
            let seen = self
                .docker
                .inspect_container(&self.id, None::<InspectContainerOptions>);
            match seen
                .await
                .map(|seen| seen.state.and_then(|state| state.running))
            {
                Ok(Some(true)) => return true,
                Ok(Some(false) | None) => {}
                Err(_) => return false,
            }
            // The stream is asked for at its first turn, so what happens just before is missed: look again.
            let turn = tokio::time::timeout(Duration::from_secs(2), events.next()).await;
            if let Ok(None | Some(Err(_))) = turn {
                return false;
            }
        }
    }
}

fn pieces(
    docker: &Docker,
    id: &str,
    wish: &LogWish,
    since: Option<SystemTime>,
    tail: String,
) -> BoxStream<'static, Result<LogOutput, Error>> {
    let options = LogsOptions {
        follow: wish.follow,
        stdout: true,
        stderr: true,
        since: since.map_or(0, |since| seconds(since, 0)),
        until: wish.until.map_or(0, |until| seconds(until, 1)),
        timestamps: true,
        tail,
    };
    docker.logs(id, Some(options)).boxed()
}

/// Seconds since 1970, rounded down, and `more`.
fn seconds(time: SystemTime, more: i32) -> i32 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i32::try_from(since.as_secs())
        .unwrap_or(i32::MAX)
        .saturating_add(more)
}

/// The beginning of a line. A piece may end within a character.
struct Begun {
    at: Option<SystemTime>,
    bytes: Vec<u8>,
}

impl Begun {
    fn line(self, error: bool) -> LogLine {
        let text = String::from_utf8_lossy(&self.bytes);
        LogLine {
            at: self.at,
            error,
            text: text.trim_end_matches(['\n', '\r']).into(),
        }
    }
}

/// The engine's time at the front of a piece, and the rest.
fn timed(piece: &[u8]) -> (Option<SystemTime>, &[u8]) {
    let blank = piece.iter().position(|byte| *byte == b' ');
    let parts = blank.and_then(|at| piece.split_at_checked(at));
    let time = parts.and_then(|(word, rest)| {
        let at: jiff::Timestamp = std::str::from_utf8(word).ok()?.parse().ok()?;
        Some((Some(at.into()), rest.get(1..)?))
    });
    time.unwrap_or((None, piece))
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
