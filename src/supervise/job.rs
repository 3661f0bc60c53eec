//! A command in a container of its own as a transient service: its container is made already, this
//! process starts it, hands its output on and ends with its exit code.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::application::{AGAIN, await_output, wait};
use super::await_end;
use super::engine::{Engine, Shown};
use super::output::Output;
use super::stream::copy;
use crate::model::{Name, host_name_of, job_service_of};
use crate::sys::{self, Notifier};

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
    fn hand_on(&self, shown: &Shown, over: &AtomicBool) {
        let service = job_service_of(&self.project, &self.name);
        let mut output = Output::from(&self.name, &service);
        let mut last = Timestamp::UNIX_EPOCH;
        loop {
            self.copy(shown, true, &mut last, &mut output);
            std::thread::sleep(AGAIN);
            let back = await_output(&self.engine, over);
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
    let over = AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| call.hand_on(&shown, &over));
        let ended = wait(engine, &shown.id);
        over.store(true, Ordering::Relaxed);
        ended
    });
    if call.last == "remove"
        && let Err(error) = engine.remove(&shown.id)
    {
        // How the job has ended is known all the same.
        sys::tell_failure(&call.told("remove")(error));
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

#[cfg(test)]
mod tests {
    use super::super::engine::tests::{engine_at, shown};
    use super::*;

    #[test]
    fn a_job_whose_container_cannot_be_removed_ends_as_it_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("engine.sock");
        engine_at(&socket, |asked| match asked {
            "GET /containers/shop-job/json" => shown("abc", true, 0),
            "POST /containers/abc/wait" => (200, r#"{"StatusCode":7}"#.into()),
            "POST /containers/shop-job/start" => (204, String::new()),
            asked if asked.starts_with("DELETE ") => (500, r#"{"message":"it is busy"}"#.into()),
            "GET /_ping" => (200, "OK".into()),
            _ => (404, "{}".into()),
        });
        let words = ["shop", "job", &socket.to_string_lossy(), "remove"].map(String::from);
        let mut call = Call::read(&words).unwrap();
        call.full = "shop-job".into();
        assert_eq!(run(&call), Ok(7));
    }
}
