//! Limits as properties of units (systemd.resource-control(5)), where systemd has a word for them.
//!
//! The container's own cgroup has each limit exactly. What its service has beside that lies so far above that
//! it never binds before: the service holds the supervisor, too, which must neither be killed nor held up nor
//! counted for what is inside.

use std::collections::BTreeMap;

use super::Warning;
use super::build::Builder;
use crate::model::{ConfigLine, Key, Limit, Name, UnitSpec, service_of};

/// Memory of the supervisor, bytes: some 4 MiB, and pages of files that it read first.
const MEMORY: u64 = 64 << 20;
/// Tasks of the supervisor, which are some five, and commands on their way into the container.
const TASKS: u64 = 64;
/// The most that the kernel takes (`PID_MAX_LIMIT`, cgroup-v2.rst).
const MOST_TASKS: u64 = 4 << 20;
/// Percents of a processor for the supervisor.
const PERCENT: u64 = 10;

impl Builder<'_> {
    /// Says which limits of the file a drop-in overrules: they are an administrator's, and win.
    pub(super) fn warn_of_drop_ins(&mut self, services: &BTreeMap<Name, UnitSpec>) {
        for by in &self.observed.units.overruled {
            let Some(unit) = services.get(&by.name).filter(|_| self.selected(&by.name)) else {
                continue;
            };
            let wanted = unit.properties.get(&by.property);
            let Some(wanted) = wanted.filter(|wanted| **wanted != by.value) else {
                continue;
            };
            let file = self.project.containers.get(&by.name);
            self.warnings.push(Warning {
                message: format!(
                    "`{}` says `{}={}` for {}: it wins over `{wanted}`, which the file's limit needs",
                    by.path.display(),
                    by.property,
                    by.value,
                    service_of(&unit.project, &unit.name),
                ),
                place: file.map(|file| file.place_of(Key::Cgroup).clone()),
            });
        }
    }
}

/// The properties of a system container's limits, which are in the host's own words. A limit that `config` sets
/// once more, in LXC's words, is LXC's alone: the last word holds there.
pub(super) fn properties(limits: &[Limit], config: &[ConfigLine]) -> BTreeMap<String, String> {
    let is_set_again = |limit: &&Limit| {
        config.iter().any(|line| {
            let key = line.key.strip_prefix("lxc.cgroup2.");
            key.or(line.key.strip_prefix("lxc.cgroup.")) == Some(limit.key.as_str())
        })
    };
    let all = limits.iter().filter(|limit| !is_set_again(limit));
    let all = all.filter_map(property);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The kernel's keys that systemd has a property for, and how far that lies above the container's own limit.
const PROPERTIES: [(&str, &str, u64); 11] = [
    ("memory.max", "MemoryMax", MEMORY),
    ("memory.high", "MemoryHigh", MEMORY),
    ("memory.swap.max", "MemorySwapMax", MEMORY),
    ("pids.max", "TasksMax", TASKS),
    // What it is promised and its share, which its service must have for the container to have it.
    ("memory.low", "MemoryLow", 0),
    ("memory.min", "MemoryMin", 0),
    ("cpu.weight", "CPUWeight", 0),
    ("io.weight", "IOWeight", 0),
    // Where it runs: a supervisor needs no place of its own.
    ("cpuset.cpus", "AllowedCPUs", 0),
    ("cpuset.mems", "AllowedMemoryNodes", 0),
    ("cpu.max", "CPUQuota", 0),
];

fn property(limit: &Limit) -> Option<(&'static str, String)> {
    let known = |(key, _, _): &&(&str, &str, u64)| *key == limit.key;
    let (key, name, room) = *PROPERTIES.iter().find(known)?;
    let value = match (key, limit.value.as_str()) {
        ("cpuset.cpus" | "cpuset.mems", value) => list(value)?,
        ("cpu.max", value) => quota(value)?,
        (_, "max") => "infinity".into(),
        (key, number) => {
            let number = number.parse::<u64>().ok()?.saturating_add(room);
            match key {
                "pids.max" => number.min(MOST_TASKS).to_string(),
                _ => number.to_string(),
            }
        }
    };
    Some((name, value))
}

/// The limits behind the properties of a service, to be compared with others of such alone.
pub(super) fn limits_behind(properties: &BTreeMap<String, String>) -> Vec<Limit> {
    let of = |(name, value): (&String, &String)| {
        let (key, _, _) = PROPERTIES.iter().find(|(_, known, _)| known == name)?;
        Some(Limit {
            key: (*key).into(),
            value: value.clone(),
        })
    };
    properties.iter().filter_map(of).collect()
}

/// Numbers and ranges; the kernel's steps (`0-7:1/2`) systemd does not know.
fn list(value: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, ',' | '-');
    value.chars().all(plain).then(|| value.to_owned())
}

