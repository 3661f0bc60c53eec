//! What happens in both engines, through the absence of either.
//!
//! The stream of an engine ends with it. It is opened anew as soon as the engine answers, from where it broke off, and
//! that is told: whoever follows something else there has to begin anew as well.

use std::time::{Duration, SystemTime};

use futures_util::stream::{self, StreamExt};

use super::Engines;
use crate::backend::{Backend, BackendError, EventStream, Happening, News, Sought, What};
use crate::model::Kind;
use crate::observed::Down;

/// How often an engine that is away is asked whether it is back. What happens meanwhile is told then.
const AGAIN: Duration = match cfg!(test) {
    true => Duration::from_millis(5),
    false => Duration::from_secs(1),
};

/// News of the engines that the project needs, as they come; one that it does not need and that is not there has nothing
/// to tell.
pub(super) async fn both(
    engines: &Engines,
    since: Option<SystemTime>,
) -> Result<EventStream, BackendError> {
    let kinds = engines.known().sought.clone().unwrap_or_default().kinds;
    let mut streams = Vec::new();
    let mut missing = None;
    for kind in [Kind::System, Kind::Application] {
        if kind == Kind::Application && !kinds.contains(&kind) {
            continue;
        }
        let mut ear = Ear::new(engines.clone(), kind, since);
        match ear.open(since).await {
            Ok(stream) => streams.push(ear.listen(Ok(stream))),
            Err(error) => match (error.into_down()?, kinds.contains(&kind)) {
                (down, true) => streams.push(ear.listen(Err(down))),
                (down, false) => missing = Some(down),
            },
        }
    }
    match missing {
        Some(down) if streams.is_empty() => Err(down.into()),
        Some(_) | None => Ok(stream::select_all(streams).boxed()),
    }
}

/// Listens to one engine.
struct Ear {
    engines: Engines,
    kind: Kind,
    /// None while it is away.
    stream: Option<EventStream>,
    /// What happened from then on has not been told.
    since: SystemTime,
    /// That it is away was told.
    told: bool,
}

impl Ear {
    fn new(engines: Engines, kind: Kind, since: Option<SystemTime>) -> Self {
        Self {
            engines,
            kind,
            stream: None,
            since: since.unwrap_or_else(SystemTime::now),
            told: false,
        }
    }

    /// A stream from the engine. One that did not answer a moment ago is not asked: that may take its time.
    async fn open(&mut self, since: Option<SystemTime>) -> Result<EventStream, BackendError> {
        let down = self.engines.known().down.get(&self.kind).cloned();
        match down {
            Some(down) => Err(down.into()),
            None => self.ask(since).await,
        }
    }

    async fn ask(&mut self, since: Option<SystemTime>) -> Result<EventStream, BackendError> {
        let engine = self.engines.engine_of(self.kind);
        engine.watch().events(since).await
    }

    /// News without end, but for an error.
    fn listen(mut self, begun: Result<EventStream, Down>) -> EventStream {
        let mut first = Vec::new();
        match begun {
            Ok(stream) => self.stream = Some(stream),
            Err(down) => {
                self.told = true;
                first.push(Ok(News::Away(self.kind, down)));
            }
        }
        let news = stream::unfold(Some(self), |ear| async {
            let mut ear = ear?;
            match ear.next().await {
                Ok(news) => Some((Ok(news), Some(ear))),
                Err(error) => Some((Err(error), None)),
            }
        });
        stream::iter(first).chain(news).boxed()
    }

    async fn next(&mut self) -> Result<News, BackendError> {
        loop {
            if let Some(stream) = &mut self.stream {
                match stream.next().await.transpose()? {
                    Some(News::Happened(happening)) => {
                        self.heed(&happening);
                        return Ok(News::Happened(happening));
                    }
                    Some(news @ (News::Away(..) | News::Back(_))) => return Ok(news),
                    None => self.stream = None,
                }
            }
            // Also after it broke off just now: one that closes each stream at once is not asked without a pause.
            tokio::time::sleep(AGAIN).await;
            match self.again().await {
                Ok(stream) => {
                    (self.stream, self.told) = (Some(stream), false);
                    return Ok(News::Back(self.kind));
                }
                Err(error) => match (error.into_down(), self.told) {
                    (Ok(down), false) => {
                        self.told = true;
                        return Ok(News::Away(self.kind, down));
                    }
                    // It is known to be away, and may break off in the middle of its first answers.
                    (Ok(_) | Err(_), true) => {}
                    (Err(error), false) => return Err(error),
                },
            }
        }
    }

    /// The stream from where it broke off, and then a look: the engine may have other containers than before.
    async fn again(&mut self) -> Result<EventStream, BackendError> {
        let stream = self.ask(Some(self.since)).await?;
        let kinds = self
            .engines
            .known()
            .sought
            .clone()
            .unwrap_or_default()
            .kinds;
        let sought = Sought {
            kinds,
            ..Sought::default()
        };
        let mut view = self.engines.observe(&sought).await?;
        match view.down.remove(&self.kind) {
            Some(down) => Err(down.into()),
            None => Ok(stream),
        }
    }

    /// Learns whose container it is, which may be one that no look has shown.
    fn heed(&mut self, happening: &Happening) {
        let told = happening.at + Duration::from_nanos(1);
        self.since = self.since.max(told);
        match happening.what {
            What::Created | What::Started => {
                self.engines.change(&happening.container, |bodies| {
                    bodies.present = Some(self.kind);
                });
            }
            What::Ended(_)
            | What::Frozen
            | What::Thawed
            | What::Health(_)
            | What::OutOfMemory
            | What::Destroyed => {}
        }
    }
}
