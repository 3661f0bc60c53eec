//! Limits as properties of units (systemd.resource-control(5)), where they say exactly the same.
//!
//! What has no exact counterpart stays with the container's own configuration alone.

use std::collections::BTreeMap;

use crate::model::Limit;

/// The properties of a system container's limits, which are in the host's own words.
pub(super) fn properties(limits: &[Limit]) -> BTreeMap<String, String> {
    let all = limits.iter().filter_map(property);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn property(limit: &Limit) -> Option<(&'static str, String)> {
    let name = match limit.key.as_str() {
        "memory.max" => "MemoryMax",
        "memory.high" => "MemoryHigh",
        "memory.low" => "MemoryLow",
        "memory.min" => "MemoryMin",
        "memory.swap.max" => "MemorySwapMax",
        "pids.max" => "TasksMax",
        "cpu.weight" => "CPUWeight",
        "io.weight" => "IOWeight",
        "cpuset.cpus" => return Some(("AllowedCPUs", list(&limit.value)?)),
        "cpuset.mems" => return Some(("AllowedMemoryNodes", list(&limit.value)?)),
        "cpu.max" => return Some(("CPUQuota", quota(&limit.value)?)),
        _ => return None,
    };
    let value = match limit.value.as_str() {
        "max" => "infinity".into(),
        number if number.parse::<u64>().is_ok() => number.into(),
        _ => return None,
    };
    Some((name, value))
}

/// Numbers and ranges; the kernel's steps (`0-7:1/2`) systemd does not know.
fn list(value: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, ',' | '-');
    value.chars().all(plain).then(|| value.to_owned())
}

/// Whole percents of a processor in periods of the usual length.
fn quota(value: &str) -> Option<String> {
    let (quota, period) = value.split_once(' ').unwrap_or((value, "100000"));
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.trim().parse().ok()?);
    let exact = period == 100_000 && quota > 0 && quota % 1000 == 0;
    exact.then(|| format!("{}%", quota / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_exactly_the_same_becomes_a_property() {
        let of = |text: &str| {
            let limit: Limit = text.parse().unwrap();
            property(&limit).map(|(name, value)| format!("{name}={value}"))
        };
        for (limit, wanted) in [
            ("memory.max=536870912", Some("MemoryMax=536870912")),
            ("memory.max=max", Some("MemoryMax=infinity")),
            ("cpu.max=50000 100000", Some("CPUQuota=50%")),
            ("cpu.max=150000", Some("CPUQuota=150%")),
            ("cpu.max=33333 100000", None),
            ("cpu.max=50000 50000", None),
            ("cpu.max=max", None),
            ("cpuset.cpus=0-1,3", Some("AllowedCPUs=0-1,3")),
            ("cpuset.cpus=0-7:1/2", None),
            ("pids.max=9", Some("TasksMax=9")),
            ("io.weight=default 9", None),
            ("memory.oom.group=1", None),
        ] {
            assert_eq!(of(limit).as_deref(), wanted, "{limit}");
        }
    }
}
