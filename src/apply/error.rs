//! Why a change did not come to its end, and what is left of it.

mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::backend::BackendError;
use crate::firewall::FirewallError;
use crate::hosts::HostsError;
use crate::model::Name;
use crate::network::NetworkError;
use crate::plan::StepId;
use crate::store::{LockError, StoreError};
use crate::systemd::UnitsError;

use super::earlier::Earlier;
use words::{code_of, finished_words, last_line, list, not_done_words, partly_words};

/// Why one step (or its undoing) failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The engine.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The bridge.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The rules.
    #[error(transparent)]
    Firewall(#[from] FirewallError),
    /// The record or the journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The units.
    #[error(transparent)]
    Units(#[from] UnitsError),
    /// The host's hosts file.
    #[error(transparent)]
    Hosts(#[from] HostsError),
    /// Something could not be removed.
    #[error("cannot remove `{}`: {source}", path.display())]
    Remove {
        /// What.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A path that is no named volume of the project was to be removed as one.
    #[error("`{}` is no named volume of this project; it is not removed", path.display())]
    NoVolume {
        /// The path.
        path: PathBuf,
    },
    /// A health check did not pass in its time.
    #[error("`{container}` is not healthy after {tried}: {said}")]
    Unhealthy {
        /// Short name.
        container: Name,
        /// How long, or how often, it was tried.
        tried: Tried,
        /// What the last try gave.
        said: String,
        /// The last lines of its output.
        log: Vec<String>,
    },
    /// It has ended, and should run or should have ended well.
    #[error("{}", how_ended(container, *code, log, unwell.as_deref()))]
    Ended {
        /// Short name.
        container: Name,
        /// Its exit code.
        code: i32,
        /// The last lines of its output.
        log: Vec<String>,
        /// Why its supervisor has ended it, if that did.
        unwell: Option<String>,
    },
    /// Its work was to end, and somebody has ended it before that: with which code says nothing.
    #[error(
        "`{container}` was told to stop before its work was done{}", code_of(*code)
    )]
    Stopped {
        /// Short name.
        container: Name,
        /// Its exit code.
        code: i32,
    },
    /// It runs, yet has ended by itself meanwhile: its service or its engine has started it again.
    #[error("`{container}` ended by itself and was started again{}", last_line(&log.join("\n")))]
    CameBack {
        /// Short name.
        container: Name,
        /// The last lines of the run that ended.
        log: Vec<String>,
    },
    /// It should have ended in its time.
    #[error("`{container}` still runs after {} s; it is waited for until it ends", waited.as_secs())]
    StillRuns {
        /// Short name.
        container: Name,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A step for the engine of application containers, where there is none.
    #[error(
        "there is no engine for application containers on this host; install Docker Engine 20.10 or newer"
    )]
    NoEngine,
    /// A setup command failed.
    #[error("{what} in `{container}` ended with {code}{}", last_line(output))]
    Setup {
        /// Short name.
        container: Name,
        /// The command of the file, or the key that it was run for.
        what: String,
        /// Its exit code.
        code: i32,
        /// The last lines that it printed.
        output: String,
    },
    /// The mark to be rewritten is not known: there is no such container of ours.
    #[error("the settings of `{container}` are not known")]
    NoMark {
        /// Short name.
        container: Name,
    },
    /// Waiting ended because the run ends; nothing was changed.
    #[error("given up, as the run ends")]
    GivenUp,
    /// Another project got a subnet or ids after this one had looked.
    #[error("{what} of project `{project}`")]
    Claimed {
        /// What both want, with "is now that" or the like.
        what: String,
        /// The project that has it.
        project: Name,
    },
    /// Another run is changing what all projects share.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A thread for blocking work broke.
    #[error("a worker thread ended: {source}")]
    Thread {
        /// Why.
        source: tokio::task::JoinError,
    },
}

impl StepError {
    /// Whether another project was faster with something that all projects share.
    pub fn is_lost_race(&self) -> bool {
        matches!(
            self,
            Self::Claimed { .. }
                | Self::Firewall(FirewallError::Taken(_))
                | Self::Units(UnitsError::Taken(_) | UnitsError::Busy { .. })
        )
    }
}

/// What a container was given before it counted as unhealthy. How often this run has looked says nothing: it looks
/// sooner and more often than the check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// So long.
    For(Duration),
    /// So many checks of the engine's in a row.
    Checks(u64),
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(took) => write!(f, "{:.1} s", took.as_secs_f64()),
            Self::Checks(1) => f.write_str("1 failed check"),
            Self::Checks(count) => write!(f, "{count} failed checks in a row"),
        }
    }
}

/// How a container has ended; what it printed says nothing about an end from outside.
fn how_ended(container: &Name, code: i32, log: &[String], unwell: Option<&str>) -> String {
    match unwell {
        Some(why) => format!("`{container}` was ended because {why}"),
        None => format!(
            "`{container}` has ended with exit code {code}{}",
            last_line(&log.join("\n"))
        ),
    }
}

/// A step that failed.
#[derive(Debug)]
pub struct StepFailure {
    /// Its index in the plan.
    pub id: StepId,
    /// What it was: `create web`.
    pub what: String,
    /// Why.
    pub error: StepError,
}

