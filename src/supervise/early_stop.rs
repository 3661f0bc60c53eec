//! How far systemd knows the start of a system container to be, and a stop that it is asked for before.
//!
//! systemd runs no `ExecStop=` for a service that is still starting: it sends `KillSignal=` to the main process
//! (systemd.service(5)). That is a monitor of liblxc by then, which hands the signal on to an init that does not hear
//! it, and when the time for the stop is over, systemd kills both. So whoever says that the service is ready looks whether it
//! was to stop meanwhile, and stops the container himself. An application container's supervisor hears the signal
//! and needs none of this.

use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{hooks, system, told};
use crate::model::{UnitSpec, service_of};
use crate::store::{self, Paths};
use crate::sys::{self, Notifier};

/// How often systemd is asked until it has heard that the service is ready.
const AGAIN: Duration = Duration::from_millis(10);
/// How long at most: it hears within some milliseconds, and a busy one within seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// The start of a system container's service.
pub(super) struct Start<'a> {
    unit: &'a UnitSpec,
    paths: &'a Paths,
    notifier: &'a Notifier,
    told: AtomicBool,
}

impl<'a> Start<'a> {
    /// Of a service that has said so already, or not yet.
    pub(super) fn new(
        (unit, told): (&'a UnitSpec, bool),
        paths: &'a Paths,
        notifier: &'a Notifier,
    ) -> Self {
        Self {
            unit,
            paths,
            notifier,
            told: AtomicBool::new(told),
        }
    }

    /// Says once that the start is over; true when the container was to stop before systemd has heard that, and nobody
    /// but the caller stops it.
    pub(super) fn tell(&self) -> bool {
        if self.told.swap(true, Ordering::Relaxed) {
            return false;
        }
        if let Err(error) = self.notifier.ready("starting") {
            sys::tell_journal(format_args!(
                "cannot tell the service manager that the container runs: {error}"
            ));
        }
        match is_to_stop(&service_of(&self.unit.project, &self.unit.name)) {
            Ok(stop) => stop,
            Err(reason) => {
                sys::tell_journal(format_args!(
                    "cannot ask systemd whether the container is to stop already ({reason}); if so it is killed when the time for that is over"
                ));
                false
            }
        }
    }

    /// Says of one that has run and ended that it was started: without that its end would be a failure to start.
    pub(super) fn tell_end(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            // It ends with this process in any case.
            let _ = self.notifier.ready("running");
        }
    }

    /// Begins to do what `ExecStop=` does. That has its last words when it is heard from what this gives; whoever waits for
    /// the container's end does not wait for them: they ask the monitor, which by then waits for this very process.
    pub(super) fn stop(&self) -> mpsc::Receiver<()> {
        let (unit, paths) = (super::renewed(self.unit, self.paths), self.paths.clone());
        let (said, done) = mpsc::channel();
        thread::spawn(move || {
            stop(&unit, &paths);
            // Nobody may listen any more.
            let _ = said.send(());
        });
        done
    }
}

fn stop(unit: &UnitSpec, paths: &Paths) {
    match store::take_stopper(paths, &unit.project, &unit.name) {
        // A run of locker ends it, in its own time.
        Some(asker) => told::leave_to(&asker),
        None => {
            if let Err(reason) = hooks::pre_stop(unit, paths) {
                // systemd has been told to stop it, and nobody is there to be asked again.
                sys::tell_failure(&reason);
            }
        }
    }
    if let Err(reason) = system::stop(unit, paths) {
        sys::tell_failure(&reason);
    }
}

/// What systemd makes of the service.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// It has not heard yet, or has not answered.
    Starting,
    /// It was told to stop before it heard.
    Stopping,
    /// From now on a stop runs `ExecStop=`.
    Ready,
}

/// By the word for `SubState` (systemd's `service_state_table`). While `ExecStop=` runs that is `stop`.
fn seen(state: &str) -> Seen {
    match state {
        "" | "start" => Seen::Starting,
        "stop-sigterm" => Seen::Stopping,
        _ => Seen::Ready,
    }
}

fn is_to_stop(service: &str) -> Result<bool, String> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let state = state(service).map_err(|error| format!("systemctl: {error}"))?;
        match seen(&state) {
            Seen::Starting => thread::sleep(AGAIN),
            Seen::Stopping => return Ok(true),
            Seen::Ready => return Ok(false),
        }
    }
    Err("it has not heard of the start in time".into())
}

/// Empty when systemd does not answer.
fn state(service: &str) -> io::Result<String> {
    let mut command = Command::new("systemctl");
    command.args(["show", "--property=SubState", "--value", "--", service]);
    let shown = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&shown.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stop_that_systemd_runs_no_command_for_is_done_here() {
        assert_eq!(seen("start"), Seen::Starting);
        assert_eq!(seen(""), Seen::Starting);
        assert_eq!(seen("stop-sigterm"), Seen::Stopping);
        for others in ["running", "stop", "dead", "auto-restart"] {
            assert_eq!(seen(others), Seen::Ready, "{others}");
        }
    }
}
