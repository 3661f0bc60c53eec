//! Waits until the system inside a container has come up, so that what is run in it meets a system and not
//! half of one: before that its service manager takes no orders, and its directories are still swept.
//!
//! Knows systemd; any other first program is taken as it is from its first moment. Starts and stops nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::attach::{self, Leash};
use super::site::Site;
use super::view;
use crate::backend::BackendError;
use crate::model::{Hook, InnerCommand, Name};
use crate::observed::State;

/// How long a system may take to come up where nobody says; what waits for it goes on then.
pub(super) const LIMIT: Duration = Duration::from_secs(120);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(200);

/// What runs as the first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// Still the program that starts containers.
    NotYet,
    /// systemd, which can be asked.
    Systemd,
    /// Something that tells nothing.
    Other,
}

/// Waits for it, at most `most`; the state that it is in when it has not come up by then. None as well when
/// the container has ended, or when it has no system that tells. Ends early when the leash is cut.
pub(super) fn wait(
    site: &Site,
    name: &Name,
    most: Duration,
    leash: &Leash,
) -> Result<Option<String>, BackendError> {
    let begun = Instant::now();
    loop {
        let (state, pid) = view::state(site, &site.full(name))?;
        let Some(pid) = pid.filter(|_| state != State::Frozen) else {
            return Ok(None);
        };
        let said = match first(&site.program, pid) {
            First::Other => return Ok(None),
            First::NotYet => "not started".into(),
            First::Systemd => ask(site, name),
        };
        if is_up(&said) || leash.is_cut() {
            return Ok(None);
        }
        if begun.elapsed() >= most {
            return Ok(Some(match said.as_str() {
                "" => "its `systemctl is-system-running` does not answer".into(),
                _ => said,
            }));
        }
        std::thread::sleep(LOOK);
    }
}

/// Looked at from outside: what the link is called is the container's affair, and only decides who is asked.
fn first(program: &Path, pid: u32) -> First {
    let link = PathBuf::from(format!("/proc/{pid}/exe"));
    let own = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    if own(&link).is_some_and(|it| Some(it) == own(program)) {
        return First::NotYet;
    }
    match fs::read_link(&link) {
        Ok(path) if path.file_name().is_some_and(|name| name == "systemd") => First::Systemd,
        Ok(_) | Err(_) => First::Other,
    }
}

/// The state in systemd's word; empty while nobody answers (systemctl(1), `is-system-running`).
fn ask(site: &Site, name: &Name) -> String {
    let words = ["systemctl", "is-system-running"].map(str::to_owned);
    let hook = Hook::from(InnerCommand::Exec(words.into()));
    let ran = attach::run(site, name, &hook, Some(ANSWER), &Leash::default());
    let output = ran.map(|ran| ran.output).unwrap_or_default();
    output.trim().to_owned()
}

/// Everything but `initializing`, `starting`, `offline`, `unknown` and what is no answer.
fn is_up(said: &str) -> bool {
    matches!(said, "running" | "degraded" | "maintenance" | "stopping")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_system_that_has_come_up_or_goes_down_is_waited_for_no_longer() {
        for up in ["running", "degraded", "maintenance", "stopping"] {
            assert!(is_up(up), "{up}");
        }
        for still in [
            "",
            "initializing",
            "starting",
            "offline",
            "unknown",
            "Failed to connect to bus",
        ] {
            assert!(!is_up(still), "{still}");
        }
    }

    #[test]
    fn what_starts_a_container_is_no_system_yet_and_another_program_tells_nothing() {
        let own = std::env::current_exe().unwrap();
        let pid = std::process::id();
        assert_eq!(first(&own, pid), First::NotYet);
        assert_eq!(first(Path::new("/nonexistent"), pid), First::Other);
        assert_eq!(first(&own, u32::MAX), First::Other);
    }
}
