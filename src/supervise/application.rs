//! An application container: the engine runs it, this process stands for it in systemd.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;

use super::attend::{Ask, Look, Notes, attend, failed, look_at};
use super::attend::{SHOWN, keep_begin};
use super::backoff::{self, Tries};
use super::bookmark::Bookmark;
use super::engine::{Engine, Shown, is_away};
use super::output::Output;
use super::stream::{Piece, copy};
use super::{gate, hooks, ports, ready, told};
use crate::model::{Healthcheck, SupervisorStatus, Test, UnitSpec, host_name_of};
use crate::store::{self, Paths};
use crate::sys::{self, Notifier};

/// How long the engine may be away until the last words of a container that has ended are given up.
const ENGINE_AWAY: Duration = Duration::from_secs(90);
/// How long to wait before a stream of output that has ended is asked for once more.
pub(super) const AGAIN: Duration = Duration::from_millis(20);

struct Container<'a> {
    unit: &'a UnitSpec,
    paths: &'a Paths,
    engine: &'a Engine,
    full: String,
    /// Where it is noted that its service was told to stop.
    stopped: PathBuf,
}

/// Starts it, or takes it over when it runs, and stays with it; its exit code. One whose work is done is
/// started only when that was `asked` for, and one that was thought to run only when it is `gated`.
pub(super) fn supervise(
    unit: &UnitSpec,
    paths: &Paths,
    notifier: &Notifier,
    (asked, gated, tries): (bool, bool, &Tries),
) -> Result<u8, String> {
    let full = host_name_of(&unit.project, &unit.name);
    let engine = Engine::of(unit);
    let stopped = paths.told_to_stop(&unit.project, &unit.name);
    let _ = fs::remove_file(&stopped); // What was said to an older run, if anything.
    let failed = |verb: &'static str| {
        let full = full.clone();
        move |error: io::Error| format!("cannot {verb} container `{full}`: {error}")
    };
    super::say(notifier, &SupervisorStatus::AwaitsEngine);
    // One that may run is stopped with its service also while its engine is away. Anything else is not there yet, and a stop
    // ends this process.
    let may_run = was_attended(unit, paths);
    let mut ear = match may_run {
        true => Some(told::listen(unit, paths).map_err(failed("listen for a stop of"))?),
        false => None,
    };
    let shown = engine.show_at_last(&full).map_err(failed("find"))?;
    let started = &shown.state.started_at;
    let noted = store::was_run_stopped(paths, &unit.project, &unit.name, &shown.id, started);
    if !asked && unit.oneshot && is_done(&shown) && !noted {
        // What others wait for is done for good.
        ready(notifier)?;
        gate::done(&paths.ready(&unit.project, &unit.name));
        return Ok(0);
    }
    let ended = !shown.state.running && may_run && stopped.exists();
    if ended || !shown.state.running && !gated && !asked {
        // It was told to stop, or has ended before it was attended to, and what it waits for was not looked at: how it has ended
        // is what there is to tell, and the restart policy decides.
        ready(notifier)?;
        gate::over(&paths.ready(&unit.project, &unit.name));
        let _ = fs::remove_file(paths.attended(&unit.project, &unit.name));
        return Ok(told_code(&stopped, code(shown.state.exit_code)));
    }
    tries.note();
    // Nothing keeps it from starting any more; from now on a stop is a stop of the container.
    let ear = match ear.take() {
        Some(ear) => ear,
        None => told::listen(unit, paths).map_err(failed("listen for a stop of"))?,
    };
    ear.know(&shown.id);
    super::say(notifier, &SupervisorStatus::Begins);
    // One that ran was started before, with all that belongs to it, unless its supervisor was killed in the middle of that.
    let follows = Follows::of(unit, paths);
    let begins = !shown.state.running || follows.are_due(&shown.id);
    if begins {
        follows.note(&shown.id);
    }
    start(unit, paths, &engine, noted.then_some(&shown.id)).map_err(failed("start"))?;
    let _ports = ports::open(unit, paths, asked);
    if let Err(reason) = ready(notifier) {
        sys::tell_journal(reason); // the container runs, and is attended to
    }
    let done = match begins {
        true => begun(unit, paths, notifier),
        false => Ok(()),
    };
    follows.forget();
    if let Err(reason) = done
        // What has ended by itself cannot run them, and that it has ended is what there is to tell.
        && engine.show(&full).is_ok_and(|now| now.state.running)
        // Nor can what was told to stop meanwhile.
        && !stopped.exists()
    {
        engine
            .stop(&full, unit.stop_timeout)
            .map_err(failed("stop"))?;
        return Err(reason);
    }
    let ended = stay(unit, paths, notifier, &engine, &full).map_err(failed("attend to"))?;
    let code = told_code(&stopped, ended);
    if code != ended && ended == KILLED && !unit.stop_timeout.is_zero() {
        sys::tell_journal(unit.was_killed());
    }
    Ok(code)
}

