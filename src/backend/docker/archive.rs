//! Archives on standard input and output: they go through as they are, and the engine packs and unpacks.
//!
//! It does so within the container's root, links and all; nothing is made on the host.

use std::io::{self, Read, Write};
use std::path::Path;

use bollard::Docker;
use bollard::query_parameters::{DownloadFromContainerOptions, UploadToContainerOptions};
use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::mpsc::{Sender, channel};

use super::context_tar;
use super::copy::{IN, OUT, io_error, stat};
use super::error::{failed, refused};
use super::images::LONG;
use crate::backend::BackendError;

/// The largest piece that is handed to the engine.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait.
const QUEUE: usize = 8;

/// Unpacks the archive on standard input into the directory `to` of the container.
pub(super) async fn unpack(docker: &Docker, full: &str, to: &Path) -> Result<(), BackendError> {
    let path = to.to_string_lossy().into_owned();
    if stat(docker, full, to, IN).await? != Some(true) {
        let reason = format!("there is no directory `{path}`");
        return Err(refused(IN, full, reason));
    }
    let (sender, receiver) = channel(QUEUE);
    // A thread of its own: one that waits for input must not hold up the end of this process.
    std::thread::spawn(move || read_all(io::stdin().lock(), &sender));
    let options = UploadToContainerOptions {
        path,
        no_overwrite_dir_non_dir: Some("true".into()),
        copy_uidgid: None,
    };
    let body = bollard::body_try_stream(context_tar::pieces(receiver).map_ok(Into::into));
    let docker = docker.clone().with_timeout(LONG);
    let sent = docker.upload_to_container(full, Some(options), body).await;
    sent.map_err(|error| failed(IN, full, &error))
}

/// Reads to the end, or until nobody takes it any more.
fn read_all(mut input: impl Read, sender: &Sender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = vec![0; PIECE];
        let read = match input.read(&mut piece) {
            Ok(0) => return,
            Ok(read) => Ok(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let (piece, over) = match read {
            Ok(read) => {
                piece.truncate(read);
                (Ok(piece), false)
            }
            Err(error) => (Err(error), true),
        };
        if sender.blocking_send(piece).is_err() || over {
            return;
        }
    }
}

/// Writes `from` of the container to standard output as an archive.
pub(super) async fn pack(docker: &Docker, full: &str, from: &Path) -> Result<(), BackendError> {
    let options = DownloadFromContainerOptions {
        path: from.to_string_lossy().into_owned(),
    };
    let docker = docker.clone().with_timeout(LONG);
    let mut pieces = docker.download_from_container(full, Some(options)).boxed();
    let told = |error| io_error("write", Path::new("-"), error);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| failed(OUT, full, &error))?;
        // Nothing else is done meanwhile, so that it may block.
        io::stdout().write_all(&piece).map_err(told)?;
    }
    io::stdout().flush().map_err(told)
}
