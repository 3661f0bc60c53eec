//! The caller's streams, and what stands in their places inside a container.
//!
//! Pipes get inside as they are: they are nobody's but the caller's, and what a command does not read of one is left to the next.
//! Terminals, files and sockets do not: who holds the host's terminal types on it, and liblxc gives the files that it
//! passes on to the user inside. Pipes of ours stand in their places, one for both outputs where these are one file, so
//! that lines keep their order.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::stream::{self, SelectAll};
use futures_util::{Stream, StreamExt};
use rustix::fs::{fstat, fstatfs};
use rustix::io::ioctl_fionread;
use rustix::stdio::{stderr, stdin, stdout};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::sys::terminal::{Input, Piece, Wires};

/// As much of a stream is taken at once.
const PIECE: usize = 16 * 1024;
/// What a command leaves running may hold its output for ever: more of it is waited for so long after the last piece, and
/// so long in all.
const LAST_WORDS: Duration = Duration::from_secs(1);
const MOST_WORDS: Duration = Duration::from_secs(10);
/// The file system of pipes without a name (linux/magic.h, `PIPEFS_MAGIC`).
const PIPES: i64 = 0x5049_5045;

type Pieces = Pin<Box<dyn Stream<Item = io::Result<Piece>> + Send>>;

/// Our ends of the pipes that stand in the places of the caller's streams.
#[derive(Default)]
pub(super) struct Relayed {
    /// With the other end, by which it is seen how much was taken.
    input: Option<(Sender, OwnedFd)>,
    outputs: Vec<Pieces>,
}

impl Relayed {
    /// Gives a command its streams.
    pub(super) fn place(command: &mut Command) -> io::Result<Self> {
        let mut ours = Self::default();
        command.stdin(match is_pipe(stdin()) {
            true => Stdio::inherit(),
            false => ours.input()?,
        });
        if is_pipe(stdout()) {
            command.stdout(Stdio::inherit());
        } else {
            let place = ours.output(Piece::Out)?;
            if are_one(stdout(), stderr()) {
                command.stderr(place.try_clone()?);
                command.stdout(place);
                return Ok(ours);
            }
            command.stdout(place);
        }
        match is_pipe(stderr()) {
            true => command.stderr(Stdio::inherit()),
            false => command.stderr(ours.output(Piece::Err)?),
        };
        Ok(ours)
    }

    fn input(&mut self) -> io::Result<Stdio> {
        let (theirs, to) = io::pipe()?;
        let theirs = OwnedFd::from(theirs);
        self.input = Some((Sender::from_owned_fd(to.into())?, theirs.try_clone()?));
        Ok(theirs.into())
    }

    fn output(&mut self, piece: fn(Vec<u8>) -> Piece) -> io::Result<OwnedFd> {
        let (from, theirs) = io::pipe()?;
        let from = Receiver::from_owned_fd(from.into())?;
        self.outputs.push(Box::pin(pieces(from, piece)));
        Ok(theirs.into())
    }

    /// They are open until `ended` is done, and a little longer while something still comes.
    pub(super) fn wires(
        self,
        ended: impl Future<Output = ()> + Send + 'static,
    ) -> Wires<io::Error> {
        let input = self.input.map(|(to, theirs)| Input {
            to: Box::pin(to),
            left: Some(Box::new(move || ioctl_fionread(&theirs).unwrap_or(0))),
        });
        Wires {
            output: Box::pin(until(stream::select_all(self.outputs), Box::pin(ended))),
            input,
        }
    }
}

/// The streams of our end of a terminal.
pub(super) fn terminal(master: &OwnedFd) -> io::Result<Wires<io::Error>> {
    let coming = read_on(File::from(master.try_clone()?));
    let output = stream::unfold(coming, async |mut coming| {
        let piece = coming.recv().await?;
        Some((Ok(Piece::Out(piece)), coming))
    });
    let to = tokio::fs::File::from_std(master.try_clone()?.into());
    Ok(Wires {
        output: Box::pin(output),
        input: Some(Input {
            to: Box::pin(to),
            left: None,
        }),
    })
}

