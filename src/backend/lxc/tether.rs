//! What ties a monitor to its attendant: without its attendant it does not live on.
//!
//! systemd watches a service's main process only, the monitor, which is inside liblxc and cannot watch
//! anybody itself. So the attendant holds the writing end of a pipe, and when the kernel closes that, because
//! the attendant was killed or has failed, it kills the monitor: systemd sees that and does what the restart
//! policy says. Untied before the container's end is told, which is what ends the attendant.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use super::ffi::die_with_writer;

/// The monitor's end.
#[derive(Debug)]
pub(super) struct Tether(OwnedFd);

/// The attendant's end: held until its process ends.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "only its end matters")] OwnedFd);

/// Both ends.
pub(super) fn tether() -> io::Result<(Tether, Held)> {
    let (monitor, attendant) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((Tether(monitor), Held(attendant)))
}

impl Tether {
    /// From now on this process is killed when the attendant has gone. This process must not hold the
    /// attendant's end.
    ///
    /// # Errors
    /// The attendant has gone already, or the kernel refuses.
    pub(super) fn tie(&self) -> io::Result<()> {
        die_with_writer(&self.0)?;
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut ends = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut ends, Some(&now))? {
            0 => Ok(()),
            _ => Err(io::Error::other("its attendant has ended at once")),
        }
    }
}

impl AsFd for Tether {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