impl StepFailure {
    /// Whether it ended since the run, or its container's part in it, did.
    pub fn is_given_up(&self) -> bool {
        matches!(self.error, StepError::GivenUp)
    }
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.what, self.error)
    }
}

/// What became of the steps that were done before the run ended.
#[derive(Debug, Default)]
pub struct Aftermath {
    /// Undone, in the order of undoing.
    pub undone: Vec<String>,
    /// Could not be undone.
    pub not_undone: Vec<StepFailure>,
    /// Left in place because something that could not be undone stands on it, or because what came
    /// after it destroys and cannot be taken back.
    pub kept: Vec<String>,
    /// Not undone, as a second signal asked to leave at once. What was running then is half done.
    pub left: Vec<String>,
}

impl Aftermath {
    /// Whether the host is as it was before.
    pub fn is_clean(&self) -> bool {
        self.not_undone.is_empty() && self.kept.is_empty() && self.left.is_empty()
    }

    /// What became of further ones.
    pub(super) fn extend(&mut self, more: Self) {
        self.undone.extend(more.undone);
        self.not_undone.extend(more.not_undone);
        self.kept.extend(more.kept);
        self.left.extend(more.left);
    }
}

impl fmt::Display for Aftermath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() && self.undone.is_empty() {
            return f.write_str("nothing was changed");
        }
        if self.is_clean() {
            return f.write_str("what had been done is undone");
        }
        let mut parts = Vec::new();
        for failure in &self.not_undone {
            parts.push(format!(
                "could not undo `{}` ({})",
                failure.what, failure.error
            ));
        }
        if !self.kept.is_empty() {
            parts.push(format!("left in place: {}", self.kept.join(", ")));
        }
        if !self.left.is_empty() {
            parts.push(format!(
                "left as it is: {}; the next `locker up` or `locker down` goes on from here",
                self.left.join(", ")
            ));
        }
        f.write_str(&parts.join("; "))
    }
}

/// Why a change did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Steps failed; what was done is undone as far as `aftermath` says.
    #[error("{}; {aftermath}", list(failures))]
    Failed {
        /// What failed first, and what failed while the rest came to its end.
        failures: Vec<StepFailure>,
        /// What became of the rest.
        aftermath: Box<Aftermath>,
    },
    /// Containers failed; what needs them is undone as well as it could be, and the others are done as far
    /// as they could be without it.
    #[error(
        "{}; {}",
        list(failures),
        partly_words((lost, kept, finished), aftermath)
    )]
    Partly {
        /// What failed.
        failures: Vec<StepFailure>,
        /// The containers that failed or need one that did.
        lost: BTreeSet<Name>,
        /// Those of them that stay, so that somebody can look at them.
        kept: BTreeSet<Name>,
        /// Other containers that this run changed.
        finished: BTreeSet<Name>,
        /// What became of the steps of those that are lost.
        aftermath: Box<Aftermath>,
        /// What stays, for a run that goes on from here.
        stays: Box<Earlier>,
    },
    /// All that can be undone is done and stays; something could not be destroyed at the end.
    #[error(
        "{}; {}everything else that was asked is done and stays so, run the command again for the rest",
        list(failures),
        not_done_words(not_done)
    )]
    Final {
        /// What failed.
        failures: Vec<StepFailure>,
        /// What needs that.
        not_done: Vec<String>,
    },
    /// Containers did not become well. What was done stays, so that somebody can look; nothing was replaced.
    #[error(
        "{}; all that was started goes on as it is, and the next `locker up` waits again",
        list(failures)
    )]
    Unwell {
        /// Who, and why.
        failures: Vec<StepFailure>,
        /// The containers that this run has changed and that have come to their end.
        finished: BTreeSet<Name>,
        /// Those that have not.
        open: BTreeSet<Name>,
    },
    /// A signal ended the run.
    #[error("ended by {signal}; {}{aftermath}", finished_words(finished))]
    Interrupted {
        /// `SIGINT`.
        signal: &'static str,
        /// Steps that were running then and were waited for.
        finished: Vec<String>,
        /// Steps that failed while they were waited for.
        failures: Vec<StepFailure>,
        /// What became of what was done.
        aftermath: Box<Aftermath>,
    },
    /// The journal could not be begun; nothing was changed.
    #[error("{source}; nothing was changed")]
    Journal {
        /// Why.
        source: StoreError,
    },
}

impl ApplyError {
    /// The steps that failed.
    pub fn failures(&self) -> &[StepFailure] {
        match self {
            Self::Failed { failures, .. }
            | Self::Partly { failures, .. }
            | Self::Final { failures, .. }
            | Self::Unwell { failures, .. }
            | Self::Interrupted { failures, .. } => failures,
            Self::Journal { .. } => &[],
        }
    }

    /// Whether nothing but a lost race with another project ended it and the host is as before: whoever
    /// looks again sees what the other one has.
    pub fn is_lost_race(&self) -> bool {
        match self {
            Self::Failed {
                failures,
                aftermath,
            } => {
                let mut errors = failures.iter().map(|failure| &failure.error);
                aftermath.is_clean() && !failures.is_empty() && errors.all(StepError::is_lost_race)
            }
            Self::Partly { .. }
            | Self::Final { .. }
            | Self::Interrupted { .. }
            | Self::Unwell { .. }
            | Self::Journal { .. } => false,
        }
    }
}
