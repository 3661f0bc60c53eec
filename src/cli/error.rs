//! What can go wrong at the counter itself; what goes wrong behind it is a [`JobError`].

use std::io;

use crate::job::JobError;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The words are not a command; also help and version, which clap gives as errors.
    #[error(transparent)]
    Usage(Box<clap::Error>),
    /// A value that clap cannot check is wrong.
    #[error("wrong {what} `{value}`: {reason}")]
    Value {
        /// The word.
        value: String,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// `-it` with standard input from somewhere else.
    #[error(
        "standard input is not a terminal; leave out `-t`, or leave out `-i` for a terminal that nobody types on"
    )]
    NoTerminal,
    /// `--dry-run` of what is not planned.
    #[error("`{command}` has no plan that `--dry-run` could print")]
    NoPlan {
        /// The verb.
        command: &'static str,
    },
    /// The job failed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Standard output could not be written.
    #[error("cannot write to standard output: {source}")]
    Output {
        /// The system's word.
        source: io::Error,
    },
    /// The current directory is gone or closed to us.
    #[error("cannot read the current directory: {source}")]
    Directory {
        /// The system's word.
        source: io::Error,
    },
    /// The event loop or its signal handlers could not be set up.
    #[error("cannot set up the event loop: {source}")]
    Runtime {
        /// The system's word.
        source: io::Error,
    },
    /// A reply could not be made into JSON.
    #[error("cannot write the reply as JSON: {source}")]
    Json {
        /// Why.
        source: serde_json::Error,
    },
}

impl From<clap::Error> for CliError {
    fn from(error: clap::Error) -> Self {
        Self::Usage(Box::new(error))
    }
}
