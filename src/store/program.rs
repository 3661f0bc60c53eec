//! The program that units run: a package's own file as it is, any other one as a copy of root's.
//!
//! systemd runs it as root at every boot. A file below a home directory may be hidden from a service
//! (`ProtectHome=`), may go with a `cargo clean`, and may be changed by its user; so a copy is kept at one
//! fixed path, known by its digest and replaced only by a step of a plan.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{StatVfsMountFlags, statvfs};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::ProgramCopy;

use super::{Paths, StoreError, write_atomic};

/// Where packages and administrators put programs that stay.
const LASTING: [&str; 6] = ["/usr", "/opt", "/bin", "/sbin", "/nix/store", "/gnu/store"];

/// This program, and what units are to run of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The path that stands in units.
    pub path: PathBuf,
    /// What must be done before units can run it; none when it is there.
    pub install: Option<ProgramCopy>,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    dev: u64,
    ino: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What is written beside the copy, so that neither file is read through at every command.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    digest: String,
    source: PathBuf,
    was: Seen,
    copy: Seen,
}

impl Seen {
    fn of(meta: &Metadata) -> Self {
        Self {
            dev: meta.dev(),
            ino: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// Finds out what units are to run.
///
/// # Errors
/// This program or its copy cannot be read.
pub fn program(paths: &Paths) -> Result<Program, StoreError> {
    let link = Path::new("/proc/self/exe");
    let own = fs::read_link(link).map_err(StoreError::io("read", link))?;
    let file = File::open(link).map_err(StoreError::io("read", link))?;
    look(&own, &file, &paths.program())
}

fn look(own: &Path, file: &File, copy: &Path) -> Result<Program, StoreError> {
    let meta = file.metadata().map_err(StoreError::io("read", own))?;
    let is_there = fs::symlink_metadata(own)
        .is_ok_and(|there| (there.dev(), there.ino()) == (meta.dev(), meta.ino()));
    let foreign =
        (meta.uid() != 0).then(|| format!("user {} owns `{}`", meta.uid(), own.display()));
    let doubt = changeable(own).or(foreign);
    let lasts = LASTING.iter().any(|dir| own.starts_with(dir)) || own == copy;
    if lasts && is_there && doubt.is_none() {
        let path = own.to_path_buf();
        return Ok(Program {
            path,
            install: None,
        });
    }
    let note = read_note(copy);
    let digest = match &note {
        Some(note) if note.was == Seen::of(&meta) => note.digest.clone(),
        Some(_) | None => digest(file, own)?,
    };
    let before = installed(copy, note.as_ref())?;
    let install = (before.as_ref() != Some(&digest)).then(|| ProgramCopy {
        source: own.into(),
        path: copy.into(),
        before,
        digest,
        doubt,
        obstacle: obstacle(copy),
    });
    Ok(Program {
        path: copy.into(),
        install,
    })
}

/// The digest of the copy that is there.
fn installed(copy: &Path, note: Option<&Note>) -> Result<Option<String>, StoreError> {
    let file = match File::open(copy) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::io("read", copy)(source)),
    };
    let meta = file.metadata().map_err(StoreError::io("read", copy))?;
    match note {
        Some(note) if note.copy == Seen::of(&meta) => Ok(Some(note.digest.clone())),
        Some(_) | None => digest(&file, copy).map(Some),
    }
}

/// How the name of a copy begins that is not whole yet.
const HALF: &str = ".locker-";
/// A copy takes seconds; what is older was left.
const COPYING: Duration = Duration::from_secs(60);

/// Puts a copy of this program where units run it, and keeps the one before beside it until the change is
/// over.
///
/// # Errors
/// It cannot be written, or this program's file was changed since it was looked at.
pub fn install(install: &ProgramCopy) -> Result<(), StoreError> {
    let link = Path::new("/proc/self/exe");
    let source = File::open(link).map_err(StoreError::io("read", link))?;
    install_from(&source, install)
}

fn install_from(source: &File, install: &ProgramCopy) -> Result<(), StoreError> {
    let path = &install.path;
    let dir = path.parent().unwrap_or(Path::new("/"));
    super::make_private(dir).map_err(StoreError::io("make", dir))?;
    sweep(dir, COPYING);
    let was = source
        .metadata()
        .map_err(StoreError::io("read", &install.source))?;
    let before = aside(path);
    remove(&before)?;
    match fs::hard_link(path, &before) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(StoreError::io("keep", path)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let copy = put(source, path, dir, install)?;
    let note = Note {
        digest: install.digest.clone(),
        source: install.source.clone(),
        was: Seen::of(&was),
        copy,
    };
    write_note(path, &note)
}

fn put(source: &File, path: &Path, dir: &Path, install: &ProgramCopy) -> Result<Seen, StoreError> {
    let write = |error| StoreError::io("write", path)(error);
    let mut file = tempfile::Builder::new()
        .prefix(HALF)
        .tempfile_in(dir)
        .map_err(write)?;
    let mut reader = source;
    io::Seek::rewind(&mut reader).map_err(write)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = reader.read(&mut piece).map_err(write)?;
        if count == 0 {
            break;
        }
        hash.update(&piece[..count]);
        file.write_all(&piece[..count]).map_err(write)?;
    }
    if hex(&hash.finalize()) != install.digest {
        return Err(StoreError::Damaged {
            path: install.source.clone(),
            reason: "it was changed while it was copied; run the command again".into(),
        });
    }
    let mode = Permissions::from_mode(0o755);
    file.as_file().set_permissions(mode).map_err(write)?;
    file.as_file().sync_all().map_err(write)?;
    let file = file.persist(path).map_err(|error| write(error.error))?;
    let there = File::open(dir).and_then(|dir| dir.sync_all());
    there.map_err(write)?;
    Ok(Seen::of(&file.metadata().map_err(write)?))
}

/// Brings back the copy as it was before [`install`]; without one it goes.
///
/// # Errors
/// A file cannot be renamed or removed.
pub fn bring_back(path: &Path) -> Result<(), StoreError> {
    remove(&note_of(path))?;
    let before = aside(path);
    match fs::rename(&before, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => remove_program(path),
        Err(source) => Err(StoreError::io("rename", &before)(source)),
    }
}

/// Forgets the copy before: the change that replaced it is over.
///
/// # Errors
/// It cannot be removed.
pub fn settle(path: &Path) -> Result<(), StoreError> {
    remove(&aside(path))
}

/// Removes the copy with all that is kept beside it. Who runs it still goes on.
///
/// # Errors
/// A file cannot be removed.
pub fn remove_program(path: &Path) -> Result<(), StoreError> {
    remove(&note_of(path))?;
    remove(&aside(path))?;
    remove(path)?;
    if let Some(dir) = path.parent() {
        sweep(dir, Duration::ZERO);
        let _ = fs::remove_dir(dir); // Something foreign in it stays, with its directory.
    }
    Ok(())
}

/// Removes what runs that were killed while they copied have left, as far as it is older than `age`: another
/// run may copy at this moment.
fn sweep(dir: &Path, age: Duration) {
    let half = |entry: &fs::DirEntry| {
        let made = entry.metadata().and_then(|meta| meta.modified());
        let is_old = made.is_ok_and(|at| at.elapsed().is_ok_and(|past| past >= age));
        is_old && entry.file_name().to_string_lossy().starts_with(HALF)
    };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if half(&entry) {
            let _ = fs::remove_file(entry.path()); // tried again by the next
        }
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(StoreError::io("remove", path)(source)),
    }
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("before")
}

