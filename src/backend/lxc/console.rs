//! Notes when a console log grows, for the guard: no engine writes times into it.
//!
//! Woken by inotify(7) only, and at most a hundred times in a second, so that a chatty container costs
//! next to nothing. liblxc rotates the log by renaming it; the index goes along. See [`super::times`].

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::ended::millis_of;
use super::times::{ENTRY, HEAD, entry, head, index_of, inode_of, older_of, pair};

/// Least time between two entries; lines that come closer get the same time.
const PAUSE: Duration = Duration::from_millis(10);
/// So many entries may be as fine as that; beyond, each stands for at least [`COARSE`] bytes, so that a
/// log of 1 MB never has an index of more than 1.3 MB, however slowly its bytes drip.
const FINE: u64 = 65_536;
const COARSE: u64 = 64;
/// How often a log that was renamed is looked for before it is given up until the next start.
const TRIES: u32 = 100;

/// A console log that is watched.
#[derive(Debug)]
pub(super) struct Console {
    path: PathBuf,
    ears: OwnedFd,
    log: File,
    inode: u64,
    index: File,
    entries: u64,
    /// How far the index goes.
    length: u64,
    last: Instant,
    /// Something was heard that is not noted yet.
    waiting: bool,
    tries: u32,
    /// Rung when something was heard.
    bell: Option<SyncSender<()>>,
}

impl Console {
    /// Watches the log at `path`; makes it if it is not there, as liblxc would.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let log = options().append(true).create(true).open(path)?;
        let ears = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&ears, path, HEARD)?;
        let meta = log.metadata()?;
        let (index, entries, length) = index(path, meta.ino())?;
        let mut console = Self {
            path: path.into(),
            ears,
            log,
            inode: meta.ino(),
            index,
            entries,
            length,
            last: Instant::now(),
            waiting: false,
            tries: 0,
            bell: None,
        };
        // What came while nobody listened has no time.
        console.note(meta.len(), 0)?;
        Ok(console)
    }

    /// The same, which rings `bell` whenever the log has grown.
    pub(super) fn with_bell(self, bell: SyncSender<()>) -> Self {
        let bell = Some(bell);
        Self { bell, ..self }
    }

    /// When [`Console::look`] must be called at the latest; none when it can wait for the next word.
    pub(super) fn due(&self) -> Option<Instant> {
        self.waiting.then(|| self.last + PAUSE)
    }

    /// Notes what was heard. Cheap when nothing was.
    pub(super) fn look(&mut self) {
        let mut words = [0u8; 1024];
        while rustix::io::read(&self.ears, &mut words).is_ok_and(|length| length > 0) {
            self.waiting = true; // what it was is seen by looking
            self.ring();
        }
        if self.waiting && self.last.elapsed() >= PAUSE {
            self.last_look();
        }
    }

    /// Notes how long the log is now, for it may be the last time.
    pub(super) fn last_look(&mut self) {
        self.waiting = false;
        self.last = Instant::now();
        // A time that cannot be written is a time that nobody knows.
        let _ = self.grown();
        if !self.is_still() {
            self.follow();
        }
    }

    fn ring(&self) {
        if let Some(bell) = &self.bell {
            // One that was rung already, or that nobody listens to any more.
            let _ = bell.try_send(());
        }
    }

    fn grown(&mut self) -> std::io::Result<()> {
        let length = self.log.metadata()?.len();
        if length < self.length {
            self.index.set_len(HEAD)?; // somebody emptied the log
            (self.entries, self.length) = (0, 0);
        }
        if self.entries > FINE && length.saturating_sub(self.length) < COARSE {
            return Ok(());
        }
        self.note(length, millis_of(SystemTime::now()))
    }

    fn note(&mut self, length: u64, millis: u64) -> std::io::Result<()> {
        if length == self.length {
            return Ok(());
        }
        self.index.write_all(&entry(length, millis))?;
        self.length = length;
        self.entries += 1;
        Ok(())
    }

    fn is_still(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode)
    }

    /// Goes on with the log that bears the name now.
    fn follow(&mut self) {
        let next = options().open(&self.path).and_then(|log| {
            inotify::add_watch(&self.ears, &self.path, HEARD)?;
            let inode = log.metadata()?.ino();
            Ok((index(&self.path, inode)?, log, inode))
        });
        match next {
            Ok(((index, entries, length), log, inode)) => {
                (self.log, self.inode, self.tries) = (log, inode, 0);
                (self.index, self.entries, self.length) = (index, entries, length);
                self.ring(); // what it has by now was not heard
                let _ = self.grown();
            }
            // liblxc renames first and opens then.
            Err(_) if self.tries < TRIES => {
                self.tries += 1;
                self.waiting = true;
            }
            Err(_) => {}
        }
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ears.as_fd()
    }
}

