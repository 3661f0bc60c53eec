//! `locker __supervise`: the main process of a container's service.
//!
//! It starts the container, says when it is ready, hands its output to the journal, watches its health
//! and ends with its exit code. It is looked at before clap and tokio exist and uses neither: there is
//! one for each container, so it must stay below 4 MB. It decides nothing about restarts; systemd does,
//! by the exit code.

mod answers;
mod application;
mod attend;
mod backoff;
mod bookmark;
mod console;
mod early_stop;
mod engine;
mod gate;
mod hooks;
mod http;
mod job;
mod mounted;
mod output;
mod ports;
mod stream;
mod system;
mod told;
mod walls;
mod ways;

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use self::backoff::Tries;
use self::told::MoreTime;
use crate::model::{HookAt, Hooks, Kind, Name, SupervisorStatus, Test, UnitSpec};
use crate::store::{self, Asking, Paths, Why};
use crate::sys::{self, Notifier};

const SUPERVISE: &str = "__supervise";
const STOP: &str = "__stop";
const RUN: &str = "__run";
const END: &str = "__end";

/// Exit code when the container could not be supervised at all, as sysexits(3)'s `EX_UNAVAILABLE`.
const UNAVAILABLE: u8 = 69;

/// How long a supervisor may take to end after its container.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Supervises a container or a job, or stops one, when the arguments ask for it, else returns at once.
pub fn run_if_asked(args: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let words: Vec<String> = args
        .skip(1)
        .map(|word| word.into_string().unwrap_or_default())
        .collect();
    let (verb, words) = words.split_first()?;
    let done = match verb.as_str() {
        SUPERVISE => read(words).and_then(|(unit, paths)| supervise(&unit, &paths)),
        STOP => read(words).and_then(|(unit, paths)| stop(&unit, &paths)),
        hooks::HOOKS => read(words).and_then(|(unit, paths)| after_start(&unit, &paths)),
        answers::ANSWERS => answers::wait(words),
        ways::CLOSES => ways::close(words),
        ways::LEAVES => ways::leave(words),
        RUN => job::Call::read(words).and_then(|call| job::run(&call)),
        END => job::Call::read(words).and_then(|call| job::end(&call)),
        _ => return None,
    };
    Some(match done {
        Ok(code) => ExitCode::from(code),
        Err(reason) => {
            sys::tell_failure(&reason);
            ExitCode::from(UNAVAILABLE)
        }
    })
}

/// What the service is to be, from the note that was written with its unit.
fn read(words: &[String]) -> Result<(UnitSpec, Paths), String> {
    let ([project, name] | [project, name, _]) = words else {
        return Err(format!("`{SUPERVISE}` is for locker's own use"));
    };
    let paths = match words.get(2) {
        Some(dir) => Paths::under(Path::new(dir)),
        None => Paths::system(),
    };
    let project = Name::new(project).map_err(|error| error.to_string())?;
    let name = Name::new(name).map_err(|error| error.to_string())?;
    let path = paths.unit_specs(&project).join(format!("{name}.json"));
    let text = fs::read_to_string(&path).map_err(|error| at(&path, "read", &error))?;
    let unit: UnitSpec = serde_json::from_str(&text).map_err(|error| at(&path, "read", &error))?;
    Ok((unit, paths))
}

/// The unit as it is written down by now: with what a change brings about while its container runs. Of one that cannot be read
/// nothing changes.
fn renewed(unit: &UnitSpec, paths: &Paths) -> UnitSpec {
    let now = store::load_unit_spec(paths, &unit.project, &unit.name);
    let Ok(Some(now)) = now else {
        return unit.clone();
    };
    let by_port = |unit: &UnitSpec| {
        let check = unit.healthcheck.as_ref();
        check.is_some_and(|check| matches!(check.test, Test::Port { .. }))
    };
    // The walls around an application's supervisor have a door for that from its start on, or none.
    let walled = unit.kind == Kind::Application && by_port(&now) && !by_port(unit);
    UnitSpec {
        healthcheck: match walled {
            true => unit.healthcheck.clone(),
            false => now.healthcheck,
        },
        restart: now.restart,
        stop_timeout: now.stop_timeout,
        hooks: Hooks {
            pre_stop: now.hooks.pre_stop,
            ..unit.hooks.clone()
        },
        ..unit.clone()
    }
}

