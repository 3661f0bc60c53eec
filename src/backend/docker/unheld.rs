//! Limits that the engine's host cannot hold. The engine makes a container without them and remarks so in
//! its answer; what it knows beforehand is told by its `info`.
//!
//! Source: moby, `daemon/info_unix.go` (what `info` says) and `verifyPlatformContainerResources` of
//! `daemon/daemon_unix.go` (what is left out, and the remarks).

use std::collections::BTreeSet;

use bollard::models::{SystemInfo, SystemInfoCgroupVersionEnum};

use crate::model::AppLimits;
use crate::observed::EngineLimit;

/// The limits that `info` says are left out. What it does not speak of is taken for held.
pub(super) fn of(info: &SystemInfo) -> BTreeSet<EngineLimit> {
    let unified = info.cgroup_version == Some(SystemInfoCgroupVersionEnum::_2);
    let no = |said: Option<bool>| said == Some(false);
    let warned = |word: &str| {
        let mut all = info.warnings.iter().flatten();
        all.any(|line| line.contains(word))
    };
    let found = [
        (EngineLimit::Memory, no(info.memory_limit)),
        (EngineLimit::Swap, no(info.swap_limit)),
        (EngineLimit::Swappiness, unified || no(info.memory_limit)),
        (EngineLimit::OomKillDisable, no(info.oom_kill_disable)),
        (
            EngineLimit::CpuTime,
            no(info.cpu_cfs_quota) || no(info.cpu_cfs_period),
        ),
        (EngineLimit::CpuShares, no(info.cpu_shares)),
        (EngineLimit::CpuRealtime, unified),
        (EngineLimit::Cpuset, no(info.cpu_set)),
        (EngineLimit::Pids, no(info.pids_limit)),
        (EngineLimit::BlockWeight, warned("No io.weight support")),
        (
            EngineLimit::BlockWeightDevice,
            warned("No io.weight (per device) support"),
        ),
        (
            EngineLimit::BlockThrottle,
            warned("No io.max (") || warned("No blkio throttle."),
        ),
    ];
    let unheld = found.into_iter().filter(|(_, unheld)| *unheld);
    unheld.map(|(limit, _)| limit).collect()
}

/// What a remark of the engine about a container means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remark {
    /// Something that the file asks for was left out: the container is not what was planned.
    LeftOut,
    /// Of no concern: nobody asked for what was left out, and the plan has told it.
    Known,
    /// Worth knowing; the container is what was planned.
    Worth,
}

/// Sorts a remark. The engine has no codes for them: all that it leaves out it calls `discarded`, but for
/// swap, which it limits by itself wherever memory is limited.
pub(super) fn sort(remark: &str, limits: &AppLimits) -> Remark {
    if remark.contains("limited without swap") {
        let asked = limits.memory_swap.is_some_and(|swap| swap > 0);
        return match asked {
            true => Remark::LeftOut,
            false => Remark::Known,
        };
    }
    match remark.to_lowercase().contains("discarded") {
        true => Remark::LeftOut,
        false => Remark::Worth,
    }
}

/// What is wrong, of a remark that says so.
pub(super) fn left_out(remark: &str) -> String {
    format!("the engine leaves out what the file asks for: {remark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_info_denies_is_not_held_and_what_it_does_not_say_is() {
        let all = |info: &str| of(&serde_json::from_str(info).unwrap());
        // Engine 20.10 in a system container whose machine keeps the controllers.
        let bare = r#"{"MemoryLimit":false,"SwapLimit":false,"CpuCfsPeriod":false,"CpuCfsQuota":false,
            "CPUShares":false,"CPUSet":false,"PidsLimit":false,"OomKillDisable":false,"CgroupVersion":"2",
            "Warnings":["WARNING: No memory limit support","WARNING: No io.weight support",
            "WARNING: No io.weight (per device) support","WARNING: No io.max (rbps) support"]}"#;
        assert_eq!(all(bare).len(), 12);
        let whole = r#"{"MemoryLimit":true,"SwapLimit":true,"CpuCfsPeriod":true,"CpuCfsQuota":true,
            "CPUShares":true,"CPUSet":true,"PidsLimit":true,"OomKillDisable":true,"CgroupVersion":"1",
            "Warnings":null}"#;
        assert_eq!(all(whole), BTreeSet::new());
        assert_eq!(all("{}"), BTreeSet::new());
        // A Debian kernel of version 1 that counts no swap unless it is booted so.
        let no_swap = whole.replace(r#""SwapLimit":true"#, r#""SwapLimit":false"#);
        assert_eq!(all(&no_swap), BTreeSet::from([EngineLimit::Swap]));
        let unified = r#"{"MemoryLimit":true,"OomKillDisable":false,"CgroupVersion":"2"}"#;
        let never = [
            EngineLimit::Swappiness,
            EngineLimit::OomKillDisable,
            EngineLimit::CpuRealtime,
        ];
        assert_eq!(all(unified), BTreeSet::from(never));
    }

    #[test]
    fn a_remark_about_what_was_asked_for_is_a_failure() {
        let none = AppLimits::default();
        let swap = AppLimits {
            memory_swap: Some(1 << 30),
            ..AppLimits::default()
        };
        let without = "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.";
        let pids = "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.";
        let platform = "The requested image's platform (linux/arm64) does not match the detected host platform (linux/amd64/v3) and no specific platform was requested";
        for (remark, limits, meaning) in [
            (pids, &none, Remark::LeftOut),
            (without, &none, Remark::Known),
            (without, &swap, Remark::LeftOut),
            (platform, &swap, Remark::Worth),
            (
                "IPv4 forwarding is disabled. Networking will not work.",
                &none,
                Remark::Worth,
            ),
        ] {
            assert_eq!(sort(remark, limits), meaning, "{remark}");
        }
    }
}
