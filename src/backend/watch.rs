//! What tells about containers while time goes on: readiness, output, processes, happenings.
//!
//! Only looks; changes nothing.

use std::collections::BTreeSet;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::{BackendError, FailedCheck};
use crate::model::{Healthcheck, Kind, Name};
use crate::observed::{Down, Health};

/// What tells about containers while time goes on.
#[async_trait]
pub trait Watch: Send + Sync {
    /// One look at its readiness. `check` is the file's check; none asks the engine for the image's own.
    async fn probe(&self, name: &Name, check: Option<&Healthcheck>) -> Result<Probe, BackendError>;

    /// How often its engine has started it again because it had ended, since it was made or started by somebody.
    async fn comebacks(&self, _name: &Name) -> Result<u64, BackendError> {
        Ok(0)
    }

    /// Its output, oldest first, with `follow` as it comes, until the container is gone or the stream
    /// is dropped.
    async fn logs(&self, name: &Name, wish: &LogWish) -> Result<LogStream, BackendError>;

    /// What is printed from `since` on by those of `names` whose output is kept in one place. An engine
    /// has each container's own.
    async fn lasting(
        &self,
        _names: &BTreeSet<Name>,
        _since: SystemTime,
    ) -> Result<Lasting, BackendError> {
        Ok(Lasting::default())
    }

    /// What was printed by `names` and is not kept, from `since` on, as far as that was said. An engine keeps all.
    async fn lost(
        &self,
        _names: &BTreeSet<Name>,
        _since: Option<SystemTime>,
    ) -> Result<Vec<Lost>, BackendError> {
        Ok(Vec::new())
    }

    /// Why it was ended by whoever attends to it, when its last run ended so. An engine attends to nobody's health.
    fn unwell(&self, _name: &Name) -> Option<String> {
        None
    }

    /// Its processes.
    async fn processes(&self, name: &Name) -> Result<Vec<Process>, BackendError>;

    /// Waits until it has ended and returns its exit code; at once for one that is not running.
    async fn ended(&self, name: &Name) -> Result<i32, BackendError>;

    /// Whether one that does not run was told to end when it ran last, by whomever: its work is not done then, whatever
    /// its exit code. False where nobody knows.
    async fn was_stopped(&self, name: &Name) -> bool;

    /// What happens to the project's containers from now on, until the stream is dropped; with `since`, what
    /// the engine still knows of the time from then on comes first. The stream of one engine ends when that goes
    /// away; that of both goes on, and says so.
    async fn events(&self, since: Option<SystemTime>) -> Result<EventStream, BackendError>;
}

/// How ready a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It runs, and there is no check.
    Running,
    /// The check passes.
    Healthy,
    /// The check does not pass yet; what it said last.
    Failing(FailedCheck),
    /// The engine's own check has failed too often; what it said last, and how often in a row.
    Unhealthy(FailedCheck, u64),
    /// It has ended with this exit code.
    Ended(i32),
}

/// Which part of the output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogWish {
    /// Go on as it comes.
    pub follow: bool,
    /// Only from this time on.
    pub since: Option<SystemTime>,
    /// Only before this time.
    pub until: Option<SystemTime>,
    /// Only so many of the last lines.
    pub lines: Option<usize>,
    /// What its engine has of it at this moment, also where it is handed on to be kept elsewhere: a
    /// container's last words before it ended are there first.
    pub fresh: bool,
    /// Of which runs; what is not all of them is asked of its engine. An engine that does not tell one from the
    /// other has all.
    pub runs: Runs,
}

/// Of which runs of a container output is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runs {
    /// Of all.
    #[default]
    All,
    /// Of the last one, whether it goes on, has ended or could not begin.
    Last,
    /// Of the one that ended last: of one that has been started again meanwhile, the one before.
    Ended,
}

/// Output of several containers that goes on while they end, are started again and are made anew.
pub struct Lasting {
    /// Of whom; the others are followed one by one.
    pub names: BTreeSet<Name>,
    /// Whose line, and the line; without end.
    pub lines: BoxStream<'static, Result<(Name, LogLine), BackendError>>,
}

impl Default for Lasting {
    /// Of nobody.
    fn default() -> Self {
        Self {
            names: BTreeSet::new(),
            lines: Box::pin(futures_util::stream::pending()),
        }
    }
}

/// A line of output, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written; none when that is not known.
    pub at: Option<SystemTime>,
    /// Whether it came on standard error.
    pub error: bool,
    /// The text.
    pub text: String,
}

/// Lines that a container has printed and that are not where its output is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Whose.
    pub name: Name,
    /// When it was noticed.
    pub at: SystemTime,
    /// How many lines.
    pub count: u64,
}

/// Lines of output.
pub type LogStream = BoxStream<'static, Result<LogLine, BackendError>>;

/// One process of a container.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Process {
    /// Its id on the host.
    pub pid: u32,
    /// The id of its parent on the host.
    pub parent: u32,
    /// Its user: the name on the host, else the number.
    pub user: String,
    /// How long it has run, seconds.
    pub seconds: u64,
    /// Processor time it has used, seconds.
    pub cpu: f64,
    /// Its command line.
    pub command: String,
}

/// Something that happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: SystemTime,
    /// To which.
    pub container: Name,
    /// What.
    pub what: What,
}

/// What may happen to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It was made.
    Created,
    /// It runs.
    Started,
    /// It has ended with this exit code, when it is known.
    Ended(Option<i32>),
    /// It was frozen.
    Frozen,
    /// It was thawed.
    Thawed,
    /// Its health check says something else than before.
    Health(Health),
    /// It ran out of memory.
    OutOfMemory,
    /// It was destroyed.
    Destroyed,
}

/// What is told to who listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Something happened to a container.
    Happened(Happening),
    /// The engine of these containers does not answer, or does no more. It is waited for.
    Away(Kind, Down),
    /// It answers again: what was followed there has broken off, and it may have other containers than before.
    Back(Kind),
}

/// News, as they come.
pub type EventStream = BoxStream<'static, Result<News, BackendError>>;
