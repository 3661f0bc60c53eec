//! Why a backend could not do what it was told.
//!
//! One type for all drivers, with the verb and the object of each failure; what to do about it is told
//! where it is reported, unless only the driver can know.

use std::path::PathBuf;

use crate::observed::Down;

/// Why a backend could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The engine is not on this host.
    #[error("{engine} is not available: {reason}")]
    Unavailable {
        /// `LXC`.
        engine: &'static str,
        /// Why.
        reason: String,
        /// The command that mends it.
        help: String,
    },
    /// The engine refused or failed.
    #[error("cannot {verb} container `{container}`: {reason}")]
    Engine {
        /// `create`, `start`, …
        verb: &'static str,
        /// Full name.
        container: String,
        /// What it said, first line first.
        reason: String,
        /// Lines of its log that tell more.
        log: Vec<String>,
    },
    /// The container was there and is not any more: others have removed it.
    #[error("cannot {verb} container `{container}`: it is gone")]
    Gone {
        /// `look at`.
        verb: &'static str,
        /// Full name.
        container: String,
    },
    /// Whoever would have to do it did not answer in time.
    #[error("cannot {verb} container `{container}`: {reason}")]
    Silent {
        /// `look at`, `freeze`, …
        verb: &'static str,
        /// Full name.
        container: String,
        /// Who did not answer, how long it was waited for, and why, as far as that shows.
        reason: String,
        /// The command that mends it.
        help: String,
    },
    /// An image could not be fetched or built.
    #[error("cannot {verb} image `{image}`: {reason}")]
    Image {
        /// `pull`, `build`, `list`.
        verb: &'static str,
        /// As the file names it.
        image: String,
        /// What the engine or the registry said.
        reason: String,
        /// Lines of the build's log that tell more.
        log: Vec<String>,
        /// What to do about it, when that is known.
        help: Option<String>,
    },
    /// A network of the engine could not be made or removed.
    #[error("cannot {verb} the engine's network `{network}`: {reason}")]
    Network {
        /// `make`, `remove`, `look at`.
        verb: &'static str,
        /// Its name in the engine.
        network: String,
        /// What the engine said.
        reason: String,
    },
    /// A volume of the engine could not be removed.
    #[error("cannot {verb} the engine's volume `{volume}`: {reason}")]
    Volume {
        /// `remove`.
        verb: &'static str,
        /// Its name in the engine.
        volume: String,
        /// What the engine said.
        reason: String,
    },
    /// A file or directory could not be read or written.
    #[error("cannot {verb} `{}`: {source}", path.display())]
    Io {
        /// `read`, `write`, `rename`, …
        verb: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A path in a container leads through a symbolic link.
    #[error("`{}` in container `{container}` is or leads through a symbolic link; locker does not write through links", path.display())]
    Link {
        /// Full name.
        container: String,
        /// Path inside.
        path: PathBuf,
    },
    /// A mark cannot be read.
    #[error("the mark `{}` cannot be read: {reason}", path.display())]
    Mark {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl BackendError {
    /// The engine that is not there, where that is the reason; else the error as it is.
    pub fn into_down(self) -> Result<Down, Self> {
        match self {
            Self::Unavailable {
                engine,
                reason,
                help,
            } => Ok(Down {
                engine,
                reason,
                help,
            }),
            Self::Engine { .. }
            | Self::Gone { .. }
            | Self::Silent { .. }
            | Self::Image { .. }
            | Self::Network { .. }
            | Self::Volume { .. }
            | Self::Io { .. }
            | Self::Link { .. }
            | Self::Mark { .. } => Err(self),
        }
    }
}

impl From<Down> for BackendError {
    fn from(down: Down) -> Self {
        let Down {
            engine,
            reason,
            help,
        } = down;
        Self::Unavailable {
            engine,
            reason,
            help,
        }
    }
}
