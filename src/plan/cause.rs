//! Why a step is taken.

use std::fmt;

use serde::Serialize;

use crate::model::{Key, Name, Place};

/// Why a step is taken. A step cannot be built without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The file defines it and the host does not have it.
    Missing(Place),
    /// A key of the file says something else than what is in place.
    Changed {
        /// The key.
        key: Key,
        /// Where it stands; where the container stands when the key was taken out.
        place: Place,
    },
    /// The key `network` of the project says something else than what is in place.
    Network(Place),
    /// One of the project's `networks` says something else than what is in place.
    Networks(Place),
    /// What a key of the file asks for is not in place: it is new there, or was taken out by hand.
    NotInPlace {
        /// The key.
        key: Key,
        /// Where it stands.
        place: Place,
    },
    /// What should run does not.
    NotRunning,
    /// It is in place and the file does not have it any more.
    NotInFile,
    /// The user asked for exactly this.
    Asked,
    /// An earlier run began it and never finished.
    Unfinished,
    /// It differs from what locker put in place.
    Drifted(&'static str),
    /// The ports that systemd holds for this container are not open.
    PortsClosed(Name),
    /// Another step needs it.
    For(Name),
    /// The project needs it.
    ForProject,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(place) if place.is_somewhere() => {
                write!(f, "not there yet (line {})", place.line)
            }
            Self::Missing(_) => f.write_str("not there yet"),
            Self::Changed { key, place } if place.is_somewhere() => {
                write!(f, "`{key}` changed (line {})", place.line)
            }
            Self::Changed { key, .. } => write!(f, "`{key}` changed"),
            Self::Network(place) if place.is_somewhere() => {
                write!(f, "`network` changed (line {})", place.line)
            }
            Self::Network(_) => f.write_str("`network` changed"),
            Self::Networks(place) if place.is_somewhere() => {
                write!(f, "`networks` changed (line {})", place.line)
            }
            Self::Networks(_) => f.write_str("`networks` changed"),
            Self::NotInPlace { key, place } if place.is_somewhere() => {
                write!(f, "`{key}` not in place (line {})", place.line)
            }
            Self::NotInPlace { key, .. } => write!(f, "`{key}` not in place"),
            Self::NotRunning => f.write_str("not running"),
            Self::NotInFile => f.write_str("not in the file"),
            Self::Asked => f.write_str("as asked"),
            Self::Unfinished => f.write_str("an earlier run did not finish it"),
            Self::Drifted(what) => f.write_str(what),
            Self::PortsClosed(name) => write!(f, "the ports held for {name} are closed"),
            Self::For(name) => write!(f, "for {name}"),
            Self::ForProject => f.write_str("for the project"),
        }
    }
}
