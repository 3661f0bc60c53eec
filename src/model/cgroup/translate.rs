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
        Rule::Swap => with(swap_alone(limit, all)?),
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
        Rule::Quota => Ok(quota_and_period(limit)),
        Rule::Throttle(_) => io_max(limit),
        Rule::Swap => Ok(vec![new(pair.v1, swap_and_memory(limit, all)?)]),
        Rule::None(reason) => Err(untranslatable(limit, "v1", reason)),
    }
}

/// The period first: a quota beyond the old period would be refused by the kernel.
fn quota_and_period(limit: &Limit) -> Vec<Limit> {
    let words = limit.value.split_once(' ');
    let (quota, period) = words.unwrap_or((&limit.value, PERIOD));
    let quota = if quota == "max" { "-1" } else { quota };
    [
        ("cpu.cfs_period_us", period.trim()),
        ("cpu.cfs_quota_us", quota),
    ]
    .map(|(key, value)| Limit {
        key: key.into(),
        value: value.into(),
    })
    .into()
}

/// Swap alone, as version 2 counts it.
fn swap_alone(limit: &Limit, all: &[Limit]) -> Result<String, LimitError> {
    let Some(total) = parse_size(&limit.key, &limit.value)? else {
        return Ok("max".into());
    };
    match bytes_of(all, &["memory.limit_in_bytes", "memory.max"])? {
        Some(memory) if memory <= total => Ok((total - memory).to_string()),
        Some(_) => Err(LimitError::Value {
            key: limit.key.clone(),
            value: limit.value.clone(),
            reason: "memory and swap together must be at least the memory limit",
        }),
        None => {
            let reason = "it needs a memory limit beside it, which is subtracted";
            Err(untranslatable(limit, "v2", reason))
        }
    }
}

/// Memory and swap together, as version 1 counts them.
fn swap_and_memory(limit: &Limit, all: &[Limit]) -> Result<String, LimitError> {
    let Some(swap) = parse_size(&limit.key, &limit.value)? else {
        return Ok("-1".into());
    };
    let memory = bytes_of(all, &["memory.limit_in_bytes", "memory.max"])?;
    match memory.and_then(|memory| memory.checked_add(swap)) {
        Some(total) => Ok(total.to_string()),
        None => {
            let reason = "it needs a memory limit beside it, which is added";
            Err(untranslatable(limit, "v1", reason))
        }
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

pub(super) fn number(limit: &Limit, least: u64, most: u64) -> Result<u64, LimitError> {
    match limit.value.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(out_of_range(limit)),
    }
}

pub(super) fn out_of_range(limit: &Limit) -> LimitError {
    LimitError::Value {
        key: limit.key.clone(),
        value: limit.value.clone(),
        reason: "the number is out of the key's range",
    }
}

pub(super) fn bytes_of(all: &[Limit], keys: &[&str]) -> Result<Option<u64>, LimitError> {
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
mod tests;
