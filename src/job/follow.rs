//! Following output while containers end, are started again and are made anew.
//!
//! The engines' streams end when a container ends. What happens to containers says when to open the
//! next one: after the end of the old for a container that was started again, at once for one that was
//! made anew, since its older self may go on for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{StreamExt, stream};

use crate::backend::{Backend, Happening, LogWish, What};
use crate::model::Name;

use super::logs::{Out, after};
use super::{JobError, LogLine};

/// A line of a container, or none at the end of its stream.
type Told = (Name, Option<Result<LogLine, JobError>>);

/// Gives `out` each line that is printed from `since` on, until it breaks.
pub(super) async fn follow(
    backend: &dyn Backend,
    names: BTreeSet<Name>,
    chosen: &(dyn Fn(&Name) -> bool + Send + Sync),
    since: SystemTime,
    out: Out<'_>,
) -> Result<(), JobError> {
    // Before the first stream is opened, so that no start in between is missed.
    let mut events = backend.watch().events().await?;
    let mut followed = Followed {
        backend,
        streams: SelectAll::new(),
        seen: BTreeMap::new(),
        since,
        open: BTreeMap::new(),
        fresh: BTreeSet::new(),
        again: BTreeSet::new(),
    };
    for name in names {
        followed.open(name).await?;
    }
    loop {
        let told = tokio::select! {
            Some(told) = followed.streams.next() => told,
            Some(happened) = events.next() => {
                let happened = happened?;
                if chosen(&happened.container) {
                    followed.heard(happened).await?;
                }
                continue;
            }
            else => return Ok(()),
        };
        match told {
            (name, Some(line)) => {
                let line = line?;
                if let Some(at) = line.at {
                    followed.seen.insert(name.clone(), at);
                }
                if out(&name, &line).is_break() {
                    return Ok(());
                }
            }
            (name, None) => followed.ended(name).await?,
        }
    }
}

struct Followed<'a> {
    backend: &'a dyn Backend,
    streams: SelectAll<BoxStream<'static, Told>>,
    /// The time of the last line of each.
    seen: BTreeMap<Name, SystemTime>,
    since: SystemTime,
    /// How many streams of each are open.
    open: BTreeMap<Name, usize>,
    /// Made and not started yet.
    fresh: BTreeSet<Name>,
    /// Started again while their stream was open.
    again: BTreeSet<Name>,
}

impl Followed<'_> {
    async fn open(&mut self, name: Name) -> Result<(), JobError> {
        let wish = LogWish {
            follow: true,
            since: Some(self.seen.get(&name).map_or(self.since, |at| after(*at))),
            ..LogWish::default()
        };
        let lines = self.backend.watch().logs(&name, &wish).await?;
        let (whose, at_end) = (name.clone(), name.clone());
        let lines = lines.map(move |line| (whose.clone(), Some(line.map_err(JobError::from))));
        let end = stream::once(async move { (at_end, None) });
        self.streams.push(lines.chain(end).boxed());
        *self.open.entry(name).or_default() += 1;
        Ok(())
    }

    async fn heard(&mut self, happened: Happening) -> Result<(), JobError> {
        let name = happened.container;
        match happened.what {
            What::Created => {
                self.fresh.insert(name);
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
        if self.again.remove(&name) && !self.open.contains_key(&name) {
            self.open(name).await?;
        }
        Ok(())
    }
}
