//! An application container: the engine runs it, this process stands for it in systemd.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use jiff::Timestamp;

use super::attend::{Ask, Look, Notes, attend, failed, look_at};
use super::attend::{SHOWN, keep_begin};
use super::backoff::{self, Tries};
use super::bookmark::Bookmark;
use super::engine::{Engine, Shown};
use super::output::Output;
use super::stream::{Piece, copy};
use super::{gate, hooks, ports, ready, told};
use crate::model::{Healthcheck, SupervisorStatus, Test, UnitSpec, host_name_of};
use crate::store::{self, Paths};
use crate::sys::Notifier;

/// How long the engine may be away: it is restarted, or the host boots.
pub(super) const ENGINE_AWAY: Duration = Duration::from_secs(90);
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
/// started only when that was asked for.
pub(super) fn supervise(
    unit: &UnitSpec,
    paths: &Paths,
    notifier: &Notifier,
    (asked, tries): (bool, &Tries),
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
    engine
        .await_engine(ENGINE_AWAY)
        .map_err(failed("reach the engine of"))?;
    let shown = engine.show(&full).map_err(failed("find"))?;
    let started = &shown.state.started_at;
    let noted = store::was_run_stopped(paths, &unit.project, &unit.name, &shown.id, started);
    if !asked && unit.oneshot && is_done(&shown) && !noted {
        // What others wait for is done for good.
        ready(notifier)?;
        gate::done(&paths.ready(&unit.project, &unit.name));
        return Ok(0);
    }
    tries.note();
    // Nothing keeps it from starting any more; from now on a stop is a stop of the container.
    told::listen(unit, paths, &shown.id).map_err(failed("listen for a stop of"))?;
    super::say(notifier, &SupervisorStatus::Begins);
    start(unit, paths, &engine, noted.then_some(&shown.id)).map_err(failed("start"))?;
    let _ports = ports::open(unit, paths, asked);
    if let Err(reason) = ready(notifier) {
        eprintln!("{reason}"); // the container runs, and is attended to
    }
    // One that ran was started before, with all that belongs to it.
    if !shown.state.running
        && let Err(reason) = begun(unit, paths, notifier)
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
        eprintln!("{}", unit.was_killed());
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
    let _ = note(&paths.told_to_stop(&unit.project, &unit.name));
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
        eprintln!(
            "cannot write below `{}`: {error}; if `{}` ends with 0 now, it counts as done: `locker start {}` runs it again",
            dir.display(),
            unit.name,
            unit.name
        );
    }
}

fn note(path: &Path) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        crate::store::make_private(dir)?;
    }
    fs::write(path, "")
}

/// Whether its engine runs it already: its supervisor was killed, or the engine's own tools have started it.
pub(super) fn runs(unit: &UnitSpec) -> bool {
    let full = host_name_of(&unit.project, &unit.name);
    Engine::of(unit)
        .show(&full)
        .is_ok_and(|shown| shown.state.running)
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
        let shown = engine.show(full)?;
        if shown.id == before && !shown.state.running {
            return Ok(code(shown.state.exit_code));
        }
        before.clone_from(&shown.id);
        let shown = &shown;
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
        std::thread::scope(|scope| {
            let (tell, ended) = mpsc::channel();
            scope.spawn(move || {
                let code = wait(self.engine, &self.shown.id);
                // The other end is gone only when this whole process ends.
                let _ = tell.send(code);
            });
            scope.spawn(move || self.hand_on(Bookmark::new(handed_on)));
            attend(self.unit, notes, notifier, &container, &ended)
        })
    }

    /// Hands its output on until it has ended, through restarts of the engine.
    fn hand_on(&self, mut bookmark: Bookmark) {
        let mut output = Output::of(self.unit);
        loop {
            self.copy(true, &mut bookmark, &mut output);
            std::thread::sleep(AGAIN);
            let back = self.engine.await_engine(ENGINE_AWAY);
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

/// Waits for its end through restarts of the engine.
pub(super) fn wait(engine: &Engine, id: &str) -> u8 {
    loop {
        match engine.wait(id) {
            Ok(ended) => return code(ended),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return super::UNAVAILABLE,
            Err(_) if engine.await_engine(ENGINE_AWAY).is_err() => return super::UNAVAILABLE,
            Err(_) => {}
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
                        Err(error) => Look::Failed(error.to_string()),
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
                Err(error) => Look::Failed(error.to_string()),
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
            Err(error) => Look::Failed(error.to_string()),
        }
    }

    fn end(&self) {
        // What does not end is told by the next check again.
        let _ = self.engine.kill(&self.full);
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
        note(&stopped).unwrap();
        assert_eq!(told_code(&stopped, 137), 0);
        assert_eq!(told_code(&stopped, 137), 137, "it is said once");
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
