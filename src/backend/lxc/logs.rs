//! A container's console log as lines with their times, as it is and as it grows.
//!
//! The log is bytes that liblxc writes and rotates once; the times come from the guard's index beside
//! it ([`super::times`]). Whoever follows is woken by inotify and gives each line the time it was read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, StreamExt};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

use super::ended::{Span, Spot, span};
use super::ffi::readable;
use super::site::io;
use super::times::{Times, index_of, older_of};
use super::{LxcBackend, mark};
use crate::backend::{BackendError, LogLine, LogStream, LogWish};
use crate::model::Name;

/// At most so much of a part is read; liblxc rotates far below this.
const MOST: u64 = 16 << 20;
/// How long the index may be behind the log: the guard notes at once.
const BEHIND: Duration = Duration::from_secs(1);
/// How often a log that is not there (yet) is looked for, and the container's end.
const LOOK: Duration = Duration::from_millis(250);

/// The log of a container, see [`crate::backend::Watch::logs`].
pub(super) async fn logs(
    backend: &LxcBackend,
    name: &Name,
    wish: &LogWish,
) -> Result<LogStream, BackendError> {
    let (name, wanted) = (name.clone(), wish.clone());
    let (lines, tail, dir) = backend
        .blocking("read the log of", move |site| {
            mark::ours(site, "read the log of", &name)?;
            let span = span(&site.dir(&name), wanted.runs);
            let (mut tail, mut lines) = Tail::read_span(&site.console_log(&name), span)?;
            if !wanted.follow {
                lines.extend(tail.unfinished());
            }
            lines.retain(|line| wanted_line(line, &wanted));
            let skip = wanted
                .lines
                .map_or(0, |most| lines.len().saturating_sub(most));
            Ok((lines.split_off(skip), tail, site.dir(&name)))
        })
        .await?;
    let known = stream::iter(lines.into_iter().map(Ok));
    if !wish.follow {
        return Ok(known.boxed());
    }
    let follower = Follower::new(tail, dir, wish.until)?;
    let coming = stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        match follower.next().await {
            Ok(Some(line)) => Some((Ok(line), Some(follower))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(known.chain(coming).boxed())
}

/// Whether a line is in the wanted time. One that nobody knows the time of is older than all others.
fn wanted_line(line: &LogLine, wish: &LogWish) -> bool {
    let since = wish
        .since
        .is_none_or(|since| line.at.is_some_and(|at| at >= since));
    let until = wish
        .until
        .is_none_or(|until| line.at.is_none_or(|at| at < until));
    since && until
}

/// How far a log was read.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    file: Option<File>,
    inode: u64,
    at: u64,
    /// The beginning of a line whose end is not there yet, and when it came.
    rest: Vec<u8>,
    rest_at: Option<SystemTime>,
}

impl Tail {
    /// What is there of the log at `path` and of its older part, as far as it is of `span`.
    fn read_span(path: &Path, span: Span) -> Result<(Self, Vec<LogLine>), BackendError> {
        let (tail, mut lines) = Self::read(path, span.from)?;
        if span.to.is_some() {
            let (_, later) = Self::read(path, span.to)?;
            lines.truncate(lines.len().saturating_sub(later.len()));
        }
        Ok((tail, lines))
    }

    /// What is there from `from` on.
    fn read(path: &Path, from: Option<Spot>) -> Result<(Self, Vec<LogLine>), BackendError> {
        let mut tail = Self {
            path: path.into(),
            file: None,
            inode: 0,
            at: 0,
            rest: Vec::new(),
            rest_at: None,
        };
        let mut lines = Vec::new();
        for part in [older_of(path), path.to_owned()] {
            if !tail.open(&part)? {
                continue;
            }
            if let Some(from) = from.filter(|from| from.inode == tail.inode) {
                // What was read of an older part is of an earlier run.
                lines.clear();
                (tail.rest, tail.rest_at) = (Vec::new(), None);
                tail.at = tail.at.max(from.at);
            }
            let index = index_of(path);
            let times = Times::read(&[index.clone(), older_of(&index)], tail.inode);
            let end = tail.end(&times)?;
            tail.more(&mut lines, &|at| times.at(at).or(end))?;
        }
        Ok((tail, lines))
    }

    /// Begins with a file; false when there is none.
    fn open(&mut self, path: &Path) -> Result<bool, BackendError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.file = None;
                return Ok(false);
            }
            Err(error) => return Err(io("read", path)(error)),
        };
        let meta = file.metadata().map_err(io("read", path))?;
        self.inode = meta.ino();
        self.at = meta.len().saturating_sub(MOST);
        self.file = Some(file);
        Ok(true)
    }

    /// The time of what is beyond the index: of what the guard is about to note.
    fn end(&self, times: &Times) -> Result<Option<SystemTime>, BackendError> {
        let (Some(file), Some(last)) = (&self.file, times.last()) else {
            return Ok(None);
        };
        let changed = file.metadata().and_then(|meta| meta.modified());
        let changed = changed.map_err(io("read", &self.path))?;
        let behind = changed.duration_since(last).unwrap_or_default();
        Ok((behind < BEHIND).then_some(changed))
    }

    /// Adds the whole lines since the last time. A log that became shorter was begun anew.
    fn more(
        &mut self,
        lines: &mut impl Extend<LogLine>,
        time: &dyn Fn(u64) -> Option<SystemTime>,
    ) -> Result<(), BackendError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let length = file.metadata().map_err(io("read", &self.path))?.len();
        if length < self.at {
            self.at = 0;
            self.rest.clear();
        }
        let mut bytes = Vec::new();
        let begin = self.at;
        file.seek(SeekFrom::Start(begin))
            .and_then(|_| file.take(MOST).read_to_end(&mut bytes))
            .map_err(io("read", &self.path))?;
        self.at += bytes.len() as u64;
        let mut offset = begin;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.rest.is_empty() {
                self.rest_at = time(offset);
            }
            self.rest.extend_from_slice(piece);
            offset += piece.len() as u64;
            if piece.ends_with(b"\n") {
                lines.extend(self.line());
            }
        }
        Ok(())
    }

    /// The line that was gathered.
    fn line(&mut self) -> Option<LogLine> {
        let bytes = std::mem::take(&mut self.rest);
        let text = String::from_utf8_lossy(&bytes);
        Some(LogLine {
            at: self.rest_at.take(),
            error: false,
            text: text.trim_end_matches(['\n', '\r']).to_owned(),
        })
    }

    /// The last line when it has no end: a prompt, or what a container said before it died.
    fn unfinished(&mut self) -> Option<LogLine> {
        self.line().filter(|line| !line.text.trim().is_empty())
    }
}

