//! Where in a container's console log its last two runs begin: a note in its directory, written before each start.
//!
//! The log goes on over all runs, and what one said is no word about the end of the next.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::site::write_note;
use crate::backend::Runs;

const BEGINS: &str = "locker.console";

/// A place in a log, which may have been renamed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Spot {
    pub(in super::super) inode: u64,
    pub(in super::super) at: u64,
}

/// Where the last runs begin; none is the log's own begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Begins {
    last: Option<Spot>,
    before: Option<Spot>,
}

/// Which part of a log is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Span {
    /// From here on.
    pub(in super::super) from: Option<Spot>,
    /// What is from here on is not; none is to the end.
    pub(in super::super) to: Option<Spot>,
}

/// Notes that a run begins with what the log says from now on.
pub(super) fn begin(dir: &Path, log: &Path) -> std::io::Result<()> {
    let last = std::fs::metadata(log).ok().map(|meta| Spot {
        inode: meta.ino(),
        at: meta.len(),
    });
    let before = read(dir).and_then(|begins| begins.last);
    let text = serde_json::to_vec(&Begins { last, before })?;
    write_note(&dir.join(BEGINS), &text)
}

/// The part of the log that belongs to these runs. Without a note it is all of it.
pub(in super::super) fn span(dir: &Path, runs: Runs) -> Span {
    let all = Span {
        from: None,
        to: None,
    };
    let Some(begins) = read(dir) else { return all };
    match runs {
        Runs::All => all,
        Runs::Ended if goes_on(dir) => Span {
            from: begins.before,
            to: begins.last,
        },
        Runs::Last | Runs::Ended => Span {
            from: begins.last,
            to: None,
        },
    }
}

/// Whether the last run has not ended. One that was killed without a word has, too.
fn goes_on(dir: &Path) -> bool {
    let lives = |pid: u32| Path::new(&format!("/proc/{pid}")).exists();
    super::ended(dir).is_none() && super::started(dir).is_none_or(|run| lives(run.pid))
}

fn read(dir: &Path) -> Option<Begins> {
    serde_json::from_slice(&std::fs::read(dir.join(BEGINS)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_what_was_said_since_it_began_and_who_is_up_again_what_it_said_before() {
        let home = tempfile::tempdir().unwrap();
        let (dir, log) = (home.path(), home.path().join("log"));
        let none = Span {
            from: None,
            to: None,
        };
        assert_eq!(span(dir, Runs::Last), none, "nothing is known");
        begin(dir, &log).unwrap();
        assert_eq!(span(dir, Runs::Last), none, "there was no log");
        std::fs::write(&log, "first\n").unwrap();
        begin(dir, &log).unwrap();
        let inode = std::fs::metadata(&log).unwrap().ino();
        let second = Some(Spot { inode, at: 6 });
        let last = Span {
            from: second,
            to: None,
        };
        assert_eq!(span(dir, Runs::Last), last);
        assert_eq!(span(dir, Runs::All), none);
        // It is on its way up: the run that ended is the one before.
        let before = Span {
            from: None,
            to: second,
        };
        assert_eq!(span(dir, Runs::Ended), before);
        super::super::begin(dir, std::process::id()).unwrap();
        assert_eq!(span(dir, Runs::Ended), before, "it runs");
        super::super::end(dir, 0x300).unwrap();
        assert_eq!(span(dir, Runs::Ended), last);
    }
}
