//! A command in a container of its own as a transient service: its container is made already, this
//! process starts it, hands its output on and ends with its exit code.

use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::application::{AGAIN, ENGINE_AWAY, wait};
use super::await_end;
use super::engine::{Engine, Shown};
use super::output::Output;
use super::stream::copy;
use crate::model::{Name, host_name_of, job_service_of};
use crate::sys::Notifier;

/// What the words behind the verb say.
pub(super) struct Call {
    project: Name,
    name: Name,
    full: String,
    engine: Engine,
    last: String,
}

impl Call {
    /// `PROJECT NAME SOCKET LAST`.
    pub(super) fn read(words: &[String]) -> Result<Self, String> {
        let [project, name, socket, last] = words else {
            return Err("this is for locker's own use".into());
        };
        let project = Name::new(project).map_err(|error| error.to_string())?;
        let name = Name::new(name).map_err(|error| error.to_string())?;
        Ok(Self {
            full: host_name_of(&project, &name),
            project,
            name,
            engine: Engine::new(Path::new(socket)),
            last: last.clone(),
        })
    }

    fn told(&self, verb: &'static str) -> impl Fn(io::Error) -> String {
        let full = self.full.clone();
        move |error| format!("cannot {verb} container `{full}`: {error}")
    }

    /// Hands its output on until it has ended, through restarts of the engine.
    fn hand_on(&self, shown: &Shown) {
        let service = job_service_of(&self.project, &self.name);
        let mut output = Output::from(&self.name, &service);
        let mut last = Timestamp::UNIX_EPOCH;
        loop {
            self.copy(shown, true, &mut last, &mut output);
            std::thread::sleep(AGAIN);
            let back = self.engine.await_engine(ENGINE_AWAY);
            let seen = back.and_then(|()| self.engine.show(&shown.id));
            if !seen.is_ok_and(|now| now.state.running) {
                // What the engine wrote down while it ended the stream.
                self.copy(shown, false, &mut last, &mut output);
                // A journal that is away now is told nothing more.
                let _ = output.finish();
                return;
            }
        }
    }

    /// Hands on what the engine has after `last`, and with `follow` what comes.
    fn copy(&self, shown: &Shown, follow: bool, last: &mut Timestamp, output: &mut Output) {
        let framed = !shown.config.tty;
        // The moment after, so that no line is told twice.
        let next = *last + SignedDuration::from_nanos(1);
        let since = format!("{}.{:09}", next.as_second(), next.subsec_nanosecond());
        // A driver without reading back (`logging: none`) has no output to hand on.
        let Ok(body) = self.engine.logs(&shown.id, &since, framed, follow) else {
            return;
        };
        // A stream that breaks off is asked for again, if there is anything to come.
        let _ = copy(body, framed, &mut |piece| {
            // What the journal does not take is still in the engine's log.
            let _ = output.take(piece.error, piece.bytes);
            *last = piece.at.unwrap_or_else(Timestamp::now);
            Ok(())
        });
    }
}

/// Runs it to its end; its exit code. `LAST` is `remove` when its container goes with it.
pub(super) fn run(call: &Call) -> Result<u8, String> {
    let notifier = Notifier::from_environment()
        .map_err(|error| format!("cannot reach the service manager: {error}"))?;
    let (engine, full) = (&call.engine, &call.full);
    let shown = engine.show(full).map_err(call.told("find"))?;
    engine.start(full).map_err(call.told("start"))?;
    notifier
        .ready("running")
        .map_err(|error| format!("cannot reach the service manager: {error}"))?;
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| call.hand_on(&shown));
        wait(engine, &shown.id)
    });
    if call.last == "remove" {
        engine.remove(&shown.id).map_err(call.told("remove"))?;
    }
    Ok(ended)
}

/// Ends it for `ExecStop=`, within `LAST` seconds. That runs also when it has ended by itself: then there
/// is no main process any more (systemd.exec(5), `$MAINPID`).
pub(super) fn end(call: &Call) -> Result<u8, String> {
    let Ok(main) = std::env::var("MAINPID") else {
        return Ok(0);
    };
    let grace = Duration::from_secs(call.last.parse().unwrap_or(0));
    match call.engine.stop(&call.full, grace) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(call.told("stop")(error));
        }
        Ok(()) | Err(_) => {}
    }
    await_end(&main, &|| {});
    Ok(0)
}
