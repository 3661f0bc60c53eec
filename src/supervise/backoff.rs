//! Waiting longer from failure to failure. systemd 252 has one `RestartSec` for all tries; a container
//! that fails at once again and again would keep a processor busy.
//!
//! The count is kept below /run from the start of a container to the next one that systemd does by itself: a
//! reboot forgives, a stop does, and a start that somebody asked for begins anew.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Signal, getpid, kill_process};

use crate::model::{Restart, SupervisorStatus, UnitSpec};
use crate::store::Why;
use crate::sys::{self, Notifier};

/// The first wait; systemd's own 100 ms come on top.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// A run that lasted so long was no failure to start, and is forgiven.
const GOOD_RUN: Duration = Duration::from_secs(10);
/// How often it is looked meanwhile whether somebody wants it now.
const LOOK: Duration = Duration::from_millis(100);

/// How long to wait before the next start after so many failures in a row.
pub(super) fn pause(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => (FIRST * 2u32.saturating_pow((more - 2).min(16))).min(LONGEST),
    }
}

/// The failures in a row before this start, and whether it is noted as one more.
pub(super) struct Tries {
    note: PathBuf,
    failures: u32,
    restart: Restart,
    noted: Cell<bool>,
}

impl Tries {
    /// Takes the count out: until [`Self::note`] a stop ends this process, and must leave nothing behind.
    pub(super) fn take(note: PathBuf, restart: Restart, why: Why) -> Self {
        let failures = match why {
            Why::Due => read(&note),
            Why::Asked(_) => 0,
        };
        forgive(&note);
        Self {
            note,
            failures,
            restart,
            noted: Cell::new(false),
        }
    }

    /// Waits as long as the failures ask for, or until `asked` tells that somebody wants it now; why it starts.
    pub(super) fn wait(&mut self, notifier: &Notifier, asked: &dyn Fn() -> Why) -> Why {
        let pause = pause(self.failures);
        if self.restart == Restart::No || pause.is_zero() {
            return Why::Due;
        }
        // Without these words the start only looks slow.
        super::say(notifier, &SupervisorStatus::pauses(self.failures, pause));
        let _ = notifier.extend(u64::try_from(pause.as_micros()).unwrap_or(0) + 60_000_000);
        let begun = Instant::now();
        while let Some(left) = pause.checked_sub(begun.elapsed()) {
            let why = asked();
            if why != Why::Due {
                self.failures = 0;
                return why;
            }
            std::thread::sleep(left.min(LOOK));
        }
        Why::Due
    }

    /// How often it may fail in a row, when that is over: of a container on demand, whose starts systemd cannot count, since each
    /// call after a rest is one.
    pub(super) fn most_here(&self, unit: &UnitSpec) -> Option<u32> {
        match unit.restart {
            Restart::OnFailure { most: Some(most) } if !unit.on_demand.is_empty() => {
                Some(most).filter(|most| self.failures > *most)
            }
            Restart::OnFailure { .. }
            | Restart::No
            | Restart::Always
            | Restart::UnlessStopped
            | Restart::OnUnhealthy => None,
        }
    }

    /// Ends this process so that systemd does not start it again. The count is taken out already: the next call begins anew.
    pub(super) fn give_up(&self, most: u32) {
        sys::tell_failure(&format!(
            "it has failed {} times, of which {most} were tries to start it again; the next call starts it anew",
            self.failures
        ));
        // As the unit says it (`RestartPreventExitStatus=`).
        let _ = kill_process(getpid(), Signal::USR2);
    }

    /// Counts this start as a failure until it is forgiven. Whoever dies by himself after this has failed.
    pub(super) fn note(&self) {
        if self.restart != Restart::No && !self.noted.replace(true) {
            write(&self.note, self.failures.saturating_add(1));
        }
    }
}

/// It has run long enough, ended well or was told to stop: the next failure is the first.
pub(super) fn forgive(note: &Path) {
    let _ = fs::remove_file(note); // Not there is what is wanted.
}

fn read(note: &Path) -> u32 {
    let fresh = fs::metadata(note).and_then(|meta| meta.modified());
    let fresh = fresh.is_ok_and(|at| {
        let age = SystemTime::now().duration_since(at).unwrap_or_default();
        age < GOOD_RUN + LONGEST
    });
    if fresh { count(note) } else { 0 }
}

fn count(note: &Path) -> u32 {
    let text = fs::read_to_string(note).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn write(note: &Path, failures: u32) {
    if let Some(dir) = note.parent() {
        let _ = crate::store::make_private(dir);
    }
    // Without the note the waits stay short, which is all the harm.
    let _ = fs::write(note, failures.to_string());
}

/// When a run counts as good.
pub(super) const fn good_run() -> Duration {
    GOOD_RUN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Asking;

    #[test]
    fn each_failure_waits_longer_up_to_half_a_minute() {
        let waits: Vec<u128> = (0..8).map(|n| pause(n).as_millis()).collect();
        assert_eq!(waits, [0, 0, 100, 200, 400, 800, 1600, 3200]);
        assert_eq!(pause(1000), LONGEST);
    }

    #[test]
    fn a_good_run_is_forgiven() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("run/fails");
        write(&note, 4);
        assert_eq!(read(&note), 4);
        forgive(&note);
        assert_eq!(read(&note), 0);
    }

    #[test]
    fn only_starts_of_systemd_itself_go_on_counting_and_a_stop_in_between_forgives() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("run/fails");
        let take = |why| Tries::take(note.clone(), Restart::Always, why);
        let (asked, due) = (Why::Asked(Asking::default()), Why::Due);
        write(&note, 4);
        let tries = take(due);
        assert_eq!(tries.failures, 4);
        assert!(!note.exists(), "a stop that ends it while it waits");
        tries.note();
        assert_eq!(read(&note), 5);
        forgive(&note);
        tries.note();
        assert!(!note.exists(), "a stop in the run is not taken back");
        write(&note, 9);
        assert_eq!(take(asked).failures, 0);
    }

    #[test]
    fn only_on_demand_the_tries_are_counted_here() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("run/fails");
        let restart = Restart::OnFailure { most: Some(2) };
        let mut unit = UnitSpec {
            restart,
            ..crate::supervise::output::tests::unit()
        };
        let most_after = |unit: &UnitSpec, failures| {
            write(&note, failures);
            Tries::take(note.clone(), restart, Why::Due).most_here(unit)
        };
        assert_eq!(most_after(&unit, 9), None);
        unit.on_demand = vec![crate::model::DemandPort {
            port: "8080:80".parse().unwrap(),
            to: [10, 0, 0, 2].into(),
        }];
        assert_eq!(most_after(&unit, 2), None);
        assert_eq!(most_after(&unit, 3), Some(2));
        assert!(!note.exists(), "the next call begins anew");
    }

    #[test]
    fn a_wait_ends_when_somebody_wants_it_now() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("run/fails");
        write(&note, 12);
        let mut tries = Tries::take(note.clone(), Restart::Always, Why::Due);
        let notifier = Notifier::from_environment().unwrap();
        let asked = Why::Asked(Asking::default());
        let begun = Instant::now();
        assert_eq!(tries.wait(&notifier, &|| asked), asked);
        assert!(begun.elapsed() < LONGEST);
        tries.note();
        assert_eq!(read(&note), 1);
    }
}
