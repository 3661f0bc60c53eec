//! Waits until the system inside a container has come up, so that what is run in it meets a system and not
//! half of one: before that its service manager takes no orders, and its directories are still swept.
//!
//! Knows systemd, and what the file says of it (`ready`); any other first program is taken as it is from its first
//! moment. Starts and stops nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::attach::{self, Leash};
use super::site::Site;
use super::view;
use crate::backend::BackendError;
use crate::model::{COMES_UP, Hook, InnerCommand, Name, Ready};
use crate::observed::State;

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

/// Waits for it, at most `most`, or as long as is usual; the state that it is in when it has not come up by then. None
/// as well when the container has ended, or when it has no system that tells. Ends early when the leash is cut.
pub(super) fn wait(
    site: &Site,
    name: &Name,
    ready: Option<&Ready>,
    most: Option<Duration>,
    leash: &Leash,
) -> Result<Option<String>, BackendError> {
    let most = most.unwrap_or_else(|| ready.map_or(COMES_UP, |ready| ready.within));
    let begun = Instant::now();
    loop {
        let (state, pid) = view::state(site, &site.full(name))?;
        let Some(pid) = pid.filter(|_| state != State::Frozen) else {
            return Ok(None);
        };
        let still = match (first(&site.program, pid), ready) {
            (First::NotYet, _) => Some("not started".into()),
            (First::Systemd | First::Other, Some(ready)) => test(site, name, &ready.test),
            (First::Systemd, None) => ask(site, name),
            (First::Other, None) => return Ok(None),
        };
        if still.is_none() || leash.is_cut() {
            return Ok(None);
        }
        if begun.elapsed() >= most {
            return Ok(still);
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

/// The state in systemd's word while it has not come up (systemctl(1), `is-system-running`).
fn ask(site: &Site, name: &Name) -> Option<String> {
    let words = ["systemctl", "is-system-running"].map(str::to_owned);
    let hook = Hook::from(InnerCommand::Exec(words.into()));
    let ran = attach::run(site, name, &hook, Some(ANSWER), &Leash::default());
    let output = ran.map(|ran| ran.output).unwrap_or_default();
    match output.trim() {
        "" => Some("its `systemctl is-system-running` does not answer".into()),
        said => (!is_up(said)).then(|| said.to_owned()),
    }
}

/// What the file's own test says while it does not pass.
fn test(site: &Site, name: &Name, test: &InnerCommand) -> Option<String> {
    let ran = attach::run(
        site,
        name,
        &test.clone().into(),
        Some(ANSWER),
        &Leash::default(),
    );
    match ran {
        Ok(ran) if ran.code == 0 => None,
        Ok(ran) => Some(failure(test, ran.code, &ran.output)),
        Err(error) => Some(format!("`{test}`: {error}")),
    }
}

fn failure(test: &InnerCommand, code: i32, output: &str) -> String {
    let last = output.lines().rev().find(|line| !line.trim().is_empty());
    let last = last.map_or(String::new(), |line| format!(": {}", line.trim()));
    format!("`{test}` ended with exit code {code}{last}")
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
    fn a_test_that_does_not_pass_is_told_with_its_last_line() {
        let test = InnerCommand::Shell("test -e /run/up".into());
        assert_eq!(
            failure(&test, 1, ""),
            "`test -e /run/up` ended with exit code 1"
        );
        let said = failure(&test, 2, "one\ntwo \n\n");
        assert_eq!(said, "`test -e /run/up` ended with exit code 2: two");
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
