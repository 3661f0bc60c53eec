//! A stop of an application container's service: systemd sends SIGTERM to the supervisor, which ends the container
//! and then ends with it. A program of its own for each stop would cost more than the stop.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::SIGTERM;
use signal_hook::low_level::pipe;

use super::engine::Engine;
use super::{application, hooks, renewed};
use crate::model::UnitSpec;
use crate::store::{self, Asker, Paths};
use crate::sys::{self, Notifier};

/// How often the container is stopped again while this process lives: it was about to be started when it was to stop.
const AGAIN: Duration = Duration::from_millis(500);
/// How often it is looked whether who asked for the stop still waits for it.
const LOOK: Duration = Duration::from_millis(100);
/// What systemd is asked for while somebody else ends the container, in his own time, and how often.
const MORE: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_secs(20);

/// Who listens for a stop.
pub(super) struct Ear(Arc<OnceLock<String>>);

impl Ear {
    /// Says which container it is, by its id: the engine has answered.
    pub(super) fn know(&self, id: &str) {
        // It is said once.
        let _ = self.0.set(id.to_owned());
    }
}

/// From now on SIGTERM stops the container, and does not end this process before that.
pub(super) fn listen(unit: &UnitSpec, paths: &Paths) -> io::Result<Ear> {
    let (mut ear, mouth) = UnixStream::pair()?;
    pipe::register(SIGTERM, mouth)?;
    let known = Arc::new(OnceLock::new());
    let (unit, paths, id) = (unit.clone(), paths.clone(), Arc::clone(&known));
    let obey = move || {
        // The other end is never closed.
        if ear.read_exact(&mut [0]).is_ok() {
            obey(&unit, &paths, id.get().map(String::as_str));
        }
    };
    thread::Builder::new().spawn(obey)?;
    Ok(Ear(known))
}

/// Ends the container; this process ends with it, in the middle of this.
fn obey(unit: &UnitSpec, paths: &Paths, id: Option<&str>) {
    // As it is to be by now.
    let unit = &renewed(unit, paths);
    let engine = Engine::of(unit);
    application::note_stop(unit, paths, id);
    match store::take_stopper(paths, &unit.project, &unit.name) {
        Some(asker) => leave_to(&asker),
        None => {
            // Nothing can be done before, and nothing is over.
            engine.await_back();
            if let Err(reason) = hooks::pre_stop(unit, paths) {
                // systemd has been told to stop it, and nobody is there to be asked again.
                sys::tell_failure(&reason);
            }
        }
    }
    loop {
        engine.await_back();
        if let Err(reason) = application::stop(unit, paths) {
            sys::tell_failure(&reason);
        }
        // What it attends to may have another name by now: a killed run has left its new self under the old one.
        let older = id.map(|id| engine.stop(id, unit.stop_timeout));
        match older {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                sys::tell_failure(&format!("cannot stop what runs of it: {error}"));
            }
            Some(Ok(()) | Err(_)) | None => {}
        }
        thread::sleep(AGAIN);
    }
}

/// Leaves it to a run of locker that has asked for the stop and ends the container itself, until that gives up.
pub(super) fn leave_to(asker: &Asker) {
    let mut more = MoreTime::new(Notifier::from_environment());
    while asker.waits() {
        more.ask();
        thread::sleep(LOOK);
    }
}

/// More time from systemd than the unit gives a stop, asked for again and again.
pub(super) struct MoreTime {
    notifier: io::Result<Notifier>,
    asked: Option<Instant>,
}

impl MoreTime {
    pub(super) fn new(notifier: io::Result<Notifier>) -> Self {
        let asked = None;
        Self { notifier, asked }
    }

    /// Asks when it is time to.
    pub(super) fn ask(&mut self) {
        if self.asked.is_some_and(|at| at.elapsed() < OFTEN) {
            return;
        }
        self.asked = Some(Instant::now());
        if let Ok(notifier) = &self.notifier {
            // Without more time systemd ends this process, and locker the container all the same.
            let _ = notifier.extend(u64::try_from(MORE.as_micros()).unwrap_or(u64::MAX));
        }
    }
}
