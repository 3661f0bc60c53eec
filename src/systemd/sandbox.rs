//! How far a supervisor is locked down: as far as what it does allows.
//!
//! The supervisor of an application container talks to the engine's socket and to systemd, no more. That
//! of a system container is its monitor: what it is forbidden its container is forbidden too (seccomp
//! filters and `no_new_privs` are inherited), so only what no system container needs is taken away.
//! docs/systemd.md lists both with their reasons.

use crate::model::{Kind, Test, UnitSpec};

const APPLICATION: &[&str] = &[
    "CapabilityBoundingSet=",
    "NoNewPrivileges=yes",
    "PrivateDevices=yes",
    "PrivateNetwork=yes",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHome=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    // Where the count of failed starts is kept.
    "ReadWritePaths=-/run/locker",
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

const SYSTEM: &[&str] = &["RestrictRealtime=yes", "ProtectClock=yes"];

/// The directives, a line each.
pub(super) fn sandbox(unit: &UnitSpec) -> String {
    let lines = match unit.kind {
        Kind::Application => APPLICATION,
        // `ProtectClock` brings a device filter of its own, which a container with devices would meet.
        Kind::System if unit.isolate => SYSTEM,
        Kind::System => &SYSTEM[..1],
    };
    let lines = lines.iter().filter(|line| !hides(line, unit));
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