fn at(path: &Path, verb: &str, error: &dyn std::fmt::Display) -> String {
    format!(
        "cannot {verb} `{}`: {error}; `locker up` writes it anew",
        path.display()
    )
}

fn supervise(unit: &UnitSpec, paths: &Paths) -> Result<u8, String> {
    if unit.kind == Kind::Application {
        walls::shut_in(unit, paths)?;
    }
    let notifier = Notifier::from_environment()
        .map_err(|error| format!("cannot reach the service manager: {error}"))?;
    let asks = || store::take_asked(paths, &unit.project, &unit.name);
    let why = asks();
    let failures = paths.backoff(&unit.project, &unit.name);
    let mut tries = Tries::take(failures, unit.restart, why);
    if let Some(most) = tries.most_here(unit).filter(|_| why == Why::Due) {
        tries.give_up(most);
    }
    let done = begin(unit, paths, &notifier, (why, &asks), &mut tries);
    if done.is_err() {
        tries.note();
    }
    done
}

/// Waits until it may start, and supervises it.
fn begin(
    unit: &UnitSpec,
    paths: &Paths,
    notifier: &Notifier,
    (mut why, asks): (Why, &dyn Fn() -> Why),
    tries: &mut Tries,
) -> Result<u8, String> {
    // One that runs is taken over at once: until then nobody would stop it with its service.
    let gated = !(unit.kind == Kind::Application && application::runs(unit, paths));
    if gated {
        if why == Why::Due {
            why = tries.wait(notifier, asks);
        }
        // Of an older try. Not sooner: who has asked for the start reads it while the next one waits.
        store::forget_hook_failed(paths, &unit.project, &unit.name);
        gate::shut(unit, paths);
        if !matches!(why, Why::Asked(Asking { alone: true, .. })) {
            gate::wait(unit, paths, notifier)?;
        }
    }
    mounted::check(unit, paths)?;
    let asked = why != Why::Due;
    let bare = matches!(why, Why::Asked(Asking { bare: true, .. })).then(|| unit.bare());
    let unit = bare.as_ref().unwrap_or(unit);
    match unit.kind {
        Kind::System if !asked && unit.oneshot && system::is_done(unit) => {
            // What others wait for is done for good, also after a reboot.
            ready(notifier)?;
            gate::done(&paths.ready(&unit.project, &unit.name));
            Ok(0)
        }
        Kind::System => {
            tries.note();
            system::supervise(unit, paths, notifier, asked)
        }
        Kind::Application => application::supervise(unit, paths, notifier, (asked, gated, tries)),
    }
}

/// Tells systemd that the service is as far as its start goes. Until then a stop is a signal to this process, which
/// ends one that still waits; an application's supervisor stops its container by that signal at any time, and a system
/// container's is stopped by `ExecStop=` from then on.
fn ready(notifier: &Notifier) -> Result<(), String> {
    let told = notifier.ready(&SupervisorStatus::Begins.to_string());
    told.map_err(|error| format!("cannot reach the service manager: {error}"))
}

/// Says how far it is. Only words for people and for whoever waits for the start: that nobody hears them is no failure.
fn say(notifier: &Notifier, status: &SupervisorStatus) {
    let _ = notifier.status(&status.to_string());
}

/// Runs what comes after the start of a system container. Its supervisor tells why that failed, where it is noted.
fn after_start(unit: &UnitSpec, paths: &Paths) -> Result<u8, String> {
    match system::run_hooks(unit, paths, HookAt::PostStart, None) {
        Err(_) if store::hook_failed(paths, &unit.project, &unit.name).is_some() => Ok(1),
        done => done.map(|()| 0),
    }
}

/// Stops a system container for `ExecStop=`. That runs also when the supervisor has ended by itself or was
/// killed; then there is no main process any more (systemd.exec(5), `$MAINPID`), and a container that
/// still runs is left to the next supervisor.
fn stop(unit: &UnitSpec, paths: &Paths) -> Result<u8, String> {
    let Some(main) = std::env::var("MAINPID").ok() else {
        return Ok(0);
    };
    backoff::forgive(&paths.backoff(&unit.project, &unit.name));
    let stop = || match unit.kind {
        Kind::System => system::stop(unit, paths),
        // Of a unit that an earlier locker has written.
        Kind::Application => application::stop(unit, paths),
    };
    match store::take_stopper(paths, &unit.project, &unit.name) {
        // One that locker stops has been asked before, and locker ends the container.
        Some(asker) => {
            let more = RefCell::new(MoreTime::new(Notifier::from_environment()));
            let waits = || {
                more.borrow_mut().ask();
                asker.waits()
            };
            if has_ended(&main, &waits) {
                return Ok(0);
            }
        }
        None => {
            if let Err(reason) = hooks::pre_stop(unit, paths) {
                // systemd has been told to stop it, and nobody is there to be asked again.
                sys::tell_failure(&reason);
            }
        }
    }
    let code = stop()?;
    await_end(&main, &|| {
        // It was about to start the container when that was to stop.
        if let Err(reason) = stop() {
            sys::tell_failure(&reason);
        }
    });
    Ok(code)
}

