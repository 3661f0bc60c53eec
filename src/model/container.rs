//! A container as the project file defines it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

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
            depends_on: Vec::new(),
            healthcheck: None,
            labels: BTreeMap::new(),
            setup: Vec::new(),
            autostart: false,
        }
    }

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

/// Why a line of `config` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigLineError {
    /// No `=`.
    #[error("`{0}` is not a line of lxc.container.conf; it is `lxc.KEY = VALUE`")]
    Form(String),
    /// Not a key of LXC, as far as locker knows.
    #[error("`{0}` is not a key of lxc.container.conf")]
    Unknown(String),
    /// A key that locker itself writes.
    #[error("`{key}` is written by locker; use {instead}")]
    Owned {
        /// The key.
        key: String,
        /// What to use.
        instead: &'static str,
    },
    /// A value that would make two lines, or worse.
    #[error("the value of `{0}` holds a control character")]
    Control(String),
}

/// Keys that locker writes, with what to write in the project file; a name stands for all below it.
const OWNED: [(&str, &str); 22] = [
    ("lxc.cgroup", "the key `cgroup`"),
    ("lxc.cgroup2", "the key `cgroup`"),
    (
        "lxc.console.logfile",
        "`locker logs`, which reads the console's log",
    ),
    ("lxc.environment", "the key `environment`"),
    ("lxc.group", "the key `group`"),
    ("lxc.hook.version", "hooks of the default version"),
    ("lxc.id_map", "the key `idmap`"),
    ("lxc.idmap", "the key `idmap`"),
    ("lxc.include", "the lines of the included file"),
    ("lxc.log", "`locker -v`, locker keeps the engine's log"),
    ("lxc.loglevel", "`locker -v`, locker keeps the engine's log"),
    ("lxc.logfile", "`locker -v`, locker keeps the engine's log"),
    ("lxc.mount.fstab", "the key `volumes`"),
    ("lxc.net", "the keys `network` and `ports`"),
    ("lxc.network", "the keys `network` and `ports`"),
    (
        "lxc.rootfs.backend",
        "the keys `template`, `clone`, `download` or `rootfs`",
    ),
    (
        "lxc.rootfs.path",
        "the keys `template`, `clone`, `download` or `rootfs`",
    ),
    (
        "lxc.rootfs",
        "the keys `template`, `clone`, `download` or `rootfs`",
    ),
    ("lxc.start.auto", "the key `autostart`"),
    ("lxc.uts.name", "the key `fqdn`"),
    ("lxc.utsname", "the key `fqdn`"),
    (
        "lxc.mount",
        "`lxc.mount.entry`, `lxc.mount.auto` or the key `volumes`",
    ),
];

/// Keys of lxc.container.conf(5) of LXC 5 that may be set freely; a name stands for all below it.
const FREE: [&str; 33] = [
    "lxc.apparmor",
    "lxc.arch",
    "lxc.autodev",
    "lxc.cap.drop",
    "lxc.cap.keep",
    "lxc.console.buffer.size",
    "lxc.console.path",
    "lxc.console.rotate",
    "lxc.console.size",
    "lxc.ephemeral",
    "lxc.execute.cmd",
    "lxc.hook",
    "lxc.init",
    "lxc.keyring.session",
    "lxc.monitor",
    "lxc.mount.auto",
    "lxc.mount.entry",
    "lxc.namespace",
    "lxc.no_new_privs",
    "lxc.prlimit",
    "lxc.proc",
    "lxc.pty.max",
    "lxc.rootfs.managed",
    "lxc.rootfs.mount",
    "lxc.rootfs.options",
    "lxc.sched.core",
    "lxc.seccomp",
    "lxc.selinux",
    "lxc.signal",
    "lxc.start.delay",
    "lxc.sysctl",
    "lxc.time.offset",
    "lxc.tty",
];

impl ConfigLine {
    /// Every key that may be set; a name stands for all below it. For suggestions.
    pub fn free_keys() -> &'static [&'static str] {
        &FREE
    }

    /// Checks a key and its value.
    pub fn new(key: &str, value: &str) -> Result<Self, ConfigLineError> {
        let below = |prefix: &str| {
            key.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !key.chars().all(plain) || key.ends_with('.') {
            return Err(ConfigLineError::Unknown(key.into()));
        }
        if !FREE.iter().any(|prefix| below(prefix)) {
            return Err(match OWNED.iter().find(|(prefix, _)| below(prefix)) {
                Some((_, instead)) => ConfigLineError::Owned {
                    key: key.into(),
                    instead,
                },
                None => ConfigLineError::Unknown(key.into()),
            });
        }
        if value.chars().any(char::is_control) {
            return Err(ConfigLineError::Control(key.into()));
        }
        Ok(Self {
            key: key.into(),
            value: value.trim().into(),
        })
    }
}

impl FromStr for ConfigLine {
    type Err = ConfigLineError;
    fn from_str(text: &str) -> Result<Self, ConfigLineError> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| ConfigLineError::Form(text.into()))?;
        Self::new(key.trim(), value)
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
    fn a_config_line_keeps_to_what_is_not_lockers_own() {
        let line: ConfigLine = " lxc.mount.auto = proc:mixed ".parse().unwrap();
        assert_eq!((&*line.key, &*line.value), ("lxc.mount.auto", "proc:mixed"));
        for good in [
            "lxc.hook.mount=/x",
            "lxc.cap.drop =",
            "lxc.prlimit.nofile = 1=2",
        ] {
            assert!(good.parse::<ConfigLine>().is_ok(), "{good}");
        }
        for owned in [
            "lxc.net.0.link = x",
            "lxc.uts.name = x",
            "lxc.rootfs.path = x",
            "lxc.include = /x",
            "lxc.mount.fstab = x",
            "lxc.console.logfile = x",
            "lxc.idmap = u 0 1 2",
            "lxc.environment = A=b",
            "lxc.cgroup.memory.max = 1",
            "lxc.cgroup2.memory.max = 1",
            "lxc.log.file = x",
        ] {
            let error = owned.parse::<ConfigLine>();
            assert!(
                matches!(error, Err(ConfigLineError::Owned { .. })),
                "{owned}"
            );
        }
        for unknown in [
            "lxc.mont.entry = x",
            "lx = 1",
            "lxc.netx = 1",
            "lxc.a\nlxc.b = 1",
        ] {
            let error = unknown.parse::<ConfigLine>();
            assert!(
                matches!(error, Err(ConfigLineError::Unknown(_))),
                "{unknown}"
            );
        }
        let two_lines = ConfigLine::new("lxc.mount.auto", "a\nlxc.include = /evil");
        assert_eq!(
            two_lines,
            Err(ConfigLineError::Control("lxc.mount.auto".into()))
        );
    }

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
