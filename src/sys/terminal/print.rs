//! What a process somewhere else prints, on this process's own streams.
//!
//! A thread of its own writes it: who reads it may be slow or stuck, and signals must be heard all the same.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::io::{Errno, write};
use rustix::stdio::{stderr, stdout};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;

use super::Piece;

/// So much may wait for a slow reader; who prints waits then.
const WAITING: usize = 4;

pub(super) struct Printer {
    pieces: Sender<Piece>,
    over: oneshot::Receiver<io::Result<()>>,
}

impl Printer {
    pub(super) fn begin() -> Self {
        let (pieces, mut coming) = channel::<Piece>(WAITING);
        let (told, over) = oneshot::channel();
        std::thread::spawn(move || {
            let mut done = io::stdout().flush();
            while let (Ok(()), Some(piece)) = (&done, coming.blocking_recv()) {
                done = print(&piece);
            }
            // Who has begun this may have left.
            let _ = told.send(done);
        });
        Self { pieces, over }
    }

    /// Prints a piece in its turn; false when nothing can be printed any more.
    pub(super) async fn take(&self, piece: Piece) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// Waits until all is printed.
    pub(super) async fn end(self) -> io::Result<()> {
        drop(self.pieces);
        self.over.await.unwrap_or(Ok(()))
    }
}

fn print(piece: &Piece) -> io::Result<()> {
    match piece {
        Piece::Out(bytes) => write_whole(stdout(), bytes),
        Piece::Err(bytes) => write_whole(stderr(), bytes),
    }
}

fn write_whole(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                // Somebody who shares it has made it so.
                poll(&mut [PollFd::new(&to, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_stream_that_takes_no_more_for_now_loses_nothing() {
        let (mut reader, writer) = io::pipe().unwrap();
        let flags = rustix::fs::OFlags::NONBLOCK;
        rustix::fs::fcntl_setfl(&writer, flags).unwrap();
        let all: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        let reading = std::thread::spawn(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            got
        });
        write_whole(writer.as_fd(), &all).unwrap();
        drop(writer);
        assert!(reading.join().unwrap() == all);
    }
}
