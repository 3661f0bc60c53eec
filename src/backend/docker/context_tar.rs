//! A build's context as the archive that the engine wants, made while it is sent.
//!
//! Never the whole of it is in memory: a thread walks the directory and writes into a short queue, and
//! the request reads from it. Owners become 0:0 as Docker has it, so that an image does not depend on
//! who built it. Symbolic links stay links; nothing outside the context is read through them.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::Stream;
use tar::{Builder, EntryType, Header, HeaderMode};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::dockerignore::Ignore;

/// The largest piece that is handed to the request.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait.
const QUEUE: usize = 8;

/// What is sent.
pub(super) struct Context {
    /// The directory.
    pub root: PathBuf,
    /// What stays at home.
    pub ignore: Ignore,
    /// Paths below the directory that are sent even when they are ignored: the engine needs them and
    /// leaves them out itself.
    pub always: Vec<String>,
    /// Files that are not in the directory, or are different there: path and content.
    pub own: Vec<(String, Vec<u8>)>,
}

/// What the sender tells when the request has ended.
#[derive(Default)]
pub(super) struct Told {
    /// The path and why it could not be read; then nothing after it was sent.
    pub failed: Option<(PathBuf, String)>,
    /// What was left out since it is neither file nor directory nor link.
    pub skipped: Vec<PathBuf>,
}

/// Pieces of the archive, as the request takes them.
pub(super) type Pieces = std::pin::Pin<Box<dyn Stream<Item = io::Result<Vec<u8>>> + Send>>;

/// Starts the thread that makes the archive; what it tells is whole when the stream has ended.
pub(super) fn stream(context: Context) -> (Pieces, Arc<Mutex<Told>>) {
    let (sender, receiver) = channel(QUEUE);
    let told = Arc::new(Mutex::new(Told::default()));
    let ears = Arc::clone(&told);
    tokio::task::spawn_blocking(move || {
        let mut walk = Walk::new(&context, sender.clone());
        let result = walk.all();
        // Nobody reads any more: the request has failed, and says why itself.
        let failed = result
            .err()
            .filter(|(_, e)| e.kind() != io::ErrorKind::BrokenPipe);
        let failed = failed.map(|(path, error)| (path, error.to_string()));
        let broken = failed
            .as_ref()
            .map(|(_, why)| io::Error::other(why.clone()));
        {
            let mut told = ears.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            told.skipped = walk.skipped;
            told.failed = failed;
        }
        if let Some(error) = broken {
            // The request must break off: a shortened archive would be built like a whole one.
            let _ = sender.blocking_send(Err(error));
        }
    });
    (pieces(receiver), told)
}

/// What a queue's receiver gets, as a stream.
pub(super) fn pieces(receiver: Receiver<io::Result<Vec<u8>>>) -> Pieces {
    Box::pin(futures_util::stream::unfold(
        receiver,
        |mut receiver| async {
            let piece = receiver.recv().await?;
            Some((piece, receiver))
        },
    ))
}

/// The writing end of the queue; ends with an error when nobody reads any more.
pub(super) struct Queue(Sender<io::Result<Vec<u8>>>);

impl Queue {
    /// One that hands on large pieces.
    pub fn buffered(sender: Sender<io::Result<Vec<u8>>>) -> BufWriter<Self> {
        BufWriter::with_capacity(PIECE, Self(sender))
    }
}

impl Write for Queue {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Ok(bytes.to_vec()))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Failure = (PathBuf, io::Error);

struct Walk<'a> {
    context: &'a Context,
    archive: Builder<BufWriter<Queue>>,
    skipped: Vec<PathBuf>,
}

impl<'a> Walk<'a> {
    fn new(context: &'a Context, sender: Sender<io::Result<Vec<u8>>>) -> Self {
        Self {
            context,
            archive: Builder::new(Queue::buffered(sender)),
            skipped: Vec::new(),
        }
    }

