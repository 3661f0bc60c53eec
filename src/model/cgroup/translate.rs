//! Limits in the host's own words: version 1 keys on a version 2 host and the other way round.
//!
//! The arithmetic is runc's and systemd's, so that a limit means the same under each of them. What
//! has no counterpart is refused with the reason; nothing is dropped.

use std::collections::BTreeMap;

use super::keys::{PAIRS, Pair, Rule, hugetlb, is_size};
use super::{CgroupVersion, Limit, LimitError, parse_size};

/// The kernel's default period of CPU quotas in microseconds.
const PERIOD: &str = "100000";

/// Translates one limit for a host. A limit that needs another one beside it
/// (`memory.memsw.limit_in_bytes`, `cpu.cfs_period_us`) is refused; [`translate_all`] knows both.
pub fn translate(
    limit: &Limit,
    controllers: &BTreeMap<String, CgroupVersion>,
) -> Result<Vec<Limit>, LimitError> {
    let one = std::slice::from_ref(limit);
    translate_all(one, controllers).map_err(|(_, error)| error)
}

/// Translates all limits of a container for a host; the error says which limit it is about.
/// Of two limits that become the same key the later one wins.
pub fn translate_all(
    limits: &[Limit],
    controllers: &BTreeMap<String, CgroupVersion>,
) -> Result<Vec<Limit>, (usize, LimitError)> {
    let mut all: Vec<Limit> = Vec::new();
    for (index, limit) in limits.iter().enumerate() {
        for new in one(limit, limits, controllers).map_err(|error| (index, error))? {
            // A device rule adds to the others and `io.max` has a line for each device.
            let adds = new.key.starts_with("devices.")
                || new.key == "io.max"
                || new.key.starts_with("blkio.throttle.");
            match all.iter_mut().find(|old| old.key == new.key && !adds) {
                Some(old) => *old = new,
                None => all.push(new),
            }
        }
    }
    Ok(all)
}

fn one(
    limit: &Limit,
    all: &[Limit],
    controllers: &BTreeMap<String, CgroupVersion>,
) -> Result<Vec<Limit>, LimitError> {
    let host = host_version(&limit.key, controllers)?;
    if let Some((size, _)) = hugetlb(&limit.key) {
        let key = match host {
            CgroupVersion::V1 => format!("hugetlb.{size}.limit_in_bytes"),
            CgroupVersion::V2 => format!("hugetlb.{size}.max"),
        };
        return Ok(vec![sized(limit, &key, host)?]);
    }
    let native = |pair: &&Pair| match host {
        CgroupVersion::V1 => pair.v1 == limit.key,
        CgroupVersion::V2 => pair.v2 == limit.key,
    };
    if PAIRS.iter().any(|pair| native(&pair)) {
        let key = limit.key.clone();
        return Ok(vec![if is_size(&key) {
            sized(limit, &key, host)?
        } else {
            limit.clone()
        }]);
    }
    let foreign = |pair: &&Pair| pair.v1 == limit.key || pair.v2 == limit.key;
    let pair = PAIRS
        .iter()
        .find(foreign)
        .ok_or_else(|| LimitError::Unknown(limit.key.clone()))?;
    match host {
        CgroupVersion::V1 => to_v1(limit, pair, all),
        CgroupVersion::V2 => to_v2(limit, pair, all),
    }
}

/// Which version holds the controller that `key` belongs to.
fn host_version(
    key: &str,
    controllers: &BTreeMap<String, CgroupVersion>,
) -> Result<CgroupVersion, LimitError> {
    let word = key.split('.').next().unwrap_or(key);
    // The controller changed its name between the versions.
    let other = match word {
        "io" => "blkio",
        "blkio" => "io",
        same => same,
    };
    if let Some(version) = controllers.get(word).or_else(|| controllers.get(other)) {
        return Ok(*version);
    }
    let only_v1 = matches!(word, "devices" | "net_cls" | "net_prio");
    if only_v1 && controllers.values().any(|v| *v == CgroupVersion::V2) {
        return Ok(CgroupVersion::V2);
    }
    Err(LimitError::NoController {
        key: key.into(),
        controller: word.into(),
    })
}

