//! A console log on its way to the journal. It is read when the guard hears that it has grown, and not
//! before: a process that looks now and then keeps in memory what it looks with.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::output::Output;

/// After new bytes the log is left alone for so long, so that one that never rests is read in large
/// pieces; a line that has no end by then is a question perhaps. So often is one read that nobody hears.
const PAUSE: Duration = Duration::from_millis(200);

/// Tells that a log has grown, or that it will not any more.
#[derive(Clone)]
pub(super) struct Bell {
    hammer: SyncSender<()>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Nothing more comes.
    over: AtomicBool,
    /// Nobody hears the log grow.
    deaf: AtomicBool,
}

/// Who hears the bell.
pub(super) struct Ear {
    rung: Receiver<()>,
    state: Arc<State>,
}

pub(super) fn bell() -> (Bell, Ear) {
    // One word that waits is as good as many.
    let (hammer, rung) = sync_channel(1);
    let state = Arc::<State>::default();
    let ear = Ear {
        rung,
        state: Arc::clone(&state),
    };
    (Bell { hammer, state }, ear)
}

impl Bell {
    /// What rings it.
    pub(super) fn hammer(&self) -> &SyncSender<()> {
        &self.hammer
    }

    pub(super) fn ring(&self) {
        // One that was rung already, or that nobody listens to any more.
        let _ = self.hammer.try_send(());
    }

    /// The log has to be looked at now and then.
    pub(super) fn cannot_be_heard(&self) {
        self.state.deaf.store(true, Ordering::Release);
        self.ring();
    }

    /// Nothing more comes.
    pub(super) fn ring_out(&self) {
        self.state.over.store(true, Ordering::Release);
        self.ring();
    }
}

impl Ear {
    /// Hands the log's bytes after the first `from` on until nothing more comes.
    pub(super) fn hand_on(&self, mut output: Output, path: &Path, from: u64) {
        let mut reader = Reader {
            log: None,
            at: from,
        };
        loop {
            let over = self.state.over.load(Ordering::Acquire);
            let before = reader.at;
            // A log that cannot be read now may be read the next time; nothing of it is lost. What the
            // journal does not take is still in the log.
            let _ = reader.copy(path, &mut |bytes| output.take(false, bytes));
            if over {
                let _ = output.finish();
                return;
            }
            if reader.at == before {
                let _ = output.settle();
                self.listen();
            } else {
                self.pause();
            }
        }
    }

    fn listen(&self) {
        match self.state.deaf.load(Ordering::Acquire) {
            true => drop(self.rung.recv_timeout(PAUSE)),
            false => drop(self.rung.recv()),
        }
    }

    /// Lets more come, unless nothing does. The log is looked at after it, so no word is missed.
    fn pause(&self) {
        let until = Instant::now() + PAUSE;
        while !self.state.over.load(Ordering::Acquire) {
            let left = until.saturating_duration_since(Instant::now());
            match self.rung.recv_timeout(left) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// Who gets the bytes of a log.
type Hear<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// A log and how far it was read.
struct Reader {
    log: Option<File>,
    at: u64,
}

impl Reader {
    fn copy(&mut self, path: &Path, hear: Hear<'_>) -> io::Result<()> {
        let now = File::open(path)?;
        let (meta, mut log) = (now.metadata()?, now);
        if let Some(before) = self.log.take() {
            let same = before.metadata().is_ok_and(|old| old.ino() == meta.ino());
            if !same {
                // liblxc has renamed it: the rest of the old one first.
                self.drain(before, hear)?;
                self.at = 0;
            }
        }
        if meta.len() < self.at {
            self.at = 0; // emptied
        }
        self.log = Some(log.try_clone()?);
        log.seek(SeekFrom::Start(self.at))?;
        self.read(log, hear)
    }

    fn drain(&mut self, mut log: File, hear: Hear<'_>) -> io::Result<()> {
        log.seek(SeekFrom::Start(self.at))?;
        self.read(log, hear)
    }

    fn read(&mut self, mut log: File, hear: Hear<'_>) -> io::Result<()> {
        let mut bytes = [0; 4096];
        loop {
            match log.read(&mut bytes)? {
                0 => return Ok(()),
                read => {
                    self.at += read as u64;
                    // A console ends its lines as a terminal does; the journal would show such lines
                    // as bytes without a meaning.
                    let text: Vec<u8> = bytes[..read]
                        .iter()
                        .copied()
                        .filter(|b| *b != b'\r')
                        .collect();
                    hear(&text)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::model::Name;

    /// What is written goes to a channel.
    struct Told(Sender<Vec<u8>>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Hands a log on in a thread of its own while `test` works on it.
    fn while_it_is_handed_on(test: impl FnOnce(&Path, &Bell, &Receiver<Vec<u8>>)) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("console");
        std::fs::write(&path, "old\n").unwrap();
        let ((bell, ear), (tell, told)) = (bell(), channel());
        let output = Output::plain(&Name::new("db").unwrap(), Box::new(Told(tell)));
        std::thread::scope(|scope| {
            let log = &path;
            scope.spawn(move || ear.hand_on(output, log, 4));
            test(log, &bell, &told);
            bell.ring_out();
        });
        told.try_iter().flatten().collect()
    }

    fn add(path: &Path, text: &str) {
        let mut log = File::options().append(true).open(path).unwrap();
        log.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_log_is_handed_on_when_the_bell_rings_and_to_its_last_byte() {
        let rest = while_it_is_handed_on(|log, bell, told| {
            add(log, "one\n");
            bell.ring();
            assert_eq!(told.recv().unwrap(), b"one\n");
            add(log, "two\n"); // while it is left alone, as a rule
            bell.ring();
            assert_eq!(told.recv().unwrap(), b"two\n");
            add(log, "last");
        });
        assert_eq!(rest, b"last");
    }

    #[test]
    fn a_log_that_cannot_be_heard_is_looked_at() {
        let rest = while_it_is_handed_on(|log, bell, told| {
            bell.cannot_be_heard();
            for line in ["one\n", "two\n"] {
                add(log, line);
                assert_eq!(told.recv().unwrap(), line.as_bytes());
            }
        });
        assert_eq!(rest, b"");
    }

    #[test]
    fn a_log_is_handed_on_whole_through_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("console");
        std::fs::write(&path, "old\none\n").unwrap();
        let mut reader = Reader { log: None, at: 4 };
        let mut out = Vec::new();
        let mut hear = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        reader.copy(&path, &mut hear).unwrap();
        let mut log = File::options().append(true).open(&path).unwrap();
        log.write_all(b"two\n").unwrap();
        std::fs::rename(&path, dir.path().join("console.1")).unwrap();
        std::fs::write(&path, "three\n").unwrap();
        reader.copy(&path, &mut hear).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "one\ntwo\nthree\n");
    }
}
