//! Freezing and thawing, with an end.
//!
//! On cgroup version 2 liblxc lets the monitor write the switch and wait for the kernel without end; a process
//! that cannot be frozen (one that waits for a disk) takes the monitor with it for as long as that lasts, and
//! nothing can be asked of the container any more. So the switch is turned here and waited for here, and the
//! monitor hears of it when it is done.

use std::path::Path;
use std::time::{Duration, Instant};

use super::asked::Asked;
use super::site::{Site, failed, io};
use crate::backend::BackendError;
use crate::sys::Cgroup;
use crate::sys::process::Stat;

/// How long the kernel may take to freeze all processes: milliseconds where none waits for hardware.
const FREEZE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// Freezes a running container, or leaves it as it was.
pub(super) fn freeze(site: &Site, container: &Asked, full: &str) -> Result<(), BackendError> {
    if let Some(cgroup) = cgroup(site, container, full)? {
        hold(&cgroup, full)?;
    }
    match container.freeze()? {
        true => Ok(()),
        false => Err(failed("freeze", full, "liblxc refused")),
    }
}

/// Thaws it, also one whose monitor waits for its being frozen.
pub(super) fn thaw(site: &Site, container: &Asked, full: &str) -> Result<(), BackendError> {
    if let Some(cgroup) = cgroup(site, container, full)?
        && let Some(switch) = cgroup.freezer()
    {
        std::fs::write(&switch, "0").map_err(io("write", &switch))?;
    }
    match container.unfreeze()? {
        true => Ok(()),
        false => Err(failed("thaw", full, "liblxc refused")),
    }
}

/// Whether the container of this init is frozen, or about to be, by whomever.
pub(super) fn is_held(site: &Site, init: u32, full: &str) -> bool {
    site.meter().is_held(init, full)
}

fn cgroup(site: &Site, container: &Asked, full: &str) -> Result<Option<Cgroup>, BackendError> {
    let init = container.init_pid()?;
    Ok(init.map(|init| site.meter().cgroup(init, full)))
}

/// Turns the switch of version 2 and waits for the kernel; turns it back when that takes too long.
fn hold(cgroup: &Cgroup, full: &str) -> Result<(), BackendError> {
    let Some(switch) = cgroup.freezer() else {
        return Ok(()); // version 1, where liblxc waits for nothing
    };
    std::fs::write(&switch, "1").map_err(io("write", &switch))?;
    let end = Instant::now() + FREEZE;
    while !is_done(&switch) {
        if Instant::now() > end {
            let who = busy(cgroup);
            std::fs::write(&switch, "0").map_err(io("write", &switch))?;
            let reason = format!(
                "not all of its processes could be frozen within {} s{who}; it runs on as before",
                FREEZE.as_secs()
            );
            return Err(failed("freeze", full, reason));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Whether all is frozen (cgroup.events of cgroups(7)); a group that is gone has nothing left to wait for.
fn is_done(switch: &Path) -> bool {
    let events = std::fs::read_to_string(switch.with_file_name("cgroup.events"));
    events.map_or(true, |events| events.lines().any(|line| line == "frozen 1"))
}

/// The processes that wait in the kernel.
fn busy(cgroup: &Cgroup) -> String {
    let all = cgroup.processes().unwrap_or_default();
    let stats = all
        .into_iter()
        .filter_map(|pid| Some((pid, Stat::of(pid)?)));
    let waiting: Vec<String> = stats
        .filter(|(_, stat)| stat.state == 'D')
        .map(|(pid, stat)| format!("{} (pid {pid})", stat.name))
        .take(5)
        .collect();
    match waiting.is_empty() {
        true => String::new(),
        false => format!(": {} waits in the kernel", waiting.join(", ")),
    }
}
