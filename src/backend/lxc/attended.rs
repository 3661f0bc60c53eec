//! What the attendant of a supervised container may know and do: guard it, look at it, ask it, end it.
//!
//! Decides nothing; `supervise` does. See [`super::supervised`] for where it comes from.

use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::Pid;

use super::console::Console;
use super::ended;
use super::guard::watch;
use super::inside::{Inner, Manner};
use super::monitor::{Request, Task, command};
use super::post::{Guarded, Post};
use crate::model::{FailedCheck, InnerCommand};

/// How many bytes of a command's output are kept.
const SAID: usize = 1024;

/// How often a command's output is read in one look: as much as a pipe holds, so that all is there of one that has ended.
const READS: usize = 16;

/// Takes what a command has printed up to now, and keeps the begin of it. Nobody waits for more: what it leaves
/// running may hold the pipe for ever. One that prints without end is read on at the next look.
fn drain(mut output: impl Read, said: &mut Vec<u8>) {
    let mut bytes = [0; 4096];
    for _ in 0..READS {
        // An error is that there is nothing now.
        let Ok(read @ 1..) = output.read(&mut bytes) else {
            return;
        };
        let room = SAID.saturating_sub(said.len()).min(read);
        said.extend(bytes.iter().take(room));
    }
}

/// What an attendant may know and do.
pub struct Attended {
    pub(super) lxcpath: PathBuf,
    pub(super) full: String,
    pub(super) dir: PathBuf,
    /// The console log.
    pub console: PathBuf,
    pub(super) guarded: Option<Guarded>,
    /// The variables of a command inside, as `exec` sets them.
    pub(super) environment: Vec<String>,
    pub(super) monitor: Pid,
    /// Its pidfd.
    pub(super) alive: OwnedFd,
    /// By which the guard hears that others have worked.
    pub(super) word: OwnedFd,
}

impl Attended {
    /// Whether the container's init is there and its network is set up.
    pub fn runs(&self) -> bool {
        ended::started(&self.dir).is_some()
    }

    /// Whether it ends by itself now, or has: what runs inside fails a moment before that is written down.
    pub fn has_ended_by_itself(&self) -> bool {
        const MOMENT: Duration = Duration::from_millis(300);
        let begun = Instant::now();
        while ended::ended(&self.dir).is_none() {
            if begun.elapsed() > MOMENT {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Whether it was started in this run and has ended since.
    pub fn has_run(&self) -> bool {
        ended::code(&self.dir).is_some()
    }

    /// Guards the container until it has ended; its exit code. The monitor notes it, and is still there to
    /// wait for the attendant then; one that was killed notes nothing. `bell` is rung whenever the console
    /// log has grown; `deaf` is called first when that cannot be heard.
    ///
    /// # Errors
    /// What the kernel refused. It may be called again then.
    pub fn guard(&self, bell: &SyncSender<()>, deaf: &dyn Fn()) -> io::Result<u8> {
        let console = Console::open(&self.console).map(|log| log.with_bell(bell.clone()));
        if console.is_err() {
            deaf();
        }
        let mut post = Post {
            dir: self.dir.clone(),
            console: console.ok(),
            guarded: self.guarded.clone(),
            word: Some(self.word.try_clone()?),
        };
        watch(&mut post, self.monitor, &self.alive, &|| {})?;
        Ok(u8::try_from(ended::code(&self.dir).unwrap_or(0)).unwrap_or(255))
    }

    /// Says that the caller goes to sleep: some time later the guard lets go of what it needed. The guard
    /// does so for all threads, since it brings the least back when it goes on sleeping.
    pub fn rest(&self) {
        // A word that is not taken yet is as good as two.
        let _ = rustix::io::write(&self.word, &1_u64.to_ne_bytes());
    }

    /// Whether it was asked to shut down and is at it.
    pub fn is_stopping(&self) -> bool {
        ended::started(&self.dir).is_some_and(|run| super::mark::is_stopping(&self.dir, run.pid))
    }

    /// Whether it has ended because it was asked to, whatever its exit code.
    pub fn was_stopped(&self) -> bool {
        ended::ended(&self.dir).is_some_and(|ended| ended.asked)
    }

    /// The address that it keeps; none without a card on a bridge.
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.guarded.as_ref().map(|guarded| guarded.v4.0)
    }

    /// Runs a command inside; its exit code, and the begin of what it printed. One that takes longer than `most` is ended.
    pub fn run(&self, inner: &InnerCommand, most: Duration) -> io::Result<(i32, Vec<u8>)> {
        let request = Request {
            full: self.full.clone(),
            lxcpath: self.lxcpath.clone(),
            log: None,
            task: Task::Attach(Inner {
                argv: inner.argv(),
                environment: self.environment.clone(),
                workdir: None,
                uid: None,
                gid: None,
                groups: Vec::new(),
                manner: Manner::Hook,
            }),
        };
        let mut command = command(Path::new("/proc/self/exe"), &request)?;
        let (output, input) = io::pipe()?;
        fcntl_setfl(&output, OFlags::NONBLOCK)?;
        command
            .stdin(Stdio::piped())
            .stdout(input.try_clone()?)
            .stderr(input);
        let mut child = command.env_remove("NOTIFY_SOCKET").spawn()?;
        drop(command); // and with it this process's ends for writing
        let mut said = Vec::with_capacity(SAID);
        let lifeline: Option<ChildStdin> = child.stdin.take();
        let begun = Instant::now();
        loop {
            let ended = child.try_wait()?;
            drain(&output, &mut said);
            if let Some(status) = ended {
                return Ok((status.code().unwrap_or(255), said));
            }
            if begun.elapsed() > most {
                drop(lifeline); // all of the helper's processes end with it
                child.wait()?;
                let mut reason = format!("`{inner}` did not end within its time");
                if !said.is_empty() {
                    let said = FailedCheck::new(None, &String::from_utf8_lossy(&said));
                    reason.push_str(&format!(": {said}"));
                }
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the container by force.
    pub fn end(&self) -> io::Result<()> {
        let Some(pid) = ended::started(&self.dir).map(|started| started.pid) else {
            return Ok(());
        };
        let pid = i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        match pid {
            Some(pid) => Ok(rustix::process::kill_process(
                pid,
                rustix::process::Signal::KILL,
            )?),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_prints_without_end_is_looked_at_again() {
        let mut said = Vec::new();
        drain(io::repeat(b'y'), &mut said);
        drain(&b"more"[..], &mut said);
        assert_eq!(said, [b'y'; SAID]);
        let mut said = Vec::new();
        drain(&b"no "[..], &mut said);
        drain(&b"way"[..], &mut said);
        assert_eq!(said, b"no way");
    }
}
