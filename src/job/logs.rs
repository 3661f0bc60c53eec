//! Output of containers of both kinds, merged in the order of time, and as it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::backend::{LogStream, LogWish, Watch};
use crate::model::Name;

use super::exec::all_answer;
use super::follow::follow;
use super::select::select;
use super::{JobError, LogLine, Setting, road};

/// So many outputs are opened side by side.
const AT_ONCE: usize = 8;

/// Which output of which containers.
#[derive(Clone, Debug, Default)]
pub struct LogRequest {
    /// Names and `@group`s; none means all of the project.
    pub names: Vec<String>,
    /// Which part of it.
    pub wish: LogWish,
}

/// Who gets the lines; a break ends it.
pub type Out<'a> = &'a mut (dyn FnMut(&Name, &LogLine) -> ControlFlow<()> + Send);

/// Who is told how many lines of a container are not among those.
pub type Missing<'a> = &'a mut (dyn FnMut(&Name, u64) + Send);

/// Gives `out` what the containers have printed, in the order of time, then with `follow` what comes,
/// also of containers that are started later, until `out` breaks. What was printed before and is not kept is told to
/// `missing` after the lines.
pub async fn logs(
    setting: &Setting,
    request: &LogRequest,
    out: Out<'_>,
    missing: Missing<'_>,
) -> Result<(), JobError> {
    let opened = road::open(setting, "logs").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, &request.names)?;
    let chosen = |name: &Name| selection.as_ref().is_none_or(|some| some.contains(name));
    let mut names: BTreeSet<Name> = observed.containers.keys().cloned().collect();
    // The journal has what one has said whose engine does not answer.
    let file = opened.project.containers.iter();
    let unknown = file.filter(|(_, container)| observed.down.contains_key(&container.kind()));
    names.extend(unknown.map(|(name, _)| name.clone()));
    names.extend(observed.silent.keys().cloned());
    // A command whose container went with its end is shown when it is asked for.
    let gone = observed.jobs.keys().filter(|_| selection.is_some());
    names.extend(gone.cloned());
    let names: BTreeSet<Name> = names.into_iter().filter(&chosen).collect();
    let watch = opened.host.backend.watch();
    let now = SystemTime::now();
    let mut first = BTreeMap::new();
    let mut noting = |name: &Name, line: &LogLine| {
        if let (Some(at), false) = (line.at, first.contains_key(name)) {
            first.insert(name.clone(), at);
        }
        out(name, line)
    };
    match past(watch, &names, &request.wish, now, &mut noting).await {
        Ok(ControlFlow::Continue(())) => {
            let lost = lost(watch, &names, &request.wish, &first).await;
            lost.iter().for_each(|(name, count)| missing(name, *count));
        }
        Ok(ControlFlow::Break(())) => return Ok(()),
        Err(error) => {
            // What does not answer is the reason, where that is so.
            all_answer(&opened.project, &observed, &names)?;
            return Err(error);
        }
    }
    let ends = request.wish.until;
    if !request.wish.follow || ends.is_some_and(|until| until <= now) {
        return Ok(());
    }
    let until_then = async {
        match ends.and_then(|until| until.duration_since(SystemTime::now()).ok()) {
            Some(rest) => tokio::time::sleep(rest).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        done = follow(watch, names, &chosen, now, out) => done,
        () = until_then => Ok(()),
    }
}

