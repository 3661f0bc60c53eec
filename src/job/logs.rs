//! Output of containers of both kinds, merged in the order of time, and as it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, stream};

use crate::backend::{LogStream, LogWish, Watch};
use crate::model::{Kind, Name, Project};
use crate::observed::{Down, Observed};

use super::absence::{Absence, Remark, Remarks};
use super::exec::all_speak;
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

/// Gives `out` what the containers have printed, in the order of time, then with `follow` what comes,
/// also of containers that are started later, until `out` breaks. What was printed before and is not kept, and an engine
/// that does not answer, are remarked after the lines.
pub async fn logs(
    setting: &Setting,
    request: &LogRequest,
    out: Out<'_>,
    remarks: Remarks<'_>,
) -> Result<(), JobError> {
    let opened = road::open(setting, "logs").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, &request.names)?;
    let chosen = |name: &Name| selection.as_ref().is_none_or(|some| some.contains(name));
    let mut names = there(&opened.project, &observed, selection.is_some());
    names.retain(|name| chosen(name));
    let watch = opened.host.backend.watch();
    let mut absence = Absence::new(&opened.project, &observed, &selection, remarks);
    let now = SystemTime::now();
    let mut first = BTreeMap::new();
    let mut noting = |name: &Name, line: &LogLine| {
        if let (Some(at), false) = (line.at, first.contains_key(name)) {
            first.insert(name.clone(), at);
        }
        out(name, line)
    };
    match past(watch, &names, &request.wish, now, &mut noting).await {
        Ok(ControlFlow::Continue(unread)) => {
            let lost = lost(watch, &names, &request.wish, &first).await;
            let lost = lost.into_iter();
            lost.for_each(|(name, count)| absence.remark(&Remark::Lost(name, count)));
            tell(&mut absence, &observed, &names, unread)?;
        }
        Ok(ControlFlow::Break(())) => return Ok(()),
        Err(error) => {
            // What does not answer is the reason, where that is so.
            all_speak(&opened.project, &observed, &names)?;
            return Err(error);
        }
    }
    let ends = request.wish.until;
    if !request.wish.follow || ends.is_some_and(|until| until <= now) {
        return Ok(());
    }
    tokio::select! {
        done = follow(watch, names, &chosen, now, out, &mut absence) => done,
        () = until_then(ends) => Ok(()),
    }
}

/// All of whom there may be output; `named` are those that somebody asks for.
fn there(project: &Project, observed: &Observed, named: bool) -> BTreeSet<Name> {
    let mut names: BTreeSet<Name> = observed.containers.keys().cloned().collect();
    // The journal has what one has said whose engine does not answer.
    let file = project.containers.iter();
    let unknown = file.filter(|(_, container)| observed.down.contains_key(&container.kind()));
    names.extend(unknown.map(|(name, _)| name.clone()));
    names.extend(observed.silent.keys().cloned());
    // A command whose container went with its end is shown when it is asked for.
    names.extend(observed.jobs.keys().filter(|_| named).cloned());
    names
}

/// Waits until `ends`; without end when that is none.
async fn until_then(ends: Option<SystemTime>) {
    let Some(ends) = ends else {
        return std::future::pending().await;
    };
    let rest = ends.duration_since(SystemTime::now());
    tokio::time::sleep(rest.unwrap_or_default()).await;
}

/// Containers whose output cannot be read, since their engines do not answer.
type Unread = BTreeMap<Name, Down>;

/// Tells which engines do not answer; an error where nothing could be read therefore.
fn tell(
    absence: &mut Absence<'_>,
    observed: &Observed,
    names: &BTreeSet<Name>,
    unread: Unread,
) -> Result<(), JobError> {
    if let Some(down) = unread
        .values()
        .next()
        .filter(|_| unread.len() == names.len())
    {
        return Err(JobError::Backend(down.clone().into()));
    }
    let shown = names.iter().filter(|name| !unread.contains_key(*name));
    let shown: BTreeSet<Name> = shown.cloned().collect();
    let later = unread
        .iter()
        .map(|(name, down)| (absence.kind_of(name), down.clone()));
    let mut down: BTreeMap<Kind, Down> = later.collect();
    down.extend(observed.down.clone());
    for (kind, down) in &down {
        absence.is_away(*kind, down, &shown);
    }
    Ok(())
}

/// What was printed before `now`, merged; a break of the reader, or who could not be read.
async fn past(
    watch: &dyn Watch,
    names: &BTreeSet<Name>,
    wish: &LogWish,
    now: SystemTime,
    out: Out<'_>,
) -> Result<ControlFlow<(), Unread>, JobError> {
    let wish = LogWish {
        follow: false,
        until: Some(wish.until.map_or(now, |until| until.min(now))),
        ..wish.clone()
    };
    let opened = stream::iter(names).map(async |name| (name, Head::open(watch, name, &wish).await));
    let opened: Vec<_> = opened.buffered(AT_ONCE).collect().await;
    let (mut heads, mut unread) = (Vec::new(), Unread::new());
    for (name, head) in opened {
        match head {
            Ok(head) => heads.extend(head),
            Err(JobError::Backend(error)) => {
                unread.insert(name.clone(), error.into_down()?);
            }
            Err(error) => return Err(error),
        }
    }
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
    Ok(ControlFlow::Continue(unread))
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
#[path = "logs_tests.rs"]
mod tests;
