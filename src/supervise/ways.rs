//! The ways to a container on demand, closed when it has ended for good: the next call is to start it again.
//!
//! Runs as `ExecStopPost=` of its service, whose environment tells how that has ended (systemd.exec(5),
//! `$SERVICE_RESULT`). A way that only waits for the container is left alone: nobody's call was taken by it yet, and systemd
//! would begin it again at once.

use std::env;
use std::process::{Command, Stdio};

/// Closes ways, for its own use only.
pub(super) const CLOSES: &str = "__closes";

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
    let mut stop = Command::new("systemctl");
    // Not waited for: this is part of a job itself.
    stop.args(["stop", "--no-block", "--"]).args(running);
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
    let running = blocks.filter(|block| of(block, "SubState=") == "running");
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
            SubState=running\nId=a-82.service\n";
        assert_eq!(running(shown), ["a-80.service", "a-82.service"]);
    }
}
