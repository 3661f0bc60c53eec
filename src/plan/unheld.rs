//! Limits that the host of the engine cannot hold: the engine would make the container without them.

use crate::model::{App, AppLimits, Container, Key, Place, ThrottleKind};
use crate::observed::{EngineLimit, Observed};

use super::desire::refusal;
use super::{Problem, Warning};

/// What of a limit there is to tell.
struct Words {
    /// The keys of the file that set it.
    keys: &'static [(Key, &'static str)],
    /// What the keys of `cgroup` that set it begin with.
    cgroup: &'static [&'static str],
    needs: &'static str,
    help: &'static str,
}

const TAKE_OUT: &str = "take it out; `docker info` lists what the engine's host lacks";
const TAKE_OUT_MEMORY: &str =
    "take it out; some kernels have it with `cgroup_enable=memory` on their command line";
const NOT_V2: &str = "take it out: version 2 of cgroups has nothing like it";

/// All limits that the settings have.
fn limits(app: &App) -> Vec<(EngineLimit, Words)> {
    let set = set(app, &app.limits).into_iter();
    let wished = set.filter(|(_, is_set, _)| *is_set);
    wished.map(|(limit, _, words)| (limit, words)).collect()
}

fn set(app: &App, all: &AppLimits) -> [(EngineLimit, bool, Words); 13] {
    let time = all.nano_cpus.is_some() || all.cpu_period.is_some() || all.cpu_quota.is_some();
    let cpuset = all.cpuset.is_some() || all.cpuset_mems.is_some();
    let realtime = all.cpu_rt_runtime.is_some() || all.cpu_rt_period.is_some();
    let of_device = |weight: bool| {
        let mut devices = all.blkio_throttle.iter();
        devices.any(|device| (device.kind == ThrottleKind::Weight) == weight)
    };
    [
        (EngineLimit::Memory, all.memory > Some(0), MEMORY),
        (EngineLimit::Memory, all.memory_reservation > Some(0), KEPT),
        (EngineLimit::Swap, all.memory_swap > Some(0), SWAP),
        (
            EngineLimit::Swappiness,
            all.memory_swappiness.is_some(),
            SWAPPINESS,
        ),
        (
            EngineLimit::OomKillDisable,
            app.oom_kill_disable == Some(true),
            OOM,
        ),
        (EngineLimit::CpuTime, time, TIME),
        (EngineLimit::CpuShares, all.cpu_shares > Some(0), SHARES),
        (EngineLimit::CpuRealtime, realtime, REALTIME),
        (EngineLimit::Cpuset, cpuset, CPUSET),
        (EngineLimit::Pids, all.pids > Some(0), PIDS),
        (EngineLimit::BlockWeight, all.blkio_weight > Some(0), WEIGHT),
        (EngineLimit::BlockWeightDevice, of_device(true), OF_DEVICE),
        (EngineLimit::BlockThrottle, of_device(false), THROTTLE),
    ]
}

