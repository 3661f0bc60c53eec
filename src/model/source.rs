//! Sources: what a container is made from.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Key, Name};

/// What a container is made from. A change of it means a new container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An LXC template and its arguments, in the file's order.
    Template {
        /// The template: a name under the template directory, or an absolute path.
        name: String,
        /// `--key value` pairs for it; an empty value makes a bare `--key`.
        args: Vec<(String, String)>,
    },
    /// A copy of a container of this project.
    CloneSibling(Name),
    /// A copy of a container of the host, by its full name.
    CloneHost(String),
    /// LXC's image server download and its arguments (`dist`, `release`, `arch`, …).
    Download {
        /// `--key value` pairs for the `download` template.
        args: Vec<(String, String)>,
    },
    /// A root file system: a directory to copy or a tar archive to unpack. Absolute path.
    Rootfs(PathBuf),
}

impl Source {
    /// The key of the file it comes from.
    pub fn key(&self) -> Key {
        match self {
            Self::Template { .. } => Key::Template,
            Self::CloneSibling(_) | Self::CloneHost(_) => Key::Clone,
            Self::Download { .. } => Key::Download,
            Self::Rootfs(_) => Key::Rootfs,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template { name, .. } => write!(f, "template {name}"),
            Self::CloneSibling(name) => write!(f, "clone of {name}"),
            Self::CloneHost(name) => write!(f, "clone of the host's {name}"),
            Self::Download { args } => {
                f.write_str("download")?;
                for (key, value) in args {
                    if matches!(key.as_str(), "dist" | "release" | "arch") {
                        write!(f, " {value}")?;
                    }
                }
                Ok(())
            }
            Self::Rootfs(path) => write!(f, "root file system {}", path.display()),
        }
    }
}
