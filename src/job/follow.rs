//! Following output while containers end, are started again and are made anew.
//!
//! The engines' streams end when a container ends. What happens to containers says when to open the
//! next one: after the end of the old for a container that was started again, at once for one that was
//! made anew, since its older self may go on for a while. They end with their engine as well, and are opened anew when
//! it is back. What systemd keeps running prints to one journal, whose stream goes on through all that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{StreamExt, stream};

use crate::backend::{BackendError, Happening, LogWish, News, Watch, What};
use crate::model::Name;

use super::absence::Absence;
use super::logs::{Out, after};
use super::{JobError, LogLine};

/// A line of a container, or none at the end of its stream.
type Told = (Name, Option<Result<LogLine, JobError>>);

/// Gives `out` each line that is printed from `since` on, until it breaks.
pub(super) async fn follow(
    watch: &dyn Watch,
    names: BTreeSet<Name>,
    chosen: &(dyn Fn(&Name) -> bool + Send + Sync),
    since: SystemTime,
    out: Out<'_>,
    absence: &mut Absence<'_>,
) -> Result<(), JobError> {
    // Before the first stream is opened, so that no start in between is missed.
    let mut events = watch.events(None).await?;
    let lasting = watch.lasting(&names, since).await?;
    let mut followed = Followed::new(watch, names, lasting.names, since);
    followed.open_all().await?;
    let mut lasting = lasting.lines.fuse();
    loop {
        let told = tokio::select! {
            Some(told) = followed.streams.next() => told,
            Some(line) = lasting.next(), if !followed.lasting.is_empty() => {
                let (name, line) = line?;
                (name, Some(Ok(line)))
            }
            Some(news) = events.next() => {
                followed.told(news?, chosen, absence).await?;
                continue;
            }
            else => return Ok(()),
        };
        let (name, line) = told;
        let Some(line) = line else {
            followed.ended(name).await?;
            continue;
        };
        let line = line?;
        followed.seen.extend(line.at.map(|at| (name.clone(), at)));
        if out(&name, &line).is_break() {
            return Ok(());
        }
    }
}

struct Followed<'a> {
    watch: &'a dyn Watch,
    streams: SelectAll<BoxStream<'static, Told>>,
    /// The time of the last line of each.
    seen: BTreeMap<Name, SystemTime>,
    since: SystemTime,
    /// Who is followed, as far as it has been there.
    names: BTreeSet<Name>,
    /// How many streams of each are open.
    open: BTreeMap<Name, usize>,
    /// When the last stream of each was opened.
    opened: BTreeMap<Name, SystemTime>,
    /// Made and not started yet.
    fresh: BTreeSet<Name>,
    /// Started again while their stream was open.
    again: BTreeSet<Name>,
    /// Whose output comes without a stream of their own.
    lasting: BTreeSet<Name>,
}

impl<'a> Followed<'a> {
    fn new(
        watch: &'a dyn Watch,
        names: BTreeSet<Name>,
        lasting: BTreeSet<Name>,
        since: SystemTime,
    ) -> Self {
        Self {
            watch,
            streams: SelectAll::new(),
            seen: BTreeMap::new(),
            since,
            names,
            open: BTreeMap::new(),
            opened: BTreeMap::new(),
            fresh: BTreeSet::new(),
            again: BTreeSet::new(),
            lasting,
        }
    }

    async fn told(
        &mut self,
        news: News,
        chosen: &(dyn Fn(&Name) -> bool + Send + Sync),
        absence: &mut Absence<'_>,
    ) -> Result<(), JobError> {
        match news {
            News::Happened(happened) if chosen(&happened.container) => self.heard(happened).await,
            News::Happened(_) => Ok(()),
            News::Away(kind, down) => {
                absence.is_away(kind, &down, &self.lasting);
                Ok(())
            }
            News::Back(kind) => {
                absence.is_back(kind);
                self.open_all().await
            }
        }
    }

    /// Follows all that are there, at the beginning and when an engine is back. What is open still breaks off then, or
    /// is of the other engine: its end tells.
    async fn open_all(&mut self) -> Result<(), JobError> {
        let names = self.names.difference(&self.lasting);
        for name in names.cloned().collect::<Vec<_>>() {
            if self.open.contains_key(&name) {
                self.again.insert(name);
            } else if !self.fresh.contains(&name) {
                self.open(name).await?;
            }
        }
        Ok(())
    }

    /// Follows one. It may be gone again, or its engine: then there is nothing to follow.
    async fn open(&mut self, name: Name) -> Result<(), JobError> {
        let wish = LogWish {
            follow: true,
            since: Some(self.seen.get(&name).map_or(self.since, |at| after(*at))),
            ..LogWish::default()
        };
        self.opened.insert(name.clone(), SystemTime::now());
        let lines = match self.watch.logs(&name, &wish).await {
            Err(BackendError::Unavailable { .. } | BackendError::Engine { .. }) => return Ok(()),
            lines => lines?,
        };
        let (whose, at_end) = (name.clone(), name.clone());
        let lines = lines.map(move |line| (whose.clone(), Some(line.map_err(JobError::from))));
        let end = stream::once(async move { (at_end, None) });
        self.streams.push(lines.chain(end).boxed());
        *self.open.entry(name).or_default() += 1;
        Ok(())
    }

    async fn heard(&mut self, happened: Happening) -> Result<(), JobError> {
        let name = happened.container;
        if self.lasting.contains(&name) {
            return Ok(());
        }
        self.names.insert(name.clone());
        match happened.what {
            What::Created => {
                let is_open = self.open.contains_key(&name);
                let later = self.opened.get(&name).is_some_and(|at| *at > happened.at);
                // What an engine tells when it is back may be older than the stream, which is of the new self then.
                if !(is_open && later) {
                    self.fresh.insert(name);
                }
            }
            What::Started => {
                if self.fresh.remove(&name) || !self.open.contains_key(&name) {
                    self.open(name).await?;
                } else {
                    self.again.insert(name);
                }
            }
            What::Ended(_)
            | What::Frozen
            | What::Thawed
            | What::Health(_)
            | What::OutOfMemory
            | What::Destroyed => {}
        }
        Ok(())
    }

    async fn ended(&mut self, name: Name) -> Result<(), JobError> {
        match self.open.get_mut(&name) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                self.open.remove(&name);
            }
        }
        let over = !self.open.contains_key(&name) && !self.fresh.contains(&name);
        if self.again.remove(&name) && over {
            self.open(name).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