/// Starts it; what was told to stop when it ran last, by its id, is that no more unless the start fails.
fn start(
    unit: &UnitSpec,
    paths: &Paths,
    engine: &Engine,
    noted: Option<&String>,
) -> io::Result<()> {
    store::forget_stopped(paths, &unit.project, &unit.name);
    let started = engine.start(&host_name_of(&unit.project, &unit.name));
    if let (Err(_), Some(id)) = (&started, noted) {
        // The start's own error is the one to tell.
        let _ = store::note_stopped(paths, &unit.project, &unit.name, id);
    }
    started
}

/// The commands after a start: a note that they have not all run outlives a supervisor that is killed, and the next one, which
/// takes the container over, runs them all.
struct Follows {
    note: PathBuf,
    has_any: bool,
}

impl Follows {
    fn of(unit: &UnitSpec, paths: &Paths) -> Self {
        Self {
            note: paths.unfollowed(&unit.project, &unit.name),
            has_any: unit.hooks.follow_start(),
        }
    }

    /// Whether they are still to run in the container of this id, which was started before.
    fn are_due(&self, id: &str) -> bool {
        self.has_any && fs::read_to_string(&self.note).is_ok_and(|noted| noted == id)
    }

    fn note(&self, id: &str) {
        if self.has_any
            && let Err(error) = note(&self.note, id)
        {
            gate::complain(&self.note, &error);
        }
    }

    fn forget(&self) {
        let _ = fs::remove_file(&self.note); // Not there is what is wanted.
    }
}

/// The exit code of what SIGKILL ended, as the engine tells it.
const KILLED: u8 = 128 + 9;

/// The code of one that was told to stop says how it was ended, not that it has failed: systemd would
/// remember a failure of a service that was only stopped.
fn told_code(stopped: &Path, ended: u8) -> u8 {
    match fs::remove_file(stopped) {
        Ok(()) => 0,
        Err(_) => ended,
    }
}

/// What comes after its start.
fn begun(unit: &UnitSpec, paths: &Paths, notifier: &Notifier) -> Result<(), String> {
    super::say(notifier, &SupervisorStatus::PostStart);
    hooks::post_start(unit, paths)
}

/// Stops it within the time that its unit allows.
pub(super) fn stop(unit: &UnitSpec, paths: &Paths) -> Result<u8, String> {
    let full = host_name_of(&unit.project, &unit.name);
    note_stop(unit, paths, None);
    match Engine::of(unit).stop(&full, unit.stop_timeout) {
        Ok(()) => Ok(0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(format!("cannot stop container `{full}`: {error}")),
    }
}

/// Notes that it is told to stop, which is no failure and the end of its tries.
pub(super) fn note_stop(unit: &UnitSpec, paths: &Paths, id: Option<&str>) {
    backoff::forgive(&paths.backoff(&unit.project, &unit.name));
    // Without the note the service counts as failed, which is all the harm.
    let _ = note(&paths.told_to_stop(&unit.project, &unit.name), "");
    if unit.oneshot {
        note_unfinished(unit, paths, id);
    }
}

/// Notes that what others wait for is not done, also when it ends with 0 now: the engine keeps no more than the code. At a
/// shutdown the engine may be busy, or others have ended the container already, so that it is not asked first.
fn note_unfinished(unit: &UnitSpec, paths: &Paths, id: Option<&str>) {
    let mut noted = id.map_or(Ok(()), |id| {
        store::note_stopped(paths, &unit.project, &unit.name, id)
    });
    // It may have been made anew since it was started.
    let shown = Engine::of(unit).show(&host_name_of(&unit.project, &unit.name));
    let shown = shown.ok().filter(|shown| shown.state.running);
    if let Some(now) = shown.filter(|now| Some(now.id.as_str()) != id) {
        noted = store::note_stopped(paths, &unit.project, &unit.name, &now.id);
    }
    if let Err(error) = noted {
        let dir = paths.stopped(&unit.project);
        sys::tell_journal(format_args!(
            "cannot write below `{}`: {error}; if `{}` ends with 0 now, it counts as done: `locker start {}` runs it again",
            dir.display(),
            unit.name,
            unit.name
        ));
    }
}

fn note(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        crate::store::make_private(dir)?;
    }
    fs::write(path, text)
}

/// Whether its engine runs it already: its supervisor was killed, or the engine's own tools have started it. Of an engine that is
/// away nobody knows more than what that supervisor has left behind.
pub(super) fn runs(unit: &UnitSpec, paths: &Paths) -> bool {
    let full = host_name_of(&unit.project, &unit.name);
    match Engine::of(unit).show(&full) {
        Ok(shown) => shown.state.running,
        Err(error) => is_away(&error) && was_attended(unit, paths),
    }
}

