//! The table of cgroup keys: which exist, in which version, and what each is called in the other.
//!
//! From the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst. No value is read here.

/// How a value changes between the versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The same value.
    Same,
    /// A size: `-1` in v1, `max` in v2.
    Size,
    /// CPU shares 2 to 262144 and weight 1 to 10000.
    Shares,
    /// Block weight 10 to 1000 and weight 1 to 10000.
    BlockWeight,
    /// Quota and period in two files or in one.
    Quota,
    /// A throttle of one device: a file each, or a word in `io.max`.
    Throttle(&'static str),
    /// Memory and swap together in v1, swap alone in v2.
    Swap,
    /// Nothing like it in the other version; the reason.
    None(&'static str),
}

/// A key of v1, its name in v2, and how values change. An empty name: that version has none.
pub(super) struct Pair {
    pub v1: &'static str,
    pub v2: &'static str,
    pub rule: Rule,
}

const fn pair(v1: &'static str, v2: &'static str, rule: Rule) -> Pair {
    Pair { v1, v2, rule }
}

const fn only1(v1: &'static str, why: &'static str) -> Pair {
    pair(v1, "", Rule::None(why))
}

const fn only2(v2: &'static str, why: &'static str) -> Pair {
    pair("", v2, Rule::None(why))
}

const DEVICES: &str =
    "version 2 has no device files; use `config: [lxc.autodev = …]` or a host with version 1";
const KMEM: &str = "version 2 counts kernel memory with the rest; use `memory.max`";
const RT: &str = "version 2 has no realtime bandwidth";
const NET: &str = "version 2 has no network classes; match the cgroup in the firewall";

/// Every key that locker knows.
pub(super) const PAIRS: &[Pair] = &[
    pair("memory.limit_in_bytes", "memory.max", Rule::Size),
    pair("memory.soft_limit_in_bytes", "memory.low", Rule::Size),
    pair("memory.memsw.limit_in_bytes", "memory.swap.max", Rule::Swap),
    only1(
        "memory.swappiness",
        "version 2 has it for the whole host only (vm.swappiness)",
    ),
    only1(
        "memory.oom_control",
        "version 2 has `memory.oom.group`, which means something else",
    ),
    only1("memory.kmem.limit_in_bytes", KMEM),
    only1("memory.kmem.tcp.limit_in_bytes", KMEM),
    only2(
        "memory.high",
        "version 1 cannot slow a container down; use `memory.max`",
    ),
    only2(
        "memory.min",
        "version 1 cannot guarantee memory; use `memory.low`",
    ),
    only2(
        "memory.swap.high",
        "version 1 has no such limit; use `memory.swap.max`",
    ),
    only2(
        "memory.zswap.max",
        "version 1 does not count compressed swap",
    ),
    only2("memory.oom.group", "version 1 kills single processes only"),
    pair("cpu.shares", "cpu.weight", Rule::Shares),
    pair("cpu.cfs_quota_us", "cpu.max", Rule::Quota),
    pair("cpu.cfs_period_us", "cpu.max", Rule::Quota),
    pair("cpu.cfs_burst_us", "cpu.max.burst", Rule::Same),
    pair("cpu.idle", "cpu.idle", Rule::Same),
    only1("cpu.rt_runtime_us", RT),
    only1("cpu.rt_period_us", RT),
    only2("cpu.weight.nice", "use `cpu.weight`"),
    only2(
        "cpu.uclamp.min",
        "version 1 has it under the same name on some kernels only",
    ),
    only2(
        "cpu.uclamp.max",
        "version 1 has it under the same name on some kernels only",
    ),
    pair("cpuset.cpus", "cpuset.cpus", Rule::Same),
    pair("cpuset.mems", "cpuset.mems", Rule::Same),
    only1(
        "cpuset.cpu_exclusive",
        "use `cpuset.cpus.partition` with version 2",
    ),
    only1("cpuset.mem_exclusive", "version 2 has no such setting"),
    only1("cpuset.memory_migrate", "version 2 always migrates"),
    only2("cpuset.cpus.partition", "version 1 has no partitions"),
    pair("pids.max", "pids.max", Rule::Same),
    pair("blkio.weight", "io.weight", Rule::BlockWeight),
    pair("blkio.bfq.weight", "io.bfq.weight", Rule::Same),
    pair(
        "blkio.throttle.read_bps_device",
        "io.max",
        Rule::Throttle("rbps"),
    ),
    pair(
        "blkio.throttle.write_bps_device",
        "io.max",
        Rule::Throttle("wbps"),
    ),
    pair(
        "blkio.throttle.read_iops_device",
        "io.max",
        Rule::Throttle("riops"),
    ),
    pair(
        "blkio.throttle.write_iops_device",
        "io.max",
        Rule::Throttle("wiops"),
    ),
    only2("io.latency", "version 1 has no latency target"),
    only1("devices.allow", DEVICES),
    only1("devices.deny", DEVICES),
    only1("net_cls.classid", NET),
    only1("net_prio.ifpriomap", NET),
    pair("rdma.max", "rdma.max", Rule::Same),
    pair("misc.max", "misc.max", Rule::Same),
];

/// Whether `key` is a cgroup key of either version.
pub(super) fn is_known(key: &str) -> bool {
    all().any(|known| known == key) || hugetlb(key).is_some()
}

/// What a key holds where nobody set it.
pub(super) fn lifted(key: &str) -> Option<&'static str> {
    match key {
        "memory.low" | "memory.min" | "memory.oom.group" | "cpu.idle" => Some("0"),
        "cpu.shares" => Some("1024"),
        "cpu.cfs_quota_us" => Some("-1"),
        "cpu.weight" | "io.weight" => Some("100"),
        "cpu.max" => Some("max 100000"),
        "pids.max" => Some("max"),
        _ if is_size(key) && key.ends_with("_in_bytes") => Some("-1"),
        _ if is_size(key) => Some("max"),
        _ => None,
    }
}

/// Every key without a variable part.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    PAIRS
        .iter()
        .flat_map(|pair| [pair.v1, pair.v2])
        .filter(|key| !key.is_empty())
}

/// Whether the value of `key` is a number of bytes.
pub(super) fn is_size(key: &str) -> bool {
    let bytes = key.starts_with("memory.")
        && (key.ends_with("_in_bytes")
            || key.ends_with(".max")
            || matches!(
                key,
                "memory.low" | "memory.high" | "memory.min" | "memory.swap.high"
            ));
    bytes || hugetlb(key).is_some()
}

/// The page size of a `hugetlb` limit, and whether the key is the one of v1.
pub(super) fn hugetlb(key: &str) -> Option<(&str, bool)> {
    let rest = key.strip_prefix("hugetlb.")?;
    let (size, name) = rest.split_once('.')?;
    let unit = size
        .strip_suffix("KB")
        .or(size.strip_suffix("MB"))
        .or(size.strip_suffix("GB"))?;
    let number = !unit.is_empty() && unit.bytes().all(|b| b.is_ascii_digit());
    match name {
        "limit_in_bytes" if number => Some((size, true)),
        "max" if number => Some((size, false)),
        _ => None,
    }
}
