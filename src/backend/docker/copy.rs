//! Files into and out of containers, as archives that are never whole in memory.
//!
//! Where a copy lands is decided as `cp -a` and `docker cp` have it: a directory that is there takes the
//! copy in under its own name, else the copy gets the name that was given. Inside the container the
//! engine follows links within its root; here nothing is written through a link, and no path of an
//! archive leads out of the target, since a container may be hostile.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::{
    ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions,
};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use tar::{Archive, Builder};
use tokio::sync::mpsc::{Sender, channel};

use super::context_tar::{self, Queue, Taken};
use super::error::{failed, is_missing, refused};
use super::images::LONG;
use super::unpack::{Unpack, Unpacked};
use crate::backend::BackendError;

pub(super) const IN: &str = "copy into";
pub(super) const OUT: &str = "copy out of";
/// Pieces of an archive that may wait.
const QUEUE: usize = 8;
/// Go's bits of a directory and of a symbolic link in a mode.
const GO_DIR: u32 = 1 << 31;
const GO_LINK: u32 = 1 << 27;

/// Copies a file or a directory with all that is in it into the container; root owns it there.
pub(super) async fn copy_in(
    docker: &Docker,
    full: &str,
    from: &Path,
    to: &Path,
) -> Result<(), BackendError> {
    let io = |source| io_error("read", from, source);
    let meta = fs::symlink_metadata(from).map_err(io)?;
    let (directory, name) = target(docker, full, from, to, &meta).await?;
    let (sender, receiver) = channel(QUEUE);
    let source = from.to_owned();
    let packing = tokio::task::spawn_blocking(move || pack_all(sender, source, &name));
    let options = UploadToContainerOptions {
        path: directory,
        no_overwrite_dir_non_dir: Some("true".into()),
        copy_uidgid: None,
    };
    let body = bollard::body_try_stream(context_tar::pieces(receiver).map_ok(Into::into));
    let docker = docker.clone().with_timeout(LONG);
    let sent = docker.upload_to_container(full, Some(options), body).await;
    match packing.await {
        Ok(Err((path, error))) if error.kind() != ErrorKind::BrokenPipe => {
            return Err(io_error("read", &path, error));
        }
        Ok(Ok(skipped)) => {
            sent.map_err(|error| failed(IN, full, &error))?;
            special(IN, full, &skipped)?;
        }
        Ok(Err(_)) | Err(_) => sent.map_err(|error| failed(IN, full, &error))?,
    }
    Ok(())
}

/// Packs a file or a tree into the queue; what was left out.
fn pack_all(
    sender: Sender<io::Result<Vec<u8>>>,
    source: PathBuf,
    name: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let mut archive = Builder::new(Queue::buffered(sender.clone()));
    let mut skipped = Vec::new();
    let packed = pack(&mut archive, &source, name, &mut skipped)
        .and_then(|()| archive.finish().map_err(|e| (source.clone(), e)))
        .and_then(|()| archive.get_mut().flush().map_err(|e| (source, e)));
    if let Err((_, error)) = &packed {
        // The engine must not take a shortened archive for a whole one.
        let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
    }
    packed.map(|()| skipped)
}

/// The directory inside that takes the copy, and the copy's name in it; an empty name is what is in it.
async fn target(
    docker: &Docker,
    full: &str,
    from: &Path,
    to: &Path,
    meta: &Metadata,
) -> Result<(String, PathBuf), BackendError> {
    let text = to.to_string_lossy().into_owned();
    match stat(docker, full, to, IN).await? {
        Some(true) => Ok((text, own_name(from)?)),
        Some(false) if meta.is_dir() => Err(refused(
            IN,
            full,
            format!(
                "`{text}` is a file there, and `{}` is a directory",
                from.display()
            ),
        )),
        None if text.ends_with('/') && !meta.is_dir() => {
            let reason = format!("there is no directory `{text}`");
            Err(refused(IN, full, reason))
        }
        Some(false) | None => {
            let (Some(parent), Some(name)) = (to.parent(), to.file_name()) else {
                return Err(refused(
                    IN,
                    full,
                    format!("`{text}` is no place for a copy"),
                ));
            };
            let parent = match parent.to_string_lossy().into_owned() {
                parent if parent.is_empty() => "/".into(),
                parent => parent,
            };
            Ok((parent, name.into()))
        }
    }
}

/// The name that a copy keeps: the last part of the path, nothing for what is in a directory (`dir/.`).
fn own_name(from: &Path) -> Result<PathBuf, BackendError> {
    if from.as_os_str().as_encoded_bytes().ends_with(b"/.") || from == Path::new("/") {
        return Ok(PathBuf::new());
    }
    match from.file_name() {
        Some(name) => Ok(name.into()),
        None => {
            let real = fs::canonicalize(from).map_err(|e| io_error("read", from, e))?;
            Ok(real.file_name().map(PathBuf::from).unwrap_or_default())
        }
    }
}

