//! Limits and use of a running container, from its cgroup. A file that is not there gives nothing.

use super::Usage;
use crate::backend::Meter;

/// Looks at the cgroup of the container `host_name` whose init is `pid`.
pub(super) fn read(meter: &Meter, pid: u32, host_name: &str) -> Usage {
    let cgroup = meter.cgroup(pid, host_name);
    let peak = cgroup.text("memory", "memory.max_usage_in_bytes", "memory.peak");
    Usage {
        cpus: cgroup.text("cpuset", "cpuset.cpus", "cpuset.cpus.effective"),
        shares: cgroup.text("cpu", "cpu.shares", "cpu.weight"),
        // As `top` counts, also where only the processes tell.
        memory: meter
            .read(pid, host_name)
            .and_then(|now| now.figures.memory),
        memory_peak: peak.and_then(|text| text.parse().ok()),
        memory_limit: cgroup.memory_limit(),
    }
}