/// Whether its last supervisor was killed while the container ran: one that ends by itself takes its note along.
fn was_attended(unit: &UnitSpec, paths: &Paths) -> bool {
    paths.attended(&unit.project, &unit.name).exists()
}

fn is_done(shown: &Shown) -> bool {
    // The engine shows a container that never ran as ended with 0 in the year 1.
    let ran = !shown.state.started_at.starts_with("0001-");
    ran && !shown.state.running && shown.state.exit_code == 0
}

/// Attends to the container of this name until it has ended. When it was made anew meanwhile, a new
/// self runs under the name and is taken over.
fn stay(
    unit: &UnitSpec,
    paths: &Paths,
    notifier: &Notifier,
    engine: &Engine,
    full: &str,
) -> io::Result<u8> {
    let notes = Notes::of(unit, paths);
    let mut before = String::new();
    loop {
        let shown = engine.show_at_last(full)?;
        if shown.id == before && !shown.state.running {
            return Ok(code(shown.state.exit_code));
        }
        before.clone_from(&shown.id);
        let (shown, unit) = (&shown, &super::renewed(unit, paths));
        let run = Run {
            unit,
            paths,
            engine,
            full,
            shown,
            stopped: &paths.told_to_stop(&unit.project, &unit.name),
        };
        let ended = run.attend(&notes, notifier, paths.handed_on(&unit.project, &unit.name));
        match engine.show(full) {
            // Its new self, or itself once more: the engine came back and had not lost it.
            Ok(now) if now.state.running => {}
            Ok(_) | Err(_) => return Ok(ended),
        }
    }
}

/// One self of the container, as it is attended to.
struct Run<'a> {
    unit: &'a UnitSpec,
    paths: &'a Paths,
    engine: &'a Engine,
    full: &'a str,
    shown: &'a Shown,
    stopped: &'a Path,
}

impl Run<'_> {
    fn attend(&self, notes: &Notes, notifier: &Notifier, handed_on: PathBuf) -> u8 {
        let container = Container {
            unit: self.unit,
            paths: self.paths,
            engine: self.engine,
            full: self.full.into(),
            stopped: self.stopped.into(),
        };
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (tell, ended) = mpsc::channel();
            let over = &over;
            scope.spawn(move || {
                let code = wait(self.engine, &self.shown.id);
                over.store(true, Ordering::Relaxed);
                // The other end is gone only when this whole process ends.
                let _ = tell.send(code);
            });
            scope.spawn(move || self.hand_on(Bookmark::new(handed_on), over));
            attend(self.unit, notes, notifier, &container, &ended)
        })
    }

    /// Hands its output on until it has ended, through restarts of the engine.
    fn hand_on(&self, mut bookmark: Bookmark, over: &AtomicBool) {
        let mut output = Output::of(self.unit);
        loop {
            self.copy(true, &mut bookmark, &mut output);
            std::thread::sleep(AGAIN);
            let back = await_output(self.engine, over);
            let seen = back.and_then(|()| self.engine.show(&self.shown.id));
            let same = |now: &Shown| now.state.started_at == self.shown.state.started_at;
            // It may run once more: whoever attends to that run goes on at the bookmark.
            if !seen.is_ok_and(|now| now.state.running && same(&now)) {
                // What the engine wrote down while it ended the stream.
                self.copy(false, &mut bookmark, &mut output);
                // A journal that is away now is told nothing more of this run.
                let _ = output.finish();
                return;
            }
        }
    }

    /// Hands on what the engine has after the bookmark, and with `follow` what comes.
    fn copy(&self, follow: bool, bookmark: &mut Bookmark, output: &mut Output) {
        let (id, framed) = (&self.shown.id, !self.shown.config.tty);
        let since = bookmark.since(id, &self.shown.state.finished_at);
        // A driver without reading back (`logging: none`) has no output to hand on.
        let Ok(body) = self.engine.logs(id, &since, framed, follow) else {
            return;
        };
        // A stream that breaks off is asked for again, if there is anything to come.
        let _ = copy(body, framed, &mut |piece| {
            // What the journal does not take is still in the engine's log.
            let _ = output.take(piece.error, piece.bytes);
            bookmark.set(id, piece.at.unwrap_or_else(Timestamp::now));
            Ok(())
        });
    }
}

/// A check that could not be made has failed only when the engine says so, or when its time is over.
fn not_looked(error: &io::Error) -> Look {
    match is_away(error) {
        true => Look::Unknown(error.to_string()),
        false => Look::Failed(error.to_string()),
    }
}

