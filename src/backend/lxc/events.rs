//! What happens to the project's containers, told by their directories.
//!
//! inotify(7) says that something changed; what it was is found by comparing what is with what was, so
//! that no word can be lost or misread. Freezing leaves no trace in a directory: whoever freezes through
//! locker rings ([`ring`]), everything else is found by a look now and then.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, StreamExt};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

use super::ended::{self, Ended, Started};
use super::ffi::readable;
use super::site::{Site, failed, io};
use super::{mark, view};
use crate::backend::{BackendError, EventStream, Happening, News, What};
use crate::model::Name;
use crate::observed::State;

/// How often containers are looked at without a word: for freezes by others and killed monitors.
const LOOK: Duration = Duration::from_secs(5);
/// How long words are gathered before a look.
const GATHER: Duration = Duration::from_millis(10);

/// Happenings from now on.
pub(super) async fn events(site: &Arc<Site>) -> Result<EventStream, BackendError> {
    let fails = |error: std::io::Error| io("watch", &site.lxcpath)(error);
    let ears = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
        .map_err(|error| fails(error.into()))?;
    let ears = readable(ears).map_err(fails)?;
    let mut watcher = Watcher {
        site: Arc::clone(site),
        ears: Arc::new(ears),
        known: BTreeMap::new(),
        aside: BTreeMap::new(),
        coming: VecDeque::new(),
    };
    watcher = watcher.looked(true).await?;
    watcher.coming.clear(); // what is there already has not happened now
    let stream = stream::unfold(Some(watcher), |watcher| async {
        match watcher?.next().await {
            Ok((happening, watcher)) => Some((Ok(News::Happened(happening)), Some(watcher))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(stream.boxed())
}

/// Tells those who listen that a container was frozen or thawed.
pub(super) fn ring(dir: &Path) {
    // Nobody need be listening; without it the next look finds out.
    let _ = ended::touch(dir);
}

/// What was last seen of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// Inode of its directory: another one is another container.
    inode: u64,
    started: Option<Started>,
    ended: Option<Ended>,
    state: Option<State>,
}

impl Seen {
    fn runs(&self) -> bool {
        self.started.is_some() && self.ended.is_none() && self.state != Some(State::Stopped)
    }
}

struct Watcher {
    site: Arc<Site>,
    ears: Arc<AsyncFd<OwnedFd>>,
    known: BTreeMap<Name, Seen>,
    /// Older selves that were set aside.
    aside: BTreeMap<Name, Seen>,
    coming: VecDeque<Happening>,
}

impl Watcher {
    async fn next(mut self) -> Result<(Happening, Self), BackendError> {
        loop {
            if let Some(happening) = self.coming.pop_front() {
                return Ok((happening, self));
            }
            let deep = self.heard().await;
            self = self.looked(deep).await?;
        }
    }

    /// Waits for a word; whether states are to be asked for, too.
    async fn heard(&self) -> bool {
        let Ok(Ok(mut guard)) = tokio::time::timeout(LOOK, self.ears.readable()).await else {
            return true;
        };
        tokio::time::sleep(GATHER).await;
        let mut room = [std::mem::MaybeUninit::uninit(); 4096];
        let mut words = inotify::Reader::new(self.ears.get_ref(), &mut room);
        let mut deep = false;
        while let Ok(word) = words.next() {
            deep |= word.events().contains(inotify::ReadFlags::ATTRIB);
        }
        guard.clear_ready();
        deep
    }

    /// Looks at all containers where that holds up nobody.
    async fn looked(self, deep: bool) -> Result<Self, BackendError> {
        let name = self.site.project.to_string();
        let work = tokio::task::spawn_blocking(move || self.look(deep));
        work.await
            .map_err(|error| failed("watch", &name, error.to_string()))?
    }

    fn look(mut self, deep: bool) -> Result<Self, BackendError> {
        let now = SystemTime::now();
        let seen = self.see(deep)?;
        let mut before = std::mem::take(&mut self.known);
        // One that was set aside has not gone; it is told of when it goes, or it comes back as it was.
        for (name, old) in std::mem::take(&mut self.aside) {
            if seen.get(&name).is_some_and(|new| new.inode == old.inode) {
                before.insert(name, old);
            } else if inode(&self.site.aside(&name)) == Some(old.inode) {
                self.aside.insert(name, old);
            } else {
                self.tell(&name, now, What::Destroyed);
            }
        }
        for (name, old) in &before {
            if seen.get(name).is_some_and(|new| new.inode == old.inode) {
                continue;
            }
            if inode(&self.site.aside(name)) == Some(old.inode) {
                self.aside.insert(name.clone(), *old);
            } else {
                self.tell(name, now, What::Destroyed);
            }
        }
        for (name, new) in &seen {
            let old = before.get(name).filter(|old| old.inode == new.inode);
            if old.is_none() {
                self.tell(name, now, What::Created);
            }
            self.compare(name, old, new, now);
        }
        self.known = seen;
        Ok(self)
    }

    /// Tells how a container came from one state to the other.
    fn compare(&mut self, name: &Name, old: Option<&Seen>, new: &Seen, now: SystemTime) {
        let (started, ended) = (
            old.and_then(|old| old.started),
            old.and_then(|old| old.ended),
        );
        let ran = old.is_some_and(Seen::runs);
        let again = new.started.is_some() && new.started != started;
        if ran && (again || (!new.runs() && new.ended.is_none())) {
            self.tell(name, now, What::Ended(None)); // too quick, or its monitor was killed
        }
        if let Some(begun) = new.started.filter(|_| again) {
            self.tell(name, begun.at(), What::Started);
        }
        if let Some(end) = new.ended.filter(|end| Some(*end) != ended) {
            if !ran && !again {
                self.tell(name, end.at(), What::Started); // over before its guard saw it
            }
            self.tell(name, end.at(), What::Ended(Some(end.code)));
        }
        let was_frozen = old.is_some_and(|old| old.state == Some(State::Frozen));
        match (was_frozen, new.state == Some(State::Frozen)) {
            (false, true) => self.tell(name, now, What::Frozen),
            (true, false) if new.runs() => self.tell(name, now, What::Thawed),
            (true, true | false) | (false, false) => {}
        }
    }

    fn tell(&mut self, name: &Name, at: SystemTime, what: What) {
        self.coming.push_back(Happening {
            at,
            container: name.clone(),
            what,
        });
    }

    /// All containers of the project; with `deep` their states are asked for, else they are as before.
    fn see(&self, deep: bool) -> Result<BTreeMap<Name, Seen>, BackendError> {
        let site = &self.site;
        self.listen(&site.lxcpath, PARENT);
        let listing = match std::fs::read_dir(&site.lxcpath) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let there = site.lxcpath.ancestors().find(|dir| dir.exists());
                self.listen(there.unwrap_or(Path::new("/")), PARENT);
                return Ok(BTreeMap::new());
            }
            listing => listing.map_err(io("read", &site.lxcpath))?,
        };
        let mut seen = BTreeMap::new();
        for entry in listing {
            let entry = entry.map_err(io("read", &site.lxcpath))?;
            let Ok(full) = entry.file_name().into_string() else {
                continue;
            };
            let (dir, own) = (entry.path(), full.starts_with(&own_names(&site.project)));
            if !own || full.ends_with("~old") {
                continue;
            }
            self.listen(&dir, OWN); // before it is looked at: nothing falls in between
            let mark = mark::read(&dir).ok().flatten();
            let Some(mark) = mark.filter(|mark| mark::is_ours(site, mark)) else {
                continue;
            };
            let (name, inode) = (mark.spec.name, inode(&dir).unwrap_or(0));
            if full == site.full(&name) {
                let known = self.known.get(&name).filter(|old| old.inode == inode);
                seen.insert(name, self.one(&dir, &full, inode, known, deep));
            }
        }
        Ok(seen)
    }

    fn one(&self, dir: &Path, full: &str, inode: u64, known: Option<&Seen>, deep: bool) -> Seen {
        let (started, ended) = (ended::started(dir), ended::ended(dir));
        let over = ended.is_some() || started.is_none();
        let state = if over {
            None
        } else if deep {
            view::state(&self.site, full).ok().map(|(state, _)| state)
        } else {
            known
                .filter(|known| known.started == started)
                .and_then(|known| known.state)
        };
        Seen {
            inode,
            started,
            ended,
            state,
        }
    }

    /// Asks for words about a directory; asking twice is harmless, and one that is gone has none.
    fn listen(&self, dir: &Path, flags: WatchFlags) {
        let _ = inotify::add_watch(self.ears.get_ref(), dir, flags);
    }
}

/// Containers come and go.
const PARENT: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE);
/// Marks and notes are written and touched.
const OWN: WatchFlags = WatchFlags::MOVED_TO
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE);

/// How the names of all containers of a project begin.
fn own_names(project: &Name) -> String {
    format!("{project}_")
}

fn inode(dir: &Path) -> Option<u64> {
    std::fs::symlink_metadata(dir).ok().map(|meta| meta.ino())
}
