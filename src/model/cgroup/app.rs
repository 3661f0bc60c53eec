//! Limits of `cgroup` in the terms of an engine of application containers, which takes no kernel keys.
//!
//! Both versions' keys are understood, whatever the host has. What the engine has no word for is
//! refused; nothing is dropped.

use super::translate::{bytes_of, number, out_of_range};
use super::{Limit, LimitError, parse_size};
use crate::model::AppLimits;

/// `base` with `limits` on top, later ones last; the error says which limit it is about.
pub fn app_limits(base: &AppLimits, limits: &[Limit]) -> Result<AppLimits, (usize, LimitError)> {
    let mut all = base.clone();
    for (index, limit) in limits.iter().enumerate() {
        let taken = match limit.key.split('.').next() {
            Some("memory") => memory(&mut all, limit, limits),
            Some("cpu") => cpu(&mut all, limit),
            Some(_) | None => others(&mut all, limit),
        };
        match taken {
            Ok(true) => {}
            Ok(false) => return Err((index, LimitError::Engine(limit.key.clone()))),
            Err(error) => return Err((index, error)),
        }
    }
    Ok(all)
}

/// False when the key is none of these.
fn memory(all: &mut AppLimits, limit: &Limit, limits: &[Limit]) -> Result<bool, LimitError> {
    match limit.key.as_str() {
        "memory.max" | "memory.limit_in_bytes" => all.memory = size(limit)?,
        "memory.low" | "memory.high" | "memory.soft_limit_in_bytes" => {
            all.memory_reservation = size(limit)?;
        }
        "memory.swap.max" | "memory.memsw.limit_in_bytes" => {
            all.memory_swap = Some(swap(limit, all.memory, limits)?);
        }
        "memory.swappiness" => all.memory_swappiness = Some(number(limit, 0, 100)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// False when the key is none of these.
fn cpu(all: &mut AppLimits, limit: &Limit) -> Result<bool, LimitError> {
    match limit.key.as_str() {
        "cpu.max" => {
            let (quota, period) = limit.value.split_once(' ').unwrap_or((&limit.value, ""));
            all.cpu_quota = microseconds(limit, quota)?;
            all.cpu_period = match period.trim() {
                "" => None,
                word => Some(word.parse().map_err(|_| out_of_range(limit))?),
            };
        }
        "cpu.cfs_quota_us" => all.cpu_quota = microseconds(limit, &limit.value)?,
        "cpu.cfs_period_us" => all.cpu_period = Some(number(limit, 1000, 1_000_000)?),
        "cpu.shares" => all.cpu_shares = Some(number(limit, 2, 262_144)?),
        "cpu.weight" => {
            let weight = number(limit, 1, 10_000)?;
            all.cpu_shares = Some(2 + (weight - 1) * 262_142 / 9999);
        }
        "cpu.rt_runtime_us" => all.cpu_rt_runtime = Some(number(limit, 0, u64::MAX)?),
        "cpu.rt_period_us" => all.cpu_rt_period = Some(number(limit, 0, u64::MAX)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// False when the key is none of these.
fn others(all: &mut AppLimits, limit: &Limit) -> Result<bool, LimitError> {
    match limit.key.as_str() {
        "cpuset.cpus" => all.cpuset = Some(limit.value.clone()),
        "cpuset.mems" => all.cpuset_mems = Some(limit.value.clone()),
        "pids.max" => {
            all.pids = match limit.value.as_str() {
                "max" | "-1" => Some(-1),
                word => Some(word.parse().map_err(|_| out_of_range(limit))?),
            };
        }
        "blkio.weight" => all.blkio_weight = Some(weight(limit, number(limit, 10, 1000)?)?),
        "io.weight" => {
            let value = number(limit, 1, 10_000)?;
            all.blkio_weight = Some(weight(limit, 10 + (value - 1) * 990 / 9999)?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn weight(limit: &Limit, value: u64) -> Result<u16, LimitError> {
    u16::try_from(value).map_err(|_| out_of_range(limit))
}

fn size(limit: &Limit) -> Result<Option<u64>, LimitError> {
    parse_size(&limit.key, &limit.value)
}

/// Processor time in a period; none is no limit.
fn microseconds(limit: &Limit, word: &str) -> Result<Option<i64>, LimitError> {
    match word {
        "max" | "-1" => Ok(None),
        word => match word.parse::<i64>() {
            Ok(quota) if quota > 0 => Ok(Some(quota)),
            Ok(_) | Err(_) => Err(out_of_range(limit)),
        },
    }
}

/// Memory and swap together, as the engine counts them; -1 is no limit.
fn swap(limit: &Limit, memory: Option<u64>, limits: &[Limit]) -> Result<i64, LimitError> {
    let Some(given) = size(limit)? else {
        return Ok(-1);
    };
    let total = if limit.key == "memory.memsw.limit_in_bytes" {
        Some(given)
    } else {
        let beside = bytes_of(limits, &["memory.limit_in_bytes", "memory.max"])?;
        let memory = beside.or(memory).ok_or_else(|| LimitError::Value {
            key: limit.key.clone(),
            value: limit.value.clone(),
            reason: "it needs a memory limit beside it, which is added",
        })?;
        memory.checked_add(given)
    };
    let total = total.and_then(|total| i64::try_from(total).ok());
    total.ok_or_else(|| out_of_range(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(limits: &[&str]) -> Result<AppLimits, (usize, LimitError)> {
        let limits: Vec<Limit> = limits.iter().map(|text| text.parse().unwrap()).collect();
        app_limits(&AppLimits::default(), &limits)
    }

    #[test]
    fn keys_of_both_versions_mean_the_same() {
        let new = [
            "memory.max=1G",
            "memory.swap.max=1G",
            "cpu.max=50000 100000",
            "pids.max=9",
        ];
        let old = [
            "memory.limit_in_bytes=1G",
            "memory.memsw.limit_in_bytes=2G",
            "cpu.cfs_quota_us=50000",
            "cpu.cfs_period_us=100000",
            "pids.max=9",
        ];
        let limits = AppLimits {
            memory: Some(1 << 30),
            memory_swap: Some(2 << 30),
            cpu_quota: Some(50_000),
            cpu_period: Some(100_000),
            pids: Some(9),
            ..AppLimits::default()
        };
        assert_eq!(taken(&new), Ok(limits.clone()));
        assert_eq!(taken(&old), Ok(limits));
        let weight = |text: &str| taken(&[text]).unwrap();
        assert_eq!(weight("cpu.weight=1").cpu_shares, Some(2));
        assert_eq!(weight("cpu.weight=10000").cpu_shares, Some(262_144));
        assert_eq!(weight("io.weight=10000").blkio_weight, Some(1000));
        assert_eq!(weight("memory.low=5").memory_reservation, Some(5));
        assert_eq!(weight("memory.max=max").memory, None);
    }

    #[test]
    fn what_the_engine_has_no_word_for_is_refused_with_its_place() {
        for (limits, at) in [
            (&["pids.max=1", "memory.oom.group=1"][..], 1),
            (&["hugetlb.2MB.max=4M"], 0),
            (&["memory.swap.max=1G"], 0),
            (&["cpu.max=some"], 0),
            (&["cpu.shares=1"], 0),
            (&["pids.max=many"], 0),
        ] {
            let (index, error) = taken(limits).unwrap_err();
            assert_eq!(index, at, "{error}");
        }
    }
}
