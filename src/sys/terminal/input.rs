//! Standard input on its way to a process somewhere else.
//!
//! It is read by a thread of its own: a read cannot be taken back, and the program must be able to end while nobody types. What
//! the other side has not taken of a file is left to whoever reads next, as in `while read name; do locker exec …; done <list`.
//!
//! The end of the input is told as the other side understands it: a stream is closed, but a terminal gets
//! the end-of-file key. Closing the connection of a terminal would hang it up, and with it whatever the
//! program has still to print.

use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, SeekFrom, fstat, seek, tell};
use rustix::io::{Errno, pread, read};
use rustix::process::getpgrp;
use rustix::stdio::stdin;
use rustix::termios::tcgetpgrp;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

use crate::sys::tell_journal;

/// The key that ends the input of a terminal (termios(3), `VEOF`).
const END_KEY: u8 = 4;
/// As much is read at once.
const PIECE: usize = 16 * 1024;

/// Where the input of a process goes.
pub struct Input {
    /// The stream to it.
    pub to: Pin<Box<dyn AsyncWrite + Send>>,
    /// How many bytes of what went there the process has not taken yet; none where nobody can tell.
    pub left: Option<Box<dyn Fn() -> u64 + Send>>,
}

/// Feeds a process until it is told to end.
pub(super) struct Feeding {
    task: JoinHandle<()>,
    fed: Arc<AtomicU64>,
    left: Option<Box<dyn Fn() -> u64 + Send>>,
    /// Where a file was when it began.
    began: Option<u64>,
}

impl Feeding {
    pub(super) fn begin(input: Input, tty: bool) -> Self {
        let began = position();
        let fed = Arc::new(AtomicU64::new(0));
        let pieces = standard_input(began, tty);
        Self {
            task: tokio::spawn(feed(input.to, pieces, tty, Arc::clone(&fed))),
            fed,
            left: input.left,
            began,
        }
    }

    /// Ends it. A file goes on behind what was taken of it.
    pub(super) async fn end(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await; // It was ended, or has ended by itself.
        if let Some(began) = self.began {
            let left = self.left.as_ref().map_or(0, |left| left());
            let taken = self.fed.load(Ordering::Acquire).saturating_sub(left);
            // A file that takes no position has none to be put right.
            let _ = seek(stdin(), SeekFrom::Start(began + taken));
        }
    }
}

impl Drop for Feeding {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where standard input is when it is a file, which is read without being moved.
fn position() -> Option<u64> {
    let stat = fstat(stdin()).ok()?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => tell(stdin()).ok(),
        _ => None,
    }
}

/// Writes what comes and tells its end, so that the other side sees the end too.
async fn feed(
    mut to: Pin<Box<dyn AsyncWrite + Send>>,
    mut pieces: Receiver<Vec<u8>>,
    tty: bool,
    fed: Arc<AtomicU64>,
) {
    let mut last = b'\n';
    while let Some(piece) = pieces.recv().await {
        last = piece.last().copied().unwrap_or(last);
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            match to.write(rest).await {
                Ok(count @ 1..) => {
                    fed.fetch_add(count as u64, Ordering::Release);
                    rest = rest.get(count..).unwrap_or_default();
                }
                Ok(0) | Err(_) => return,
            }
        }
        if to.flush().await.is_err() {
            return;
        }
    }
    if !tty {
        // The other side may be gone already.
        let _ = to.shutdown().await;
        return;
    }
    let keys: &[u8] = match last {
        b'\n' => &[END_KEY],
        // The first one only hands on a line that was begun.
        _ => &[END_KEY; 2],
    };
    if to.write_all(keys).await.is_ok() && to.flush().await.is_ok() {
        // Kept open until the joining ends.
        std::future::pending::<()>().await;
    }
}

/// All that comes on standard input; a file is read from `at` on.
fn standard_input(mut at: Option<u64>, tty: bool) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel(4);
    std::thread::spawn(move || {
        let mut buffer = [0; PIECE];
        // A job in the background has no input: to read its terminal would stop it.
        while tty || !is_in_background() {
            let got = match at {
                Some(at) => pread(stdin(), &mut buffer, at),
                None => read(stdin(), &mut buffer),
            };
            let piece = match got {
                Ok(0) => return,
                Ok(length) => buffer.get(..length).unwrap_or_default().to_vec(),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => {
                    // Somebody who shares it has made it so.
                    let _ = poll(&mut [PollFd::new(&stdin(), PollFlags::IN)], None);
                    continue;
                }
                // A terminal that was closed ends the input.
                Err(Errno::IO) => return,
                Err(error) => {
                    let error = io::Error::from(error);
                    return tell_journal(format_args!("cannot read standard input: {error}"));
                }
            };
            at = at.map(|at| at + piece.len() as u64);
            if sender.blocking_send(piece).is_err() {
                return;
            }
        }
    });
    receiver
}

fn is_in_background() -> bool {
    io::stdin().is_terminal() && tcgetpgrp(stdin()).is_ok_and(|front| front != getpgrp())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;

    use super::*;

    /// What the other side gets when the input is `pieces` and then ends; whether it is closed then, and how much was counted.
    async fn fed(pieces: &[&[u8]], tty: bool) -> (Vec<u8>, bool, u64) {
        let (sender, receiver) = channel(4);
        let (ours, mut theirs) = tokio::io::duplex(64);
        for piece in pieces {
            sender.send(piece.to_vec()).await.unwrap();
        }
        drop(sender);
        let count = Arc::new(AtomicU64::new(0));
        let feeding = tokio::spawn(feed(Box::pin(ours), receiver, tty, Arc::clone(&count)));
        let mut got = Vec::new();
        let ended = tokio::time::timeout(Duration::from_millis(200), theirs.read_to_end(&mut got));
        let closed = ended.await.is_ok();
        feeding.abort();
        (got, closed, count.load(Ordering::Acquire))
    }

    #[tokio::test]
    async fn the_end_of_the_input_closes_a_stream_and_is_a_key_of_a_terminal() {
        assert_eq!(fed(&[b"a"], false).await, (b"a".to_vec(), true, 1));
        assert_eq!(fed(&[], true).await, (vec![END_KEY], false, 0));
        assert_eq!(fed(&[b"a\n"], true).await, (b"a\n\x04".to_vec(), false, 2));
        assert_eq!(
            fed(&[b"a\n", b"b"], true).await,
            (b"a\nb\x04\x04".to_vec(), false, 3)
        );
    }
}
