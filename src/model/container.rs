//! A container as the project file defines it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Dependency, Dns, Fqdn, Healthcheck, Idmap, Key, Limit, Link, Name, Place, Port, Source, Volume,
};

/// A command that runs inside a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InnerCommand {
    /// A line for the container's own `/bin/sh -c`.
    Shell(String),
    /// Program and arguments, no shell.
    Exec(Vec<String>),
}

impl InnerCommand {
    /// The argument vector that is executed in the container.
    pub fn argv(&self) -> Vec<String> {
        match self {
            Self::Shell(line) => vec!["/bin/sh".into(), "-c".into(), line.clone()],
            Self::Exec(argv) => argv.clone(),
        }
    }
}

impl fmt::Display for InnerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(line) => f.write_str(line),
            Self::Exec(argv) => f.write_str(&argv.join(" ")),
        }
    }
}

/// One raw `lxc.* = value` line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigLine {
    /// `lxc.…`, checked not to be one that locker itself sets.
    pub key: String,
    /// The value, without control characters.
    pub value: String,
}

/// A container of the project file, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its short name.
    pub name: Name,
    /// Where its name stands in the file.
    pub place: Place,
    /// Where each of its keys stands (the key itself, not the value).
    pub places: BTreeMap<Key, Place>,
    /// What it is made from.
    pub source: Source,
    /// The group it belongs to by its key `group` or by the file's `groups`; may be several.
    pub groups: Vec<Name>,
    /// Published ports, each with the place of its entry.
    pub ports: Vec<(Port, Place)>,
    /// Mounted directories and files, each with the place of its entry.
    pub volumes: Vec<(Volume, Place)>,
    /// Host name and domain.
    pub fqdn: Option<Fqdn>,
    /// Names of other containers in its hosts file.
    pub links: Vec<(Link, Place)>,
    /// Name servers; empty leaves the container's own file alone.
    pub dns: Vec<Dns>,
    /// Limits as written, each with the place of its entry; translated when the host is known.
    pub cgroup: Vec<(Limit, Place)>,
    /// Variables of the container's init; `env_file` already merged in.
    pub environment: BTreeMap<String, String>,
    /// Raw lines for LXC, each with the place of its entry.
    pub config: Vec<(ConfigLine, Place)>,
    /// Unprivileged when present.
    pub idmap: Option<Idmap>,
    /// What must be there before it starts.
    pub depends_on: Vec<Dependency>,
    /// How to tell that it is ready.
    pub healthcheck: Option<Healthcheck>,
    /// The user's own marks.
    pub labels: BTreeMap<String, String>,
    /// Run once, inside, after it was created and first started.
    pub setup: Vec<InnerCommand>,
    /// Whether it is part of what starts at boot.
    pub autostart: bool,
}

impl Container {
    /// Where `key` stands, or the container's name where the file does not have it.
    pub fn place_of(&self, key: Key) -> &Place {
        self.places.get(&key).unwrap_or(&self.place)
    }

    /// The host name inside: the first label of the fqdn, else the short name made fit for RFC 1123.
    pub fn hostname(&self) -> String {
        match &self.fqdn {
            Some(fqdn) => fqdn.host().to_string(),
            None => self
                .name
                .as_str()
                .replace(['_', '.'], "-")
                .trim_end_matches('-')
                .to_string(),
        }
    }
}