/// Whether a path inside is a directory, links followed; none when it is not there.
pub(super) async fn stat(
    docker: &Docker,
    full: &str,
    path: &Path,
    verb: &'static str,
) -> Result<Option<bool>, BackendError> {
    let mut path = path.to_string_lossy().into_owned();
    // The engine resolves a link wholly; the second look is at what it leads to.
    for _ in 0..2 {
        let options = ContainerArchiveInfoOptions { path: path.clone() };
        match docker.get_container_archive_info(full, Some(options)).await {
            Ok(seen) if seen.file_mode & GO_LINK != 0 => path = seen.link_target,
            Ok(seen) => return Ok(Some(seen.file_mode & GO_DIR != 0)),
            Err(error) if is_missing(&error) => {
                // A missing container is told by the copy itself, in the engine's words.
                return Ok(None);
            }
            Err(error) => return Err(failed(verb, full, &error)),
        }
    }
    Ok(None)
}

type Failure = (PathBuf, io::Error);

/// Writes a file or a tree under the name `inside`.
fn pack<W: Write>(
    archive: &mut Builder<W>,
    path: &Path,
    inside: &Path,
    skipped: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let at = |error| (path.to_owned(), error);
    let meta = fs::symlink_metadata(path).map_err(at)?;
    let kind = meta.file_type();
    if kind.is_socket() || kind.is_fifo() || kind.is_block_device() || kind.is_char_device() {
        skipped.push(path.to_owned());
        return Ok(());
    }
    if !inside.as_os_str().is_empty() {
        context_tar::append(archive, path, inside, &meta, true).map_err(at)?;
    }
    if meta.is_dir() {
        let entries: io::Result<Vec<_>> = fs::read_dir(path).map_err(at)?.collect();
        let mut entries = entries.map_err(at)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            pack(
                archive,
                &entry.path(),
                &inside.join(entry.file_name()),
                skipped,
            )?;
        }
    }
    Ok(())
}

/// Copies a file or a directory out of the container; it belongs to who copies.
pub(super) async fn copy_out(
    docker: &Docker,
    full: &str,
    from: &Path,
    to: &Path,
) -> Result<(), BackendError> {
    let contents = from.as_os_str().as_encoded_bytes().ends_with(b"/.") || from == Path::new("/");
    let unpack = Unpack::new(to, contents);
    let options = DownloadFromContainerOptions {
        path: from.to_string_lossy().into_owned(),
    };
    let docker = docker.clone().with_timeout(LONG);
    let mut pieces = docker.download_from_container(full, Some(options)).boxed();
    // Nothing is made here before the engine has found it.
    let first = match pieces.next().await {
        Some(first) => first.map_err(|error| failed(OUT, full, &error))?,
        None => return Err(refused(OUT, full, "the engine sent nothing")),
    };
    let (sender, receiver) = channel(QUEUE);
    let unpacking = tokio::task::spawn_blocking(move || {
        let mut archive = Archive::new(Taken::new(receiver));
        unpack.all(&mut archive)
    });
    let broken = hand_on(first.to_vec(), pieces, sender).await;
    let done = unpacking.await;
    if let Some(error) = broken {
        return Err(failed(OUT, full, &error));
    }
    match done {
        Ok(Unpacked {
            error: None,
            skipped,
        }) => special(OUT, full, &skipped),
        Ok(Unpacked {
            error: Some((path, error)),
            ..
        }) => Err(io_error("write", &path, error)),
        Err(error) => Err(refused(OUT, full, error.to_string())),
    }
}

/// Hands the pieces to the thread that unpacks them; the engine's error when it broke off.
async fn hand_on(
    first: Vec<u8>,
    mut pieces: BoxStream<'static, Result<impl AsRef<[u8]>, Error>>,
    sender: Sender<io::Result<Vec<u8>>>,
) -> Option<Error> {
    let mut piece = Ok(first);
    let mut broken = None;
    loop {
        if sender.send(piece).await.is_err() {
            return broken; // it has failed, and says why
        }
        piece = match pieces.next().await {
            Some(Ok(next)) => Ok(next.as_ref().to_vec()),
            Some(Err(error)) => {
                let told = io::Error::other(error.to_string());
                broken = Some(error);
                Err(told)
            }
            None => return broken,
        };
    }
}

/// All was copied but these.
fn special(verb: &'static str, full: &str, skipped: &[PathBuf]) -> Result<(), BackendError> {
    let Some(first) = skipped.first() else {
        return Ok(());
    };
    let more = match skipped.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let reason = format!(
        "`{}`{more}: only files, directories and links are copied; all the others were",
        first.display()
    );
    Err(refused(verb, full, reason))
}

pub(super) fn io_error(verb: &'static str, path: &Path, source: io::Error) -> BackendError {
    BackendError::Io {
        verb,
        path: path.to_owned(),
        source,
    }
}
