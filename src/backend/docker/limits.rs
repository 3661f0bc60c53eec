//! Limits and restart policies in the engine's words, when a container is made and while it lives.
//!
//! Making and changing have a type each in the engine's interface; the values are the same.

use bollard::models::{
    ContainerUpdateBody, HostConfig, ResourcesBlkioWeightDevice, RestartPolicy,
    RestartPolicyNameEnum, ThrottleDevice,
};

use crate::model::{AppLimits, ContainerSpec, Restart, Throttle, ThrottleKind};

/// A number for the engine, which counts in 64 bits with a sign.
pub(super) fn number(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// Whether the engine starts it again when it ends: not when systemd does. The check of
/// [`Restart::OnUnhealthy`] is not the engine's work.
pub(super) fn restart_policy(spec: &ContainerSpec) -> RestartPolicy {
    let restart = if spec.supervised {
        Restart::No
    } else {
        spec.restart
    };
    let (name, most) = match restart {
        Restart::No => (RestartPolicyNameEnum::NO, None),
        Restart::Always => (RestartPolicyNameEnum::ALWAYS, None),
        Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        Restart::OnFailure { most } => (RestartPolicyNameEnum::ON_FAILURE, most),
        Restart::OnUnhealthy => (RestartPolicyNameEnum::ON_FAILURE, None),
    };
    RestartPolicy {
        name: Some(name),
        maximum_retry_count: most.map(i64::from),
    }
}

/// `config` with the limits in it.
pub(super) fn of_host_config(limits: &AppLimits, config: HostConfig) -> HostConfig {
    let throttles = |kind| throttles(limits, kind);
    HostConfig {
        memory: limits.memory.map(number),
        memory_reservation: limits.memory_reservation.map(number),
        memory_swap: limits.memory_swap,
        memory_swappiness: limits.memory_swappiness.map(number),
        nano_cpus: limits.nano_cpus.map(number),
        cpu_shares: limits.cpu_shares.map(number),
        cpu_period: limits.cpu_period.map(number),
        cpu_quota: limits.cpu_quota,
        cpu_realtime_runtime: limits.cpu_rt_runtime.map(number),
        cpu_realtime_period: limits.cpu_rt_period.map(number),
        cpuset_cpus: limits.cpuset.clone(),
        cpuset_mems: limits.cpuset_mems.clone(),
        pids_limit: limits.pids,
        blkio_weight: limits.blkio_weight,
        blkio_weight_device: weights(limits),
        blkio_device_read_bps: throttles(ThrottleKind::ReadBps),
        blkio_device_write_bps: throttles(ThrottleKind::WriteBps),
        blkio_device_read_iops: throttles(ThrottleKind::ReadIops),
        blkio_device_write_iops: throttles(ThrottleKind::WriteIops),
        ..config
    }
}

fn of_kind(limits: &AppLimits, kind: ThrottleKind) -> impl Iterator<Item = &Throttle> {
    limits.blkio_throttle.iter().filter(move |t| t.kind == kind)
}

fn throttles(limits: &AppLimits, kind: ThrottleKind) -> Option<Vec<ThrottleDevice>> {
    let list: Vec<_> = of_kind(limits, kind)
        .map(|throttle| ThrottleDevice {
            path: Some(throttle.path.to_string_lossy().into_owned()),
            rate: Some(number(throttle.rate)),
        })
        .collect();
    (!list.is_empty()).then_some(list)
}

fn weights(limits: &AppLimits) -> Option<Vec<ResourcesBlkioWeightDevice>> {
    let list: Vec<_> = of_kind(limits, ThrottleKind::Weight)
        .map(|weight| ResourcesBlkioWeightDevice {
            path: Some(weight.path.to_string_lossy().into_owned()),
            weight: Some(usize::try_from(weight.rate).unwrap_or(usize::MAX)),
        })
        .collect();
    (!list.is_empty()).then_some(list)
}

/// What has no limit looks like this, for limits that the engine cannot take away again: to it a
/// missing or zero value means "as it is".
pub(super) struct Unlimited {
    /// All processors of the host, `0-7`.
    pub(super) cpus: String,
    /// How many they are.
    pub(super) count: u64,
    /// All memory nodes.
    pub(super) mems: String,
}

/// More memory than any host has, and a whole number of pages.
const ALL_MEMORY: i64 = i64::MAX & !0xffff;
/// The least that the engine takes for memory that is kept: 6 MiB.
const LEAST_RESERVATION: i64 = 6 << 20;
/// The usual relative weights (Linux, cgroup v1).
const USUAL_SHARES: i64 = 1024;
const USUAL_WEIGHT: u16 = 500;
/// The usual length of a scheduling period, microseconds.
const USUAL_PERIOD: i64 = 100_000;

/// What changes the limits of a container that lives from `old` to `new`; what is the same in both is
/// left out, what `new` does not have any more is given its widest value.
pub(super) fn change(old: &AppLimits, new: &AppLimits, without: &Unlimited) -> ContainerUpdateBody {
    let mut body = ContainerUpdateBody {
        nano_cpus: changed(old.nano_cpus, new.nano_cpus)
            .map(|v| v.map_or(number(without.count.saturating_mul(1_000_000_000)), number)),
        cpu_shares: changed(old.cpu_shares, new.cpu_shares).map(|v| v.map_or(USUAL_SHARES, number)),
        cpu_period: changed(old.cpu_period, new.cpu_period).map(|v| v.map_or(USUAL_PERIOD, number)),
        cpu_quota: changed(old.cpu_quota, new.cpu_quota).map(|v| v.unwrap_or(-1)),
        cpu_realtime_runtime: changed(old.cpu_rt_runtime, new.cpu_rt_runtime)
            .map(|v| v.map_or(0, number)),
        cpu_realtime_period: changed(old.cpu_rt_period, new.cpu_rt_period)
            .map(|v| v.map_or(1_000_000, number)),
        cpuset_cpus: changed(old.cpuset.as_ref(), new.cpuset.as_ref())
            .map(|v| v.unwrap_or(&without.cpus).clone()),
        cpuset_mems: changed(old.cpuset_mems.as_ref(), new.cpuset_mems.as_ref())
            .map(|v| v.unwrap_or(&without.mems).clone()),
        pids_limit: changed(old.pids, new.pids).map(|v| v.unwrap_or(-1)),
        blkio_weight: changed(old.blkio_weight, new.blkio_weight)
            .map(|v| v.unwrap_or(USUAL_WEIGHT)),
        memory_reservation: changed(old.memory_reservation, new.memory_reservation)
            .map(|v| v.map_or(LEAST_RESERVATION, number)),
        ..ContainerUpdateBody::default()
    };
    // Without a word the engine keeps the period that others have set.
    if body.cpu_quota.is_some() && new.cpu_quota.is_some() {
        body.cpu_period = Some(new.cpu_period.map_or(USUAL_PERIOD, number));
    }
    // The engine checks the two against each other, so they go together; without a word about swap it
    // gives as much of it as memory, when a container is made.
    if (old.memory, old.memory_swap) != (new.memory, new.memory_swap) {
        body.memory = Some(new.memory.map_or(ALL_MEMORY, number));
        body.memory_swap = Some(match (new.memory_swap, new.memory) {
            (Some(swap), _) => swap,
            (None, Some(memory)) => number(memory.saturating_mul(2)),
            (None, None) => -1,
        });
    }
    body
}

/// `old` without the limits of memory, processor time and tasks that are the same in `new`, so that [`change`] asks for
/// them once more.
pub(super) fn other_than(old: &AppLimits, new: &AppLimits) -> AppLimits {
    fn other<T: Copy + PartialEq>(old: Option<T>, new: Option<T>) -> Option<T> {
        old.filter(|_| old != new)
    }
    AppLimits {
        memory: other(old.memory, new.memory),
        nano_cpus: other(old.nano_cpus, new.nano_cpus),
        cpu_quota: other(old.cpu_quota, new.cpu_quota),
        cpu_period: other(old.cpu_period, new.cpu_period),
        pids: other(old.pids, new.pids),
        ..old.clone()
    }
}

/// The new value when it is another one.
fn changed<T: PartialEq>(old: T, new: T) -> Option<T> {
    (old != new).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without() -> Unlimited {
        Unlimited {
            cpus: "0-3".into(),
            count: 4,
            mems: "0".into(),
        }
    }

    #[test]
    fn only_what_changed_is_changed() {
        let old = AppLimits {
            memory: Some(64 << 20),
            pids: Some(10),
            cpu_shares: Some(512),
            ..AppLimits::default()
        };
        assert_eq!(
            change(&old, &old, &without()),
            ContainerUpdateBody::default()
        );
        let new = AppLimits {
            pids: Some(20),
            ..old.clone()
        };
        let expected = ContainerUpdateBody {
            pids_limit: Some(20),
            ..ContainerUpdateBody::default()
        };
        assert_eq!(change(&old, &new, &without()), expected);
    }

    #[test]
    fn what_others_have_changed_is_asked_for_again_with_what_it_hangs_on() {
        let limits = AppLimits {
            memory: Some(64 << 20),
            memory_reservation: Some(32 << 20),
            nano_cpus: Some(500_000_000),
            pids: Some(10),
            ..AppLimits::default()
        };
        let again = other_than(&limits, &limits);
        let expected = ContainerUpdateBody {
            memory: Some(64 << 20),
            memory_swap: Some(128 << 20),
            nano_cpus: Some(500_000_000),
            pids_limit: Some(10),
            ..ContainerUpdateBody::default()
        };
        assert_eq!(change(&again, &limits, &without()), expected);
        // A quota comes with its period, which others may have changed.
        for (period, asked) in [(None, 100_000), (Some(50_000), 50_000)] {
            let limits = AppLimits {
                cpu_quota: Some(20_000),
                cpu_period: period,
                ..AppLimits::default()
            };
            let body = change(&other_than(&limits, &limits), &limits, &without());
            let both = (body.cpu_quota, body.cpu_period);
            assert_eq!(both, (Some(20_000), Some(asked)));
        }
        // What goes from the file is lifted all the same.
        let none = AppLimits::default();
        let body = change(&other_than(&limits, &none), &none, &without());
        assert_eq!(body.pids_limit, Some(-1));
    }

    #[test]
    fn a_limit_that_is_gone_from_the_file_becomes_the_widest_one() {
        let old = AppLimits {
            memory: Some(64 << 20),
            memory_reservation: Some(32 << 20),
            nano_cpus: Some(500_000_000),
            cpu_quota: Some(1000),
            cpuset: Some("0".into()),
            pids: Some(10),
            ..AppLimits::default()
        };
        let body = change(&old, &AppLimits::default(), &without());
        assert_eq!(body.memory.map(|memory| memory > 1 << 60), Some(true));
        assert_eq!(body.memory_swap, Some(-1));
        assert_eq!(body.memory_reservation, Some(LEAST_RESERVATION));
        assert_eq!(body.nano_cpus, Some(4_000_000_000));
        assert_eq!((body.cpu_quota, body.pids_limit), (Some(-1), Some(-1)));
        assert_eq!(body.cpuset_cpus.as_deref(), Some("0-3"));
        assert_eq!(body.cpu_shares, None);
    }

    #[test]
    fn more_memory_takes_swap_along_as_it_was_when_it_was_made() {
        let old = AppLimits {
            memory: Some(64 << 20),
            ..AppLimits::default()
        };
        let new = AppLimits {
            memory: Some(128 << 20),
            ..AppLimits::default()
        };
        let body = change(&old, &new, &without());
        assert_eq!(body.memory_swap, Some(256 << 20));
    }
}
