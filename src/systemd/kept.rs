//! The limits of a service: what the kernel keeps its cgroup to, and what systemd is told over D-Bus.

use super::names;
use crate::model::UnitSpec;
use crate::sys::{Cgroup, Hierarchies};

/// A property of a limit.
struct Property {
    /// In a unit file, and in the name of the drop-in that systemd writes for it.
    name: &'static str,
    /// Over D-Bus.
    on_bus: &'static str,
    /// The kernel's controller and file (version 2); none is not compared: what the file has is another word.
    file: Option<(&'static str, &'static str)>,
    /// What it is without a limit.
    without: Without,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    /// `infinity`, the kernel's `max`.
    Infinity,
    /// Nothing is promised; a slice above may promise it all the same.
    Nothing,
    /// systemd's `DefaultTasksMax=`.
    Default,
    /// The usual weight.
    Usual,
    /// All there are.
    All,
}

const fn property(
    name: &'static str,
    on_bus: &'static str,
    file: Option<(&'static str, &'static str)>,
    without: Without,
) -> Property {
    Property {
        name,
        on_bus,
        file,
        without,
    }
}

const PROPERTIES: [Property; 11] = [
    property(
        "MemoryMax",
        "MemoryMax",
        Some(("memory", "memory.max")),
        Without::Infinity,
    ),
    property(
        "MemoryHigh",
        "MemoryHigh",
        Some(("memory", "memory.high")),
        Without::Infinity,
    ),
    property(
        "MemorySwapMax",
        "MemorySwapMax",
        Some(("memory", "memory.swap.max")),
        Without::Infinity,
    ),
    property(
        "MemoryLow",
        "MemoryLow",
        Some(("memory", "memory.low")),
        Without::Nothing,
    ),
    property(
        "MemoryMin",
        "MemoryMin",
        Some(("memory", "memory.min")),
        Without::Nothing,
    ),
    property(
        "TasksMax",
        "TasksMax",
        Some(("pids", "pids.max")),
        Without::Default,
    ),
    property(
        "CPUQuota",
        "CPUQuotaPerSecUSec",
        Some(("cpu", "cpu.max")),
        Without::Infinity,
    ),
    property(
        "CPUWeight",
        "CPUWeight",
        Some(("cpu", "cpu.weight")),
        Without::Usual,
    ),
    property("IOWeight", "IOWeight", None, Without::Usual),
    property(
        "AllowedCPUs",
        "AllowedCPUs",
        Some(("cpuset", "cpuset.cpus")),
        Without::All,
    ),
    property(
        "AllowedMemoryNodes",
        "AllowedMemoryNodes",
        Some(("cpuset", "cpuset.mems")),
        Without::All,
    ),
];

/// Whether a key of a unit is that of a limit.
pub(super) fn is_limit(name: &str) -> bool {
    PROPERTIES.iter().any(|property| property.name == name)
}

/// The limits that differ between two units.
pub(super) fn differing<'a>(
    old: Option<&'a UnitSpec>,
    new: &'a UnitSpec,
) -> impl Iterator<Item = &'static str> + use<'a> {
    let was = move |name| old.and_then(|old| old.properties.get(name));
    let all = PROPERTIES.iter().map(|property| property.name);
    all.filter(move |name| was(*name) != new.properties.get(*name))
}

/// The limits of a service that the kernel does not keep its cgroup to. What cannot be known (there is no
/// such group, or its hierarchy is of version 1) is not among them.
pub(super) fn unkept(unit: &UnitSpec, hierarchies: &Hierarchies) -> Vec<&'static str> {
    let (slice, service) = (
        names::slice(&unit.project),
        names::service(&unit.project, &unit.name),
    );
    let path = format!("0::/{}/{slice}/{service}\n", names::SLICE);
    let group = Cgroup::parse(&path, hierarchies, &|path| Some(path.len()));
    let differs = |property: &&Property| {
        let Some((controller, file)) = property.file else {
            return false;
        };
        let wanted = unit.properties.get(property.name);
        let held = group.text(controller, "", file);
        held.is_some_and(|held| !is_kept(property, wanted.map(String::as_str), &held))
    };
    let all = PROPERTIES.iter().filter(differs);
    all.map(|property| property.name).collect()
}

fn is_kept(property: &Property, wanted: Option<&str>, held: &str) -> bool {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    match (property.name, wanted) {
        ("CPUQuota", Some(percent)) => {
            let mut words = held.split(' ').map(str::parse::<u64>);
            let (Some(Ok(quota)), Some(Ok(period))) = (words.next(), words.next()) else {
                return false; // `max`
            };
            let percent = number(percent.trim_end_matches('%'));
            u128::from(quota) * 100 == u128::from(percent) * u128::from(period)
        }
        ("CPUQuota", None) => held.starts_with("max"),
        ("AllowedCPUs" | "AllowedMemoryNodes", Some(wanted)) => list(wanted) == list(held),
        ("CPUWeight" | "TasksMax", Some(wanted)) => number(wanted) == number(held),
        // Of memory the kernel counts whole pages.
        (_, Some(wanted)) => match number(wanted) {
            // More than any host has is no limit to the kernel.
            ALL_MEMORY.. => number(held) >= ALL_MEMORY,
            bytes => number(held) == bytes - bytes % page,
        },
        (_, None) => match property.without {
            Without::Infinity => held == "max",
            Without::Usual => held == "100",
            Without::All => {
                let held = list(held);
                let all = all_of(property.name);
                held.is_empty() || all.iter().all(|number| held.contains(number))
            }
            // What it is then others decide.
            Without::Nothing | Without::Default => true,
        },
    }
}

