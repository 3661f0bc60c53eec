//! Told by supervisors: a container runs, or has ended. Each waits for an answer, so that what comes after the start of
//! a container finds its ports in place.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::model::Name;
use crate::store::make_private;

/// How long a caller may take to say who it is, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many callers are answered with one look at most.
const MOST: usize = 256;

/// The ear at the supervisors.
#[derive(Debug)]
pub(super) struct Calls {
    listener: UnixListener,
}

/// A supervisor that waits for its answer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) project: Name,
    pub(super) container: Name,
    stream: BufReader<UnixStream>,
}

impl Calls {
    /// Listens from now on, for root alone.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            make_private(dir)?;
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(Self { listener })
    }

    /// Waits for the next caller; nothing is lost when nobody waits any more.
    pub(super) async fn next(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    /// The caller and all others who have called meanwhile. Who does not say who it is gets no answer.
    pub(super) async fn all(&self, first: UnixStream) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut next = Some(first);
        while let Some(stream) = next {
            calls.extend(read(stream).await);
            let more = (calls.len() < MOST).then(|| self.listener.accept().now_or_never());
            next = match more.flatten() {
                Some(Ok((stream, _))) => Some(stream),
                Some(Err(_)) | None => None,
            };
        }
        calls
    }
}

impl Call {
    /// Says that it has been looked at, or what that waits for.
    pub(super) async fn answer(mut self, busy: Option<&str>) {
        let answer = match busy {
            None => "seen\n".into(),
            Some(holder) => format!("busy {}\n", holder.replace('\n', " ")),
        };
        // Who does not take it is gone.
        let _ = tokio::time::timeout(PATIENCE, self.stream.write_all(answer.as_bytes())).await;
    }
}

async fn read(stream: UnixStream) -> Option<Call> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_line(&mut line)).await;
    read.ok()?.ok()?;
    let (project, container) = line.trim_end().split_once(' ')?;
    Some(Call {
        project: Name::new(project).ok()?,
        container: Name::new(container).ok()?,
        stream,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[tokio::test]
    async fn who_has_called_meanwhile_is_answered_with_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/network.sock");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "of one that was killed").unwrap();
        let calls = Calls::begin(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let call = |line: &str| {
            let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
            stream.write_all(line.as_bytes()).unwrap();
            stream
        };
        let mut callers = [call("shop web\n"), call("shop db\n")];
        let nonsense = call("../x\n");
        let first = calls.next().await.unwrap();
        let heard = calls.all(first).await;
        let names: Vec<&str> = heard.iter().map(|call| call.container.as_str()).collect();
        assert_eq!(names, ["web", "db"]);
        for (call, busy) in heard.into_iter().zip([None, Some("`up`\nis at work")]) {
            call.answer(busy).await;
        }
        for (caller, said) in callers.iter_mut().zip(["seen\n", "busy `up` is at work\n"]) {
            let mut answer = String::new();
            caller.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, said);
        }
        drop(nonsense);
    }
}