/// What was printed before `now`, merged.
async fn past(
    watch: &dyn Watch,
    names: &BTreeSet<Name>,
    wish: &LogWish,
    now: SystemTime,
    out: Out<'_>,
) -> Result<ControlFlow<()>, JobError> {
    let wish = LogWish {
        follow: false,
        until: Some(wish.until.map_or(now, |until| until.min(now))),
        ..wish.clone()
    };
    let heads = stream::iter(names).map(|name| Head::open(watch, name, &wish));
    let heads: Vec<Option<Head>> = heads.buffered(AT_ONCE).try_collect().await?;
    let mut heads: Vec<Head> = heads.into_iter().flatten().collect();
    while let Some(first) = earliest(&heads) {
        let head = &mut heads[first];
        let line = head.next.take();
        if line.is_some_and(|line| out(&head.name, &line).is_break()) {
            return Ok(ControlFlow::Break(()));
        }
        if !head.step().await? {
            heads.remove(first);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// How many lines of each container are missing among those that were shown, of which `first` has the first of each.
async fn lost(
    watch: &dyn Watch,
    names: &BTreeSet<Name>,
    wish: &LogWish,
    first: &BTreeMap<Name, SystemTime>,
) -> BTreeMap<Name, u64> {
    if wish.fresh {
        return BTreeMap::new();
    }
    let since = |name: &Name| match wish.lines {
        None => Some(wish.since.unwrap_or(SystemTime::UNIX_EPOCH)),
        // Only what comes after the first that is shown is missing.
        Some(_) => first.get(name).copied(),
    };
    let earliest = names.iter().filter_map(&since).min();
    let earliest = earliest.filter(|at| *at > SystemTime::UNIX_EPOCH);
    // Who cannot tell what is missing is no reason to show less.
    let lost = watch.lost(names, earliest).await.unwrap_or_default();
    let mut counts = BTreeMap::new();
    for lost in lost {
        let begun = since(&lost.name).is_some_and(|since| lost.at >= since);
        if begun && wish.until.is_none_or(|until| lost.at < until) {
            *counts.entry(lost.name).or_default() += lost.count;
        }
    }
    counts
}

/// The next line of one container.
struct Head {
    name: Name,
    stream: LogStream,
    next: Option<LogLine>,
    /// The time of the next line; one without a time goes with the line before it.
    at: SystemTime,
}

impl Head {
    /// At the first line; none when there is none.
    async fn open(
        watch: &dyn Watch,
        name: &Name,
        wish: &LogWish,
    ) -> Result<Option<Self>, JobError> {
        let mut head = Self {
            name: name.clone(),
            stream: watch.logs(name, wish).await?,
            next: None,
            at: SystemTime::UNIX_EPOCH,
        };
        Ok(head.step().await?.then_some(head))
    }

    /// Takes the next line; false at the end.
    async fn step(&mut self) -> Result<bool, JobError> {
        self.next = self.stream.next().await.transpose()?;
        if let Some(at) = self.next.as_ref().and_then(|line| line.at) {
            self.at = self.at.max(at);
        }
        Ok(self.next.is_some())
    }
}

/// The index of the head whose line comes first; of equals the first container's.
fn earliest(heads: &[Head]) -> Option<usize> {
    let times = heads.iter().map(|head| head.at).enumerate();
    times.min_by_key(|(_, at)| *at).map(|(index, _)| index)
}

/// The moment after `at`, so that its line is not told twice.
pub(super) fn after(at: SystemTime) -> SystemTime {
    at + Duration::from_nanos(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Lost;
    use crate::job::listening::{Listening, line, name};

    async fn told(watch: &Listening, wish: &LogWish) -> Vec<String> {
        let mut told = Vec::new();
        let names = watch.names();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let mut out = |name: &Name, line: &LogLine| {
            told.push(format!("{name} {}", line.text));
            ControlFlow::Continue(())
        };
        let _ = past(watch, &names, wish, now, &mut out).await.unwrap();
        told
    }

    #[tokio::test]
    async fn lines_of_several_containers_come_in_the_order_of_time() {
        let mut untimed = line(0, "no time");
        untimed.at = None;
        let watch = Listening::default()
            .printed("db", vec![line(1, "a"), untimed, line(9, "d")])
            .printed("web", vec![line(2, "b"), line(5, "c")]);
        let all = told(&watch, &LogWish::default()).await;
        assert_eq!(all, ["db a", "db no time", "web b", "web c", "db d"]);
    }

    #[tokio::test]
    async fn what_is_missing_is_counted_for_what_is_shown() {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let lost_at = |second, count| Lost {
            name: name("web"),
            at: at(second),
            count,
        };
        let watch = Listening::default()
            .printed("web", vec![line(5, "a"), line(50, "b")])
            .lost(vec![lost_at(10, 3), lost_at(20, 4)]);
        let names = watch.names();
        let counted = async |wish: LogWish, first: Option<u64>| {
            let first = first.map(|second| (name("web"), at(second)));
            let counts = lost(&watch, &names, &wish, &first.into_iter().collect()).await;
            counts.get("web").copied()
        };
        let all = LogWish::default;
        assert_eq!(counted(all(), Some(5)).await, Some(7));
        let since = Some(at(15));
        assert_eq!(counted(LogWish { since, ..all() }, None).await, Some(4));
        let until = Some(at(15));
        assert_eq!(counted(LogWish { until, ..all() }, None).await, Some(3));
        let lines = Some(1);
        let last = || LogWish { lines, ..all() };
        assert_eq!(counted(last(), Some(12)).await, Some(4));
        assert_eq!(counted(last(), Some(50)).await, None);
        assert_eq!(counted(last(), None).await, None, "nothing is shown");
        let fresh = LogWish {
            fresh: true,
            ..all()
        };
        assert_eq!(counted(fresh, Some(5)).await, None, "the engine has all");
    }

    #[tokio::test]
    async fn the_past_ends_before_what_is_followed_begins() {
        let watch = Listening::default().printed("web", vec![line(99, "old"), line(100, "new")]);
        let wish = LogWish {
            follow: true,
            ..LogWish::default()
        };
        assert_eq!(told(&watch, &wish).await, ["web old"]);
        let names = BTreeSet::from([name("web")]);
        assert_eq!(watch.names(), names);
    }
}