/// Percents of a processor, rounded up; systemd's own period is the usual one.
fn quota(value: &str) -> Option<String> {
    let (quota, period) = value.split_once(' ').unwrap_or((value, "100000"));
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.trim().parse().ok()?);
    let percent = quota
        .checked_mul(100)?
        .div_ceil(Some(period).filter(|p| *p > 0)?);
    Some(format!("{}%", percent.checked_add(PERCENT)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(limits: &[&str], config: &[(&str, &str)]) -> Vec<String> {
        let limits: Vec<Limit> = limits.iter().map(|text| text.parse().unwrap()).collect();
        let config = config.iter().map(|(key, value)| ConfigLine {
            key: (*key).into(),
            value: (*value).into(),
        });
        let config: Vec<ConfigLine> = config.collect();
        let all = properties(&limits, &config).into_iter();
        all.map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_service_has_room_for_its_supervisor_above_every_limit_of_the_container() {
        for (limit, wanted) in [
            ("memory.max=536870912", Some("MemoryMax=603979776")),
            ("memory.max=0", Some("MemoryMax=67108864")),
            (
                "memory.max=18446744073709551615",
                Some("MemoryMax=18446744073709551615"),
            ),
            ("memory.max=max", Some("MemoryMax=infinity")),
            ("memory.high=1048576", Some("MemoryHigh=68157440")),
            ("memory.swap.max=0", Some("MemorySwapMax=67108864")),
            ("pids.max=9", Some("TasksMax=73")),
            ("pids.max=4194300", Some("TasksMax=4194304")),
            ("cpu.max=50000 100000", Some("CPUQuota=60%")),
            ("cpu.max=150000", Some("CPUQuota=160%")),
            ("cpu.max=33333 100000", Some("CPUQuota=44%")),
            ("cpu.max=50000 50000", Some("CPUQuota=110%")),
            ("cpu.max=1 0", None),
            ("cpu.max=max", None),
        ] {
            let wanted: Vec<&str> = wanted.into_iter().collect();
            assert_eq!(of(&[limit], &[]), wanted, "{limit}");
        }
    }

    #[test]
    fn promises_shares_and_places_are_the_containers_own() {
        for (limit, wanted) in [
            ("memory.low=4096", Some("MemoryLow=4096")),
            ("memory.min=max", Some("MemoryMin=infinity")),
            ("cpu.weight=50", Some("CPUWeight=50")),
            ("io.weight=9", Some("IOWeight=9")),
            ("io.weight=default 9", None),
            ("cpuset.cpus=0-1,3", Some("AllowedCPUs=0-1,3")),
            ("cpuset.cpus=0-7:1/2", None),
            ("memory.oom.group=1", None),
        ] {
            let wanted: Vec<&str> = wanted.into_iter().collect();
            assert_eq!(of(&[limit], &[]), wanted, "{limit}");
        }
    }

    #[test]
    fn what_lxcs_own_words_set_again_is_no_limit_of_the_service() {
        let limits = ["memory.max=1048576", "pids.max=9"];
        for family in ["lxc.cgroup", "lxc.cgroup2"] {
            let again = format!("{family}.memory.max");
            assert_eq!(of(&limits, &[(&again, "1G")]), ["TasksMax=73"]);
        }
        let other = of(&limits, &[("lxc.cgroup2.memory.high", "1G")]);
        assert_eq!(other, ["MemoryMax=68157440", "TasksMax=73"]);
    }
}
