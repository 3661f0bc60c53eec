//! Following output while containers end, are started again and are made anew.
//!
//! The engines' streams end when a container ends. What happens to containers says when to open the
//! next one: after the end of the old for a container that was started again, at once for one that was
//! made anew, since its older self may go on for a while. What systemd keeps running prints to one
//! journal, whose stream goes on through all that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{StreamExt, stream};

use crate::backend::{Happening, LogWish, Watch, What};
use crate::model::Name;

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
) -> Result<(), JobError> {
    // Before the first stream is opened, so that no start in between is missed.
    let mut events = watch.events().await?;
    let mut followed = Followed {
        watch,
        streams: SelectAll::new(),
        seen: BTreeMap::new(),
        since,
        open: BTreeMap::new(),
        fresh: BTreeSet::new(),
        again: BTreeSet::new(),
        lasting: BTreeSet::new(),
    };
    let lasting = watch.lasting(&names, since).await?;
    for name in names.difference(&lasting.names) {
        followed.open(name.clone()).await?;
    }
    followed.lasting = lasting.names;
    let mut lasting = lasting.lines.fuse();
    loop {
        let told = tokio::select! {
            Some(told) = followed.streams.next() => told,
            Some(line) = lasting.next(), if !followed.lasting.is_empty() => {
                let (name, line) = line?;
                (name, Some(Ok(line)))
            }
            Some(happened) = events.next() => {
                let happened = happened?;
                if chosen(&happened.container) {
                    followed.heard(happened).await?;
                }
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
    /// How many streams of each are open.
    open: BTreeMap<Name, usize>,
    /// Made and not started yet.
    fresh: BTreeSet<Name>,
    /// Started again while their stream was open.
    again: BTreeSet<Name>,
    /// Whose output comes without a stream of their own.
    lasting: BTreeSet<Name>,
}

impl Followed<'_> {
    async fn open(&mut self, name: Name) -> Result<(), JobError> {
        let wish = LogWish {
            follow: true,
            since: Some(self.seen.get(&name).map_or(self.since, |at| after(*at))),
            ..LogWish::default()
        };
        let lines = self.watch.logs(&name, &wish).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::listening::{Listening, happened, line, name};
    use std::ops::ControlFlow;
    use std::time::Duration;

    /// What is told until nothing more comes.
    async fn told(watch: &Listening) -> Vec<String> {
        let mut told = Vec::new();
        let mut out = |name: &Name, line: &LogLine| {
            told.push(format!("{name} {}", line.text));
            ControlFlow::Continue(())
        };
        let all = |_: &Name| true;
        let done = follow(watch, watch.names(), &all, SystemTime::UNIX_EPOCH, &mut out);
        done.await.unwrap();
        told
    }

    #[tokio::test]
    async fn a_container_that_is_started_again_goes_on_without_a_line_told_twice() {
        let watch = Listening::default()
            .printed("web", vec![line(1, "before")])
            .then("web", vec![line(1, "before"), line(2, "after")])
            .happens(vec![happened("web", What::Started)]);
        assert_eq!(told(&watch).await, ["web before", "web after"]);
    }

    #[tokio::test]
    async fn a_container_that_comes_later_is_followed_too() {
        let watch = Listening::default()
            .then("web", vec![line(3, "new")])
            .happens(vec![
                happened("web", What::Created),
                happened("web", What::Started),
            ]);
        assert_eq!(told(&watch).await, ["web new"]);
    }

    #[tokio::test]
    async fn what_comes_by_the_journal_gets_no_stream_of_its_own() {
        let watch = Listening::default()
            .printed("web", vec![line(1, "a")])
            .printed("db", vec![line(1, "by the engine")])
            .lasts("web", vec![line(1, "a"), line(2, "b")])
            .happens(vec![
                happened("web", What::Created),
                happened("web", What::Started),
            ]);
        let mut told = told(&watch).await;
        told.sort();
        assert_eq!(told, ["db by the engine", "web a", "web b"]);
    }

    #[tokio::test]
    async fn a_reader_that_has_enough_ends_it() {
        let watch = Listening::default().printed("web", vec![line(1, "a"), line(2, "b")]);
        let mut count = 0;
        let mut out = |_: &Name, _: &LogLine| {
            count += 1;
            ControlFlow::Break(())
        };
        let names = BTreeSet::from([name("web")]);
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        follow(&watch, names, &|_| true, since, &mut out)
            .await
            .unwrap();
        assert_eq!(count, 1);
    }
}
