//! This process's own terminal and streams, joined to those of a process somewhere else.
//!
//! Standard input is read by a thread of its own: a read cannot be taken back, and the program must be
//! able to end while nobody types. The terminal gets its settings back whatever happens.
//!
//! The end of the input is told as the other side understands it: a stream is closed, but a terminal gets
//! the end-of-file key. Closing the connection of a terminal would hang it up, and with it whatever the
//! program has still to print.

use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{Stream, StreamExt};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Attention;

/// A third signal of the user's ends us even when the other side does not.
const PATIENCE: u32 = 3;
/// What a shell tells for a program that wrote to a closed pipe.
const PIPE: i32 = 141;

/// The key that ends the input of a terminal (termios(3), `VEOF`).
const END_KEY: u8 = 4;

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
    pub input: Option<Pin<Box<dyn AsyncWrite + Send>>>,
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
    let Wires { mut output, input } = wires;
    let _raw = (tty && input.is_some()).then(Raw::enter);
    let _feeding = input.map(|input| Feeding(tokio::spawn(feed(input, standard_input(), tty))));
    if let (true, Some((rows, columns))) = (tty, size()) {
        remote.resize(rows, columns).await;
    }
    // One for all pieces: a signal that is being handed on must not be dropped.
    let mut heed = std::pin::pin!(orders.heed(remote, tty));
    loop {
        tokio::select! {
            piece = output.next() => match piece {
                None => return Ok(End::Closed),
                Some(piece) => if let Err(error) = print(&piece?) {
                    if !is_gone(&error) {
                        return Err(error.into());
                    }
                    remote.signal(rustix::process::Signal::TERM.as_raw()).await;
                    return Ok(End::Left(PIPE));
                },
            },
            code = &mut heed => return Ok(End::Left(code)),
        }
    }
}

/// Whether nobody reads what we print any more: a pipe or a terminal was closed.
fn is_gone(error: &io::Error) -> bool {
    let closed = rustix::io::Errno::IO.raw_os_error();
    error.kind() == ErrorKind::BrokenPipe || error.raw_os_error() == Some(closed)
}

/// Whether the sender wants us to be gone, rather than that the program hears it.
fn is_final(number: i32) -> bool {
    let of = |kind: SignalKind| kind.as_raw_value();
    number == of(SignalKind::terminate()) || number == of(SignalKind::hangup())
}

/// Ends with the joining, not with the input.
struct Feeding(JoinHandle<()>);

