//! Where in the project file a value stands.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

/// A place in a project file. Lines and columns count from 1; a line of 0 means "not from a file"
/// (a default, a command-line argument).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, as the user would name it.
    pub file: Arc<Path>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// A place in `file`.
    pub fn new(file: Arc<Path>, line: u32, column: u32) -> Self {
        Self { file, line, column }
    }

    /// The place of what stands in no file.
    pub fn nowhere() -> Self {
        Self {
            file: Arc::from(Path::new("")),
            line: 0,
            column: 0,
        }
    }

    /// Whether this is a real place in a file.
    pub fn is_somewhere(&self) -> bool {
        self.line > 0
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::nowhere()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_somewhere() {
            write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
        } else {
            f.write_str("(not from a file)")
        }
    }
}

/// A key of a container in the project file, as the user writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // each is the key of the same name; docs/file.md explains them
pub enum Key {
    Template,
    Clone,
    Download,
    Rootfs,
    Ports,
    Volumes,
    Fqdn,
    Links,
    Dns,
    Cgroup,
    Environment,
    EnvFile,
    Config,
    Idmap,
    DependsOn,
    Healthcheck,
    Restart,
    Labels,
    Group,
    Setup,
    Autostart,
}

impl Key {
    /// The key as it is written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Clone => "clone",
            Self::Download => "download",
            Self::Rootfs => "rootfs",
            Self::Ports => "ports",
            Self::Volumes => "volumes",
            Self::Fqdn => "fqdn",
            Self::Links => "links",
            Self::Dns => "dns",
            Self::Cgroup => "cgroup",
            Self::Environment => "environment",
            Self::EnvFile => "env_file",
            Self::Config => "config",
            Self::Idmap => "idmap",
            Self::DependsOn => "depends_on",
            Self::Healthcheck => "healthcheck",
            Self::Restart => "restart",
            Self::Labels => "labels",
            Self::Group => "group",
            Self::Setup => "setup",
            Self::Autostart => "autostart",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
