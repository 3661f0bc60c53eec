//! A `Watch` for tests: what containers print and what happens to them is written down before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use crate::backend::{
    BackendError, EventStream, Happening, Lasting, LogLine, LogStream, LogWish, Lost, News, Probe,
    Process, Watch, What,
};
use crate::model::{Healthcheck, Kind, Name};
use crate::observed::Down;

/// Tells what it was given, each output of a container once.
#[derive(Debug, Default)]
pub(super) struct Listening {
    outputs: Mutex<BTreeMap<Name, VecDeque<Vec<LogLine>>>>,
    names: BTreeSet<Name>,
    lasting: Vec<(Name, LogLine)>,
    news: Vec<News>,
    lost: Vec<Lost>,
    /// Those whose engine does not answer, until it is told that it is back.
    away: Arc<Mutex<BTreeSet<Name>>>,
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
    pub(super) fn happens(self, happenings: Vec<Happening>) -> Self {
        self.tells(happenings.into_iter().map(News::Happened).collect())
    }

    /// What happens, to engines as well.
    pub(super) fn tells(mut self, news: Vec<News>) -> Self {
        self.news = news;
        self
    }

    /// A container whose engine is away at first.
    pub(super) fn away(mut self, word: &str) -> Self {
        self.names.insert(name(word));
        self.away.lock().unwrap().insert(name(word));
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
        if self.away.lock().unwrap().contains(name) {
            return Err(down().into());
        }
        let mut outputs = self.outputs.lock().unwrap();
        if !outputs.contains_key(name) {
            return Err(BackendError::Engine {
                verb: "read the log of",
                container: name.to_string(),
                reason: "there is none".into(),
                log: Vec::new(),
            });
        }
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

    async fn events(&self, _: Option<SystemTime>) -> Result<EventStream, BackendError> {
        let away = Arc::clone(&self.away);
        let news = stream::iter(self.news.clone()).inspect(move |news| match news {
            News::Back(_) => away.lock().unwrap().clear(),
            News::Happened(_) | News::Away(..) => {}
        });
        Ok(news.map(Ok).boxed())
    }
}

/// Why an engine is away.
pub(super) fn down() -> Down {
    Down {
        engine: "Docker",
        reason: "nothing answers".into(),
        help: "start it".into(),
    }
}

/// The engine goes away.
pub(super) fn went() -> News {
    News::Away(Kind::Application, down())
}

/// It comes back.
pub(super) fn came() -> News {
    News::Back(Kind::Application)
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
