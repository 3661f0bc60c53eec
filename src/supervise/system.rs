//! A system container: this process is its monitor, and an attendant split from it stands for it in
//! systemd.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::attend::{Ask, Look, Notes, attend, failed, look_at};
use super::console::{Bell, bell};
use super::early_stop::Start;
use super::output::Output;
use super::{gate, hooks, ports};
use crate::backend::lxc::supervised::{self, Attended};
use crate::model::{Healthcheck, HookAt, SupervisorStatus, Test, UnitSpec};
use crate::store::Paths;
use crate::sys::{self, Notifier};

/// How often a container that starts is looked at; a start takes some 20 ms.
const LOOK: Duration = Duration::from_millis(3);
/// The same once a start takes long.
const SLOW_LOOK: Duration = Duration::from_millis(100);
/// How long a stop may take to say how it went once the container has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long the service may be starting; nearly all of a start is over much sooner.
const LATE: Duration = Duration::from_secs(10);
/// How long after a guard that the kernel refused something to the next.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether its work is done: its last run ended by itself with 0.
pub(super) fn is_done(unit: &UnitSpec) -> bool {
    supervised::is_done(unit)
}

/// Becomes the container's monitor; its exit code. Whoever `asked` for the start in locker's own name waits for the
/// container itself; to everybody else its service is ready when it runs and its ports are in place.
pub(super) fn supervise(
    unit: &UnitSpec,
    paths: &Paths,
    notifier: &Notifier,
    asked: bool,
) -> Result<u8, String> {
    match asked {
        true => super::ready(notifier)?,
        false => super::say(notifier, &SupervisorStatus::Begins),
    }
    supervised::supervise(unit, paths, &|container| {
        stand_for((unit, asked), paths, notifier, container);
    })
}

/// Stops it within the time that its unit allows.
pub(super) fn stop(unit: &UnitSpec, paths: &Paths) -> Result<u8, String> {
    if supervised::stop(unit, paths)? && !unit.stop_timeout.is_zero() {
        sys::tell_journal(unit.was_killed());
    }
    Ok(0)
}

/// Runs the commands around its life, in their order, up to the first that fails.
pub(super) fn run_hooks(
    unit: &UnitSpec,
    paths: &Paths,
    at: HookAt,
    most: Option<Duration>,
) -> Result<(), String> {
    let mut output = Output::of(unit);
    let mut last = Vec::new();
    let done = supervised::run_hooks(unit, paths, at, most, &mut |text| {
        last.clear(); // of the one before
        hooks::keep_end(&mut last, text.as_bytes());
        // Output that nobody takes is no reason to leave the others out.
        let _ = output.take(false, text.as_bytes());
    });
    let _ = output.finish();
    if let Err(reason) = &done {
        hooks::leave(unit, paths, at, reason, &last);
    }
    done
}

fn stand_for(
    (unit, asked): (&UnitSpec, bool),
    paths: &Paths,
    notifier: &Notifier,
    container: Attended,
) {
    let (tell, ended) = mpsc::channel();
    let container = &container;
    let from = length(&container.console);
    let (bell, ear) = bell();
    let start = Start::new((unit, asked), paths, notifier);
    let start = &start;
    std::thread::scope(|scope| {
        let guards = bell.clone();
        scope.spawn(move || {
            let code = guard(container, &guards);
            if container.has_run() {
                start.tell_end();
            }
            // The other end is gone only when this whole process ends.
            let _ = tell.send(code);
        });
        match begins(container, &ended, start) {
            Begun::Ended => return ended_early(unit, paths, notifier, container),
            Begun::Stopping => {
                let done = start.stop();
                let _ = ended.recv();
                let _ = done.recv_timeout(LAST_WORDS);
                return;
            }
            Begun::Runs => {}
        }
        scope.spawn(move || ear.hand_on(Output::of(unit), &container.console, from));
        let ports = ports::open(unit, paths, asked);
        let done = start.tell().then(|| start.stop());
        match &done {
            Some(_) => drop(ended.recv()),
            None => stay(unit, paths, notifier, (container, &ended)),
        }
        drop(ports);
        bell.ring_out();
        if let Some(done) = done {
            let _ = done.recv_timeout(LAST_WORDS);
        }
    });
}

