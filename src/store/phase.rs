//! How far a container has got: what its supervisor tells the supervisors of others and whoever looks.
//!
//! A note below /run, which a reboot takes away. It is locked while its supervisor lives, so that one that was
//! killed tells nothing any more. By a lock, not by a process id: a supervisor that is locked down cannot look
//! at another one.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// How far a container has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has not been started since the host has.
    Never,
    /// It runs, and its check has not passed yet.
    Running,
    /// It runs, and its check has passed; without one it only runs.
    Well,
    /// It runs, and its check has failed too often.
    Unwell,
    /// It has run and does not any more, or nobody attends to it.
    Over,
    /// It has ended with 0, for which others waited: for good.
    Done,
}

const RUNNING: &str = "running";
/// Empty: what supervisors have written since there are any.
const WELL: &str = "";
const UNWELL: &str = "unhealthy";
const OVER: &str = "over";
const DONE: &str = "done";

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Self::Running => RUNNING,
            Self::Well => WELL,
            Self::Unwell => UNWELL,
            Self::Never | Self::Over => OVER,
            Self::Done => DONE,
        }
    }

    /// Whether it runs and is attended to.
    pub fn runs(self) -> bool {
        match self {
            Self::Running | Self::Well | Self::Unwell => true,
            Self::Never | Self::Over | Self::Done => false,
        }
    }
}

/// Reads a note. One that cannot be read tells nothing.
pub fn phase(note: &Path) -> Phase {
    let Ok(mut file) = File::open(note) else {
        return Phase::Never;
    };
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if text == DONE => return Phase::Done,
        Ok(_) => {}
        Err(_) => return Phase::Never,
    }
    // Shared, so that two who look do not take each other for the supervisor.
    match (file.try_lock_shared(), text.as_str()) {
        (Err(TryLockError::WouldBlock), WELL) => Phase::Well,
        (Err(TryLockError::WouldBlock), UNWELL) => Phase::Unwell,
        (Err(TryLockError::WouldBlock), _) => Phase::Running,
        (Ok(()) | Err(TryLockError::Error(_)), _) => Phase::Over,
    }
}

/// A note that is kept true while its container runs.
#[derive(Debug)]
pub struct Told(File);

impl Told {
    /// Begins a note; it says [`Phase::Running`].
    ///
    /// # Errors
    /// It cannot be written or locked.
    pub fn begin(note: &Path) -> io::Result<Self> {
        let file = written(note, Phase::Running)?;
        file.lock()?;
        Ok(Self(file))
    }

    /// Says something else.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn say(&mut self, phase: Phase) -> io::Result<()> {
        let word = phase.word();
        // Written over, then cut: an empty note in between would say that all is well.
        self.0.rewind()?;
        self.0.write_all(word.as_bytes())?;
        self.0
            .set_len(u64::try_from(word.len()).unwrap_or_default())
    }
}

/// Writes what holds without a supervisor.
///
/// # Errors
/// It cannot be written.
pub fn tell_phase(note: &Path, phase: Phase) -> io::Result<()> {
    written(note, phase).map(drop)
}

fn written(note: &Path, phase: Phase) -> io::Result<File> {
    if let Some(dir) = note.parent() {
        super::make_private(dir)?;
    }
    // A new file: whoever reads the older one at this moment reads it whole.
    let _ = fs::remove_file(note);
    let mut file = super::create_private(note)?;
    file.write_all(phase.word().as_bytes())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_while_its_supervisor_lives_or_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("run/db");
        assert_eq!(phase(&note), Phase::Never);
        let mut told = Told::begin(&note).unwrap();
        assert_eq!(phase(&note), Phase::Running);
        for now in [Phase::Unwell, Phase::Well, Phase::Running] {
            told.say(now).unwrap();
            assert_eq!(phase(&note), now);
        }
        drop(told); // as when it is killed
        assert_eq!(phase(&note), Phase::Over);
        tell_phase(&note, Phase::Done).unwrap();
        assert_eq!(phase(&note), Phase::Done);
        tell_phase(&note, Phase::Over).unwrap();
        assert_eq!(phase(&note), Phase::Over);
    }
}
