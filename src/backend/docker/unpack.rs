//! Unpacks what the engine packed in a container, without trusting it.
//!
//! A name in the archive never leads out of the target, nothing is written through a link, a file is
//! whole or not there, and no bit that gives rights (set-user-id) comes along.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};
use tempfile::NamedTempFile;

/// Permission bits that a copy keeps.
const KEPT: u32 = 0o777;

/// Where a copy lands.
pub(super) struct Unpack {
    to: PathBuf,
    /// What is in the directory, not the directory itself.
    contents: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    /// Where it ended early.
    pub error: Option<(PathBuf, io::Error)>,
    /// Devices and the like.
    pub skipped: Vec<PathBuf>,
}

impl Unpack {
    /// A copy to `to`; with `contents` only what is in the copied directory.
    pub fn new(to: &Path, contents: bool) -> Self {
        Self {
            to: to.to_owned(),
            contents,
        }
    }

    /// Unpacks all, up to the first error.
    pub fn all<R: Read>(&self, archive: &mut Archive<R>) -> Unpacked {
        let mut done = Unpacked::default();
        let mut modes = Vec::new();
        let place = Place {
            there: self.to.is_dir(),
            trail: self.to.as_os_str().as_encoded_bytes().ends_with(b"/"),
        };
        if let Err(error) = self.entries(archive, &place, &mut modes, &mut done) {
            done.error.get_or_insert((self.to.clone(), error));
        }
        // A directory that may not be written gets its mode when all is in it.
        for (path, mode) in modes.into_iter().rev() {
            if let (Err(error), None) = (set_mode(&path, mode), &done.error) {
                done.error = Some((path, error));
            }
        }
        done
    }

    fn entries<R: Read>(
        &self,
        archive: &mut Archive<R>,
        place: &Place,
        modes: &mut Vec<(PathBuf, u32)>,
        done: &mut Unpacked,
    ) -> io::Result<()> {
        let mut top = None;
        for entry in archive.entries()? {
            let mut entry = entry?;
            let parts = parts(&entry.path()?)?;
            let first = parts.first().cloned().unwrap_or_default(); // none is the root itself
            let top: &PathBuf = top.get_or_insert_with(|| first.clone());
            let kind = entry.header().entry_type();
            let base = self.base(place, top);
            let below = below(top, &parts)?;
            if below.is_empty() && !kind.is_dir() && place.trail && !place.there {
                return Err(io::Error::from(ErrorKind::NotADirectory));
            }
            let path = below
                .iter()
                .fold(base.clone(), |path, part| path.join(part));
            // Only a directory that was there and takes the content is the user's own, link or not.
            let own = self.contents && place.there;
            if own && below.is_empty() && kind.is_dir() {
                continue;
            }
            let result = safe(&base, below, own).and_then(|()| match kind {
                EntryType::Link => hard_link(&entry, &base, own, top, &path),
                _ => one(&mut entry, kind, &path, modes, &mut done.skipped),
            });
            if let Err(error) = result {
                done.error = Some((path, error));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Where the top of the archive lands.
    fn base(&self, place: &Place, top: &Path) -> PathBuf {
        if place.there && !self.contents {
            self.to.join(top)
        } else {
            self.to.clone()
        }
    }
}

/// What the target was before anything was unpacked.
struct Place {
    /// A directory.
    there: bool,
    /// It was written with a slash at its end.
    trail: bool,
}

/// The parts below the archive's top.
fn below<'a>(top: &Path, parts: &'a [PathBuf]) -> io::Result<&'a [PathBuf]> {
    match parts.split_first() {
        _ if top.as_os_str().is_empty() => Ok(parts),
        Some((first, rest)) if first == top => Ok(rest),
        Some(_) | None => Err(io::Error::other("a name in the archive leads out of it")),
    }
}

/// The plain parts of a name in the archive; one that climbs is refused.
fn parts(path: &Path) -> io::Result<Vec<PathBuf>> {
    let parts = path.components().filter_map(|part| match part {
        Component::CurDir | Component::RootDir => None,
        Component::Normal(part) => Some(Ok(PathBuf::from(part))),
        Component::ParentDir | Component::Prefix(_) => Some(Err(io::Error::other(
            "a name in the archive leads out of it",
        ))),
    });
    parts.collect()
}

/// Every directory on the way down from `base` must be one and no link, and `base` too when it is not
/// the user's own. Those that the archive forgot are made.
fn safe(base: &Path, below: &[PathBuf], own: bool) -> io::Result<()> {
    let Some((_, above)) = below.split_last() else {
        return Ok(());
    };
    let mut path = base.to_owned();
    let mut parts = above.iter();
    let mut trusted = own;
    loop {
        if !trusted {
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => {}
                Ok(_) => {
                    let reason = format!("`{}` is no directory", path.display());
                    return Err(io::Error::other(reason));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => make_dir(&path)?,
                Err(error) => return Err(error),
            }
        }
        trusted = false;
        match parts.next() {
            Some(part) => path.push(part),
            None => return Ok(()),
        }
    }
}

fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode & KEPT))
}

