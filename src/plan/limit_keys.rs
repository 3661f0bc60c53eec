//! Which keys of the file stand behind limits that differ: every key that changed, and no other.

use std::collections::BTreeSet;

use crate::model::{Container, Key, Limit};

/// The kernel's period of a quota that names none, microseconds.
const PERIOD: &str = "100000";

/// What may differ of a limit, with its key in the kernel's words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    /// All of it.
    Whole(&'a str),
    /// The time of a processor in each period.
    Quota(&'a str),
    /// The period.
    Period(&'a str),
}

/// The keys behind each difference of the limits of `file`, each in a slice of its own. One that is both gone from the
/// limits and from the file is known by the name that Compose has for it.
pub(super) fn differing(file: &Container, old: &[Limit], new: &[Limit]) -> Vec<&'static [Key]> {
    let mut all: Vec<&'static [Key]> = Vec::new();
    for part in parts(old, new) {
        let keys = named(file, part, new);
        if !all.contains(&keys) {
            all.push(keys);
        }
    }
    if all.is_empty() && is_reordered(old, new) {
        all.push(&[Key::Cgroup]);
    }
    // In the order of the file.
    all.sort_by_key(|keys| keys.first().map(|key| file.place_of(*key).line));
    all
}

/// Whether the same limits come in another order, which is no other limit but of devices (version 1): the last rule that
/// fits one counts.
fn is_reordered(old: &[Limit], new: &[Limit]) -> bool {
    let rules = |all: &[Limit]| -> Vec<Limit> {
        let of = all.iter().filter(|limit| limit.key.starts_with("devices."));
        of.cloned().collect()
    };
    rules(old) != rules(new)
}

/// The key behind one of the limits `all`.
pub(super) fn behind(file: &Container, limit: &Limit, all: &[Limit]) -> Key {
    let keys = named(file, whole(&limit.key), all);
    keys.first().copied().unwrap_or(Key::Cgroup)
}

/// What differs. Swap that follows from an unchanged sum of both is not among it: the memory is.
fn parts<'a>(old: &'a [Limit], new: &'a [Limit]) -> BTreeSet<Part<'a>> {
    let values = |all: &'a [Limit], key: &str| -> Vec<&'a str> {
        let of = all.iter().filter(|limit| limit.key == key);
        of.map(|limit| limit.value.as_str()).collect()
    };
    let sum_stays = sum(old).is_some_and(|before| sum(new) == Some(before));
    let mut parts = BTreeSet::new();
    for limit in old.iter().chain(new) {
        let key = limit.key.as_str();
        let (had, gets) = (values(old, key), values(new, key));
        if had == gets || (key == "memory.swap.max" && sum_stays) {
            continue;
        }
        match key {
            "cpu.max" => {
                let ((quota, period), (had_quota, had_period)) = (halves(&gets), halves(&had));
                parts.extend((quota != had_quota).then_some(Part::Quota(key)));
                parts.extend((period != had_period).then_some(Part::Period(key)));
            }
            "cpu.cfs_period_us" if had.is_empty() && gets == [PERIOD] => {}
            "cpu.cfs_period_us" if had == [PERIOD] && gets.is_empty() => {}
            "cpu.cfs_period_us" => drop(parts.insert(Part::Period(key))),
            "cpu.cfs_quota_us" => drop(parts.insert(Part::Quota(key))),
            key => drop(parts.insert(Part::Whole(key))),
        }
    }
    parts
}

/// Memory and swap together, as the file of Compose counts them; none where one of them has no limit.
fn sum(limits: &[Limit]) -> Option<u64> {
    let bytes = |key: &str| {
        let limit = limits.iter().find(|limit| limit.key == key)?;
        limit.value.parse::<u64>().ok()
    };
    bytes("memory.max")?.checked_add(bytes("memory.swap.max")?)
}

/// Quota and period of a limit of processor time.
fn halves<'a>(values: &[&'a str]) -> (&'a str, &'a str) {
    let value = values.first().copied().unwrap_or("max");
    let (quota, period) = value.split_once(' ').unwrap_or((value, PERIOD));
    (quota, period.trim())
}

/// The key that says it: the one at whose place the limit stands, else one that the file has.
fn named(file: &Container, part: Part<'_>, new: &[Limit]) -> &'static [Key] {
    let keys = keys_of(part);
    let (Part::Whole(key) | Part::Quota(key) | Part::Period(key)) = part;
    let only = |wanted: Key| {
        let mut each = keys.chunks(1);
        each.find(|one| **one == [wanted]).unwrap_or(keys)
    };
    let written = |key: &Key| file.places.contains_key(key);
    if !new.iter().any(|limit| limit.key == key) {
        // `deploy` may well be there for something else.
        let mut left = keys.iter().filter(|key| **key != Key::Deploy);
        return match left.find(|key| written(key)).or(keys.first()) {
            Some(key) => only(*key),
            None => keys,
        };
    }
    let mut said = file.cgroup.iter().rev();
    let said = said.find(|(limit, _)| keys_of(whole(&limit.key)) == keys_of(whole(key)));
    let at = said.and_then(|(_, place)| {
        let mut there = keys.iter().filter(|key| written(key));
        there.find(|key| file.place_of(**key) == place)
    });
    match at {
        Some(key) => only(*key),
        // An entry of `cgroup` has a place of its own.
        None if said.is_some() && written(&Key::Cgroup) => only(Key::Cgroup),
        None => match keys.iter().find(|key| written(key)).or(keys.first()) {
            Some(key) => only(*key),
            None => keys,
        },
    }
}

fn whole(key: &str) -> Part<'_> {
    match key {
        "cpu.max" | "cpu.cfs_quota_us" => Part::Quota(key),
        "cpu.cfs_period_us" => Part::Period(key),
        key => Part::Whole(key),
    }
}