/// It did not start, of which the monitor tells why, or it was quicker than a look.
fn ended_early(unit: &UnitSpec, paths: &Paths, notifier: &Notifier, container: &Attended) {
    let note = paths.ready(&unit.project, &unit.name);
    if container.has_run() {
        super::say(notifier, &SupervisorStatus::Runs); // as of any other that has ended
        gate::over(&note);
    }
    if unit.oneshot && is_done(unit) {
        gate::done(&note);
    }
}

/// Runs what comes after its start, and attends to it until it has ended.
fn stay(
    unit: &UnitSpec,
    paths: &Paths,
    notifier: &Notifier,
    (container, ended): (&Attended, &mpsc::Receiver<u8>),
) {
    if unit.hooks.ready.is_some() {
        super::say(notifier, &SupervisorStatus::ComesUp);
    } else if !unit.hooks.post_start.is_empty() {
        super::say(notifier, &SupervisorStatus::PostStart);
    }
    match hooks::post_start(unit, paths) {
        // What has ended by itself cannot run them, and that it has ended is what there is to tell.
        done if done.is_ok() || container.has_ended_by_itself() => {
            let notes = Notes::of(unit, paths);
            attend(unit, &notes, notifier, container, ended);
        }
        // Nor can what is told to stop meanwhile, which has its own time for that.
        _ if container.is_stopping() => {
            let _ = ended.recv();
        }
        done => {
            let reason = done.err().unwrap_or_default();
            sys::tell_failure(&reason);
            // It is killed, which is the exit code of a failure; the monitor ends with it.
            if container.end().is_ok() {
                let _ = ended.recv();
            }
        }
    }
}

/// How far a log goes that is there already.
fn length(console: &Path) -> u64 {
    let log = File::open(console).and_then(|log| log.metadata());
    log.map_or(0, |log| log.len())
}

/// Guards the container to its end, whatever the kernel refuses meanwhile; its exit code.
fn guard(container: &Attended, bell: &Bell) -> u8 {
    let mut told = false;
    loop {
        match container.guard(bell.hammer(), &|| bell.cannot_be_heard()) {
            Ok(code) => return code,
            Err(error) => {
                if !told {
                    sys::tell_journal(format_args!(
                        "cannot guard the container's address: {error}; it is tried again"
                    ));
                    told = true;
                }
                bell.ring(); // in its place
                std::thread::sleep(AGAIN);
            }
        }
    }
}

/// How a start goes on.
enum Begun {
    /// The container runs.
    Runs,
    /// It has ended before it was seen to run.
    Ended,
    /// It is to stop.
    Stopping,
}

/// Waits until it runs. When that takes long systemd is told that it is started all the same, so that a stop is a stop of the
/// container.
fn begins(container: &Attended, ended: &mpsc::Receiver<u8>, start: &Start<'_>) -> Begun {
    let begun = Instant::now();
    while !container.runs() {
        let slow = begun.elapsed() > Duration::from_secs(1);
        let look = if slow { SLOW_LOOK } else { LOOK };
        if ended.recv_timeout(look).is_ok() {
            return Begun::Ended;
        }
        if begun.elapsed() > LATE && start.tell() {
            return Begun::Stopping;
        }
    }
    Begun::Runs
}

impl Ask for Attended {
    fn was_stopped(&self) -> bool {
        Attended::was_stopped(self)
    }

    fn look(&self, check: Option<&Healthcheck>) -> Look {
        let Some(check) = check else {
            return Look::Nothing;
        };
        let test = match &check.test {
            Test::Command(test) => test,
            Test::Port { port } => {
                return look_at(self.address().map(Into::into), *port, check.timeout);
            }
        };
        match self.run(test, check.timeout) {
            Ok((0, _)) => Look::Passed,
            Ok((code, said)) => Look::Failed(failed(code.into(), &said)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Look::Failed(error.to_string())
            }
            // The host lacks something, a process for one.
            Err(error) => Look::Unknown(error.to_string()),
        }
    }

    fn end(&self) -> bool {
        Attended::end(self).is_ok()
    }

    fn rest(&self) -> bool {
        Attended::rest(self);
        true
    }
}
