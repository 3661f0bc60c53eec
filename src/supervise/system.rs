//! A system container: this process is its monitor, and an attendant split from it stands for it in
//! systemd.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::attend::{Ask, Look, Notes, attend};
use super::output::Output;
use super::{gate, hooks};
use crate::backend::lxc::supervised::{self, Attended};
use crate::model::{Healthcheck, HookAt, UnitSpec};
use crate::store::Paths;
use crate::sys::Notifier;

/// How often a container that starts is looked at; a start takes some 20 ms.
const LOOK: Duration = Duration::from_millis(3);
/// The same once a start takes long.
const SLOW_LOOK: Duration = Duration::from_millis(100);
/// How often a console log is looked at for new lines.
const HEAR: Duration = Duration::from_millis(200);

/// Whether its work is done: its last run ended by itself with 0.
pub(super) fn is_done(unit: &UnitSpec) -> bool {
    supervised::is_done(unit)
}

/// Becomes the container's monitor; its exit code.
pub(super) fn supervise(unit: &UnitSpec, paths: &Paths, notifier: &Notifier) -> Result<u8, String> {
    supervised::supervise(unit, paths, &|container| {
        stand_for(unit, paths, notifier, container);
    })
}

/// Stops it within the time that its unit allows.
pub(super) fn stop(unit: &UnitSpec, paths: &Paths) -> Result<u8, String> {
    supervised::stop(unit, paths)
}

/// Runs the commands around its life, in their order, up to the first that fails.
pub(super) fn run_hooks(
    unit: &UnitSpec,
    paths: &Paths,
    at: HookAt,
    most: Option<Duration>,
) -> Result<(), String> {
    let mut output = Output::of(unit);
    let done = supervised::run_hooks(unit, paths, at, most, &mut |text| {
        // Output that nobody takes is no reason to leave the others out.
        let _ = output.take(false, text.as_bytes());
    });
    let _ = output.finish();
    done
}

fn stand_for(unit: &UnitSpec, paths: &Paths, notifier: &Notifier, container: Attended) {
    let (tell, ended) = mpsc::channel();
    let container = &container;
    let from = File::open(&container.console).and_then(|log| log.metadata());
    let from = from.map_or(0, |log| log.len());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The other end is gone only when this whole process ends.
            let _ = tell.send(container.wait());
        });
        let begun = Instant::now();
        while !container.runs() {
            let slow = begun.elapsed() > Duration::from_secs(1);
            if ended
                .recv_timeout(if slow { SLOW_LOOK } else { LOOK })
                .is_ok()
            {
                // It did not start, of which the monitor tells why, or it was quicker than a look.
                if unit.oneshot && is_done(unit) {
                    gate::done(&paths.ready(&unit.project, &unit.name));
                }
                return;
            }
        }
        let (over, is_over) = mpsc::channel::<()>();
        scope.spawn(move || hand_on(unit, &container.console, from, &is_over));
        match hooks::post_start(unit, paths) {
            Ok(()) => {
                let notes = Notes::of(unit, paths);
                attend(unit, &notes, notifier, container, &ended);
            }
            Err(reason) => {
                crate::sys::tell_failure(&reason);
                // It is killed, which is the exit code of a failure; the monitor ends with it.
                if container.end().is_ok() {
                    let _ = ended.recv();
                }
            }
        }
        drop(over);
    });
}

/// Hands the console's new bytes on to the journal until there is nobody left who writes any.
fn hand_on(unit: &UnitSpec, path: &Path, from: u64, over: &mpsc::Receiver<()>) {
    let mut reader = Reader {
        log: None,
        at: from,
    };
    let mut output = Output::of(unit);
    loop {
        let ended = over.recv_timeout(HEAR);
        let before = reader.at;
        // A log that cannot be read now may be read the next time; nothing of it is lost. What the journal
        // does not take is still in the log.
        let _ = reader.copy(path, &mut |bytes| output.take(false, bytes));
        if ended == Err(mpsc::RecvTimeoutError::Disconnected) {
            let _ = output.finish();
            return;
        }
        if reader.at == before {
            let _ = output.settle();
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

impl Ask for Attended {
    fn was_stopped(&self) -> bool {
        Attended::was_stopped(self)
    }

    fn look(&self, check: Option<&Healthcheck>) -> Look {
        let Some(check) = check else {
            return Look::Nothing;
        };
        match self.run(&check.test, check.timeout) {
            Ok(0) => Look::Passed,
            Ok(code) => Look::Failed(format!("exit code {code}")),
            Err(error) => Look::Failed(error.to_string()),
        }
    }

    fn end(&self) {
        // What does not end is told by the next check again.
        let _ = Attended::end(self);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

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