fn to_v2(limit: &Limit, pair: &Pair, all: &[Limit]) -> Result<Vec<Limit>, LimitError> {
    let with = |value: String| {
        Ok(vec![Limit {
            key: pair.v2.into(),
            value,
        }])
    };
    match pair.rule {
        Rule::Same => with(limit.value.clone()),
        Rule::Size => Ok(vec![sized(limit, pair.v2, CgroupVersion::V2)?]),
        Rule::Shares => {
            let shares = number(limit, 2, 262_144)?;
            with((1 + (shares - 2) * 9999 / 262_142).to_string())
        }
        Rule::BlockWeight => {
            let weight = number(limit, 10, 1000)?;
            with((1 + (weight - 10) * 9999 / 990).to_string())
        }
        Rule::Quota => with(cpu_max(limit, all)?),
        Rule::Throttle(word) => {
            let (device, value) = two_words(limit)?;
            with(format!("{device} {word}={value}"))
        }
        Rule::Swap => {
            let Some(total) = parse_size(&limit.key, &limit.value)? else {
                return with("max".into());
            };
            let memory = bytes_of(all, &["memory.limit_in_bytes", "memory.max"])?;
            match memory {
                Some(memory) if memory <= total => with((total - memory).to_string()),
                Some(_) => Err(LimitError::Value {
                    key: limit.key.clone(),
                    value: limit.value.clone(),
                    reason: "memory and swap together must be at least the memory limit",
                }),
                None => Err(untranslatable(
                    limit,
                    "v2",
                    "it needs a memory limit beside it, which is subtracted",
                )),
            }
        }
        Rule::None(reason) => Err(untranslatable(limit, "v2", reason)),
    }
}

fn to_v1(limit: &Limit, pair: &Pair, all: &[Limit]) -> Result<Vec<Limit>, LimitError> {
    let new = |key: &str, value: String| Limit {
        key: key.into(),
        value,
    };
    match pair.rule {
        Rule::Same => Ok(vec![new(pair.v1, limit.value.clone())]),
        Rule::Size => Ok(vec![sized(limit, pair.v1, CgroupVersion::V1)?]),
        Rule::Shares => {
            let weight = number(limit, 1, 10_000)?;
            Ok(vec![new(
                pair.v1,
                (2 + (weight - 1) * 262_142 / 9999).to_string(),
            )])
        }
        Rule::BlockWeight => {
            let plain = limit.value.strip_prefix("default ").unwrap_or(&limit.value);
            let weight = number(&new(&limit.key, plain.into()), 1, 10_000)?;
            Ok(vec![new(
                pair.v1,
                (10 + (weight - 1) * 990 / 9999).to_string(),
            )])
        }
        Rule::Quota => {
            let (quota, period) = limit
                .value
                .split_once(' ')
                .unwrap_or((&limit.value, PERIOD));
            let quota = if quota == "max" { "-1" } else { quota };
            // The period first: a quota beyond the old period would be refused by the kernel.
            Ok(vec![
                new("cpu.cfs_period_us", period.trim().into()),
                new("cpu.cfs_quota_us", quota.into()),
            ])
        }
        Rule::Throttle(_) => io_max(limit),
        Rule::Swap => {
            let Some(swap) = parse_size(&limit.key, &limit.value)? else {
                return Ok(vec![new(pair.v1, "-1".into())]);
            };
            let memory = bytes_of(all, &["memory.limit_in_bytes", "memory.max"])?;
            let total = memory.and_then(|memory| memory.checked_add(swap));
            match total {
                Some(total) => Ok(vec![new(pair.v1, total.to_string())]),
                None => Err(untranslatable(
                    limit,
                    "v1",
                    "it needs a memory limit beside it, which is added",
                )),
            }
        }
        Rule::None(reason) => Err(untranslatable(limit, "v1", reason)),
    }
}

fn untranslatable(limit: &Limit, host: &'static str, reason: &'static str) -> LimitError {
    LimitError::Untranslatable {
        key: limit.key.clone(),
        host,
        reason,
    }
}

/// The same limit under `key`, as plain bytes or the host's word for "no limit".
fn sized(limit: &Limit, key: &str, host: CgroupVersion) -> Result<Limit, LimitError> {
    let value = match (parse_size(&limit.key, &limit.value)?, host) {
        (Some(bytes), CgroupVersion::V1 | CgroupVersion::V2) => bytes.to_string(),
        (None, CgroupVersion::V1) => "-1".into(),
        (None, CgroupVersion::V2) => "max".into(),
    };
    Ok(Limit {
        key: key.into(),
        value,
    })
}