fn note_of(path: &Path) -> PathBuf {
    path.with_extension("json")
}

/// One that is damaged or not there costs a reading of both files.
fn read_note(copy: &Path) -> Option<Note> {
    let text = fs::read_to_string(note_of(copy)).ok()?;
    serde_json::from_str(&text).ok()
}

fn write_note(path: &Path, note: &Note) -> Result<(), StoreError> {
    let at = note_of(path);
    let bytes = serde_json::to_vec(note).map_err(|error| StoreError::Damaged {
        path: at.clone(),
        reason: error.to_string(),
    })?;
    write_atomic(&at, &bytes, 0o600)
}

fn digest(file: &File, path: &Path) -> Result<String, StoreError> {
    let read = |error| StoreError::io("read", path)(error);
    let mut reader = file;
    io::Seek::rewind(&mut reader).map_err(read)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match reader.read(&mut piece).map_err(read)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&piece[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who else than root can change what stands at `path`, by the file or by a directory above it.
fn changeable(path: &Path) -> Option<String> {
    let mut all: Vec<&Path> = path.ancestors().collect();
    all.reverse();
    all.into_iter().find_map(|part| {
        // What is gone nobody changes; the open file is what counts then.
        let meta = fs::symlink_metadata(part).ok()?;
        let sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
        let shown = part.display();
        if meta.uid() != 0 {
            Some(format!("user {} owns `{shown}`", meta.uid()))
        } else if meta.mode() & 0o002 != 0 && !sticky {
            Some(format!("everybody can write to `{shown}`"))
        } else if meta.mode() & 0o020 != 0 && meta.gid() != 0 && !sticky {
            Some(format!("group {} can write to `{shown}`", meta.gid()))
        } else {
            None
        }
    })
}

/// Why units cannot run a copy at `path`.
fn obstacle(path: &Path) -> Option<String> {
    let there = path.ancestors().skip(1).find(|dir| dir.is_dir())?;
    let on = statvfs(there).ok()?;
    if on.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        let shown = there.display();
        return Some(format!("`{shown}` is mounted with `noexec`"));
    }
    changeable(there)
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
