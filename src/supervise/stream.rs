//! The engine's output stream: frames of eight bytes and their content (Docker Engine API, "Attach to a
//! container"), each beginning with its time, or plain bytes where the container has a terminal.

use std::io::{self, Read};

use jiff::Timestamp;

/// The longest time is `2026-01-31T12:00:00.000000000+01:00` and a blank.
const LONGEST_TIME: usize = 36;

/// A piece of output as it comes.
pub(super) struct Piece<'a> {
    /// Whether it came on standard error.
    pub(super) error: bool,
    /// When it was printed; none when that is not told.
    pub(super) at: Option<Timestamp>,
    /// Some bytes of it, not always whole lines.
    pub(super) bytes: &'a [u8],
}

/// Who gets the pieces.
pub(super) type Hear<'a> = &'a mut dyn FnMut(&Piece<'_>) -> io::Result<()>;

/// Hands a container's output on as it comes; returns at its end.
pub(super) fn copy(mut from: impl Read, framed: bool, hear: Hear<'_>) -> io::Result<()> {
    let mut bytes = [0; 4096];
    if !framed {
        loop {
            match from.read(&mut bytes)? {
                0 => return Ok(()),
                read => hear(&Piece {
                    error: false,
                    at: None,
                    bytes: &bytes[..read],
                })?,
            }
        }
    }
    let mut header = [0; 8];
    loop {
        match from.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let [stream, _, _, _, a, b, c, d] = header;
        let size = u32::from_be_bytes([a, b, c, d]);
        frame(&mut from.by_ref().take(size.into()), stream != 1, hear)?;
    }
}

/// Hands on the content of one frame.
fn frame(from: &mut dyn Read, error: bool, hear: Hear<'_>) -> io::Result<()> {
    let mut bytes = [0; 4096];
    let mut filled = 0;
    while filled < LONGEST_TIME && !bytes[..filled].contains(&b' ') {
        match from.read(&mut bytes[filled..LONGEST_TIME])? {
            0 => break,
            read => filled += read,
        }
    }
    let (at, text) = timed(&bytes[..filled]);
    if !text.is_empty() {
        let bytes = text;
        hear(&Piece { error, at, bytes })?;
    }
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(()),
            read => hear(&Piece {
                error,
                at,
                bytes: &bytes[..read],
            })?,
        }
    }
}

/// The time at the front, and the rest.
fn timed(bytes: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let blank = bytes.iter().position(|byte| *byte == b' ');
    let parted = blank.and_then(|at| {
        let time = std::str::from_utf8(&bytes[..at]).ok()?.parse().ok()?;
        Some((Some(time), &bytes[at + 1..]))
    });
    parted.unwrap_or((None, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Heard = Vec<(bool, Option<i64>, String)>;

    fn heard(bytes: &[u8], framed: bool) -> Heard {
        let mut heard = Heard::new();
        copy(bytes, framed, &mut |piece| {
            let text = String::from_utf8_lossy(piece.bytes).into_owned();
            heard.push((piece.error, piece.at.map(|at| at.as_second()), text));
            Ok(())
        })
        .unwrap();
        heard
    }

    fn framed(stream: u8, text: &str) -> Vec<u8> {
        let size = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0][..], &size, text.as_bytes()].concat()
    }

    #[test]
    fn frames_and_times_are_taken_off_and_a_terminal_has_none() {
        let bytes = [
            framed(1, "1970-01-01T00:00:01.000000000Z one two"),
            framed(2, "1970-01-01T00:00:02.000000000+00:00 \n"),
            framed(1, "no time"),
            framed(1, ""),
        ];
        let wanted = [
            (false, Some(1), "one t".to_string()),
            (false, Some(1), "wo".into()),
            (true, Some(2), "\n".into()),
            (false, None, "no time".into()),
        ];
        assert_eq!(heard(&bytes.concat(), true), wanted);
        assert_eq!(heard(b"plain\n", false), [(false, None, "plain\n".into())]);
    }

    #[test]
    fn a_stream_that_breaks_off_ends() {
        let bytes = framed(1, "1970-01-01T00:00:01.000000000Z whole");
        assert_eq!(heard(&bytes[..5], true), []);
        assert_eq!(heard(&bytes[..42], true).len(), 1);
    }
}
