//! How far a supervisor is locked down: as far as what it does allows.
//!
//! The supervisor of an application container talks to the engine's socket and to systemd, no more. That
//! of a system container is its monitor: what it is forbidden its container is forbidden too (seccomp
//! filters and `no_new_privs` are inherited), so only what no system container needs is taken away.
//! docs/systemd.md lists both with their reasons.

use crate::model::{Kind, Test, UnitSpec};
use crate::sys;

/// What keeps the supervisor of an application container from the host's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walls {
    /// It shuts itself in when it begins. systemd makes no mount namespace for it: the kernel copies every mount of
    /// the host into each, and each start of a container then takes longer the more of them there are.
    Landlock,
    /// A mount namespace, where the kernel has no Landlock.
    Mounts,
}

impl Walls {
    /// What the kernel of this host can do.
    pub(super) fn of_this_host() -> Self {
        match sys::can_confine() {
            true => Self::Landlock,
            false => Self::Mounts,
        }
    }

    fn lines(self) -> &'static [&'static str] {
        match self {
            Self::Landlock => LANDLOCK,
            Self::Mounts => MOUNTS,
        }
    }
}

const APPLICATION: &[&str] = &[
    "CapabilityBoundingSet=",
    "NoNewPrivileges=yes",
    "PrivateNetwork=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "RestrictAddressFamilies=AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "UMask=0077",
];

const MOUNTS: &[&str] = &[
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "ProtectControlGroups=yes",
    "ProtectHome=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    // Where the count of failed starts is kept.
    "ReadWritePaths=-/run/locker",
];

const LANDLOCK: &[&str] = &[
    // From systemd 254 on a network of its own would bring one with it.
    "PrivateMounts=no",
    // Of files only what Landlock knows: modes, owners and attributes are not among that, and the owner of /etc
    // needs no capability to change them.
    "SystemCallFilter=~@chown @file-system",
    "SystemCallFilter=access chdir close creat faccessat faccessat2 fcntl fcntl64 fstat fstat64 fstatat64 fstatfs fstatfs64 ftruncate ftruncate64 getcwd getdents getdents64 lstat lstat64 mkdir mkdirat newfstatat open openat openat2 readlink readlinkat rename renameat renameat2 rmdir stat stat64 statfs statfs64 statx unlink unlinkat",
    "SystemCallFilter=landlock_add_rule landlock_create_ruleset landlock_restrict_self",
    "SystemCallErrorNumber=EPERM",
    // Tells it to.
    "Environment=LOCKER_WALLS=landlock",
];

const SYSTEM: &[&str] = &["RestrictRealtime=yes", "ProtectClock=yes"];

/// The directives, a line each.
pub(super) fn sandbox(unit: &UnitSpec, walls: Walls) -> String {
    let (lines, walls): (_, &[&str]) = match unit.kind {
        Kind::Application => (APPLICATION, walls.lines()),
        // `ProtectClock` brings a device filter of its own, which a container with devices would meet.
        Kind::System if unit.isolate => (SYSTEM, &[]),
        Kind::System => (&SYSTEM[..1], &[]),
    };
    let lines = lines.iter().chain(walls).filter(|line| !hides(line, unit));
    let lines = lines.filter_map(|line| match asks_by_port(unit) {
        true => with_network(line),
        false => Some(*line),
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// Whether the supervisor itself opens a connection to the container.
fn asks_by_port(unit: &UnitSpec) -> bool {
    let check = unit.healthcheck.as_ref();
    check.is_some_and(|check| matches!(check.test, Test::Port { .. }))
}

/// The directive for one that must reach its container's address.
fn with_network(line: &'static str) -> Option<&'static str> {
    match line {
        "PrivateNetwork=yes" => None,
        "RestrictAddressFamilies=AF_UNIX" => {
            Some("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6")
        }
        other => Some(other),
    }
}

/// Whether a directive would hide the engine's socket.
fn hides(line: &str, unit: &UnitSpec) -> bool {
    let below = |dirs: &[&str]| {
        let engine = unit.engine.as_ref();
        engine.is_some_and(|socket| dirs.iter().any(|dir| socket.starts_with(dir)))
    };
    match line {
        "PrivateTmp=yes" => below(&["/tmp", "/var/tmp"]),
        "ProtectHome=yes" => below(&["/home", "/root", "/run/user"]),
        _ => false,
    }
}
