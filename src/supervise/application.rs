//! An application container: the engine runs it, this process stands for it in systemd.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use super::attend::{Ask, Look, Notes, attend};
use super::engine::{Engine, Shown};
use super::gate;
use super::stream::copy;
use crate::model::{Healthcheck, UnitSpec, host_name_of};
use crate::store::Paths;
use crate::sys::Notifier;

/// How long the engine may be away: it is restarted, or the host boots.
const ENGINE_AWAY: Duration = Duration::from_secs(90);

struct Container<'a> {
    engine: &'a Engine,
    full: String,
}

/// Starts it, or takes it over when it runs, and stays with it; its exit code. One whose work is done is
/// started only when that was asked for.
pub(super) fn supervise(
    unit: &UnitSpec,
    paths: &Paths,
    notifier: &Notifier,
    asked: bool,
) -> Result<u8, String> {
    let full = host_name_of(&unit.project, &unit.name);
    let engine = Engine::of(unit);
    let told = |verb: &'static str| {
        let full = full.clone();
        move |error: io::Error| format!("cannot {verb} container `{full}`: {error}")
    };
    let _ = notifier.status("waiting for the engine");
    engine
        .await_engine(ENGINE_AWAY)
        .map_err(told("reach the engine of"))?;
    let shown = engine.show(&full).map_err(told("find"))?;
    if !asked && unit.oneshot && is_done(&shown) {
        // What others wait for is done for good.
        gate::done(&paths.ready(&unit.project, &unit.name));
        return Ok(0);
    }
    engine.start(&full).map_err(told("start"))?;
    let notes = Notes::of(unit, paths);
    stay(unit, &notes, notifier, &engine, &full).map_err(told("attend to"))
}

/// Stops it within the time that its unit allows.
pub(super) fn stop(unit: &UnitSpec) -> Result<u8, String> {
    let full = host_name_of(&unit.project, &unit.name);
    match Engine::of(unit).stop(&full, unit.stop_timeout) {
        Ok(()) => Ok(0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(format!("cannot stop container `{full}`: {error}")),
    }
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
    notes: &Notes,
    notifier: &Notifier,
    engine: &Engine,
    full: &str,
) -> io::Result<u8> {
    let mut before = String::new();
    loop {
        let shown = engine.show(full)?;
        if shown.id == before && !shown.state.running {
            return Ok(code(shown.state.exit_code));
        }
        before.clone_from(&shown.id);
        let ended = run(unit, notes, notifier, engine, full, &shown)?;
        match engine.show(full) {
            // Its new self, or itself once more: the engine came back and had not lost it.
            Ok(now) if now.state.running => {}
            Ok(_) | Err(_) => return Ok(ended),
        }
    }
}

fn run(
    unit: &UnitSpec,
    notes: &Notes,
    notifier: &Notifier,
    engine: &Engine,
    full: &str,
    shown: &Shown,
) -> io::Result<u8> {
    let (id, framed, since) = (&shown.id, !shown.config.tty, since(&shown.state.started_at));
    let container = Container {
        engine,
        full: full.into(),
    };
    std::thread::scope(|scope| {
        let (tell, ended) = mpsc::channel();
        scope.spawn(move || {
            let code = wait(engine, id);
            // The other end is gone only when this whole process ends.
            let _ = tell.send(code);
        });
        scope.spawn(move || {
            // A driver without reading back (`logging: none`) has no output to hand on.
            if let Ok(body) = engine.logs(id, &since) {
                let _ = copy(body, framed, &mut io::stdout().lock());
            }
        });
        Ok(attend(unit, notes, notifier, &container, &ended))
    })
}

/// Waits for its end through restarts of the engine.
fn wait(engine: &Engine, id: &str) -> u8 {
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

/// RFC 3339 as the seconds that the engine's `since` takes.
fn since(started_at: &str) -> String {
    match started_at.parse::<jiff::Timestamp>() {
        Ok(at) => format!("{}.{:09}", at.as_second(), at.subsec_nanosecond()),
        Err(_) => "0".into(),
    }
}

impl Ask for Container<'_> {
    /// The engine does not tell; a program that is asked to end seldom ends with 0.
    fn was_stopped(&self) -> bool {
        false
    }

    fn look(&self, check: Option<&Healthcheck>) -> Look {
        if let Some(check) = check {
            return match self.engine.run(&self.full, &check.test, check.timeout) {
                Ok(0) => Look::Passed,
                Ok(code) => Look::Failed(format!("exit code {code}")),
                Err(error) => Look::Failed(error.to_string()),
            };
        }
        match self.engine.show(&self.full) {
            Ok(shown) => match shown.state.health.map(|health| health.status).as_deref() {
                None | Some("none") => Look::Nothing,
                Some("healthy") => Look::Passed,
                Some(status) => Look::Failed(format!("the image's check says `{status}`")),
            },
            Err(error) => Look::Failed(error.to_string()),
        }
    }

    fn end(&self) {
        // What does not end is told by the next check again.
        let _ = self.engine.kill(&self.full);
    }
}