const HEARD: WatchFlags = WatchFlags::MODIFY.union(WatchFlags::MOVE_SELF);

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).mode(0o600);
    options
}

/// The index of the log at `path`, how many entries it has, and how far it goes. One that speaks of
/// another log is put aside, for the older part.
fn index(path: &Path, inode: u64) -> std::io::Result<(File, u64, u64)> {
    let name = index_of(path);
    let open = || options().append(true).create(true).open(&name);
    let mut file = open()?;
    let mut bytes = [0; 16];
    let begun = file.read_exact_at(&mut bytes, 0).is_ok();
    if begun && inode_of(&bytes) == Some(inode) {
        let entries = (file.metadata()?.len() - HEAD) / ENTRY;
        file.set_len(HEAD + entries * ENTRY)?; // without what a killed guard wrote half
        let last = entries.checked_sub(1).map(|last| HEAD + last * ENTRY);
        let length = last.map(|at| file.read_exact_at(&mut bytes, at).map(|()| pair(&bytes).0));
        return Ok((file, entries, length.transpose()?.unwrap_or(0)));
    }
    if begun {
        std::fs::rename(&name, older_of(&name))?;
        file = open()?;
    }
    file.set_len(0)?;
    file.write_all(&head(inode))?;
    Ok((file, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::super::times::Times;
    use super::*;

    fn write(path: &Path, text: &str) {
        let mut file = options().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn times(log: &Path) -> Times {
        let index = index_of(&log.with_file_name("db.console"));
        let inode = std::fs::metadata(log).unwrap().ino();
        Times::read(&[older_of(&index), index], inode)
    }

    fn settle(console: &mut Console) {
        std::thread::sleep(PAUSE * 2);
        console.look();
    }

    #[test]
    fn its_bell_rings_when_it_grows_and_when_another_log_bears_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("db.console");
        let (bell, rung) = std::sync::mpsc::sync_channel(1);
        let mut console = Console::open(&log).unwrap().with_bell(bell);
        console.look();
        assert!(rung.try_recv().is_err(), "nothing was said");
        write(&log, "one\n");
        write(&log, "two\n");
        console.look();
        assert!(rung.try_recv().is_ok() && rung.try_recv().is_err());

        std::fs::rename(&log, older_of(&log)).unwrap();
        console.look();
        assert!(rung.try_recv().is_ok());
        write(&log, "three\n"); // before anybody listens to the new one
        settle(&mut console);
        assert!(rung.try_recv().is_ok());
    }

    #[test]
    fn lines_get_the_time_they_came_through_rotation_and_truncation() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("db.console");
        write(&log, "old\n");
        let mut console = Console::open(&log).unwrap();
        let begun = SystemTime::now() - Duration::from_millis(1);
        write(&log, "new\n");
        settle(&mut console);
        assert_eq!(times(&log).at(0), None, "nobody saw it come");
        assert!(times(&log).at(4).is_some_and(|at| at >= begun));

        std::fs::rename(&log, older_of(&log)).unwrap();
        settle(&mut console);
        write(&log, "third\n");
        settle(&mut console);
        assert!(times(&log).at(0).is_some_and(|at| at >= begun));
        assert!(times(&older_of(&log)).at(4).is_some_and(|at| at >= begun));

        std::fs::write(&log, "x\n").unwrap();
        settle(&mut console);
        assert!(times(&log).at(0).is_some() && times(&log).at(2).is_none());

        drop(console);
        write(&log, "unseen\n");
        let mut console = Console::open(&log).unwrap();
        write(&log, "seen\n");
        settle(&mut console);
        assert_eq!(times(&log).at(2), None);
        assert!(times(&log).at(9).is_some());
        assert_eq!(console.due(), None, "it sleeps");
    }
}
