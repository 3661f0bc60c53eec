//! A container as the project file defines it.

mod config_line;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    App, Dependency, Dns, Fqdn, Healthcheck, Hooks, Identity, Idmap, Key, Kind, Limit, Link, Name,
    Place, Port, Restart, Source, Supervisor, System, Volume,
};

pub use config_line::{ConfigLine, ConfigLineError};

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
    /// Name servers; empty is the default, those of the host.
    pub dns: Vec<Dns>,
    /// Limits as written, each with the place of its entry; translated when the host is known.
    pub cgroup: Vec<(Limit, Place)>,
    /// Variables of the container's init; `env_file` already merged in.
    pub environment: BTreeMap<String, String>,
    /// Raw lines for LXC, each with the place of its entry.
    pub config: Vec<(ConfigLine, Place)>,
    /// Unprivileged when present.
    pub idmap: Option<Idmap>,
    /// Whether it is a machine of its own.
    pub identity: Identity,
    /// What must be there before it starts.
    pub depends_on: Vec<Dependency>,
    /// How to tell that it is ready.
    pub healthcheck: Option<Healthcheck>,
    /// The user's own marks.
    pub labels: BTreeMap<String, String>,
    /// Run once, inside, after it was created and first started.
    pub setup: Vec<InnerCommand>,
    /// Commands after every start and before every stop.
    pub hooks: Hooks,
    /// Whether it is part of what starts at boot.
    pub autostart: bool,
    /// What happens when it ends by itself.
    pub restart: Restart,
    /// How long it gets to end after it was asked to; none is the usual.
    pub stop_grace: Option<Duration>,
    /// Who keeps it up; none is what the project says.
    pub supervisor: Option<Supervisor>,
    /// Whether it is kept apart from the other containers of the project.
    pub isolate: bool,
    /// Whose ids it has: it is a copy of that one, for one command.
    pub ids_of: Option<Name>,
    /// Whether it is started by the first connection to one of its ports.
    pub on_demand: bool,
    /// How long it is left running without a connection; none is without end.
    pub idle: Option<Duration>,
    /// The service that it is one of several containers of (`scale`); none when it is the only one.
    pub replica_of: Option<Name>,
    /// The network that a system container is on; none is the project's own.
    pub network: Option<super::Attachment>,
    /// Settings of a system container; the usual ones for an application container.
    pub system: System,
    /// Settings of an application container; none for a system container.
    pub app: Option<Box<App>>,
}

impl Container {
    /// A container of this name with an empty root file system and nothing else.
    pub fn bare(name: Name) -> Self {
        Self {
            name,
            place: Place::nowhere(),
            places: BTreeMap::new(),
            source: Source::Rootfs(std::path::PathBuf::new()),
            groups: Vec::new(),
            ports: Vec::new(),
            volumes: Vec::new(),
            fqdn: None,
            links: Vec::new(),
            dns: Vec::new(),
            cgroup: Vec::new(),
            environment: BTreeMap::new(),
            config: Vec::new(),
            idmap: None,
            identity: Identity::New,
            depends_on: Vec::new(),
            healthcheck: None,
            labels: BTreeMap::new(),
            setup: Vec::new(),
            hooks: Hooks::default(),
            autostart: false,
            restart: Restart::No,
            stop_grace: None,
            supervisor: None,
            isolate: false,
            ids_of: None,
            on_demand: false,
            idle: None,
            replica_of: None,
            network: None,
            system: System::default(),
            app: None,
        }
    }

    /// Where `key` stands, or the container's name where the file does not have it.
    pub fn place_of(&self, key: Key) -> &Place {
        self.places.get(&key).unwrap_or(&self.place)
    }

    /// Which kind of container it is.
    pub fn kind(&self) -> Kind {
        self.source.kind()
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

/// Why a variable or label is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// The name cannot be one.
    #[error(
        "`{0}` is not the name of a variable; it is made of letters, digits, `_`, `.` and `-`, and starts with no digit"
    )]
    Name(String),
    /// The key of a label cannot be one.
    #[error(
        "`{0}` is not the key of a label; it must not be empty nor hold blanks, `=` or control characters"
    )]
    Label(String),
    /// A label that locker itself writes.
    #[error(
        "`{0}` is a label that locker writes itself; labels that begin with `locker.` are its own"
    )]
    Ours(String),
    /// A label by which docker compose knows what is its own.
    #[error("`{0}` is a label by which docker compose knows its own; locker's is not")]
    Compose(String),
    /// A value that would make two lines where one is written.
    #[error("the value of `{0}` holds a control character")]
    Control(String),
}

/// Checks a variable of `environment`.
pub fn check_variable(name: &str, value: &str) -> Result<(), VariableError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(starts) || !name.chars().all(allowed) {
        return Err(VariableError::Name(name.into()));
    }
    check_value(name, value)
}

/// Checks a label.
pub fn check_label(key: &str, value: &str) -> Result<(), VariableError> {
    let refused = |c: char| c.is_control() || c.is_whitespace() || c == '=';
    if key.is_empty() || key.chars().any(refused) {
        return Err(VariableError::Label(key.into()));
    }
    check_value(key, value)
}

/// Checks a variable of an application container, whose engine takes more than a shell does.
pub fn check_app_variable(name: &str, value: &str) -> Result<(), VariableError> {
    if name.is_empty() || name.contains('=') || name.chars().any(char::is_control) {
        return Err(VariableError::Name(name.into()));
    }
    check_zero(name, value)
}

/// Checks a label of an application container.
pub fn check_app_label(key: &str, value: &str) -> Result<(), VariableError> {
    check_label(key, "")?;
    check_zero(key, value)?;
    if key.starts_with("locker.") {
        return Err(VariableError::Ours(key.into()));
    }
    Ok(())
}

/// Checks a label of a network or volume of the engine.
pub fn check_store_label(key: &str, value: &str) -> Result<(), VariableError> {
    if key.starts_with("com.docker.compose.") {
        return Err(VariableError::Compose(key.into()));
    }
    check_app_label(key, value)
}

fn check_zero(name: &str, value: &str) -> Result<(), VariableError> {
    if value.contains('\0') {
        return Err(VariableError::Control(name.into()));
    }
    Ok(())
}

fn check_value(name: &str, value: &str) -> Result<(), VariableError> {
    if value.chars().any(char::is_control) {
        return Err(VariableError::Control(name.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_labels_stay_on_one_line() {
        assert!(check_variable("A_b.c-1", "x = y").is_ok());
        for (name, value) in [
            ("", "x"),
            ("1a", "x"),
            ("A B", "x"),
            ("A=", "x"),
            ("A", "x\ny"),
        ] {
            assert!(check_variable(name, value).is_err(), "{name:?}");
        }
        assert!(check_label("com.example/x", "any text").is_ok());
        for (name, value) in [("", "x"), ("a b", "x"), ("a=b", "x"), ("a", "x\0")] {
            assert!(check_label(name, value).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_hostname_is_the_fqdns_host_or_a_fit_name() {
        let mut container = Container::bare(Name::new("my_db.1").unwrap());
        assert_eq!(container.hostname(), "my-db-1");
        container.fqdn = Fqdn::new("db.example.net").ok();
        assert_eq!(container.hostname(), "db");
    }
}
