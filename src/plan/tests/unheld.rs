//! Limits that the host of the engine cannot hold are refused with their line, and nothing else is.

use super::apps::{mixed, mixed_with, settings};
use super::world::World;
use super::*;
use crate::observed::{EngineLimit, EngineOffer, Observed};

fn offering(unheld: &[EngineLimit]) -> Observed {
    let mut observed = Observed::default();
    observed.engine.offer = Some(EngineOffer {
        unheld: unheld.iter().copied().collect(),
        ..EngineOffer::default()
    });
    observed
}

fn told(file: &Project, observed: &Observed) -> Vec<String> {
    let problems = plan(file, observed, &wish(Goal::Up)).unwrap_err();
    let line = |p: &Problem| p.place.as_ref().map_or(0, |place| place.line);
    let all = problems.iter();
    all.map(|p| format!("{}: {}", line(p), p.message)).collect()
}

const ALL: [EngineLimit; 12] = [
    EngineLimit::Memory,
    EngineLimit::Swap,
    EngineLimit::Swappiness,
    EngineLimit::OomKillDisable,
    EngineLimit::CpuTime,
    EngineLimit::CpuShares,
    EngineLimit::CpuRealtime,
    EngineLimit::Cpuset,
    EngineLimit::Pids,
    EngineLimit::BlockWeight,
    EngineLimit::BlockWeightDevice,
    EngineLimit::BlockThrottle,
];

fn device(kind: ThrottleKind) -> Throttle {
    Throttle {
        kind,
        path: "/dev/sda".into(),
        rate: 100,
    }
}

#[test]
fn what_the_engine_would_leave_out_is_refused_with_its_line() {
    let file = mixed_with("web", |web| {
        web.places.insert(Key::MemLimit, place(51));
        web.places.insert(Key::Deploy, place(52));
        web.places.insert(Key::CpuQuota, place(53));
        web.places.insert(Key::BlkioConfig, place(54));
        let settings = settings(web);
        settings.oom_kill_disable = Some(true);
        settings.limits = AppLimits {
            memory: Some(64 << 20),
            memory_reservation: Some(32 << 20),
            memory_swap: Some(128 << 20),
            memory_swappiness: Some(0),
            cpu_quota: Some(50_000),
            cpu_shares: Some(512),
            cpu_rt_runtime: Some(1000),
            cpuset: Some("0".into()),
            pids: Some(50),
            blkio_weight: Some(300),
            blkio_throttle: vec![device(ThrottleKind::Weight), device(ThrottleKind::ReadBps)],
            ..AppLimits::default()
        };
    });
    let of = "of container `web` needs";
    let lacks = "which the engine's host does not have";
    let wanted = [
        (51, "mem_limit", "the cgroup controller `memory`"),
        (
            52,
            "deploy.resources.reservations.memory",
            "the cgroup controller `memory`",
        ),
        (30, "memswap_limit", "a kernel that counts swap"),
        (
            30,
            "mem_swappiness",
            "version 1 of the cgroup controller `memory`",
        ),
        (
            30,
            "oom_kill_disable",
            "version 1 of the cgroup controller `memory`",
        ),
        (
            53,
            "cpu_quota",
            "the cgroup controller `cpu` with CFS bandwidth",
        ),
        (30, "cpu_shares", "the cgroup controller `cpu`"),
        (
            30,
            "cpu_rt_runtime",
            "version 1 of the cgroup controller `cpu`",
        ),
        (30, "cpuset", "the cgroup controller `cpuset`"),
        (
            52,
            "deploy.resources.limits.pids",
            "the cgroup controller `pids`",
        ),
        (
            54,
            "blkio_config.weight",
            "the cgroup controller `io` with weights",
        ),
        (
            54,
            "blkio_config.weight_device",
            "the cgroup controller `io` with weights",
        ),
        (
            54,
            "blkio_config",
            "the cgroup controller `io` with throttles",
        ),
    ];
    let wanted = wanted.map(|(line, key, needs)| format!("{line}: `{key}` {of} {needs}, {lacks}"));
    assert_eq!(told(&file, &offering(&ALL)), wanted);
    assert!(plan(&file, &offering(&[]), &wish(Goal::Up)).is_ok());
    assert!(plan(&mixed(), &offering(&ALL), &wish(Goal::Up)).is_ok());
}

#[test]
fn an_entry_of_cgroup_is_told_with_its_own_line() {
    let file = mixed_with("web", |web| {
        let mut put = |text: &str, line| web.cgroup.push((text.parse().unwrap(), place(line)));
        put("memory.limit_in_bytes=64M", 36);
        put("pids.max=50", 37);
        put("cpu.weight=50", 38);
    });
    let limits = [EngineLimit::Pids, EngineLimit::CpuShares];
    assert_eq!(
        told(&file, &offering(&limits)),
        [
            "38: `cpu.weight` of container `web` needs the cgroup controller `cpu`, which the engine's host does not have",
            "37: `pids.max` of container `web` needs the cgroup controller `pids`, which the engine's host does not have"
        ]
    );
}

#[test]
fn what_means_no_limit_needs_nothing_of_the_host() {
    let file = mixed_with("web", |web| {
        let settings = settings(web);
        settings.oom_kill_disable = Some(false);
        settings.limits = AppLimits {
            pids: Some(-1),
            memory_swap: Some(-1),
            ..AppLimits::default()
        };
    });
    assert!(plan(&file, &offering(&ALL), &wish(Goal::Up)).is_ok());
}

#[test]
fn swap_that_nobody_limits_and_memory_does_is_a_warning() {
    let limited = |swap: Option<i64>| {
        mixed_with("web", |web| {
            web.places.insert(Key::MemLimit, place(51));
            settings(web).limits.memory = Some(64 << 20);
            settings(web).limits.memory_swap = swap;
        })
    };
    let observed = offering(&[EngineLimit::Swap]);
    let warned = |file: &Project| plan(file, &observed, &wish(Goal::Up)).unwrap().warnings;
    let warning = Warning {
        message: "the memory of container `web` is limited, but not its swap: the engine's host does not count swap".into(),
        place: Some(place(51)),
    };
    assert_eq!(warned(&limited(None)), [warning]);
    assert_eq!(warned(&limited(Some(-1))), []);
    assert_eq!(
        told(&limited(Some(128 << 20)), &observed),
        [
            "30: `memswap_limit` of container `web` needs a kernel that counts swap, which the engine's host does not have"
        ]
    );
}

#[test]
fn a_container_that_was_made_without_its_limit_is_not_taken_for_done() {
    let file = mixed_with("web", |web| {
        web.places.insert(Key::MemLimit, place(51));
        settings(web).limits.memory = Some(64 << 20);
    });
    let mut world = World::of(&file);
    assert_eq!(world.text(&file, &wish(Goal::Up)), "nothing to do");
    world.seen.engine.offer = offering(&[EngineLimit::Memory]).engine.offer;
    assert_eq!(
        told(&file, &world.look()),
        [
            "51: `mem_limit` of container `web` needs the cgroup controller `memory`, which the engine's host does not have"
        ]
    );
    assert!(plan(&file, &world.look(), &wish(Goal::Stop)).is_ok());
    assert!(plan(&file, &world.look(), &wish(DOWN)).is_ok());
}