/// Waits for the end of the supervisor while `goes_on` says so; whether it has ended.
fn has_ended(main: &str, goes_on: &dyn Fn() -> bool) -> bool {
    let Some(main) = process(main) else {
        return true;
    };
    let slice = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    loop {
        match poll(&mut [PollFd::new(&main, PollFlags::IN)], Some(&slice)) {
            Ok(0) if goes_on() => {}
            Ok(0) => return false,
            Ok(_) | Err(_) => return true,
        }
    }
}

fn process(pid: &str) -> Option<OwnedFd> {
    let pid = pid.parse().ok().and_then(Pid::from_raw)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Waits until the supervisor has ended with its container: systemd would end it as soon as this process
/// does, in the middle of its last words. `again` is done while it has not.
fn await_end(main: &str, again: &dyn Fn()) {
    let Some(main) = process(main) else {
        return;
    };
    let slice = Timespec {
        tv_sec: 0,
        tv_nsec: 500_000_000,
    };
    let begun = Instant::now();
    // Whether it has ended or not at last, systemd goes on then.
    while let Ok(0) = poll(&mut [PollFd::new(&main, PollFlags::IN)], Some(&slice)) {
        if begun.elapsed() > LAST_WORDS {
            return;
        }
        again();
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::{Healthcheck, InnerCommand, Restart};

    #[test]
    fn what_a_change_brings_about_is_taken_while_the_container_runs() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let unit = output::tests::unit();
        assert_eq!(renewed(&unit, &paths), unit);
        let check = Healthcheck::new(InnerCommand::Shell("true".into()));
        let mut now = UnitSpec {
            restart: Restart::OnUnhealthy,
            healthcheck: Some(check),
            directory: "/srv/elsewhere".into(),
            ..unit.clone()
        };
        let write = |now: &UnitSpec| {
            let at = paths.unit_specs(&unit.project);
            fs::create_dir_all(&at).unwrap();
            let text = serde_json::to_string(now).unwrap();
            fs::write(at.join(format!("{}.json", unit.name)), text).unwrap();
        };
        write(&now);
        let seen = renewed(&unit, &paths);
        assert_eq!(
            (&seen.restart, &seen.healthcheck),
            (&now.restart, &now.healthcheck)
        );
        assert_eq!(seen.directory, unit.directory);
        let port = std::num::NonZeroU16::MIN;
        now.healthcheck = Some(Healthcheck::new(Test::Port { port }));
        write(&now);
        assert_eq!(renewed(&seen, &paths).healthcheck, seen.healthcheck);
        let system = UnitSpec {
            kind: Kind::System,
            ..unit.clone()
        };
        assert_eq!(renewed(&system, &paths).healthcheck, now.healthcheck);
    }

    #[test]
    fn what_a_command_said_that_failed_is_not_told_of_the_next_try() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let mount = PathBuf::from("/srv/nowhere/data");
        let unit = UnitSpec {
            kind: Kind::System,
            mounts: [mount.clone()].into(),
            ..output::tests::unit()
        };
        let (project, name) = (&unit.project, &unit.name);
        let on = [(mount, PathBuf::from("/srv/nowhere"))].into();
        store::save_sources(&paths, project, &[(name.clone(), on)].into()).unwrap();
        store::note_hook_failed(&paths, project, name, "it failed", b"").unwrap();
        let why = Why::Asked(Asking {
            alone: true,
            bare: false,
        });
        let mut tries = Tries::take(paths.backoff(project, name), unit.restart, why);
        let notifier = Notifier::from_environment().unwrap();
        let done = begin(&unit, &paths, &notifier, (why, &|| why), &mut tries);
        assert!(done.unwrap_err().contains("not mounted"));
        assert_eq!(store::hook_failed(&paths, project, name), None);
    }
}