fn is_pipe(stream: BorrowedFd<'_>) -> bool {
    fstatfs(stream).is_ok_and(|found| found.f_type == PIPES)
}

fn are_one(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let id = |stream: BorrowedFd<'_>| fstat(stream).map(|stat| (stat.st_dev, stat.st_ino));
    id(one.as_fd()).is_ok_and(|id_of_one| id(other) == Ok(id_of_one))
}

/// All that comes until `ended` is done, and what comes soon after it.
fn until(
    all: SelectAll<Pieces>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
) -> impl Stream<Item = io::Result<Piece>> + Send {
    let begin = (all, ended, None::<Instant>);
    stream::unfold(begin, async |(mut all, mut ended, mut most)| {
        loop {
            let Some(most) = most else {
                tokio::select! {
                    biased;
                    piece = all.next() => match piece {
                        Some(piece) => return Some((piece, (all, ended, None))),
                        // It may go on without its streams.
                        None => {
                            ended.await;
                            return None;
                        }
                    },
                    () = &mut ended => most = Some(Instant::now() + MOST_WORDS),
                }
                continue;
            };
            let soon = most.min(Instant::now() + LAST_WORDS);
            let piece = tokio::time::timeout_at(soon, all.next()).await;
            return Some((piece.ok()??, (all, ended, Some(most))));
        }
    })
}

/// All that comes out of a pipe.
fn pieces(
    from: impl AsyncRead + Send + Unpin,
    piece: fn(Vec<u8>) -> Piece,
) -> impl Stream<Item = io::Result<Piece>> + Send {
    stream::unfold(from, move |mut from| async move {
        let mut buffer = Vec::with_capacity(PIECE);
        match from.read_buf(&mut buffer).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(piece(buffer)), from)),
            Err(error) => Some((Err(error), from)),
        }
    })
}

/// All that is printed on a terminal. One whose last user has gone gives an error in place of its end.
fn read_on(mut master: File) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut buffer = [0; PIECE];
        loop {
            let piece = match master.read(&mut buffer) {
                Ok(length @ 1..) => buffer.get(..length).unwrap_or_default().to_vec(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => return,
            };
            if sender.blocking_send(piece).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_pipes_without_a_name_get_inside() {
        let (reader, writer) = io::pipe().unwrap();
        assert!(is_pipe(reader.as_fd()) && is_pipe(writer.as_fd()));
        let file = tempfile::tempfile().unwrap();
        assert!(!is_pipe(file.as_fd()));
        let dir = tempfile::tempdir().unwrap();
        let named = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &named, rustix::fs::Mode::RWXU).unwrap();
        let named = File::options().read(true).write(true).open(named).unwrap();
        assert!(!is_pipe(named.as_fd()));
        assert!(are_one(file.as_fd(), file.try_clone().unwrap().as_fd()));
        assert!(!are_one(file.as_fd(), named.as_fd()));
    }

    #[tokio::test]
    async fn what_comes_soon_after_the_end_is_heard_and_who_holds_the_stream_is_not_waited_for() {
        let mut ours = Relayed::default();
        let mut theirs = File::from(ours.output(Piece::Out).unwrap());
        let kept = theirs.try_clone().unwrap();
        let all = std::mem::take(&mut ours.outputs);
        let mut heard = Box::pin(until(stream::select_all(all), Box::pin(async {})));
        theirs.write_all(b"one").unwrap();
        let piece = heard.next().await.unwrap().unwrap();
        assert_eq!(piece, Piece::Out(b"one".to_vec()));
        let begun = Instant::now();
        assert!(heard.next().await.is_none());
        assert!(begun.elapsed() < MOST_WORDS / 2);
        drop(kept);
    }
}
