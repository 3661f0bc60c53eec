//! Attending a running container: is it ready, is it healthy, and what is done when it is not.
//!
//! The same for both engines; each hands in how its container is asked. Ends with the container.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{backoff, gate};
use crate::backend::lxc::supervised::shed;
use crate::model::{Healthcheck, Restart, UnitSpec};
use crate::store::Paths;
use crate::sys::{self, Notifier};

/// While it starts, a check is repeated at least this often, so that what waits for it starts early.
const EAGER: Duration = Duration::from_millis(500);

/// How long after a look the threads that hand on the output sleep again.
const SETTLED: Duration = Duration::from_millis(500);

/// What one look at the container's health gave.
pub(super) enum Look {
    /// It has a check, and that passed.
    Passed,
    /// It has a check, and that did not pass; what it said.
    Failed(String),
    /// There is no check.
    Nothing,
}

/// Looks whether somebody takes connections there.
pub(super) fn look_at(at: Option<IpAddr>, port: NonZeroU16, most: Duration) -> Look {
    let Some(at) = at else {
        return Look::Failed("it has no address to be asked at".into());
    };
    match sys::knock(at, port.get(), most) {
        Ok(()) => Look::Passed,
        Err(said) => Look::Failed(said),
    }
}

/// How the container is asked.
pub(super) trait Ask {
    /// Looks at its health: the file's check, else the one that comes with its image.
    fn look(&self, check: Option<&Healthcheck>) -> Look;

    /// Whether it has ended because it was asked to, which an exit code of 0 does not tell.
    fn was_stopped(&self) -> bool;

    /// Ends it, because it is not healthy.
    fn end(&self);

    /// Sees to it that what a sleeper does not need is let go of; false when nobody else does.
    fn rest(&self) -> bool;
}

/// What is written down below /run about the container.
pub(super) struct Notes {
    failures: PathBuf,
    ready: PathBuf,
}

impl Notes {
    pub(super) fn of(unit: &UnitSpec, paths: &Paths) -> Self {
        Self {
            failures: paths.backoff(&unit.project, &unit.name),
            ready: paths.ready(&unit.project, &unit.name),
        }
    }
}

/// Attends to it until `ended` says that it has ended; its exit code.
pub(super) fn attend(
    unit: &UnitSpec,
    notes: &Notes,
    notifier: &Notifier,
    ask: &dyn Ask,
    ended: &Receiver<u8>,
) -> u8 {
    let begun = Instant::now();
    let check = unit.healthcheck.as_ref();
    let mut ready = false;
    let mut failures = 0;
    let mut forgiven = false;
    let mut is_said = None; // held until the container has ended
    loop {
        if !forgiven && begun.elapsed() >= backoff::good_run() {
            backoff::forgive(&notes.failures);
            forgiven = true;
        }
        match ask.look(check) {
            look @ (Look::Nothing | Look::Passed) => {
                failures = 0;
                let words = match look {
                    Look::Passed => "healthy",
                    Look::Nothing | Look::Failed(_) => "running",
                };
                if !ready && !unit.oneshot {
                    is_said = Some(gate::open(&notes.ready));
                }
                say(notifier, &mut ready, unit.oneshot, words);
            }
            Look::Failed(said) => {
                let warm = check.is_some_and(|c| begun.elapsed() < c.start_period);
                failures += u32::from(ready || !warm);
                failed(unit, notifier, ask, ready, failures, &said);
            }
        }
        let pause = pause(check, ready, begun, forgiven);
        let tidies = ready && pause > SETTLED && !ask.rest();
        match sleep(ended, pause, tidies) {
            Ok(code) => {
                gate::shut(&notes.ready);
                drop(is_said.take());
                if code == 0 {
                    backoff::forgive(&notes.failures);
                    if unit.oneshot && !ask.was_stopped() {
                        gate::done(&notes.ready);
                    }
                }
                return code;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Whoever waited for the end is gone: nothing can be known any more.
            Err(RecvTimeoutError::Disconnected) => return super::UNAVAILABLE,
        }
    }
}

/// Waits for the end of the container for so long; with `tidies` it lets go of what a look needed and a
/// sleeper does not: the kernel brings it back from the files.
fn sleep(ended: &Receiver<u8>, pause: Duration, tidies: bool) -> Result<u8, RecvTimeoutError> {
    if !tidies {
        return ended.recv_timeout(pause);
    }
    match ended.recv_timeout(SETTLED) {
        Err(RecvTimeoutError::Timeout) => {
            shed();
            ended.recv_timeout(pause.saturating_sub(SETTLED))
        }
        end @ (Ok(_) | Err(RecvTimeoutError::Disconnected)) => end,
    }
}

fn say(notifier: &Notifier, ready: &mut bool, oneshot: bool, words: &str) {
    // What cannot be told to systemd ends in its own time limit, which is told there.
    let _ = match *ready || oneshot {
        true => notifier.status(words),
        false => notifier.ready(words),
    };
    *ready = true;
}

fn failed(
    unit: &UnitSpec,
    notifier: &Notifier,
    ask: &dyn Ask,
    ready: bool,
    failures: u32,
    said: &str,
) {
    let most = unit
        .healthcheck
        .as_ref()
        .map_or(3, |check| check.retries.max(1));
    let words = match ready {
        true if failures < most => format!("healthy, but the last check failed: {said}"),
        true => format!("unhealthy: {said}"),
        false => format!("not ready yet: {said}"),
    };
    let _ = notifier.status(&words);
    if ready && failures >= most && unit.restart == Restart::OnUnhealthy {
        eprintln!("unhealthy {failures} times in a row; it is ended to be started again");
        ask.end();
    }
}

/// How long until the next look. Without a check there is nothing to look for but the end.
fn pause(check: Option<&Healthcheck>, ready: bool, begun: Instant, forgiven: bool) -> Duration {
    let usual = match (check, ready) {
        (Some(check), true) => check.interval,
        (Some(check), false) => check.interval.min(EAGER),
        // The image's own check is asked by the engine; its word is only read.
        (None, false) => EAGER,
        (None, true) => Duration::from_secs(30),
    };
    let good = backoff::good_run().saturating_sub(begun.elapsed());
    match forgiven {
        true => usual,
        false => usual.min(good.max(Duration::from_millis(50))),
    }
}
