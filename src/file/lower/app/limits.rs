//! Limits of an application container in the engine's terms.

use std::path::PathBuf;

use crate::file::desk::Desk;
use crate::file::keys;
use crate::file::lower::container::Layers;
use crate::file::lower::deploy;
use crate::file::lower::values::{Fields, items, number, parsed};
use crate::file::tree::{Node, Spot};
use crate::model::{
    AppLimits, Key, Throttle, ThrottleKind, check_cpuset, nano_cpus, parse_size, parse_time,
};

/// Reads them all.
pub(in crate::file::lower) fn lower(desk: &Desk<'_>, layers: &Layers<'_>) -> AppLimits {
    let size = |key: Key| parsed(desk, layers, key, parse_size);
    let count = |key: Key| {
        parsed(desk, layers, key, |text| {
            number(key.as_str(), text, 0, u64::MAX)
        })
    };
    let micros = |key: Key| parsed(desk, layers, key, |text| microseconds(key.as_str(), text));
    let mut limits = AppLimits {
        memory: size(Key::MemLimit),
        memory_reservation: size(Key::MemReservation),
        memory_swap: parsed(desk, layers, Key::MemswapLimit, swap),
        memory_swappiness: parsed(desk, layers, Key::MemSwappiness, |text| {
            number("mem_swappiness", text.trim_end_matches('%'), 0, 100)
        }),
        // Nothing is no limit, as the engine has it.
        nano_cpus: parsed(desk, layers, Key::Cpus, |text| match text {
            "0" | "0.0" => Ok(None),
            text => nano_cpus(text).map(Some),
        })
        .flatten(),
        cpu_shares: count(Key::CpuShares),
        cpu_period: micros(Key::CpuPeriod),
        cpu_quota: parsed(desk, layers, Key::CpuQuota, |text| match text {
            "-1" => Ok(-1),
            text => microseconds("cpu_quota", text).and_then(|quota| {
                i64::try_from(quota).map_err(|_| format!("`cpu_quota` is too long: `{text}`"))
            }),
        }),
        cpu_rt_runtime: micros(Key::CpuRtRuntime),
        cpu_rt_period: micros(Key::CpuRtPeriod),
        cpuset: parsed(desk, layers, Key::Cpuset, |text| {
            check_cpuset(text).map(|()| text.to_string())
        }),
        pids: parsed(desk, layers, Key::PidsLimit, |text| {
            number("pids_limit", text, -1, i64::MAX)
        }),
        ..AppLimits::default()
    };
    blkio(desk, layers, &mut limits);
    deploy::limits(desk, layers, &mut limits);
    memory(desk, layers, &limits);
    limits
}

/// Least memory that the engine gives a container.
const LEAST: u64 = 6 << 20;

/// What the engine refuses of limits of memory.
fn memory(desk: &Desk<'_>, layers: &Layers<'_>, limits: &AppLimits) {
    let wrong = |keys: &[Key], message: String, help: &str| {
        let spot = keys.iter().find_map(|key| layers.last(*key));
        if let Some(entry) = spot {
            desk.error_help(entry.spot, message, help);
        }
    };
    let most = limits.memory.filter(|memory| *memory > 0);
    if most.is_some_and(|memory| memory < LEAST) {
        let message = "a container has at least 6 MiB of memory".into();
        wrong(&[Key::MemLimit, Key::Deploy], message, "write `6m` or more");
    }
    let swap = limits.memory_swap.and_then(|swap| u64::try_from(swap).ok());
    match (most, swap.filter(|swap| *swap > 0)) {
        (Some(memory), Some(swap)) if swap < memory => {
            let message =
                "`memswap_limit` is memory and swap together, and less than the memory".into();
            wrong(&[Key::MemswapLimit], message, "raise it, or leave it out");
        }
        (None, Some(_)) if layers.last(Key::Cgroup).is_none() => {
            let message = "`memswap_limit` needs a limit of the memory".into();
            wrong(&[Key::MemswapLimit], message, "write `mem_limit` beside it");
        }
        (_, _) => {}
    }
    if let (Some(memory), Some(kept)) = (most, limits.memory_reservation)
        && kept > memory
    {
        let message = "more memory is kept for the container than it may have".into();
        wrong(
            &[Key::MemReservation, Key::Deploy],
            message,
            "keep less, or raise the limit",
        );
    }
}