/// Puts one entry in place.
fn one<R: Read>(
    entry: &mut Entry<'_, R>,
    kind: EntryType,
    path: &Path,
    modes: &mut Vec<(PathBuf, u32)>,
    skipped: &mut Vec<PathBuf>,
) -> io::Result<()> {
    let mode = entry.header().mode()?;
    match kind {
        EntryType::Directory => {
            match fs::symlink_metadata(path) {
                Ok(meta) if meta.is_dir() => return Ok(()), // it was there; its mode is its own
                Ok(meta) if meta.is_symlink() && path.is_dir() => {
                    return Err(io::Error::other("it is a symbolic link here"));
                }
                Ok(_) => return Err(io::Error::from(ErrorKind::NotADirectory)),
                Err(_) => make_dir(path)?,
            }
            modes.push((path.to_owned(), mode));
            Ok(())
        }
        EntryType::Symlink => {
            let Some(target) = entry.link_name()? else {
                return Err(io::Error::other("a link without a target"));
            };
            make_way(path)?;
            symlink(target, path)
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            file(entry, path, mode)
        }
        _ => {
            skipped.push(path.to_owned());
            Ok(())
        }
    }
}

/// Writes a file beside its place and puts it there whole; what was there is replaced, not written to.
fn file<R: Read>(entry: &mut Entry<'_, R>, path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::from(ErrorKind::IsADirectory));
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if !parent.is_dir() {
        let reason = format!("there is no directory `{}`", parent.display());
        return Err(io::Error::other(reason));
    }
    let mut temp = NamedTempFile::new_in(parent)?;
    let size = entry.size();
    if io::copy(entry, temp.as_file_mut())? < size {
        return Err(ErrorKind::UnexpectedEof.into()); // the archive is cut off
    }
    temp.as_file()
        .set_permissions(fs::Permissions::from_mode(mode & KEPT))?;
    let file: File = temp.persist(path).map_err(|error| error.error)?;
    let seconds = entry.header().mtime()?;
    let time = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds));
    match time {
        Some(time) => file.set_modified(time),
        None => Ok(()),
    }
}

/// A second name of a file that came before.
fn hard_link<R: Read>(
    entry: &Entry<'_, R>,
    base: &Path,
    own: bool,
    top: &Path,
    path: &Path,
) -> io::Result<()> {
    let parts = parts(&entry.link_name()?.unwrap_or_default())?;
    let below = below(top, &parts)?;
    safe(base, below, own)?;
    let target = below
        .iter()
        .fold(base.to_owned(), |path, part| path.join(part));
    make_way(path)?;
    fs::hard_link(target, path)
}

/// Takes away a file or link that is in the way.
fn make_way(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => Err(io::Error::from(ErrorKind::IsADirectory)),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
