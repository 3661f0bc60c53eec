//! This process's own terminal and streams, joined to those of a process somewhere else.
//!
//! The terminal gets its settings back whatever happens. Reads and writes of this process's streams are threads' own
//! ([`input`], [`print`]): signals are heard and handed on ([`orders`]) while both are stuck.

mod input;
mod orders;
mod print;

use std::io::{self, ErrorKind, IsTerminal};
use std::pin::Pin;

use async_trait::async_trait;
use futures_util::{Stream, StreamExt};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

pub use self::input::Input;
pub use self::orders::Orders;

use self::input::Feeding;
use self::print::Printer;

/// What a shell tells for a program that wrote to a closed pipe.
const PIPE: i32 = 141;

/// What a process printed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// On its stdout, or on its terminal.
    Out(Vec<u8>),
    /// On its stderr.
    Err(Vec<u8>),
}

/// The other ends of the streams; `E` is the error that their connection fails with.
pub struct Wires<E> {
    /// What the process prints.
    pub output: Pin<Box<dyn Stream<Item = Result<Piece, E>> + Send>>,
    /// Where its input goes; none when it gets none.
    pub input: Option<Input>,
}

/// The process on the other side.
#[async_trait]
pub trait Remote: Sync {
    /// Its terminal has so many rows and columns now.
    async fn resize(&self, rows: u16, columns: u16);
    /// Hands a signal on. False when that cannot be done.
    async fn signal(&self, number: i32) -> bool;
}

/// How the streams came to their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The other side closed them.
    Closed,
    /// We stopped, and must end with this code.
    Left(i32),
}

/// Whether input and output are both a terminal.
pub fn is_one() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Rows and columns of the terminal that is shown to the user, or typed on when the output goes elsewhere.
pub fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stdin()));
    let size = size.ok()?;
    (size.ws_row > 0).then_some((size.ws_row, size.ws_col))
}

/// The terminal hands on every key as it is, until this is dropped.
pub struct Raw(Termios);

impl Raw {
    /// None when there is no terminal.
    pub fn enter() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing can be done when the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Joins the streams until one side ends, and heeds signals meanwhile; `tty` when the other side is a
/// terminal.
///
/// # Errors
/// The connection's own, and those of this process's output.
pub async fn join<E: From<io::Error>>(
    wires: Wires<E>,
    tty: bool,
    remote: &dyn Remote,
    orders: &mut Orders,
) -> Result<End, E> {
    let Wires { output, input } = wires;
    let _raw = (tty && input.is_some()).then(Raw::enter);
    let feeding = input.map(|input| Feeding::begin(input, tty));
    if let (true, Some((rows, columns))) = (tty, size()) {
        remote.resize(rows, columns).await;
    }
    // Dropped only at the end: a signal that is being handed on must not be.
    let end = tokio::select! {
        printed = print(output) => printed,
        code = orders.heed(remote, tty) => Ok(Some(End::Left(code))),
    };
    if let Some(feeding) = feeding {
        feeding.end().await;
    }
    match end? {
        Some(end) => Ok(end),
        None => {
            remote.signal(rustix::process::Signal::TERM.as_raw()).await;
            Ok(End::Left(PIPE))
        }
    }
}

/// Prints all of it; none when nobody reads it any more.
async fn print<E: From<io::Error>>(
    mut output: Pin<Box<dyn Stream<Item = Result<Piece, E>> + Send>>,
) -> Result<Option<End>, E> {
    let printer = Printer::begin();
    while let Some(piece) = output.next().await {
        if !printer.take(piece?).await {
            break;
        }
    }
    match printer.end().await {
        Ok(()) => Ok(Some(End::Closed)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether nobody reads what we print any more: a pipe or a terminal was closed.
fn is_gone(error: &io::Error) -> bool {
    let closed = rustix::io::Errno::IO.raw_os_error();
    error.kind() == ErrorKind::BrokenPipe || error.raw_os_error() == Some(closed)
}