/// The keys of the file that may say a limit, those of Compose first.
fn keys_of(part: Part<'_>) -> &'static [Key] {
    use Key::{Cgroup, Deploy};
    let key = match part {
        Part::Quota(_) => return &[Key::Cpus, Key::CpuQuota, Deploy, Cgroup],
        Part::Period(_) => return &[Key::CpuPeriod, Key::Cpus, Deploy, Cgroup],
        Part::Whole(key) => key,
    };
    match key {
        "memory.max" | "memory.limit_in_bytes" => &[Key::MemLimit, Deploy, Cgroup],
        "memory.low" | "memory.soft_limit_in_bytes" => &[Key::MemReservation, Deploy, Cgroup],
        "memory.swap.max" | "memory.memsw.limit_in_bytes" => &[Key::MemswapLimit, Cgroup],
        "memory.swappiness" => &[Key::MemSwappiness, Cgroup],
        "cpu.weight" | "cpu.shares" => &[Key::CpuShares, Cgroup],
        "cpu.rt_runtime_us" => &[Key::CpuRtRuntime, Cgroup],
        "cpu.rt_period_us" => &[Key::CpuRtPeriod, Cgroup],
        "cpuset.cpus" => &[Key::Cpuset, Cgroup],
        "pids.max" => &[Key::PidsLimit, Deploy, Cgroup],
        "io.weight" | "blkio.weight" => &[Key::BlkioConfig, Cgroup],
        _ => &[Cgroup],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Name, Place};

    fn place(line: u32) -> Place {
        Place {
            line,
            ..Place::nowhere()
        }
    }

    /// The keys behind a change of limits, of a file that has `written` and says its limits with `by`.
    fn behind(written: &[Key], by: &[(&str, Key)], old: &[&str], new: &[&str]) -> Vec<Key> {
        let limits =
            |all: &[&str]| -> Vec<Limit> { all.iter().map(|text| text.parse().unwrap()).collect() };
        let mut file = Container::bare(Name::new("web").unwrap());
        for (key, line) in written.iter().zip(1..) {
            file.places.insert(*key, place(line));
        }
        for (limit, key) in by {
            let at = match key {
                Key::Cgroup => place(90),
                key => file.place_of(*key).clone(),
            };
            file.cgroup.push((limit.parse().unwrap(), at));
        }
        differing(&file, &limits(old), &limits(new)).concat()
    }

    #[test]
    fn every_key_that_changed_is_named_and_no_other() {
        use Key::{Cgroup, CpuPeriod, CpuQuota, Cpus, Deploy, MemLimit, MemswapLimit, PidsLimit};
        let old = ["memory.max=1", "cpu.max=50000 100000", "pids.max=9"];
        let new = ["memory.max=2", "cpu.max=60000 100000", "pids.max=8"];
        let all = [PidsLimit, MemLimit, Cpus];
        let mut named = behind(&all, &[], &old, &new);
        named.sort_by_key(|key| key.as_str());
        assert_eq!(named, [Cpus, MemLimit, PidsLimit]);
        assert_eq!(
            behind(&all, &[], &old, &[new[0], old[1], old[2]]),
            [MemLimit]
        );
        assert_eq!(behind(&[Deploy], &[], &old, &new), [Deploy]);
        // The later one counts where both say it.
        let both = [MemLimit, Cgroup];
        let by = |key| [("memory.max=2", key)];
        assert_eq!(behind(&both, &by(Cgroup), &old[..1], &new[..1]), [Cgroup]);
        assert_eq!(
            behind(&both, &by(MemLimit), &old[..1], &new[..1]),
            [MemLimit]
        );
        // The sum is what the file has.
        let swap = [MemLimit, MemswapLimit];
        let had = ["memory.max=10", "memory.swap.max=20"];
        let less = ["memory.max=15", "memory.swap.max=15"];
        assert_eq!(behind(&swap, &[], &had, &less), [MemLimit]);
        let more = ["memory.max=10", "memory.swap.max=25"];
        assert_eq!(behind(&swap, &[], &had, &more), [MemswapLimit]);
        let time = [CpuQuota, CpuPeriod];
        let had = ["cpu.max=50000 100000"];
        assert_eq!(
            behind(&time, &[], &had, &["cpu.max=50000 80000"]),
            [CpuPeriod]
        );
        assert_eq!(
            behind(&time, &[], &had, &["cpu.max=40000 100000"]),
            [CpuQuota]
        );
        assert_eq!(
            behind(&time, &[], &had, &["cpu.max=40000 80000"]),
            [CpuQuota, CpuPeriod]
        );
        let v1 = ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000"];
        assert_eq!(behind(&[Cpus], &[], &[], &v1), [Cpus]);
    }

    #[test]
    fn a_limit_that_left_the_file_is_named_as_compose_names_it() {
        use Key::{Cgroup, Deploy, MemLimit, PidsLimit};
        let old = ["memory.max=1", "pids.max=9"];
        assert_eq!(behind(&[Deploy], &[], &old, &[]), [MemLimit, PidsLimit]);
        assert_eq!(behind(&[Cgroup], &[], &old, &[]), [Cgroup]);
        assert_eq!(behind(&[], &[], &["memory.high=1"], &[]), [Cgroup]);
        assert_eq!(behind(&[], &[], &old, &old), []);
        // The order counts where a later rule may undo one before.
        let (deny, allow) = ("devices.deny=a", "devices.allow=c 1:3 rwm");
        let swapped = behind(&[Cgroup], &[], &[deny, allow], &[allow, deny]);
        assert_eq!(swapped, [Cgroup]);
        assert_eq!(behind(&[], &[], &old, &[old[1], old[0]]), []);
    }
}
