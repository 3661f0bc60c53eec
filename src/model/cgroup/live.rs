//! Limits of a running container against those that it is to have.
//!
//! Those of memory, processor time and tasks are looked at, where the kernel has them on version 2: they have one file
//! each with one value, which tools of others change (`docker update`, `systemctl set-property`).

use super::{Limit, PERIOD};
use crate::model::{ContainerSpec, limits_of};

/// The keys that are looked at.
const WATCHED: [&str; 3] = ["memory.max", "cpu.max", "pids.max"];

/// The largest page of the kernel, bytes: it rounds a limit of memory down to whole pages.
const PAGE: u64 = 64 << 10;
/// systemd counts processor time in hundredths of a processor, and rounds up.
const STEP: f64 = 0.0101;

/// The limits of a container that its own cgroup is to have, as far as they are looked at. What `config` sets once more,
/// in LXC's words, is LXC's alone.
pub fn live_limits(spec: &ContainerSpec) -> Vec<Limit> {
    let mut all = match &spec.app {
        None => spec.limits.clone(),
        Some(app) => {
            let limits = &app.settings.limits;
            let mut all: Vec<Limit> = limits_of(limits)
                .into_iter()
                .map(|(limit, _)| limit)
                .collect();
            let quota = limits.cpu_quota.filter(|quota| *quota > 0);
            all.extend(quota.map(|quota| Limit {
                key: "cpu.max".into(),
                value: match limits.cpu_period {
                    Some(period) => format!("{quota} {period}"),
                    None => format!("{quota} {PERIOD}"),
                },
            }));
            all
        }
    };
    let is_set_again = |limit: &Limit| {
        spec.config.iter().any(|line| {
            let key = line.key.strip_prefix("lxc.cgroup2.");
            key.or(line.key.strip_prefix("lxc.cgroup.")) == Some(limit.key.as_str())
        })
    };
    // Where there is to be none others may have their reasons for one.
    let is_one = |limit: &Limit| !limit.value.starts_with("max");
    all.retain(|limit| {
        WATCHED.contains(&limit.key.as_str()) && is_one(limit) && !is_set_again(limit)
    });
    all
}

impl Limit {
    /// Whether the kernel holds this limit where it shows `live`; what cannot be compared counts as held.
    pub fn is_held_by(&self, live: &str) -> bool {
        let (wanted, live) = (self.value.trim(), live.trim());
        match self.key.as_str() {
            "memory.max" => match (wanted.parse::<u64>(), live.parse::<u64>()) {
                (Ok(wanted), Ok(live)) => wanted.abs_diff(live) < PAGE,
                (Ok(_), Err(_)) | (Err(_), Ok(_)) => wanted != "max" && live != "max",
                (Err(_), Err(_)) => true,
            },
            "cpu.max" => match (processors(wanted), processors(live)) {
                (Some(wanted), Some(live)) => (wanted - live).abs() < STEP,
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            },
            "pids.max" => wanted == live,
            _ => true,
        }
    }
}

/// How many processors a quota is; none is no limit.
fn processors(value: &str) -> Option<f64> {
    let (quota, period) = value.split_once(' ').unwrap_or((value, PERIOD));
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.trim().parse().ok()?);
    (period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_held_as_the_kernel_and_systemd_round_it() {
        for (wanted, live, held) in [
            ("memory.max=536870912", "536870912", true),
            ("memory.max=536870913", "536870912", true),
            ("memory.max=536870912", "268435456", false),
            ("memory.max=536870912", "max", false),
            ("memory.max=max", "max", true),
            ("memory.max=max", "4096", false),
            ("cpu.max=50000 100000", "50000 100000", true),
            ("cpu.max=33300 100000", "34000 100000", true),
            ("cpu.max=50000", "25000 50000", true),
            ("cpu.max=50000 100000", "60000 100000", false),
            ("cpu.max=50000 100000", "max 100000", false),
            ("cpu.max=max 100000", "max 100000", true),
            ("pids.max=9", "9", true),
            ("pids.max=9", "max", false),
        ] {
            let limit: Limit = wanted.parse().unwrap();
            assert_eq!(limit.is_held_by(live), held, "{wanted} {live}");
        }
    }
}
