//! A container's published ports go with its service: put in place when it runs, taken out when it has ended.
//!
//! The supervisor itself may change no rule. It says that it attends to the container, and has the network
//! service look; a run of locker that has asked for the start sees to the ports itself, all at once.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::model::UnitSpec;
use crate::store::{self, Attended, Paths};
use crate::sys;

/// How long the network service may take; it answers in some milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// While this is kept, the ports of the container are to be in place.
pub(super) struct Ports<'a> {
    unit: &'a UnitSpec,
    paths: &'a Paths,
    held: Option<Attended>,
}

/// Says that the container runs, and unless its start was `asked` for waits until its ports are in place.
pub(super) fn open<'a>(unit: &'a UnitSpec, paths: &'a Paths, asked: bool) -> Ports<'a> {
    let held = match store::attend(paths, &unit.project, &unit.name) {
        Ok(held) => Some(held),
        Err(error) => {
            sys::tell_journal(format_args!("{error}; its ports are not kept in place"));
            None
        }
    };
    let ports = Ports { unit, paths, held };
    if !asked && ports.has_any() {
        match ports.tell().map(|answer| busy(&answer)) {
            Ok(None) => {}
            Ok(Some(holder)) => {
                sys::tell_journal(format_args!(
                    "its ports are published when that ends: {holder}"
                ));
            }
            Err(error) => sys::tell_journal(format_args!(
                "its ports are not published yet: `locker-network.service` does not answer ({error}); see `locker plan`"
            )),
        }
    }
    ports
}

/// What the network service waits for before it looks at the container.
fn busy(answer: &str) -> Option<String> {
    answer
        .strip_prefix("busy ")
        .map(|holder| holder.trim_end().to_owned())
}

impl Ports<'_> {
    fn has_any(&self) -> bool {
        let ports = self.unit.ports.as_ref();
        ports.is_some_and(|ports| !ports.is_empty())
    }

    /// Has the network service look at the container; its answer.
    fn tell(&self) -> io::Result<String> {
        let mut stream = UnixStream::connect(self.paths.network_socket())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{} {}\n", self.unit.project, self.unit.name).as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        match answer.is_empty() {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(answer),
        }
    }
}

impl Drop for Ports<'_> {
    fn drop(&mut self) {
        drop(self.held.take());
        if self.has_any() {
            // One that is away looks when it is back.
            let _ = self.tell();
        }
    }
}
