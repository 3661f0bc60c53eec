//! Stopping: asks init as soon as init can hear, and kills after the timeout.
//!
//! The kernel throws away a signal that a container's init does not wait for yet. liblxc sends it once
//! and waits for its whole timeout when it was too early; here it is sent again until init handles or
//! blocks it as `/proc/<init>/status` shows (busybox shows neither, and is asked until it is gone: its
//! shutdown is deaf to more). An init that is still busy with its start scripts, say with a DHCP client
//! that nobody answers, hears nothing at all; its children are asked to end, as init would ask them.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::asked::Asked;
use super::ffi::signal;
use super::frozen;
use super::mark;
use super::site::{Site, failed};
use crate::backend::{BackendError, Body, End};
use crate::model::{Name, signal_number};

/// How often init is asked until it shows that it hears.
const LOOK: Duration = Duration::from_millis(100);
/// How long init may be busy before its children are asked.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long the monitor may take to tidy up after init has gone.
const TIDY: Duration = Duration::from_secs(10);
/// `SIGRTMIN+3`, halt for systemd (systemd(1)); liblxc takes it for any init that blocks it.
const SYSTEMD_HALT: i32 = 37;
/// `SIGPWR`, what liblxc sends when nothing else is said.
const POWER: i32 = 30;

/// Stops a container; a stopped or absent one is fine.
pub(super) fn stop(
    site: &Site,
    name: &Name,
    body: Body,
    timeout: Duration,
) -> Result<End, BackendError> {
    let dir = site.body(name, body);
    let full = match body {
        Body::Present => site.full(name),
        Body::Aside => format!("{}~old", site.full(name)), // somebody started it by hand
    };
    if !dir.join("config").exists() {
        return Ok(End::Own);
    }
    let container = site.container("stop", &full)?;
    let rests = || settled(&container, &full).map(|()| End::Own);
    let Some(init) = init_of(&container)? else {
        return rests();
    };
    let Ok(init_fd) = open(init) else {
        return rests();
    };
    mark::begin_stop(&dir, init)?;
    let monitor = parent_of(init).and_then(|pid| open(pid).ok());
    let frozen = matches!(container.state()?.as_str(), "FROZEN" | "FREEZING");
    if frozen || frozen::is_held(site, init, &full) {
        frozen::thaw(site, &container, &full)?;
    }
    let mut end = End::Own;
    if !shut_down(&container, init, &init_fd, timeout)? {
        end = End::Killed;
        // It may have gone in this very moment, which is what was wanted.
        let _ = pidfd_send_signal(&init_fd, Signal::KILL);
        if !gone(&init_fd, TIDY) {
            return Err(failed(
                "stop",
                &full,
                "its init does not end even when killed",
            ));
        }
    }
    if let Some(monitor) = monitor {
        gone(&monitor, TIDY);
    }
    settled(&container, &full)?;
    mark::end_stop(&dir)?;
    Ok(end)
}

/// The init that is to be asked; of one that is just starting, as soon as there is one.
fn init_of(container: &Asked) -> Result<Option<u32>, BackendError> {
    let end = Instant::now() + TIDY;
    loop {
        let init = container.init_pid()?;
        if init.is_some() || container.state()? != "STARTING" || Instant::now() > end {
            return Ok(init);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until liblxc calls it stopped, too.
fn settled(container: &Asked, full: &str) -> Result<(), BackendError> {
    let end = Instant::now() + TIDY;
    while container.state()? != "STOPPED" {
        if Instant::now() > end {
            return Err(failed("stop", full, "liblxc still calls it running"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Asks for a clean shutdown; whether init was gone within `timeout`.
fn shut_down(
    container: &Asked,
    init: u32,
    fd: &OwnedFd,
    timeout: Duration,
) -> Result<bool, BackendError> {
    let end = Instant::now() + timeout;
    let wanted = signal_number(&container.config("lxc.signal.halt")?);
    let begun = Instant::now();
    let (mut asked, mut children_asked) = (false, false);
    loop {
        let status = std::fs::read_to_string(format!("/proc/{init}/status")).unwrap_or_default();
        let halt = wanted.unwrap_or(if masked(&status, &["SigCgt:", "SigBlk:"], SYSTEMD_HALT) {
            SYSTEMD_HALT
        } else {
            POWER
        });
        let left = end.saturating_duration_since(Instant::now());
        let heard = masked(&status, &["SigCgt:", "SigBlk:"], halt);
        if !(asked && heard) {
            // The signal is one that `signal` knows, and a process that has gone is found below.
            let _ = signal(halt).map(|halt| pidfd_send_signal(fd, halt));
            asked = heard;
        }
        let deaf = !heard || masked(&status, &["SigPnd:", "ShdPnd:"], halt);
        if !children_asked && deaf && begun.elapsed() > PATIENCE {
            ask_children(init);
            children_asked = true;
        }
        if gone(fd, LOOK.min(left)) {
            return Ok(true);
        }
        if left.is_zero() {
            return Ok(false);
        }
    }
}

/// Asks the children of an init to end (proc(5), `children`).
fn ask_children(init: u32) {
    let list = std::fs::read_to_string(format!("/proc/{init}/task/{init}/children"));
    for child in list.unwrap_or_default().split_whitespace() {
        let child = child
            .parse()
            .ok()
            .filter(|pid| parent_of(*pid) == Some(init));
        if let Some(Ok(child)) = child.map(open) {
            // One that has ended meanwhile is what was wanted.
            let _ = pidfd_send_signal(child, Signal::TERM);
        }
    }
}

/// Whether a signal is in one of these masks of a `/proc/<pid>/status` (proc(5)).
fn masked(status: &str, masks: &[&str], number: i32) -> bool {
    let bit = 1u64
        .checked_shl(number.unsigned_abs().saturating_sub(1))
        .unwrap_or(0);
    status.lines().any(|line| {
        masks
            .iter()
            .find_map(|mask| line.strip_prefix(mask))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask & bit != 0)
    })
}

/// A pidfd of a process; an error when it has gone.
pub(super) fn open(pid: u32) -> rustix::io::Result<OwnedFd> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(rustix::io::Errno::SRCH)?;
    pidfd_open(pid, PidfdFlags::empty())
}

/// Parent of a process: for a container's init, its monitor.
pub(super) fn parent_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// Waits at most `time` for a process to end.
fn gone(fd: &OwnedFd, time: Duration) -> bool {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let borrowed: BorrowedFd<'_> = std::os::fd::AsFd::as_fd(fd);
        match poll(
            &mut [PollFd::from_borrowed_fd(borrowed, PollFlags::IN)],
            Some(&left),
        ) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_heard_when_it_is_handled_or_blocked() {
        let status = "Name:\tinit\nSigBlk:\t0000000000000200\nSigCgt:\t0000001000000000\n";
        let hears = |text: &str, number| masked(text, &["SigCgt:", "SigBlk:"], number);
        assert!(hears(status, 10) && hears(status, 37));
        assert!(!hears(status, 30) && !hears("", 10));
        assert!(!masked(status, &["ShdPnd:"], 10));
    }
}
