//! Raw lines of lxc.container.conf(5): which keys a user may set, and what to use for the others.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One raw `lxc.* = value` line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigLine {
    /// `lxc.…`, checked not to be one that locker itself sets.
    pub key: String,
    /// The value, without control characters.
    pub value: String,
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
}