/// Numbers and ranges of numbers.
fn list(text: &str) -> Vec<u64> {
    let mut all = Vec::new();
    for part in text.split([',', ' ']).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u64>(), last.parse::<u64>()) {
            all.extend(first..=last.min(first.saturating_add(MOST)));
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// All that this host may have: systemd does not tell the kernel of a list that is empty.
fn all_of(name: &str) -> Vec<u64> {
    let file = match name {
        "AllowedMemoryNodes" => "/sys/devices/system/node/online",
        _ => "/sys/devices/system/cpu/possible",
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    list(text.trim())
}

/// Bytes.
const ALL_MEMORY: u64 = 1 << 62;

/// More processors than the kernel knows.
const MOST: u64 = 8192;

/// A value over D-Bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Number(u64),
    /// A set of numbers as a bitmap, the lowest first.
    Bits(Vec<u8>),
}

/// What systemd is told about a limit: its name on the bus, and its value or that there is none. Without a
/// limit of its own a service has `usual_tasks`.
pub(super) fn told(
    name: &str,
    wanted: Option<&str>,
    usual_tasks: u64,
) -> Option<(&'static str, Told)> {
    let property = PROPERTIES.iter().find(|property| property.name == name)?;
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX); // `infinity`
    let value = match (name, wanted) {
        ("AllowedCPUs" | "AllowedMemoryNodes", wanted) => {
            Told::Bits(bits(&wanted.map_or_else(|| all_of(name), list)))
        }
        // Microseconds of each second.
        ("CPUQuota", Some(percent)) => {
            Told::Number(number(percent.trim_end_matches('%')).saturating_mul(10_000))
        }
        (_, Some(wanted)) => Told::Number(number(wanted)),
        (_, None) => Told::Number(match property.without {
            // Of a weight it says that there is none.
            Without::Infinity | Without::Usual | Without::All => u64::MAX,
            Without::Nothing => 0,
            Without::Default => usual_tasks,
        }),
    };
    Some((property.on_bus, value))
}

fn bits(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in numbers {
        let (at, bit) = (usize::try_from(number / 8).unwrap_or(0), number % 8);
        if bytes.len() <= at {
            bytes.resize(at + 1, 0);
        }
        bytes[at] |= 1_u8 << bit;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_shows_is_compared_by_its_meaning() {
        let kept = |name: &str, wanted: Option<&str>, held: &str| {
            let property = PROPERTIES.iter().find(|property| property.name == name);
            is_kept(property.unwrap(), wanted, held)
        };
        for (name, wanted, held) in [
            ("MemoryMax", Some("100000"), "98304"),
            ("MemoryMax", Some("infinity"), "max"),
            ("MemoryMax", Some("9223372036921884671"), "max"),
            ("MemoryMax", None, "max"),
            ("MemoryLow", None, "4096"),
            ("TasksMax", Some("73"), "73"),
            ("TasksMax", Some("infinity"), "max"),
            ("TasksMax", None, "2313"),
            ("CPUQuota", Some("40%"), "40000 100000"),
            ("CPUQuota", Some("40%"), "4000 10000"),
            ("CPUQuota", None, "max 100000"),
            ("CPUWeight", None, "100"),
            ("AllowedCPUs", Some("0,1,3"), "0-1,3"),
            ("AllowedCPUs", None, ""),
            ("AllowedCPUs", None, "0-8000"),
        ] {
            assert!(kept(name, wanted, held), "{name} {wanted:?} {held}");
        }
        for (name, wanted, held) in [
            ("MemoryMax", Some("100000"), "102400"),
            ("MemoryMax", None, "98304"),
            ("TasksMax", Some("73"), "max"),
            ("CPUQuota", Some("40%"), "max 100000"),
            ("CPUQuota", None, "40000 100000"),
            ("CPUWeight", None, "50"),
            ("AllowedCPUs", Some("0-1"), "0"),
            ("AllowedCPUs", None, "9999"),
        ] {
            assert!(!kept(name, wanted, held), "{name} {wanted:?} {held}");
        }
    }

    #[test]
    fn what_is_lifted_is_said_outright() {
        let said = |name, wanted| told(name, wanted, 2313).unwrap();
        let number = |name, number| (name, Told::Number(number));
        let bits = |bits: &[u8]| ("AllowedCPUs", Told::Bits(bits.into()));
        assert_eq!(said("MemoryMax", None), number("MemoryMax", u64::MAX));
        assert_eq!(
            said("CPUQuota", None),
            number("CPUQuotaPerSecUSec", u64::MAX)
        );
        assert_eq!(said("CPUWeight", None), number("CPUWeight", u64::MAX));
        assert_eq!(said("MemoryLow", None), number("MemoryLow", 0));
        assert_eq!(said("TasksMax", None), number("TasksMax", 2313));
        // All that there are: no list would leave the kernel with the old one.
        assert_ne!(said("AllowedCPUs", None), bits(&[]));
        let half = number("CPUQuotaPerSecUSec", 500_000);
        assert_eq!(said("CPUQuota", Some("50%")), half);
        let all = Some("infinity");
        assert_eq!(said("TasksMax", all), number("TasksMax", u64::MAX));
        assert_eq!(
            said("AllowedCPUs", Some("0-1,7,8")),
            bits(&[0b1000_0011, 1])
        );
        assert_eq!(told("Nice", Some("5"), 1), None);
    }
}
