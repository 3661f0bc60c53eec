//! Waiting longer from failure to failure. systemd 252 has one `RestartSec` for all tries; a container
//! that fails at once again and again would keep a processor busy.
//!
//! The count is kept below /run: a reboot forgives.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::model::Restart;
use crate::sys::Notifier;

/// The first wait; systemd's own 100 ms come on top.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);
/// A run that lasted so long was no failure to start, and is forgiven.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// How long to wait before the next start after so many failures in a row.
pub(super) fn pause(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        more => (FIRST * 2u32.saturating_pow((more - 2).min(16))).min(LONGEST),
    }
}

/// Waits as long as the failures before ask for, and counts this start as one until it is forgiven.
pub(super) fn wait(note: &Path, restart: Restart, notifier: &Notifier) {
    if restart == Restart::No {
        return;
    }
    let failures = read(note);
    let pause = pause(failures);
    if !pause.is_zero() {
        let wait = format!("failed {failures} times in a row; waits {pause:?}");
        // Without these words the start only looks slow.
        let _ = notifier.status(&wait);
        let _ = notifier.extend(u64::try_from(pause.as_micros()).unwrap_or(0) + 60_000_000);
        std::thread::sleep(pause);
    }
    write(note, failures.saturating_add(1));
}

/// It has run long enough, or ended well: the next failure is the first.
pub(super) fn forgive(note: &Path) {
    let _ = fs::remove_file(note); // Not there is what is wanted.
}

fn read(note: &Path) -> u32 {
    let fresh = fs::metadata(note).and_then(|meta| meta.modified());
    let fresh = fresh.is_ok_and(|at| {
        let age = SystemTime::now().duration_since(at).unwrap_or_default();
        age < GOOD_RUN + LONGEST + pause_of(note)
    });
    if fresh { count(note) } else { 0 }
}

fn pause_of(note: &Path) -> Duration {
    pause(count(note))
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
}