/// Waits for its end through restarts of the engine, which may keep it alive meanwhile, however long it is away.
pub(super) fn wait(engine: &Engine, id: &str) -> u8 {
    loop {
        match engine.wait(id) {
            Ok(ended) => return code(ended),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return super::UNAVAILABLE,
            Err(_) => std::thread::sleep(AGAIN),
        }
        engine.await_back();
    }
}

/// Waits until an engine that is away is back, to hand on what is left of an output: without end while the container may
/// run, and for a while when it has ended.
pub(super) fn await_output(engine: &Engine, over: &AtomicBool) -> io::Result<()> {
    loop {
        match engine.await_engine(ENGINE_AWAY) {
            Err(_) if !over.load(Ordering::Relaxed) => {}
            done => return done,
        }
    }
}

/// An exit code as a process can have one.
fn code(code: i64) -> u8 {
    u8::try_from(code).unwrap_or(255)
}

impl Ask for Container<'_> {
    /// The engine itself keeps the exit code alone, but remembers for a while what it was asked for. That is noted: a
    /// later look finds no more than the code.
    fn was_stopped(&self) -> bool {
        if self.stopped.exists() {
            return true;
        }
        let told = |shown: &Shown| self.engine.was_told_to_end(shown).unwrap_or(false);
        let shown = self.engine.show(&self.full).ok();
        match shown.filter(|shown| !shown.state.running && told(shown)) {
            Some(shown) => {
                note_unfinished(self.unit, self.paths, Some(&shown.id));
                true
            }
            None => false,
        }
    }

    fn look(&self, check: Option<&Healthcheck>) -> Look {
        if let Some(check) = check {
            let test = match &check.test {
                Test::Command(test) => test.clone().into(),
                Test::Port { port } => {
                    return match self.engine.address(&self.full) {
                        Ok(at) => look_at(at, *port, check.timeout),
                        Err(error) => not_looked(&error),
                    };
                }
            };
            let most = Some(check.timeout);
            let mut said = Vec::with_capacity(SHOWN);
            let mut hear = |piece: &Piece<'_>| {
                keep_begin(&mut said, piece.bytes);
                Ok(())
            };
            return match self.engine.run(&self.full, &test, most, &mut hear) {
                Ok(0) => Look::Passed,
                Ok(code) => Look::Failed(failed(code, &said)),
                Err(error) => not_looked(&error),
            };
        }
        match self.engine.show(&self.full) {
            Ok(shown) => match &shown.state.health {
                None => Look::Nothing,
                Some(health) => match (health.status.as_str(), health.last()) {
                    ("none", _) => Look::Nothing,
                    ("healthy", _) => Look::Passed,
                    ("starting", _) => Look::Pending("the image's check has not passed yet".into()),
                    (_, Some((code, said))) => Look::Failed(failed(code, said.as_bytes())),
                    (status, None) => Look::Failed(format!("the image's check says `{status}`")),
                },
            },
            // The engine is away, or the container is: whoever waits for its end tells.
            Err(error) => Look::Unknown(error.to_string()),
        }
    }

    fn end(&self) -> bool {
        self.engine.kill(&self.full).is_ok()
    }

    fn rest(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_was_told_to_stop_has_not_failed() {
        let dir = tempfile::tempdir().unwrap();
        let stopped = dir.path().join("run/stopped/web");
        assert_eq!(told_code(&stopped, 137), 137);
        note(&stopped, "").unwrap();
        assert_eq!(told_code(&stopped, 137), 0);
        assert_eq!(told_code(&stopped, 137), 137, "it is said once");
    }

    #[test]
    fn commands_after_a_start_are_due_until_they_have_run_in_that_very_container() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let mut unit = super::super::output::tests::unit();
        Follows::of(&unit, &paths).note("abc");
        assert!(!Follows::of(&unit, &paths).are_due("abc"), "it has none");
        unit.hooks.post_start = serde_json::from_value(serde_json::json!([{
            "command": {"shell": "true"}, "user": null, "privileged": false, "working_dir": null, "environment": {},
        }]))
        .unwrap();
        let follows = || Follows::of(&unit, &paths);
        assert!(!follows().are_due("abc"));
        follows().note("abc");
        assert!(follows().are_due("abc") && !follows().are_due("other"));
        follows().forget();
        assert!(!follows().are_due("abc"));
    }

    #[test]
    fn work_that_is_told_to_stop_is_not_done_also_when_the_engine_does_not_answer() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let unit = UnitSpec {
            oneshot: true,
            engine: Some(dir.path().join("nobody.sock")),
            ..super::super::output::tests::unit()
        };
        note_stop(&unit, &paths, Some("abc"));
        let is = |id: &str| store::was_stopped(&paths, &unit.project, &unit.name, id);
        assert!(is("abc") && !is("other"));
    }
}

#[cfg(test)]
#[path = "application_tests.rs"]
mod away_tests;
