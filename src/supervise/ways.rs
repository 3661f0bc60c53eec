//! The ways to a container on demand, closed when it has ended for good: the next call is to start it again.
//!
//! [`CLOSES`] runs as `ExecStopPost=` of its service, whose environment tells how that has ended (systemd.exec(5),
//! `$SERVICE_RESULT`), and closes what takes calls. A way that only waits for the container is left alone: nobody's call was
//! taken by it yet, and systemd would begin it again at once. So it takes the calls that wait, and [`LEAVES`], its
//! `ExecStartPost=`, closes it with them.

use std::env;
use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Closes ways, for its own use only.
pub(super) const CLOSES: &str = "__closes";

/// Closes a way whose container has ended, for its own use only.
pub(super) const LEAVES: &str = "__leaves";

/// The proxy takes the calls that wait as soon as it runs. One that it has not taken by then starts the container once more.
const TAKEN: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(100);
/// The end of a container is waited for so long, less than its way has to begin (`TimeoutStartSec=`).
const MOST: Duration = Duration::from_secs(60);

/// What systemd says of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, or is about to: by a restart as well.
    On,
    /// It ends, and what comes then is not known yet.
    Ends,
    /// It has ended or failed, and nothing starts it.
    Ended,
}

/// `WAY SERVICE`.
pub(super) fn leave(words: &[String]) -> Result<u8, String> {
    let [way, service] = words else {
        return Err(format!("`{LEAVES}` is for locker's own use"));
    };
    let begun = Instant::now();
    while state(service) == State::Ends {
        // Whatever comes of it then, it closes the way itself.
        if begun.elapsed() > MOST {
            return Ok(0);
        }
        std::thread::sleep(AGAIN);
    }
    if state(service) == State::Ended {
        std::thread::sleep(TAKEN);
    }
    match state(service) {
        State::Ended => stop(&[way]),
        // Somebody has started it meanwhile.
        State::On | State::Ends => Ok(0),
    }
}

/// What a service does; one that systemd does not tell of is left alone.
pub(super) fn state(service: &str) -> State {
    let mut show = Command::new("systemctl");
    show.args(["show", "--property=ActiveState", "--property=Job", "--"]);
    match show.arg(service).stdin(Stdio::null()).output() {
        Ok(shown) => read(&String::from_utf8_lossy(&shown.stdout)),
        Err(_) => State::On,
    }
}

/// `systemctl show`: without a job there is no `Job=` line.
fn read(shown: &str) -> State {
    let job = shown.lines().find_map(|line| line.strip_prefix("Job="));
    let active = shown
        .lines()
        .find_map(|line| line.strip_prefix("ActiveState="));
    match (active, job) {
        (Some("inactive" | "failed"), None | Some("" | "0")) => State::Ended,
        (Some("deactivating"), _) => State::Ends,
        _ => State::On,
    }
}

/// `RESTART WAY...`.
pub(super) fn close(words: &[String]) -> Result<u8, String> {
    let Some((restart, ways)) = words.split_first() else {
        return Err(format!("`{CLOSES}` is for locker's own use"));
    };
    let said = |name| env::var(name).unwrap_or_default();
    let status = said("EXIT_STATUS");
    if comes_back(restart, &said("SERVICE_RESULT"), &status) {
        return Ok(0);
    }
    let mut show = Command::new("systemctl");
    show.args(["show", "--property=Id", "--property=SubState", "--"]);
    let shown = show.args(ways).stdin(Stdio::null()).output();
    let shown = shown.map_err(|error| format!("systemctl: {error}"))?;
    let running = running(&String::from_utf8_lossy(&shown.stdout));
    if running.is_empty() {
        return Ok(0);
    }
    stop(&running)
}

/// Not waited for: who asks is part of a job himself.
fn stop(ways: &[impl AsRef<OsStr>]) -> Result<u8, String> {
    let mut stop = Command::new("systemctl");
    stop.args(["stop", "--no-block", "--"]).args(ways);
    let status = stop.stdin(Stdio::null()).status();
    match status.map_err(|error| format!("systemctl: {error}"))? {
        status if status.success() => Ok(0),
        _ => Ok(1),
    }
}

/// Whether systemd starts the service again by itself.
fn comes_back(restart: &str, result: &str, status: &str) -> bool {
    // By that signal a supervisor gives up (`Tries::give_up`).
    restart == "on-failure" && result != "success" && status != "USR2"
}

/// Those that take calls, of what `systemctl show` prints: a block of lines for each.
fn running(shown: &str) -> Vec<String> {
    let blocks = shown.split("\n\n");
    let of = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().to_owned()
    };
    let takes = |block: &&str| matches!(of(block, "SubState=").as_str(), "running" | "start-post");
    let running = blocks.filter(takes);
    running.map(|block| of(block, "Id=")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_starts_again_keeps_its_ways() {
        assert!(comes_back("on-failure", "exit-code", "1"));
        assert!(!comes_back("on-failure", "success", "0"));
        assert!(!comes_back("on-failure", "signal", "USR2"), "it gave up");
        assert!(!comes_back("no", "exit-code", "1"));
    }

    #[test]
    fn only_ways_that_take_calls_are_closed() {
        let shown = "Id=a-80.service\nSubState=running\n\nId=a-81.service\nSubState=start-pre\n\n\
            SubState=running\nId=a-82.service\n\nId=a-83.service\nSubState=start-post\n";
        assert_eq!(
            running(shown),
            ["a-80.service", "a-82.service", "a-83.service"]
        );
    }

    #[test]
    fn what_is_about_to_start_has_not_ended() {
        assert_eq!(read("ActiveState=failed\n"), State::Ended);
        assert_eq!(read("Job=0\nActiveState=inactive\n"), State::Ended);
        assert_eq!(read("ActiveState=deactivating\n"), State::Ends);
        assert_eq!(read("ActiveState=inactive\nJob=731\n"), State::On);
        assert_eq!(read("ActiveState=activating\n"), State::On);
        assert_eq!(read("ActiveState=active\n"), State::On);
        assert_eq!(read(""), State::On, "systemd does not answer");
    }
}
