//! A command inside a container with the caller's streams: the caller's part.
//!
//! The helper that runs it ([`super::inside`]) hears signals through a pipe and ends with it, so that
//! nothing is left inside however this process ends. A terminal is one of the container's own, so that
//! programs inside find it by its name, and is joined to this process's streams, whether these are a
//! terminal or not; without one, [`super::streams`] says what stands in their places.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, major, minor, openat2};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::process::Child;

use super::LxcBackend;
use super::attach::{Session, request};
use super::inside::Manner;
use super::monitor::command;
use super::site::io as failed_io;
use super::streams::{self, Relayed};
use crate::backend::{AttachOptions, BackendError};
use crate::model::Name;
use crate::sys::terminal::{self, End, Orders, Remote};

/// The size of a terminal that nobody looks at.
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;
/// How long a command may take over a signal that asks it to be gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the helper may take to clear up after we have left.
const CLEARING: Duration = Duration::from_secs(4);

/// Runs a command with this process's own streams and terminal; returns its exit code.
pub(super) async fn attach(
    backend: &LxcBackend,
    name: &Name,
    argv: &[String],
    options: &AttachOptions,
) -> Result<i32, BackendError> {
    let tty = !options.detach && options.tty.unwrap_or_else(terminal::is_one);
    let (told, ours) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| opened(e.into()))?;
    let orders = told.as_raw_fd();
    let manner = match (options.detach, tty) {
        (true, _) => Manner::Detached,
        (false, false) => Manner::Streams { orders },
        (false, true) => Manner::Terminal { orders },
    };
    let session = Session {
        name: name.clone(),
        argv: argv.to_vec(),
        options: options.clone(),
        manner,
    };
    let prepared = backend.blocking("attach to", move |site| {
        let (request, init) = request(site, &session)?;
        Ok((request, init, site.program.clone()))
    });
    let (request, init, program) = prepared.await?;
    let run = |error| failed_io("run", &program)(error);
    let mut command = command(&program, &request).map_err(run)?;
    // Heard from before it runs: nothing may be killed by a signal in between.
    let signals = Orders::listen(Some(PATIENCE)).map_err(opened)?;
    let (mut made, mut relayed) = (None, None);
    match manner {
        Manner::Detached => drop(command.stdin(Stdio::null()).stdout(Stdio::null())),
        Manner::Terminal { .. } => {
            let (master, slave) = terminal_of(init).map_err(opened)?;
            command.stdin(slave).stdout(Stdio::null());
            made = Some(master);
        }
        Manner::Hook | Manner::Streams { .. } => {
            relayed = Some(Relayed::place(&mut command).map_err(opened)?);
        }
    }
    rustix::io::fcntl_setfd(&told, rustix::io::FdFlags::empty()).map_err(|e| opened(e.into()))?;
    // Our copies of what it gets go with it: its pipes end when it does.
    let child = tokio::process::Command::from(command)
        .spawn()
        .map_err(run)?;
    drop(told);
    let helper = Helper {
        ended: ended(child),
        relayed,
        orders: Wire {
            pipe: Some(ours),
            master: made,
        },
    };
    helper.end(signals).await.map_err(run)
}

/// Its exit code, as often as it is asked for.
fn ended(mut child: Child) -> Ended {
    let ended = async move { child.wait().await.map(code).map_err(|error| error.kind()) };
    ended.boxed().shared()
}

fn opened(error: io::Error) -> BackendError {
    failed_io("open", "a pipe")(error)
}

type Ended = Shared<BoxFuture<'static, Result<i32, io::ErrorKind>>>;

/// The helper and what leads to it.
struct Helper {
    ended: Ended,
    relayed: Option<Relayed>,
    orders: Wire,
}

impl Helper {
    async fn end(mut self, mut signals: Orders) -> io::Result<i32> {
        let tty = self.orders.master.is_some();
        let wires = match (&self.orders.master, self.relayed.take()) {
            (Some(master), _) => Some(streams::terminal(master)?),
            (None, Some(relayed)) => Some(relayed.wires(self.ended.clone().map(drop))),
            (None, None) => None,
        };
        if let Some(wires) = wires {
            // What it has printed comes before its end is told.
            let joined = terminal::join::<io::Error>(wires, tty, &self.orders, &mut signals);
            if let End::Left(code) = joined.await? {
                return self.leave(code).await;
            }
        }
        let left = tokio::select! {
            code = self.ended.clone() => return Ok(code?),
            left = signals.heed(&self.orders, false) => left,
        };
        self.leave(left).await
    }

    /// Goes away; the helper ends what runs and gives a terminal its settings back.
    async fn leave(mut self, code: i32) -> io::Result<i32> {
        self.orders.pipe = None;
        // It does the rest alone when that takes longer.
        let _ = tokio::time::timeout(CLEARING, self.ended).await;
        Ok(code)
    }
}

fn code(status: ExitStatus) -> i32 {
    let killed = || 128 + status.signal().unwrap_or(127);
    status.code().unwrap_or_else(killed)
}

/// What leads to the helper.
struct Wire {
    /// Signals that it hands on.
    pipe: Option<OwnedFd>,
    /// Our end of the terminal that was made.
    master: Option<OwnedFd>,
}

#[async_trait]
impl Remote for Wire {
    async fn resize(&self, rows: u16, columns: u16) {
        if let Some(master) = &self.master {
            // It may have ended meanwhile; a wrong size is no reason to end.
            let _ = tcsetwinsize(master, window(rows, columns));
        }
    }

    async fn signal(&self, number: i32) -> bool {
        let byte = u8::try_from(number).ok();
        let sent = byte.zip(self.pipe.as_ref());
        sent.is_some_and(|(byte, pipe)| rustix::io::write(pipe, &[byte]).is_ok())
    }
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// A new terminal of the container whose first process is `init`: our end and its end.
fn terminal_of(init: u32) -> io::Result<(OwnedFd, OwnedFd)> {
    // One without a place for terminals gets one of the host's, which has no name inside.
    let master = match multiplexer(init) {
        Ok(master) => master,
        Err(_) => openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?,
    };
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(
        &master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )?;
    let root = std::fs::metadata(format!("/proc/{init}"))?;
    // Whoever is root inside shall own it; where that cannot be, it can still be used.
    let _ = std::os::unix::fs::fchown(&slave, Some(root.uid()), None);
    let (rows, columns) = terminal::size().unwrap_or((ROWS, COLUMNS));
    tcsetwinsize(&slave, window(rows, columns))?;
    Ok((master, slave))
}

/// Opens the container's own `/dev/pts/ptmx`. What is there is the container's choice: links are followed
/// inside only, and nothing but the kernel's multiplexer is opened.
fn multiplexer(init: u32) -> io::Result<OwnedFd> {
    const PTMX: (u32, u32) = (5, 2);
    let root = File::open(format!("/proc/{init}/root"))?;
    let found = openat2(
        &root,
        "dev/pts/ptmx",
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    )?;
    let node = fstat(&found)?;
    let is_device = FileType::from_raw_mode(node.st_mode) == FileType::CharacterDevice;
    if !is_device || (major(node.st_rdev), minor(node.st_rdev)) != PTMX {
        return Err(io::Error::other("it is no terminal multiplexer"));
    }
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}
