//! What only system containers have: what their own init is granted and finds.
//!
//! The words are those of the Compose Specification where it has them, so that a key means the same for both
//! kinds of containers; [`super::App`] holds them for the other kind.

use serde::{Deserialize, Serialize};

use super::granted::is_false;
use super::{AppLimits, Granted, Key, Limit, Provision};

/// The settings of a system container. What is none or empty is left to LXC's own configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct System {
    /// Containers may run inside.
    #[serde(skip_serializing_if = "is_false")]
    pub nesting: bool,
    /// What the kernel grants it.
    #[serde(flatten)]
    pub granted: Granted,
    /// Further lines of its hosts file: name, and address or `host-gateway`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<(String, String)>,
    /// Search domains of its resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// Options of its resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_opt: Vec<String>,
    /// How likely its init is to be killed where memory is short, from -1000 to 1000 (proc(5), oom_score_adj).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i64>,
    /// The signal that asks its init to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// What it is furnished with from inside, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provisions: Vec<Provision>,
}

impl System {
    /// Whether the file says nothing of it.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// The period that a number of processors is a share of, microseconds.
const PERIOD: u64 = 100_000;

/// Limits in the engine's terms as keys of cgroups, each with the key of the file that says it; the host's
/// version is worked out later ([`super::translate_all`]).
pub fn limits_of(limits: &AppLimits) -> Vec<(Limit, Key)> {
    let endless = |n: i64| match n {
        -1 => "max".to_string(),
        n => n.to_string(),
    };
    let cpus = |nano: u64| {
        let quota = u128::from(nano) * u128::from(PERIOD) / 1_000_000_000;
        // The kernel takes no less than a millisecond.
        format!("{} {PERIOD}", quota.max(1000))
    };
    let text = |n: Option<u64>| n.map(|n| n.to_string());
    let memory = limits.memory.filter(|n| *n > 0);
    let swap = limits.memory_swap.filter(|n| *n != 0);
    // Nothing and -1 are no limit, as the engine has it.
    let pids = limits.pids.filter(|n| *n != 0);
    let all = [
        ("memory.max", text(memory), Key::MemLimit),
        (
            "memory.low",
            text(limits.memory_reservation),
            Key::MemReservation,
        ),
        (
            "memory.memsw.limit_in_bytes",
            swap.map(endless),
            Key::MemswapLimit,
        ),
        (
            "memory.swappiness",
            text(limits.memory_swappiness),
            Key::MemSwappiness,
        ),
        ("cpu.max", limits.nano_cpus.map(cpus), Key::Cpus),
        ("cpu.shares", text(limits.cpu_shares), Key::CpuShares),
        ("cpu.cfs_period_us", text(limits.cpu_period), Key::CpuPeriod),
        (
            "cpu.cfs_quota_us",
            limits.cpu_quota.map(|n| n.to_string()),
            Key::CpuQuota,
        ),
        (
            "cpu.rt_period_us",
            text(limits.cpu_rt_period),
            Key::CpuRtPeriod,
        ),
        (
            "cpu.rt_runtime_us",
            text(limits.cpu_rt_runtime),
            Key::CpuRtRuntime,
        ),
        ("cpuset.cpus", limits.cpuset.clone(), Key::Cpuset),
        ("cpuset.mems", limits.cpuset_mems.clone(), Key::Cpuset),
        ("pids.max", pids.map(endless), Key::PidsLimit),
        (
            "blkio.weight",
            limits.blkio_weight.map(|n| n.to_string()),
            Key::BlkioConfig,
        ),
    ];
    let given = all.into_iter().filter_map(|(name, value, key)| {
        let limit = Limit {
            key: name.into(),
            value: value?,
        };
        Some((limit, key))
    });
    given.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_in_the_engine_s_terms_are_keys_of_cgroups() {
        let limits = AppLimits {
            memory: Some(200 << 20),
            memory_swap: Some(-1),
            nano_cpus: Some(500_000_000),
            pids: Some(-1),
            cpuset: Some("0-1".into()),
            ..AppLimits::default()
        };
        let text: Vec<String> = limits_of(&limits)
            .iter()
            .map(|(limit, key)| format!("{key}: {limit}"))
            .collect();
        let expected = [
            "mem_limit: memory.max=209715200",
            "memswap_limit: memory.memsw.limit_in_bytes=max",
            "cpus: cpu.max=50000 100000",
            "cpuset: cpuset.cpus=0-1",
            "pids_limit: pids.max=max",
        ];
        assert_eq!(text, expected);
        for (limit, _) in limits_of(&limits) {
            assert!(Limit::new(&limit.key, &limit.value).is_ok(), "{limit}");
        }
    }

    #[test]
    fn a_share_of_a_processor_is_never_less_than_the_kernel_takes() {
        let tiny = AppLimits {
            nano_cpus: Some(1_000_000),
            ..AppLimits::default()
        };
        assert_eq!(limits_of(&tiny)[0].0.value, "1000 100000");
    }

    #[test]
    fn what_the_file_does_not_say_is_not_written_down() {
        let usual = serde_json::to_string(&System::default()).unwrap();
        assert_eq!(usual, "{}");
        assert!(System::default().is_usual());
    }
}
