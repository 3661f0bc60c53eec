//! The engine's output stream: frames of eight bytes and their content (Docker Engine API, "Attach to a
//! container"), or plain bytes where the container has a terminal.

use std::io::{self, Read, Write};

/// Hands a container's output on, a line at a time as it comes; returns at its end.
pub(super) fn copy(mut from: impl Read, framed: bool, to: &mut dyn Write) -> io::Result<()> {
    let mut bytes = [0; 4096];
    if !framed {
        loop {
            match from.read(&mut bytes)? {
                0 => return Ok(()),
                read => write(to, &bytes[..read])?,
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
        let [_, _, _, _, a, b, c, d] = header;
        let mut left = u32::from_be_bytes([a, b, c, d]) as usize;
        while left > 0 {
            let most = left.min(bytes.len());
            match from.read(&mut bytes[..most])? {
                0 => return Ok(()),
                read => {
                    write(to, &bytes[..read])?;
                    left -= read;
                }
            }
        }
    }
}

pub(super) fn write(to: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_off_and_a_terminal_has_none() {
        let mut framed = vec![1, 0, 0, 0, 0, 0, 0, 3];
        framed.extend(b"one");
        framed.extend([2, 0, 0, 0, 0, 0, 0, 4]);
        framed.extend(b"two\n");
        let mut out = Vec::new();
        copy(&framed[..], true, &mut out).unwrap();
        assert_eq!(out, b"onetwo\n");
        out.clear();
        copy(&b"plain\n"[..], false, &mut out).unwrap();
        assert_eq!(out, b"plain\n");
    }
}