fn number(limit: &Limit, least: u64, most: u64) -> Result<u64, LimitError> {
    match limit.value.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(LimitError::Value {
            key: limit.key.clone(),
            value: limit.value.clone(),
            reason: "the number is out of the key's range",
        }),
    }
}

fn bytes_of(all: &[Limit], keys: &[&str]) -> Result<Option<u64>, LimitError> {
    match all.iter().rfind(|limit| keys.contains(&limit.key.as_str())) {
        Some(limit) => parse_size(&limit.key, &limit.value),
        None => Ok(None),
    }
}

/// `QUOTA PERIOD` for `cpu.max` from the two files of version 1.
fn cpu_max(limit: &Limit, all: &[Limit]) -> Result<String, LimitError> {
    let find = |key: &str| all.iter().rfind(|l| l.key == key).map(|l| l.value.as_str());
    let Some(quota) = find("cpu.cfs_quota_us") else {
        return Err(untranslatable(
            limit,
            "v2",
            "a period needs `cpu.cfs_quota_us` beside it",
        ));
    };
    let quota = if quota == "-1" { "max" } else { quota };
    let period = find("cpu.cfs_period_us").unwrap_or(PERIOD);
    for word in [quota, period] {
        if word != "max" && word.parse::<u64>().is_err() {
            return Err(LimitError::Value {
                key: limit.key.clone(),
                value: word.into(),
                reason: "it is a number of microseconds",
            });
        }
    }
    Ok(format!("{quota} {period}"))
}

fn two_words(limit: &Limit) -> Result<(&str, &str), LimitError> {
    limit
        .value
        .split_once(' ')
        .ok_or_else(|| LimitError::Value {
            key: limit.key.clone(),
            value: limit.value.clone(),
            reason: "it is `MAJOR:MINOR` and a number",
        })
}

/// The throttle files of version 1 from one line of `io.max`.
fn io_max(limit: &Limit) -> Result<Vec<Limit>, LimitError> {
    let (device, words) = two_words(limit)?;
    let mut limits = Vec::new();
    for word in words.split_ascii_whitespace() {
        let pair = word.split_once('=').and_then(|(name, value)| {
            let named = |pair: &&Pair| pair.rule == throttle(name);
            PAIRS.iter().find(named).map(|pair| (pair.v1, value))
        });
        let Some((key, value)) = pair else {
            return Err(LimitError::Value {
                key: limit.key.clone(),
                value: limit.value.clone(),
                reason: "it is `MAJOR:MINOR` and `rbps=`, `wbps=`, `riops=` or `wiops=`",
            });
        };
        // In version 1 a zero takes the throttle away.
        let value = if value == "max" { "0" } else { value };
        limits.push(Limit {
            key: key.into(),
            value: format!("{device} {value}"),
        });
    }
    Ok(limits)
}