impl Drop for Feeding {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Writes what comes and tells its end, so that the other side sees the end too.
async fn feed(
    mut input: Pin<Box<dyn AsyncWrite + Send>>,
    mut pieces: Receiver<Vec<u8>>,
    tty: bool,
) {
    let mut last = b'\n';
    while let Some(piece) = pieces.recv().await {
        last = piece.last().copied().unwrap_or(last);
        if input.write_all(&piece).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    if !tty {
        // The other side may be gone already.
        let _ = input.shutdown().await;
        return;
    }
    let keys: &[u8] = match last {
        b'\n' => &[END_KEY],
        // The first one only hands on a line that was begun.
        _ => &[END_KEY; 2],
    };
    if input.write_all(keys).await.is_ok() && input.flush().await.is_ok() {
        // Kept open until the joining ends.
        std::future::pending::<()>().await;
    }
}

fn standard_input() -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel(4);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        loop {
            let piece = match io::stdin().read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => buffer.get(..length).unwrap_or_default().to_vec(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            if sender.blocking_send(piece).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Prints a piece where it belongs, at once.
fn print(piece: &Piece) -> io::Result<()> {
    match piece {
        Piece::Err(bytes) => {
            let mut stream = io::stderr().lock();
            stream.write_all(bytes)?;
            stream.flush()
        }
        Piece::Out(bytes) => {
            let mut stream = io::stdout().lock();
            stream.write_all(bytes)?;
            stream.flush()
        }
    }
}

/// What the user or the system tells us, and how long the other side may take over it.
pub struct Orders {
    signals: Signals,
    /// Once we are told to end, the other side gets so long; none is without end.
    patience: Option<Duration>,
    asked: u32,
    /// The signal by which we were told to end, and when the patience is over.
    ending: Option<(i32, Instant)>,
}

impl Orders {
    /// Hears what comes from now on.
    pub fn listen(patience: Option<Duration>) -> io::Result<Self> {
        Ok(Self {
            signals: Signals::listen()?,
            patience,
            asked: 0,
            ending: None,
        })
    }

    /// Hands signals on until we must end, and gives the code to end with.
    pub async fn heed(&mut self, remote: &dyn Remote, tty: bool) -> i32 {
        loop {
            let number = tokio::select! {
                number = self.signals.next() => number,
                code = over(self.ending) => return code,
            };
            let Some(number) = number else {
                if let (true, Some((rows, columns))) = (tty, size()) {
                    remote.resize(rows, columns).await;
                }
                continue;
            };
            self.asked += 1;
            if let Some(patience) = self.patience.filter(|_| is_final(number)) {
                let since = self
                    .ending
                    .get_or_insert((number, Instant::now() + patience));
                since.0 = number;
            }
            if self.asked >= PATIENCE || !remote.signal(number).await {
                return 128 + number;
            }
        }
    }
}

/// Waits until the patience is over; for ever when nobody has told us to end.
async fn over(ending: Option<(i32, Instant)>) -> i32 {
    match ending {
        Some((number, at)) => {
            tokio::time::sleep_until(at).await;
            128 + number
        }
        None => std::future::pending().await,
    }
}

/// What the user or the system sends us.
struct Signals {
    asking: [(i32, Signal); 4],
    window: Signal,
    _attention: Attention,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let one = |kind: SignalKind| Ok::<_, io::Error>((kind.as_raw_value(), signal(kind)?));
        Ok(Self {
            asking: [
                one(SignalKind::interrupt())?,
                one(SignalKind::terminate())?,
                one(SignalKind::hangup())?,
                one(SignalKind::quit())?,
            ],
            window: signal(SignalKind::window_change())?,
            _attention: Attention::begin(),
        })
    }

    /// The next one's number; none when the window has another size.
    async fn next(&mut self) -> Option<i32> {
        let [(a, one), (b, two), (c, three), (d, four)] = &mut self.asking;
        tokio::select! {
            _ = one.recv() => Some(*a),
            _ = two.recv() => Some(*b),
            _ = three.recv() => Some(*c),
            _ = four.recv() => Some(*d),
            _ = self.window.recv() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// What the other side gets when the input is `pieces` and then ends; none while it stays open.
    async fn fed(pieces: &[&[u8]], tty: bool) -> (Vec<u8>, bool) {
        let (sender, receiver) = channel(4);
        let (ours, mut theirs) = tokio::io::duplex(64);
        for piece in pieces {
            sender.send(piece.to_vec()).await.unwrap();
        }
        drop(sender);
        let _feeding = Feeding(tokio::spawn(feed(Box::pin(ours), receiver, tty)));
        let mut got = Vec::new();
        let ended = tokio::time::timeout(Duration::from_millis(200), theirs.read_to_end(&mut got));
        let closed = ended.await.is_ok();
        (got, closed)
    }

    #[tokio::test]
    async fn the_end_of_the_input_closes_a_stream_and_is_a_key_of_a_terminal() {
        assert_eq!(fed(&[b"a"], false).await, (b"a".to_vec(), true));
        assert_eq!(fed(&[], true).await, (vec![END_KEY], false));
        assert_eq!(fed(&[b"a\n"], true).await, (b"a\n\x04".to_vec(), false));
        assert_eq!(
            fed(&[b"a\n", b"b"], true).await,
            (b"a\nb\x04\x04".to_vec(), false)
        );
    }
}
