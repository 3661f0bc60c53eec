//! The marks on disk: what makes a container ours, and what says that it is not whole yet.
//!
//! The mark (`locker.json`) is written last at creation and removed first at destruction; between
//! the two a note beside the container's directory names who is at work. Neither is ever guessed.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::site::{Site, io, remove_file, write_whole};
use crate::backend::BackendError;
use crate::model::Name;
use crate::observed::Mark;

/// Name of the mark in a container's directory.
pub(super) const MARK: &str = "locker.json";

/// The note that a creation or destruction is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Partial {
    pub(super) project: Name,
    pub(super) name: Name,
    pub(super) directory: std::path::PathBuf,
}

/// The mark in `dir`; none when there is none.
pub(super) fn read(dir: &Path) -> Result<Option<Mark>, BackendError> {
    let path = dir.join(MARK);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io("read", path)(e)),
    };
    let mark: Mark = serde_json::from_slice(&text).map_err(|e| BackendError::Mark {
        path: path.clone(),
        reason: e.to_string(),
    })?;
    if mark.version != 1 {
        let reason = format!(
            "it is of version {}, this locker knows version 1",
            mark.version
        );
        return Err(BackendError::Mark { path, reason });
    }
    Ok(Some(mark))
}

/// The directories that the marks of `project`'s containers below `lxcpath` bear. What cannot be read has none.
pub fn directories_of(lxcpath: &Path, project: &Name) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(lxcpath).into_iter().flatten().flatten();
    let stem = format!("{project}_");
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&stem));
    let marks = named.filter_map(|entry| {
        let mark = read(&entry.path()).ok().flatten()?;
        // A copy of its directory bears the same mark and is somebody else's.
        let (full, name) = (mark.spec.host_name(), entry.file_name());
        let own = name.to_str()?.strip_prefix(&full)?;
        ["", super::site::ASIDE].contains(&own).then_some(mark)
    });
    let ours = marks.filter(|mark| &mark.spec.project == project);
    ours.map(|mark| mark.directory).collect()
}

/// The mark of a container of this project, which must be there.
pub(super) fn ours(site: &Site, verb: &'static str, name: &Name) -> Result<Mark, BackendError> {
    read(&site.dir(name))?
        .filter(|mark| is_ours(site, mark))
        .ok_or_else(|| {
            let reason = "it does not exist, or bears no mark of this project";
            super::site::failed(verb, &site.full(name), reason)
        })
}

/// Whether a mark is of this project.
pub(super) fn is_ours(site: &Site, mark: &Mark) -> bool {
    mark.spec.project == site.project && mark.directory == site.directory
}

/// Writes the mark.
pub(super) fn write(site: &Site, mark: &Mark) -> Result<(), BackendError> {
    let path = site.dir(&mark.spec.name).join(MARK);
    let text = serde_json::to_vec_pretty(mark).map_err(|e| BackendError::Mark {
        path: path.clone(),
        reason: e.to_string(),
    })?;
    write_whole(&path, &text)
}

/// Notes that a container is being made or destroyed.
pub(super) fn begin(site: &Site, name: &Name) -> Result<(), BackendError> {
    let path = site.partial(name);
    let note = Partial {
        project: site.project.clone(),
        name: name.clone(),
        directory: site.directory.clone(),
    };
    let text = serde_json::to_vec(&note).map_err(|e| BackendError::Mark {
        path: path.clone(),
        reason: e.to_string(),
    })?;
    // Under one name, so that what a killed run left of it is replaced by the next one.
    let fresh = fresh(&path);
    let mut file = std::fs::File::create(&fresh).map_err(io("write", &fresh))?;
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    written.map_err(io("write", &fresh))?;
    std::fs::rename(&fresh, &path).map_err(io("write", &path))
}

fn fresh(note: &Path) -> std::path::PathBuf {
    let mut fresh = note.as_os_str().to_owned();
    fresh.push(".new");
    fresh.into()
}

/// Takes the note away.
pub(super) fn end(site: &Site, name: &Name) -> Result<(), BackendError> {
    remove_file(&fresh(&site.partial(name)))?;
    remove_file(&site.partial(name))
}

/// Name of the note in a container's directory that it has been asked to shut down.
const STOPPING: &str = "locker.stopping";

/// Notes that the container with this init is being stopped: until it has ended it looks as if it ran.
pub(super) fn begin_stop(dir: &Path, init: u32) -> Result<(), BackendError> {
    write_whole(&dir.join(STOPPING), init.to_string().as_bytes())
}

/// Whether this init was asked to shut down. The note of an earlier one means nothing.
pub(super) fn is_stopping(dir: &Path, init: u32) -> bool {
    std::fs::read_to_string(dir.join(STOPPING)).is_ok_and(|text| text == init.to_string())
}

/// Takes the note away.
pub(super) fn end_stop(dir: &Path) -> Result<(), BackendError> {
    remove_file(&dir.join(STOPPING))
}

/// The note in a file, if it is one of this project.
pub(super) fn partial(site: &Site, path: &Path) -> Option<Partial> {
    let note: Partial = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (note.project == site.project && note.directory == site.directory).then_some(note)
}