/// A number of microseconds, or a time with its unit.
fn microseconds(what: &str, text: &str) -> Result<u64, String> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return number(what, text, 0, u64::MAX);
    }
    let time = parse_time(text)
        .map_err(|_| format!("`{what}` is microseconds, or a time such as `50ms`, not `{text}`"))?;
    u64::try_from(time.as_micros()).map_err(|_| format!("`{what}` is too long: `{text}`"))
}

fn swap(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    let size = parse_size(text).map_err(|error| error.to_string())?;
    i64::try_from(size).map_err(|_| format!("`{text}` is more than any machine has"))
}

fn blkio(desk: &Desk<'_>, layers: &Layers<'_>, limits: &mut AppLimits) {
    let entry = layers
        .last(Key::BlkioConfig)
        .filter(|entry| !entry.value.is_null());
    let Some(entry) = entry else { return };
    let map = &entry.value;
    if map.entries().is_none() {
        let message = format!("`blkio_config` takes a map, not {}", map.kind_name());
        desk.error(map.spot, message);
        return;
    }
    keys::check(desk, map, keys::BLKIO, "`blkio_config`");
    let fields = Fields {
        map,
        scope: layers.scope(Key::BlkioConfig),
    };
    limits.blkio_weight = fields.parsed(desk, "weight", |text| number("weight", text, 10, 1000));
    for (key, kind) in THROTTLES {
        let Some(entry) = map.get(key) else { continue };
        for item in items(desk, entry) {
            limits.blkio_throttle.extend(throttle(
                desk,
                Fields {
                    map: item,
                    ..fields
                },
                kind,
            ));
        }
    }
}

/// The lists of `blkio_config`.
pub(in crate::file) const THROTTLES: [(&str, ThrottleKind); 5] = [
    ("weight_device", ThrottleKind::Weight),
    ("device_read_bps", ThrottleKind::ReadBps),
    ("device_write_bps", ThrottleKind::WriteBps),
    ("device_read_iops", ThrottleKind::ReadIops),
    ("device_write_iops", ThrottleKind::WriteIops),
];

fn throttle(desk: &Desk<'_>, fields: Fields<'_, '_>, kind: ThrottleKind) -> Option<Throttle> {
    keys::check(desk, fields.map, keys::THROTTLE, "a limit of a device");
    let path = path(desk, fields)?;
    let rate = match kind {
        ThrottleKind::Weight => {
            let weight = |text: &str| number("weight", text, 10, 1000);
            needed(
                desk,
                fields.map,
                "weight",
                fields.parsed(desk, "weight", weight),
            )
        }
        ThrottleKind::ReadBps | ThrottleKind::WriteBps => needed(
            desk,
            fields.map,
            "rate",
            fields.parsed(desk, "rate", parse_size),
        ),
        ThrottleKind::ReadIops | ThrottleKind::WriteIops => {
            let count = |text: &str| number("rate", text, 1, u64::MAX);
            needed(desk, fields.map, "rate", fields.parsed(desk, "rate", count))
        }
    };
    Some(Throttle {
        kind,
        path,
        rate: rate?,
    })
}

fn needed(desk: &Desk<'_>, map: &Node, key: &str, value: Option<u64>) -> Option<u64> {
    if map.get(key).is_none() {
        desk.error(map.spot, format!("a limit of a device needs `{key}`"));
    }
    value
}

fn path(desk: &Desk<'_>, fields: Fields<'_, '_>) -> Option<PathBuf> {
    let text: Option<(String, Spot)> = fields.text(desk, "path");
    let Some((path, spot)) = text else {
        desk.error(fields.map.spot, "a limit of a device needs `path`");
        return None;
    };
    if !path.starts_with('/') || path.chars().any(char::is_control) {
        desk.error(spot, format!("`{path}` is not the path of a device"));
        return None;
    }
    Some(path.into())
}
