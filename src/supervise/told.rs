//! A stop of an application container's service: systemd sends SIGTERM to the supervisor, which ends the container
//! and then ends with it. A program of its own for each stop would cost more than the stop.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use signal_hook::consts::SIGTERM;
use signal_hook::low_level::pipe;

use super::{application, hooks};
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

/// From now on SIGTERM stops the container, whose id this is, and does not end this process before that.
pub(super) fn listen(unit: &UnitSpec, paths: &Paths, id: &str) -> io::Result<()> {
    let (mut ear, mouth) = UnixStream::pair()?;
    pipe::register(SIGTERM, mouth)?;
    let (unit, paths, id) = (unit.clone(), paths.clone(), id.to_owned());
    let obey = move || {
        // The other end is never closed.
        if ear.read_exact(&mut [0]).is_ok() {
            obey(&unit, &paths, &id);
        }
    };
    thread::Builder::new().spawn(obey).map(drop)
}

/// Ends the container; this process ends with it, in the middle of this.
fn obey(unit: &UnitSpec, paths: &Paths, id: &str) {
    application::note_stop(unit, paths, Some(id));
    match store::take_asker(paths, &unit.project, &unit.name) {
        Some(asker) => leave_to(&asker),
        None => {
            if let Err(reason) = hooks::pre_stop(unit, paths) {
                // systemd has been told to stop it, and nobody is there to be asked again.
                sys::tell_failure(&reason);
            }
        }
    }
    loop {
        if let Err(reason) = application::stop(unit, paths) {
            sys::tell_failure(&reason);
        }
        thread::sleep(AGAIN);
    }
}

/// Leaves it to a run of locker that has asked for the stop and ends the container itself, until that gives up.
fn leave_to(asker: &Asker) {
    let notifier = Notifier::from_environment();
    let looks = OFTEN.as_millis() / LOOK.as_millis();
    for look in 0.. {
        if !asker.waits() {
            return;
        }
        if look % looks == 0
            && let Ok(notifier) = &notifier
        {
            // Without more time systemd ends this process, and locker the container all the same.
            let _ = notifier.extend(u64::try_from(MORE.as_micros()).unwrap_or(u64::MAX));
        }
        thread::sleep(LOOK);
    }
}