    fn all(&mut self) -> Result<(), Failure> {
        self.directory(&self.context.root.clone(), "")?;
        let root = &self.context.root;
        for name in &self.context.always {
            if self.context.ignore.is_ignored(name) && !self.is_own(name) {
                let path = root.join(name);
                if let Ok(meta) = fs::symlink_metadata(&path) {
                    self.entry(&path, name, &meta)?;
                }
            }
        }
        let at = |error| (root.clone(), error);
        for (name, content) in &self.context.own {
            let mut header = plain_header(0o644);
            header.set_size(content.len() as u64);
            self.archive
                .append_data(&mut header, name, content.as_slice())
                .map_err(at)?;
        }
        self.archive.finish().map_err(at)?;
        self.archive.get_mut().flush().map_err(at)
    }

    fn is_own(&self, name: &str) -> bool {
        self.context.own.iter().any(|(own, _)| own == name)
    }

    /// All that is in one directory, in the order of its names, so that the archive is always the same.
    fn directory(&mut self, path: &Path, name: &str) -> Result<(), Failure> {
        let at = |error| (path.to_owned(), error);
        let entries: io::Result<Vec<_>> = fs::read_dir(path).map_err(at)?.collect();
        let mut entries = entries.map_err(at)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let own = entry.file_name();
            let inner = match name {
                "" => own.to_string_lossy().into_owned(),
                name => format!("{name}/{}", own.to_string_lossy()),
            };
            let meta = fs::symlink_metadata(&path).map_err(|error| (path.clone(), error))?;
            let ignored = self.context.ignore.is_ignored(&inner);
            if !ignored && !self.is_own(&inner) {
                self.entry(&path, &inner, &meta)?;
            }
            if meta.is_dir() && (!ignored || self.context.ignore.may_keep_below(&inner)) {
                self.directory(&path, &inner)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &str, meta: &Metadata) -> Result<(), Failure> {
        let kind = meta.file_type();
        if kind.is_socket() || kind.is_fifo() || kind.is_block_device() || kind.is_char_device() {
            self.skipped.push(path.to_owned());
            return Ok(());
        }
        // A name that is no text is sent as it is; only the rules see it changed.
        let inside = path
            .strip_prefix(&self.context.root)
            .unwrap_or(Path::new(name));
        append(&mut self.archive, path, inside, meta, true)
            .map_err(|error| (path.to_owned(), error))
    }
}

/// Appends one file, directory (without what is in it) or link under the name `inside`. Without
/// `nobody`'s owner the real one is kept.
pub(super) fn append<W: Write>(
    archive: &mut Builder<W>,
    path: &Path,
    inside: &Path,
    meta: &Metadata,
    as_root: bool,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_metadata_in_mode(meta, HeaderMode::Complete);
    if as_root {
        header.set_uid(0);
        header.set_gid(0);
    }
    if meta.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        return archive.append_link(&mut header, inside, fs::read_link(path)?);
    }
    if meta.is_dir() {
        header.set_size(0);
        return archive.append_data(&mut header, inside, io::empty());
    }
    let file = File::open(path)?;
    header.set_size(meta.len());
    let mut exact = Exact {
        file,
        left: meta.len(),
    };
    archive.append_data(&mut header, inside, &mut exact)
}

/// A header for a file that is not on the disk; no time, so that the same content is the same file.
pub(super) fn plain_header(mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// A queue of pieces, read as one stream on a thread.
pub(super) struct Taken {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Taken {
    /// The reading end.
    pub fn new(pieces: Receiver<io::Result<Vec<u8>>>) -> Self {
        Self {
            pieces,
            piece: io::Cursor::default(),
        }
    }
}

impl Read for Taken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.piece.read(buffer)? {
                0 if !buffer.is_empty() => match self.pieces.blocking_recv() {
                    Some(piece) => self.piece = io::Cursor::new(piece?),
                    None => return Ok(0),
                },
                read => return Ok(read),
            }
        }
    }
}

/// Exactly so many bytes of a file: one that grows meanwhile must not break the archive, one that
/// shrinks is an error.
struct Exact {
    file: File,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most).filter(|b| !b.is_empty()) else {
            return Ok(0);
        };
        match self.file.read(buffer)? {
            0 => Err(io::Error::other("it became shorter while it was read")),
            read => {
                self.left -= read as u64;
                Ok(read)
            }
        }
    }
}

#[cfg(test)]
#[path = "context_tar_tests.rs"]
mod tests;
