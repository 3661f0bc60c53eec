//! As much HTTP/1.1 as the engine's socket needs: one request for each connection, bodies of a known
//! length, in chunks, or until the end. Blocking and small; the engine of the rest of locker is bollard.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Headers beyond this are none that the engine sends.
const MOST_HEADER: usize = 32 * 1024;
/// Answers that are read as a whole are small: states, exit codes.
const MOST_BODY: u64 = 4 << 20;

/// The head of an answer, and its body to be read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Body,
}

/// A body as it comes.
pub(super) struct Body {
    from: BufReader<UnixStream>,
    left: Left,
    /// When all of it must have come.
    end: Option<Instant>,
}

/// How much is still to come.
enum Left {
    Nothing,
    Bytes(u64),
    /// Of a body in chunks: before the first, within one, after one.
    FirstChunk,
    Chunk(u64),
    NextChunk,
    UntilEnd,
}

/// A time limit as a socket takes it: to it no time at all is no limit.
const SHORTEST: Duration = Duration::from_millis(1);

/// Sends a request. Without `patience` the answer may take for ever; with it nothing in it may take longer. Whoever is not
/// there is never told as [`io::ErrorKind::NotFound`], which is the engine's own word for a container.
pub(super) fn send(
    socket: &Path,
    method: &str,
    target: &str,
    json: Option<&str>,
    patience: Option<Duration>,
) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::ConnectionRefused, error),
        _ => error,
    })?;
    stream.set_read_timeout(patience.map(|most| most.max(SHORTEST)))?;
    let body = json.unwrap_or_default();
    let kind = match json {
        Some(_) => "Content-Type: application/json\r\n",
        None => "",
    };
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // In one piece: who answers after the head would be gone when the body comes.
    stream.write_all(request.as_bytes())?;
    answer(BufReader::with_capacity(4096, stream))
}

fn answer(mut from: BufReader<UnixStream>) -> io::Result<Answer> {
    let head = head(&mut from)?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    parsed
        .parse(&head)
        .map_err(|error| bad(&error.to_string()))?;
    let status = parsed.code.ok_or_else(|| bad("no status"))?;
    let header = |name: &str| {
        let found = parsed
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name));
        found.and_then(|h| std::str::from_utf8(h.value).ok())
    };
    let chunked = header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    let length = header("content-length").and_then(|v| v.trim().parse().ok());
    let left = match (status, chunked, length) {
        (204 | 304, _, _) => Left::Nothing,
        (_, true, _) => Left::FirstChunk,
        (_, false, Some(length)) => Left::Bytes(length),
        (_, false, None) => Left::UntilEnd,
    };
    Ok(Answer {
        status,
        body: Body {
            from,
            left,
            end: None,
        },
    })
}

fn head(from: &mut BufReader<UnixStream>) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    loop {
        let before = head.len();
        let most = (MOST_HEADER - before) as u64;
        from.by_ref().take(most).read_until(b'\n', &mut head)?;
        match &head[before..] {
            b"\r\n" | b"\n" => return Ok(head),
            line if line.ends_with(b"\n") => {}
            _ if head.len() >= MOST_HEADER => return Err(bad("headers without end")),
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Body {
    /// The same, all of which must have come by `end`, however much of it comes.
    pub(super) fn until(self, end: Option<Instant>) -> Self {
        Self { end, ..self }
    }

    /// Lets the next read take no longer than there is time for all.
    fn limit(&self) -> io::Result<()> {
        let Some(end) = self.end else { return Ok(()) };
        match end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => {
                let stream = self.from.get_ref();
                stream.set_read_timeout(Some(left.max(SHORTEST)))
            }
        }
    }

    /// All of it as text.
    pub(super) fn text(self) -> io::Result<String> {
        let mut text = Vec::new();
        self.take(MOST_BODY).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The size of the chunk that begins here; 0 is the last.
    fn chunk(&mut self) -> io::Result<Left> {
        let line = self.line()?;
        let size = line.trim().split(';').next().unwrap_or_default();
        match u64::from_str_radix(size, 16) {
            Ok(0) => Ok(Left::Nothing),
            Ok(size) => Ok(Left::Chunk(size)),
            Err(_) => Err(bad("a chunk without a size")),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.from.by_ref().take(256).read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    fn some(&mut self, left: u64, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        match self.from.read(&mut into[..most])? {
            0 if most > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.limit()?;
        loop {
            match self.left {
                Left::Nothing => return Ok(0),
                Left::UntilEnd => return self.from.read(into),
                Left::Bytes(0) => self.left = Left::Nothing,
                Left::Bytes(left) => {
                    let read = self.some(left, into)?;
                    self.left = Left::Bytes(left - read as u64);
                    return Ok(read);
                }
                Left::FirstChunk => self.left = self.chunk()?,
                Left::NextChunk => {
                    self.line()?; // the line break that ends a chunk
                    self.left = self.chunk()?;
                }
                Left::Chunk(0) => self.left = Left::NextChunk,
                Left::Chunk(left) => {
                    let read = self.some(left, into)?;
                    self.left = Left::Chunk(left - read as u64);
                    return Ok(read);
                }
            }
        }
    }
}

fn bad(reason: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the engine's answer is not HTTP: {reason}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_of(text: &'static [u8]) -> io::Result<Answer> {
        let (ours, mut theirs) = UnixStream::pair()?;
        theirs.write_all(text)?;
        drop(theirs);
        answer(BufReader::new(ours))
    }

    #[test]
    fn bodies_of_all_three_forms_are_read_whole() {
        for text in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellojunk"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\n\nhello",
        ] {
            let answer = answer_of(text).unwrap();
            assert_eq!((answer.status, answer.body.text().unwrap().as_str()), (200, "hello"));
        }
        let none = answer_of(b"HTTP/1.1 304 Not Modified\r\n\r\n").unwrap();
        assert_eq!((none.status, none.body.text().unwrap().as_str()), (304, ""));
    }

    #[test]
    fn what_keeps_coming_is_cut_at_its_end_all_the_same() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let prints = std::thread::spawn(move || {
            theirs.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            while theirs.write_all(b"y\n").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let begun = Instant::now();
        let end = begun + Duration::from_millis(100);
        let mut body = answer(BufReader::new(ours)).unwrap().body.until(Some(end));
        let mut taken = Vec::new();
        let cut = body.by_ref().take(20_000).read_to_end(&mut taken);
        let cut = cut.unwrap_err().kind();
        use io::ErrorKind::{TimedOut, WouldBlock};
        assert!(matches!(cut, TimedOut | WouldBlock) && !taken.is_empty());
        drop(body);
        prints.join().unwrap();
    }

    #[test]
    fn what_is_cut_off_or_no_http_is_an_error() {
        for text in [
            &b""[..],
            b"SSH-2.0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5",
        ] {
            assert!(answer_of(text).is_err());
        }
        for text in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        ] {
            assert!(answer_of(text).unwrap().body.text().is_err());
        }
    }
}