fn throttle(word: &str) -> Rule {
    match word {
        "rbps" => Rule::Throttle("rbps"),
        "wbps" => Rule::Throttle("wbps"),
        "riops" => Rule::Throttle("riops"),
        "wiops" => Rule::Throttle("wiops"),
        _ => Rule::None(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROLLERS: [&str; 7] = ["memory", "cpu", "cpuset", "pids", "hugetlb", "misc", "rdma"];

    fn host(version: CgroupVersion) -> BTreeMap<String, CgroupVersion> {
        let extra = match version {
            CgroupVersion::V1 => vec!["blkio", "devices"],
            CgroupVersion::V2 => vec!["io"],
        };
        CONTROLLERS
            .iter()
            .chain(&extra)
            .map(|name| (name.to_string(), version))
            .collect()
    }

    fn run(texts: &[&str], version: CgroupVersion) -> Result<String, LimitError> {
        let limits: Vec<Limit> = texts.iter().map(|t| t.parse().unwrap()).collect();
        let new = translate_all(&limits, &host(version)).map_err(|(_, error)| error)?;
        let words: Vec<String> = new.iter().map(ToString::to_string).collect();
        Ok(words.join("; "))
    }

    #[test]
    fn version_1_keys_work_on_a_version_2_host() {
        for (texts, expected) in [
            (&["memory.limit_in_bytes=1M"][..], "memory.max=1048576"),
            (&["memory.limit_in_bytes=-1"], "memory.max=max"),
            (&["memory.soft_limit_in_bytes=5"], "memory.low=5"),
            (
                &["memory.limit_in_bytes=1M", "memory.memsw.limit_in_bytes=3M"],
                "memory.max=1048576; memory.swap.max=2097152",
            ),
            (&["cpu.shares=1024"], "cpu.weight=39"),
            (&["cpu.shares=2"], "cpu.weight=1"),
            (&["cpu.shares=262144"], "cpu.weight=10000"),
            (&["cpu.cfs_quota_us=50000"], "cpu.max=50000 100000"),
            (
                &["cpu.cfs_quota_us=-1", "cpu.cfs_period_us=20000"],
                "cpu.max=max 20000",
            ),
            (&["blkio.weight=500"], "io.weight=4950"),
            (
                &[
                    "blkio.throttle.read_bps_device=8:0 100",
                    "blkio.throttle.write_iops_device=8:0 5",
                ],
                "io.max=8:0 rbps=100; io.max=8:0 wiops=5",
            ),
            (
                &["hugetlb.2MB.limit_in_bytes=4M"],
                "hugetlb.2MB.max=4194304",
            ),
            (
                &["cpuset.cpus=0,1", "pids.max=max"],
                "cpuset.cpus=0,1; pids.max=max",
            ),
            (
                &["memory.max=1K", "memory.limit_in_bytes=2K"],
                "memory.max=2048",
            ),
        ] {
            assert_eq!(run(texts, CgroupVersion::V2).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn version_2_keys_work_on_a_version_1_host() {
        for (texts, expected) in [
            (&["memory.max=512M"][..], "memory.limit_in_bytes=536870912"),
            (&["memory.max=max"], "memory.limit_in_bytes=-1"),
            (
                &["memory.max=1M", "memory.swap.max=1M"],
                "memory.limit_in_bytes=1048576; memory.memsw.limit_in_bytes=2097152",
            ),
            (&["cpu.weight=1"], "cpu.shares=2"),
            (&["cpu.weight=10000"], "cpu.shares=262144"),
            (
                &["cpu.max=50000 20000"],
                "cpu.cfs_period_us=20000; cpu.cfs_quota_us=50000",
            ),
            (
                &["cpu.max=max"],
                "cpu.cfs_period_us=100000; cpu.cfs_quota_us=-1",
            ),
            (&["io.weight=default 1"], "blkio.weight=10"),
            (
                &["io.max=8:0 rbps=1 wiops=max"],
                "blkio.throttle.read_bps_device=8:0 1; blkio.throttle.write_iops_device=8:0 0",
            ),
            (&["hugetlb.1GB.max=max"], "hugetlb.1GB.limit_in_bytes=-1"),
            (
                &[
                    "devices.deny=a",
                    "devices.allow=c 1:3 r",
                    "devices.allow=c 1:5 r",
                ],
                "devices.deny=a; devices.allow=c 1:3 r; devices.allow=c 1:5 r",
            ),
        ] {
            assert_eq!(run(texts, CgroupVersion::V1).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_has_no_counterpart_is_refused_with_the_reason() {
        for (text, version) in [
            ("memory.swappiness=10", CgroupVersion::V2),
            ("devices.allow=a", CgroupVersion::V2),
            ("cpu.cfs_period_us=1000", CgroupVersion::V2),
            ("memory.memsw.limit_in_bytes=1M", CgroupVersion::V2),
            ("memory.high=1M", CgroupVersion::V1),
            ("memory.swap.max=1M", CgroupVersion::V1),
            ("cpuset.cpus.partition=root", CgroupVersion::V1),
        ] {
            let error = run(&[text], version);
            assert!(
                matches!(error, Err(LimitError::Untranslatable { .. })),
                "{text}: {error:?}"
            );
        }
        for (text, version) in [
            ("cpu.shares=1", CgroupVersion::V2),
            ("cpu.weight=0", CgroupVersion::V1),
            ("io.max=8:0 x=1", CgroupVersion::V1),
            ("cpu.cfs_quota_us=x", CgroupVersion::V2),
        ] {
            let error = run(&[text], version);
            assert!(matches!(error, Err(LimitError::Value { .. })), "{text}");
        }
    }

    #[test]
    fn a_host_without_the_controller_is_told() {
        let limit: Limit = "memory.max=1M".parse().unwrap();
        let error = translate(&limit, &BTreeMap::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`memory.max` needs the cgroup controller `memory`, which this host does not have"
        );
    }
}
