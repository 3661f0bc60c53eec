//! The stream of a session with a terminal, as the engine sends it: bytes without frames.
//!
//! The client library takes a piece for framed when it begins with a byte up to 2, which a terminal may print at
//! any time, so these streams are read here.

use std::io;

use bollard::errors::Error;
use futures_util::stream;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf};
use tokio::net::{TcpStream, UnixStream};

use super::client::ANSWER;
use super::context::Endpoint;
use crate::sys::terminal::{Input, Piece, Wires};

/// Longest head of an answer.
const MOST_HEAD: usize = 16 << 10;
/// What is read at once.
const PIECE: usize = 16 << 10;

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// Begins a command with a terminal that was made before.
pub(super) async fn exec(endpoint: &Endpoint, id: &str) -> Result<Wires<Error>, Error> {
    let body = r#"{"Detach":false,"Tty":true}"#;
    open(endpoint, &format!("/exec/{id}/start"), body, true).await
}

/// The terminal of a container; `input` says whether anything is typed on it.
pub(super) async fn container(
    endpoint: &Endpoint,
    full: &str,
    input: bool,
) -> Result<Wires<Error>, Error> {
    let stdin = u8::from(input);
    let target = format!("/containers/{full}/attach?stream=1&stdout=1&stderr=1&stdin={stdin}");
    open(endpoint, &target, "", input).await
}

async fn open(
    endpoint: &Endpoint,
    target: &str,
    body: &str,
    input: bool,
) -> Result<Wires<Error>, Error> {
    let opened = tokio::time::timeout(ANSWER, ask(endpoint, target, body));
    let (first, stream) = opened.await.map_err(|_| Error::RequestTimeoutError)??;
    let (reader, writer) = tokio::io::split(stream);
    let pieces = stream::try_unfold((first, reader), |(first, mut reader)| async move {
        let piece = match first.is_empty() {
            true => next(&mut reader).await?,
            false => first,
        };
        let more = (Piece::Out(piece), (Vec::new(), reader));
        Ok(Some(more).filter(|(piece, _)| !matches!(piece, Piece::Out(bytes) if bytes.is_empty())))
    });
    Ok(Wires {
        output: Box::pin(pieces),
        input: input.then(|| Input {
            to: Box::pin(writer),
            left: None,
        }),
    })
}

async fn next(reader: &mut ReadHalf<Box<dyn Both>>) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; PIECE];
    let length = match reader.read(&mut piece).await {
        // The engine may close it so when the command has ended.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
        read => read?,
    };
    piece.truncate(length);
    Ok(piece)
}

/// Asks for the stream; gives what of it came with the head of the answer, and the rest.
async fn ask(
    endpoint: &Endpoint,
    target: &str,
    body: &str,
) -> Result<(Vec<u8>, Box<dyn Both>), Error> {
    let mut stream: Box<dyn Both> = match endpoint {
        Endpoint::Socket(path) => Box::new(UnixStream::connect(path).await?),
        Endpoint::Tcp(address) => {
            let plain = address
                .split_once("://")
                .map_or(&**address, |(_, rest)| rest);
            Box::new(TcpStream::connect(plain).await?)
        }
    };
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let (head, first) = head(&mut stream).await?;
    let status = status(&head);
    match status {
        Some(101 | 200) => Ok((first, stream)),
        _ => Err(refusal(status.unwrap_or(0), first, stream).await),
    }
}

/// The head of an answer, and what came with it.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(String, Vec<u8>)> {
    const END: &[u8] = b"\r\n\r\n";
    let mut read = Vec::new();
    loop {
        if let Some(at) = read.windows(END.len()).position(|window| window == END) {
            let rest = read.split_off(at + END.len());
            return Ok((String::from_utf8_lossy(&read).into_owned(), rest));
        }
        if read.len() > MOST_HEAD || stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn status(head: &str) -> Option<u16> {
    head.lines().next()?.split_whitespace().nth(1)?.parse().ok()
}

async fn refusal(status_code: u16, mut body: Vec<u8>, stream: Box<dyn Both>) -> Error {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let refusal = |body: &[u8]| {
        let (from, to) = (
            body.iter().position(|b| *b == b'{')?,
            body.iter().rposition(|b| *b == b'}')?,
        );
        serde_json::from_slice::<Refusal>(body.get(from..=to)?).ok()
    };
    let mut stream = stream.take(PIECE as u64);
    while refusal(&body).is_none() && stream.read_buf(&mut body).await.is_ok_and(|read| read > 0) {}
    let message = refusal(&body).map_or_else(
        || String::from_utf8_lossy(&body).trim().to_owned(),
        |refusal| refusal.message,
    );
    Error::DockerResponseServerError {
        status_code,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;
    use tokio::net::UnixListener;

    /// What is read of an engine that answers so, in pieces.
    async fn read(answer: &[&'static [u8]]) -> Result<Vec<u8>, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine");
        let listener = UnixListener::bind(&path).unwrap();
        let answer = answer.to_vec();
        let engine = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            for piece in answer {
                stream.write_all(piece).await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        let wires = exec(&Endpoint::Socket(path), "0a").await;
        let asked = engine.await.unwrap();
        assert!(
            asked.starts_with("POST /exec/0a/start HTTP/1.1\r\n"),
            "{asked}"
        );
        let pieces: Vec<Piece> = wires?.output.try_collect().await?;
        let bytes = pieces.into_iter().flat_map(|piece| match piece {
            Piece::Out(bytes) => bytes,
            Piece::Err(_) => panic!("a terminal has one stream"),
        });
        Ok(bytes.collect())
    }

    #[tokio::test]
    async fn every_byte_of_a_terminal_comes_through_whatever_a_piece_begins_with() {
        let head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n";
        let all = read(&[
            head,
            b"\x01\x00\x02",
            b"\x02\x00\x00\x00\x00\x00\x00\xffx",
            b"$ ",
        ])
        .await;
        assert_eq!(
            all.unwrap(),
            b"\x01\x00\x02\x02\x00\x00\x00\x00\x00\x00\xffx$ "
        );
        let together = read(&[b"HTTP/1.1 200 OK\r\n\r\n\x00no line break"]).await;
        assert_eq!(together.unwrap(), b"\x00no line break");
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_engines_words() {
        let refused = b"HTTP/1.1 409 Conflict\r\nContent-Length: 31\r\n\r\n{\"message\":\"Container is paused\"}";
        let error = read(&[refused]).await.unwrap_err();
        assert!(
            matches!(&error, Error::DockerResponseServerError { status_code: 409, message } if message == "Container is paused"),
            "{error}"
        );
        assert!(read(&[b"HTTP/1.1 101"]).await.is_err());
    }
}
