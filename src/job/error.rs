//! Why a job was not done.

use std::io;
use std::path::PathBuf;

use crate::apply::{ApplyError, ObserveError, StepError, VerifyError};
use crate::backend::BackendError;
use crate::file::LoadError;
use crate::firewall::FirewallError;
use crate::model::{Name, Place};
use crate::plan::Problem;
use crate::store::{LockError, StoreError};

use super::consent::ConsentError;

/// Why a job was not done. The counter turns each kind into words, hints and an exit code.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file is missing or wrong.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A word names no container or group.
    #[error("{message}")]
    Selection {
        /// What is wrong with the word.
        message: String,
        /// What may have been meant.
        help: Option<String>,
    },
    /// There can be no plan; nothing was changed.
    #[error("`{command}` cannot be done: {}", texts(problems))]
    Problems {
        /// The verb.
        command: &'static str,
        /// All reasons.
        problems: Vec<Problem>,
    },
    /// The engine, the kernel and the state belong to root.
    #[error("`locker {command}` must be run as root")]
    NotRoot {
        /// The verb.
        command: &'static str,
    },
    /// The project's containers are kept elsewhere.
    #[error("project `{project}` keeps its containers in `{}`, not in `{}`", recorded.display(), asked.display())]
    Elsewhere {
        /// The project.
        project: Name,
        /// Where they are.
        recorded: PathBuf,
        /// Where they were looked for.
        asked: PathBuf,
    },
    /// Nothing can be taken over from docker compose; nothing was changed.
    #[error("{message}")]
    Adopt {
        /// Why.
        message: String,
        /// What to do instead.
        help: String,
    },
    /// The user said no; nothing was changed.
    #[error("refused; nothing was changed")]
    Refused,
    /// Nobody could be asked; nothing was changed.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// Another run changes the project, or its lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The engine.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The rules.
    #[error(transparent)]
    Firewall(#[from] FirewallError),
    /// systemd.
    #[error(transparent)]
    Units(#[from] crate::systemd::UnitsError),
    /// What locker keeps on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host could not be looked at.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The change failed or was ended by a signal.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The change failed by what a line of the file says.
    #[error("{error}")]
    OfLine {
        /// Why, and what is left of it.
        error: ApplyError,
        /// The line.
        blame: Box<Blame>,
    },
    /// Every step was done and the host is still not as it should be.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A container that must run does not.
    #[error("container `{name}` is not running")]
    NotRunning {
        /// Short name.
        name: Name,
    },
    /// A container that must run is waiting for its next try, or for what it needs.
    #[error("container `{name}` does not run now: its service is about to start it")]
    Tried {
        /// Short name.
        name: Name,
    },
    /// A container that must be there is not.
    #[error("container `{name}` has not been made")]
    NotMade {
        /// Short name.
        name: Name,
    },
    /// A container is there and not in the file.
    #[error("container `{name}` is not in the file")]
    NotInFile {
        /// Short name.
        name: Name,
    },
    /// One more of a system container cannot be run for one command.
    #[error("`run` starts one container more from an image, and `{name}` is a system container")]
    NotOnce {
        /// Short name.
        name: Name,
    },
    /// There is a container of this name.
    #[error("there is a container `{name}`")]
    NameTaken {
        /// Short name.
        name: Name,
    },
    /// A command in a container of its own has ended, and nobody has kept its exit code.
    #[error("`{name}` has ended, and its exit code is not known")]
    NoCode {
        /// Short name of its container.
        name: Name,
    },
    /// What only a supervisor can do was asked for without one.
    #[error("`{command}` needs a supervisor, and none keeps the containers of this project")]
    NoSupervisor {
        /// The verb.
        command: &'static str,
    },
    /// The service of a job would run another program than this one, or cannot run this one.
    #[error("a service cannot run this program, `{}`: {reason}", program.display())]
    Program {
        /// Where this program is.
        program: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The kernel gave no random number for a name.
    #[error("cannot make up a name: {source}")]
    Random {
        /// The system's word.
        source: io::Error,
    },
    /// A container is frozen: nothing can run inside.
    #[error("container `{name}` is frozen")]
    Frozen {
        /// Short name.
        name: Name,
    },
    /// A signal ended what can be gone on with.
    #[error("ended by {signal}; run it again: it goes on with what is left")]
    Cut {
        /// `SIGINT`.
        signal: &'static str,
    },
    /// The process's signals could not be listened to; nothing was changed.
    #[error("cannot listen to signals: {source}")]
    Signals {
        /// The system's word.
        source: io::Error,
    },
}

/// A line of the file that a failed step is about.
#[derive(Debug)]
pub struct Blame {
    /// Where it stands.
    pub place: Place,
    /// What to write there instead.
    pub help: String,
}

impl JobError {
    /// The signal that ended it, by its name.
    pub fn interruption(&self) -> Option<&'static str> {
        match self {
            Self::Apply(error) | Self::OfLine { error, .. } => match error {
                ApplyError::Interrupted { signal, .. } => Some(signal),
                _ => None,
            },
            Self::Cut { signal } => Some(signal),
            _ => None,
        }
    }

    /// Whether a full disk is what ended it, or one of its steps.
    pub fn is_no_room(&self) -> bool {
        let failures = match self {
            Self::Apply(error) | Self::OfLine { error, .. } => error.failures(),
            _ => &[],
        };
        has_no_room(self) || failures.iter().any(|failed| has_no_room(&failed.error))
    }

    /// What was written while it failed, oldest line first: a template's own errors, the output of a
    /// setup command. Nothing where the message itself has all of it.
    pub fn details(&self) -> Vec<String> {
        let written = self.written();
        let told = self.to_string();
        let blank = |line: &String| line.trim().is_empty();
        let mut lines = written.iter().filter(|line| !blank(line));
        match (lines.next(), lines.next()) {
            (Some(only), None) if told.contains(only.trim()) => Vec::new(),
            (Some(_) | None, Some(_) | None) => written,
        }
    }

    fn written(&self) -> Vec<String> {
        match self {
            Self::Apply(error) | Self::OfLine { error, .. } => {
                let failures = error.failures().iter();
                failures
                    .flat_map(|failed| output_of(&failed.error))
                    .collect()
            }
            Self::Backend(error) => log_of(error).cloned().unwrap_or_default(),
            Self::Verify(VerifyError::Ended { ended, .. }) => {
                ended.iter().flat_map(output_of).collect()
            }
            Self::Load(_)
            | Self::Selection { .. }
            | Self::Problems { .. }
            | Self::NotRoot { .. }
            | Self::Elsewhere { .. }
            | Self::Adopt { .. }
            | Self::Refused
            | Self::Consent(_)
            | Self::Lock(_)
            | Self::Firewall(_)
            | Self::Units(_)
            | Self::Store(_)
            | Self::Observe(_)
            | Self::Verify(_)
            | Self::NotRunning { .. }
            | Self::Tried { .. }
            | Self::NotMade { .. }
            | Self::NotInFile { .. }
            | Self::NotOnce { .. }
            | Self::NameTaken { .. }
            | Self::NoCode { .. }
            | Self::Random { .. }
            | Self::NoSupervisor { .. }
            | Self::Program { .. }
            | Self::Frozen { .. }
            | Self::Cut { .. }
            | Self::Signals { .. } => Vec::new(),
        }
    }
}

fn has_no_room(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(|error| error.downcast_ref().is_some_and(crate::store::is_no_room))
}

fn output_of(error: &StepError) -> Vec<String> {
    if let StepError::Setup { output, .. } = error {
        return output.lines().map(str::to_string).collect();
    }
    if let StepError::Unhealthy { log, .. }
    | StepError::Ended { log, .. }
    | StepError::CameBack { log, .. } = error
    {
        return log.clone();
    }
    if let StepError::Backend(error) = error {
        return log_of(error).cloned().unwrap_or_default();
    }
    Vec::new()
}

fn log_of(error: &BackendError) -> Option<&Vec<String>> {
    match error {
        BackendError::Engine { log, .. } | BackendError::Image { log, .. } => Some(log),
        BackendError::Unavailable { .. }
        | BackendError::Gone { .. }
        | BackendError::Silent { .. }
        | BackendError::Network { .. }
        | BackendError::Volume { .. }
        | BackendError::Io { .. }
        | BackendError::Link { .. }
        | BackendError::Mark { .. } => None,
    }
}

fn texts(problems: &[Problem]) -> String {
    let texts: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
    texts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_template_printed_is_kept() {
        let error = JobError::Backend(BackendError::Engine {
            verb: "create",
            container: "shop_web".into(),
            reason: "the template failed".into(),
            log: vec!["no such release".into()],
        });
        assert_eq!(error.details(), ["no such release"]);
        assert_eq!(JobError::Refused.details(), Vec::<String>::new());
    }
}