/// Waits for lines to come.
struct Follower {
    tail: Tail,
    /// The container's directory: without it there is nothing to come.
    dir: PathBuf,
    until: Option<SystemTime>,
    ears: AsyncFd<OwnedFd>,
    ready: VecDeque<LogLine>,
}

impl Follower {
    fn new(tail: Tail, dir: PathBuf, until: Option<SystemTime>) -> Result<Self, BackendError> {
        let ears = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|e| io("watch", &tail.path)(e.into()))?;
        let ears = readable(ears).map_err(io("watch", &tail.path))?;
        let follower = Self {
            tail,
            dir,
            until,
            ears,
            ready: VecDeque::new(),
        };
        follower.listen();
        Ok(follower)
    }

    /// Without an ear (the log is not there yet) looking now and then does.
    fn listen(&self) {
        let flags = WatchFlags::MODIFY | WatchFlags::MOVE_SELF | WatchFlags::ATTRIB;
        let _ = inotify::add_watch(self.ears.get_ref(), &self.tail.path, flags);
    }

    async fn next(&mut self) -> Result<Option<LogLine>, BackendError> {
        loop {
            self.gather()?;
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let over = self.until.is_some_and(|until| SystemTime::now() >= until);
            if over || !self.dir.exists() {
                return Ok(self.tail.unfinished());
            }
            self.heard().await;
        }
    }

    /// Waits for a word, at most [`LOOK`].
    async fn heard(&self) {
        if let Ok(Ok(mut guard)) = tokio::time::timeout(LOOK, self.ears.readable()).await {
            let mut words = [0u8; 1024];
            while rustix::io::read(self.ears.get_ref(), &mut words).is_ok_and(|length| length > 0) {
            }
            guard.clear_ready();
        }
    }

    /// Reads what came: the rest of this file, then all of the one that bears the name since.
    fn gather(&mut self) -> Result<(), BackendError> {
        let now = SystemTime::now();
        self.tail.more(&mut self.ready, &|_| Some(now))?;
        let meta = std::fs::metadata(&self.tail.path);
        let other =
            meta.is_ok_and(|meta| self.tail.file.is_none() || meta.ino() != self.tail.inode);
        let path = self.tail.path.clone();
        if other && self.tail.open(&path)? {
            self.listen();
            self.tail.more(&mut self.ready, &|_| Some(now))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
