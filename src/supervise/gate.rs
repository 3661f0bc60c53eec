//! Waiting until what a container needs is there.
//!
//! systemd orders the starts of a boot (`After=`), and knows a service as started as soon as its container runs.
//! What it cannot say without stopping and restarting dependents along with what they need (`Requires=` does
//! both), or without ending what is not healthy in time, is said here: a container does not start before the
//! others are as far as it needs them, whoever started them and however often they failed.
//! The wait has a limit, so that nobody waits for ever for what never comes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::model::{Condition, Name, SupervisorStatus, UnitSpec};
use crate::store::{self, Paths, Phase, phase, tell_phase};
use crate::sys::{self, Notifier};

/// How often the others are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until everything that `unit` requires is as far as it must be, at most as long as the unit says.
pub(super) fn wait(unit: &UnitSpec, paths: &Paths, notifier: &Notifier) -> Result<(), String> {
    let mut begun = Instant::now();
    let mut told = None;
    loop {
        let Some((missing, condition, seen)) = missing(unit, paths) else {
            return Ok(());
        };
        if told != Some(missing) {
            // Without these words the start only looks slow.
            let (other, until) = (missing.clone(), condition);
            super::say(notifier, &SupervisorStatus::Awaits { other, until });
            told = Some(missing);
        }
        if condition == Condition::Completed && seen.runs() {
            // It is at work, and may take what time it needs.
            begun = Instant::now();
        }
        if unit
            .start_timeout
            .is_some_and(|most| begun.elapsed() > most)
        {
            return Err(late(unit, missing, condition));
        }
        std::thread::sleep(LOOK);
    }
}

/// The first of those that it needs which is not as far as it must be.
fn missing<'u>(unit: &'u UnitSpec, paths: &Paths) -> Option<(&'u Name, Condition, Phase)> {
    let of = |name: &Name| phase(&paths.ready(&unit.project, name));
    let required = unit.requires.iter().map(|name| {
        // Of older units it is not written down.
        let condition = unit.conditions.get(name).copied();
        (name, condition.unwrap_or(Condition::Healthy))
    });
    let mut required = required.map(|(name, condition)| (name, condition, of(name)));
    let missing = required.find(|(_, condition, seen)| !is_enough(*condition, *seen));
    // What it shares is there only while the other runs.
    missing.or_else(|| {
        let mut shared = unit.binds.iter().map(|name| (name, of(name)));
        let gone = shared.find(|(_, seen)| !seen.runs() && *seen != Phase::Done);
        gone.map(|(name, seen)| (name, Condition::Started, seen))
    })
}

/// Whether a container that is so far satisfies a condition.
fn is_enough(condition: Condition, seen: Phase) -> bool {
    match condition {
        // Whatever has become of it since.
        Condition::Started => seen != Phase::Never,
        Condition::Healthy => matches!(seen, Phase::Well | Phase::Done),
        Condition::Completed => seen == Phase::Done,
    }
}

fn late(unit: &UnitSpec, missing: &Name, condition: Condition) -> String {
    let awaited = match condition {
        Condition::Started => "started",
        Condition::Healthy => "healthy",
        Condition::Completed => "through with its work",
    };
    let most = unit.start_timeout.unwrap_or_default().as_secs();
    format!(
        "container `{}` needs `{missing}`, which is not {awaited} after {most} s; see `locker status {missing}` and `locker logs {missing}`",
        unit.name
    )
}

/// Says that the container has ended well and for good.
pub(super) fn done(note: &Path) {
    leave(note, Phase::Done);
}

/// Says that the container has been started and has ended.
pub(super) fn over(note: &Path) {
    leave(note, Phase::Over);
}

fn leave(note: &Path, phase: Phase) {
    if let Err(error) = tell_phase(note, phase) {
        complain(note, &error);
    }
}

/// Nothing has been started yet, and nothing is known of how it ends.
pub(super) fn shut(unit: &UnitSpec, paths: &Paths) {
    for note in [
        paths.ready(&unit.project, &unit.name),
        paths.unwell(&unit.project, &unit.name),
    ] {
        let _ = fs::remove_file(note); // Not there is what is wanted.
    }
}

/// Says why a container is ended, for whoever finds it ended.
pub(super) fn leave_reason(note: &Path, reason: &str) {
    if let Some(dir) = note.parent() {
        let _ = store::make_private(dir);
    }
    // Without it the exit code is told, which is all the harm.
    let _ = fs::write(note, reason);
}

/// Takes that back: it goes on.
pub(super) fn forget_reason(note: &Path) {
    let _ = fs::remove_file(note); // Not there is what is wanted.
}

/// Tells what cannot be told to others.
pub(super) fn complain(note: &Path, error: &std::io::Error) {
    sys::tell_journal(format_args!(
        "cannot write `{}`: {error}; what needs this container does not start",
        note.display()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_dependency_need_only_have_been_started() {
        let enough = |condition| {
            let phases = [
                Phase::Never,
                Phase::Running,
                Phase::Well,
                Phase::Unwell,
                Phase::Over,
                Phase::Done,
            ];
            phases.map(|seen| is_enough(condition, seen))
        };
        let started = enough(Condition::Started);
        assert_eq!(started, [false, true, true, true, true, true]);
        let healthy = enough(Condition::Healthy);
        assert_eq!(healthy, [false, false, true, false, false, true]);
        let completed = enough(Condition::Completed);
        assert_eq!(completed, [false, false, false, false, false, true]);
    }
}
