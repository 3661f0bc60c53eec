//! A `Watch` for tests: what containers print and what happens to them is written down before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use crate::backend::{
    BackendError, EventStream, Happening, Lasting, LogLine, LogStream, LogWish, Lost, Probe,
    Process, Watch, What,
};
use crate::model::{Healthcheck, Name};

/// Tells what it was given, each output of a container once.
#[derive(Debug, Default)]
pub(super) struct Listening {
    outputs: Mutex<BTreeMap<Name, VecDeque<Vec<LogLine>>>>,
    names: BTreeSet<Name>,
    lasting: Vec<(Name, LogLine)>,
    happenings: Vec<Happening>,
    lost: Vec<Lost>,
}

impl Listening {
    /// A container that is there and prints this.
    pub(super) fn printed(mut self, word: &str, lines: Vec<LogLine>) -> Self {
        self.names.insert(name(word));
        self.then(word, lines)
    }

    /// What the container prints when its output is asked for once more.
    pub(super) fn then(self, word: &str, lines: Vec<LogLine>) -> Self {
        let mut outputs = self.outputs.lock().unwrap();
        outputs.entry(name(word)).or_default().push_back(lines);
        drop(outputs);
        self
    }

    /// What the journal tells of a container.
    pub(super) fn lasts(mut self, word: &str, lines: Vec<LogLine>) -> Self {
        let lines = lines.into_iter().map(|line| (name(word), line));
        self.lasting.extend(lines);
        self
    }

    /// What happens.
    pub(super) fn happens(mut self, happenings: Vec<Happening>) -> Self {
        self.happenings = happenings;
        self
    }

    /// What is known to be missing.
    pub(super) fn lost(mut self, lost: Vec<Lost>) -> Self {
        self.lost = lost;
        self
    }

    /// The containers that are there at first.
    pub(super) fn names(&self) -> BTreeSet<Name> {
        self.names.clone()
    }
}

#[async_trait]
impl Watch for Listening {
    async fn probe(&self, _: &Name, _: Option<&Healthcheck>) -> Result<Probe, BackendError> {
        Ok(Probe::Running)
    }

    async fn logs(&self, name: &Name, wish: &LogWish) -> Result<LogStream, BackendError> {
        let mut outputs = self.outputs.lock().unwrap();
        let lines = outputs.get_mut(name).and_then(VecDeque::pop_front);
        let (since, until) = (wish.since, wish.until);
        let meant = move |line: &LogLine| {
            let late = since.is_none_or(|since| line.at.is_none_or(|at| at >= since));
            late && until.is_none_or(|until| line.at.is_none_or(|at| at < until))
        };
        let lines = lines.unwrap_or_default().into_iter().filter(meant).map(Ok);
        Ok(stream::iter(lines.collect::<Vec<_>>()).boxed())
    }

    async fn lasting(&self, _: &BTreeSet<Name>, _: SystemTime) -> Result<Lasting, BackendError> {
        let names = self.lasting.iter().map(|(name, _)| name.clone()).collect();
        let lines = stream::iter(self.lasting.clone().into_iter().map(Ok)).boxed();
        Ok(Lasting { names, lines })
    }

    async fn lost(
        &self,
        _: &BTreeSet<Name>,
        _: Option<SystemTime>,
    ) -> Result<Vec<Lost>, BackendError> {
        Ok(self.lost.clone())
    }

    async fn processes(&self, _: &Name) -> Result<Vec<Process>, BackendError> {
        Ok(Vec::new())
    }

    async fn ended(&self, _: &Name) -> Result<i32, BackendError> {
        Ok(0)
    }

    async fn was_stopped(&self, _: &Name) -> bool {
        false
    }

    async fn events(&self) -> Result<EventStream, BackendError> {
        Ok(stream::iter(self.happenings.clone().into_iter().map(Ok)).boxed())
    }
}

pub(super) fn name(word: &str) -> Name {
    Name::new(word).unwrap()
}

/// A line so many seconds after 1970.
pub(super) fn line(seconds: u64, text: &str) -> LogLine {
    LogLine {
        at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
        error: false,
        text: text.into(),
    }
}

pub(super) fn happened(word: &str, what: What) -> Happening {
    Happening {
        at: SystemTime::UNIX_EPOCH,
        container: name(word),
        what,
    }
}