const MEMORY: Words = Words {
    keys: &[
        (Key::MemLimit, "mem_limit"),
        (Key::Deploy, "deploy.resources.limits.memory"),
    ],
    cgroup: &["memory.max", "memory.limit_in_bytes"],
    needs: "the cgroup controller `memory`",
    help: TAKE_OUT_MEMORY,
};
const KEPT: Words = Words {
    keys: &[
        (Key::MemReservation, "mem_reservation"),
        (Key::Deploy, "deploy.resources.reservations.memory"),
    ],
    cgroup: &["memory.low", "memory.high", "memory.soft_limit_in_bytes"],
    ..MEMORY
};
const SWAP: Words = Words {
    keys: &[(Key::MemswapLimit, "memswap_limit")],
    cgroup: &["memory.swap.max", "memory.memsw.limit_in_bytes"],
    needs: "a kernel that counts swap",
    help: "take it out, or boot the host with `swapaccount=1` on its kernel's command line",
};
const SWAPPINESS: Words = Words {
    keys: &[(Key::MemSwappiness, "mem_swappiness")],
    cgroup: &["memory.swappiness"],
    needs: "version 1 of the cgroup controller `memory`",
    help: "take it out; the host has one for all, `sysctl vm.swappiness`",
};
const OOM: Words = Words {
    keys: &[(Key::OomKillDisable, "oom_kill_disable")],
    cgroup: &[],
    needs: "version 1 of the cgroup controller `memory`",
    help: "take it out; `oom_score_adj` makes it a less likely victim",
};
const TIME: Words = Words {
    keys: &[
        (Key::Cpus, "cpus"),
        (Key::CpuQuota, "cpu_quota"),
        (Key::CpuPeriod, "cpu_period"),
        (Key::Deploy, "deploy.resources.limits.cpus"),
    ],
    cgroup: &["cpu.max", "cpu.cfs_"],
    needs: "the cgroup controller `cpu` with CFS bandwidth",
    help: TAKE_OUT,
};
const SHARES: Words = Words {
    keys: &[(Key::CpuShares, "cpu_shares")],
    cgroup: &["cpu.shares", "cpu.weight"],
    needs: "the cgroup controller `cpu`",
    help: TAKE_OUT,
};
const REALTIME: Words = Words {
    keys: &[
        (Key::CpuRtRuntime, "cpu_rt_runtime"),
        (Key::CpuRtPeriod, "cpu_rt_period"),
    ],
    cgroup: &["cpu.rt_"],
    needs: "version 1 of the cgroup controller `cpu`",
    help: NOT_V2,
};
const CPUSET: Words = Words {
    keys: &[(Key::Cpuset, "cpuset")],
    cgroup: &["cpuset."],
    needs: "the cgroup controller `cpuset`",
    help: TAKE_OUT,
};
const PIDS: Words = Words {
    keys: &[
        (Key::PidsLimit, "pids_limit"),
        (Key::Deploy, "deploy.resources.limits.pids"),
    ],
    cgroup: &["pids."],
    needs: "the cgroup controller `pids`",
    help: TAKE_OUT,
};
const WEIGHT: Words = Words {
    keys: &[(Key::BlkioConfig, "blkio_config.weight")],
    cgroup: &["blkio.weight", "io.weight"],
    needs: "the cgroup controller `io` with weights",
    help: TAKE_OUT,
};
const OF_DEVICE: Words = Words {
    keys: &[(Key::BlkioConfig, "blkio_config.weight_device")],
    cgroup: &[],
    ..WEIGHT
};
const THROTTLE: Words = Words {
    keys: &[(Key::BlkioConfig, "blkio_config")],
    cgroup: &[],
    needs: "the cgroup controller `io` with throttles",
    help: TAKE_OUT,
};

/// Refuses limits that the engine would leave out. The settings have those of `cgroup` in them already.
pub(super) fn check(
    container: &Container,
    app: &App,
    observed: &Observed,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) {
    let Some(offer) = &observed.engine.offer else {
        return;
    };
    let name = &container.name;
    for (limit, words) in limits(app) {
        if !offer.unheld.contains(&limit) {
            continue;
        }
        let (key, written, place) = spot(container, &words);
        let message = format!(
            "`{written}` of container `{name}` needs {}, which the engine's host does not have",
            words.needs
        );
        let mut problem = refusal(container, key, place, message);
        problem.help = Some(words.help.into());
        problems.push(problem);
    }
    let unheld = |limit| offer.unheld.contains(&limit);
    let limited = app.limits.memory > Some(0) && app.limits.memory_swap.is_none();
    if limited && unheld(EngineLimit::Swap) && !unheld(EngineLimit::Memory) {
        let (key, _, place) = spot(container, &MEMORY);
        let place = place.unwrap_or_else(|| container.place_of(key));
        warnings.push(Warning {
            message: format!(
                "the memory of container `{name}` is limited, but not its swap: the engine's host does not count swap"
            ),
            place: Some(place.clone()),
        });
    }
}

/// Where a limit is set: the key, what is written there, and the entry of `cgroup` if it is one.
fn spot<'a>(container: &'a Container, words: &Words) -> (Key, String, Option<&'a Place>) {
    let begins = |key: &str| words.cgroup.iter().any(|start| key.starts_with(start));
    // An entry of `cgroup` wins over the other keys.
    let entry = container.cgroup.iter().rev().find(|(l, _)| begins(&l.key));
    if let Some((limit, place)) = entry {
        return (Key::Cgroup, limit.key.clone(), Some(place));
    }
    let there = |(key, _): &&(Key, &str)| container.places.contains_key(key);
    let (key, written) = words.keys.iter().find(there).unwrap_or(&words.keys[0]);
    (*key, (*written).to_owned(), None)
}
