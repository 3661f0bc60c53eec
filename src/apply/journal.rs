//! What was begun and done in a run, as JSON lines in a file that goes when the run is over.
//!
//! It tells the next run what was under way; it is never the truth. State is read from the engines
//! and from the marks, so a torn last line or a lost journal loses nothing.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Name;
use crate::plan::StepId;
use crate::store::{Paths, StoreError};
use crate::sys;

/// The form that this program writes, and the newest that it reads.
const VERSION: u32 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    version: u32,
    command: String,
    pid: u32,
    since: String,
}

/// Every further line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Entry {
    Begun { id: StepId, what: String },
    Done { id: StepId },
    Failed { id: StepId },
    Undone { id: StepId },
}

/// The journal of the run that is under way.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// None where there is no room to write it.
    file: Option<Arc<File>>,
}

impl Journal {
    /// Begins a new journal in place of any older one. Take the project's lock first.
    ///
    /// # Errors
    /// Nothing of it is left then.
    pub fn begin(paths: &Paths, project: &Name, command: &str) -> Result<Self, StoreError> {
        let path = paths.journal(project);
        let dir = path.parent().unwrap_or(Path::new("/"));
        crate::store::make_private(dir).map_err(io_error("make", dir))?;
        let header = Header {
            version: VERSION,
            command: command.into(),
            pid: std::process::id(),
            since: sys::now(),
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let written = write_line(&file, &header).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // A header that is torn would be told as a run that was interrupted.
            let _ = clear_at(&path);
            return Err(io_error("write", &path)(error));
        }
        Ok(Self {
            path,
            file: Some(Arc::new(file)),
        })
    }

    /// None is kept: for a change that only takes away, where the disk is full.
    pub fn none(paths: &Paths, project: &Name) -> Self {
        Self {
            path: paths.journal(project),
            file: None,
        }
    }

    /// Before a step; `lasting` waits until the line is on the disk, for steps that make or destroy.
    pub async fn begun(&self, id: StepId, what: String, lasting: bool) -> Result<(), StoreError> {
        self.write(&Entry::Begun { id, what })?;
        let Some(file) = self.file.as_ref().filter(|_| lasting).map(Arc::clone) else {
            return Ok(());
        };
        let synced = tokio::task::spawn_blocking(move || file.sync_data()).await;
        synced
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(io_error("write", &self.path))
    }

    /// After a step.
    pub fn done(&self, id: StepId) -> Result<(), StoreError> {
        self.write(&Entry::Done { id })
    }

    /// After a step that failed and left nothing.
    pub fn failed(&self, id: StepId) -> Result<(), StoreError> {
        self.write(&Entry::Failed { id })
    }

    /// After a step was undone.
    pub fn undone(&self, id: StepId) -> Result<(), StoreError> {
        self.write(&Entry::Undone { id })
    }

    /// The run is over and clean.
    pub fn finish(self) -> Result<(), StoreError> {
        clear_at(&self.path)
    }

    fn write(&self, line: &impl Serialize) -> Result<(), StoreError> {
        match &self.file {
            Some(file) => write_line(file, line).map_err(io_error("write", &self.path)),
            None => Ok(()),
        }
    }
}

/// One write for a line, so that a line is torn only by a power cut.
fn write_line(mut file: &File, line: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    file.write_all(&bytes)
}

/// A run that never came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// `up`; none when the journal cannot be read.
    pub command: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// What was begun and not done.
    pub during: Vec<String>,
}

impl Unfinished {
    /// What an earlier run of `project` left; none when it ended well. Ask with the lock held, or a
    /// living run looks like a dead one.
    pub fn load(paths: &Paths, project: &Name) -> Result<Option<Self>, StoreError> {
        let path = paths.journal(project);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(parse(&String::from_utf8_lossy(&bytes)))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("read", &path)(source)),
        }
    }

    /// Removes the journal of a dead run once there is nothing left to do about it.
    pub fn clear(paths: &Paths, project: &Name) -> Result<(), StoreError> {
        clear_at(&paths.journal(project))
    }
}

impl std::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.command, self.pid, &self.since) {
            (Some(command), Some(pid), Some(since)) => {
                write!(f, "an earlier run (`{command}`, pid {pid}, {since})")?;
            }
            (_, _, _) => f.write_str("an earlier run")?,
        }
        f.write_str(" was interrupted")?;
        if !self.during.is_empty() {
            write!(f, " during: {}", self.during.join(", "))?;
        }
        f.write_str("; looking at what it left")
    }
}

/// Lines that are not understood (torn, or of a newer program) are passed over.
fn parse(text: &str) -> Unfinished {
    let mut lines = text.lines();
    let header = lines
        .next()
        .and_then(|line| serde_json::from_str::<Header>(line).ok());
    let readable = header.as_ref().is_some_and(|h| h.version <= VERSION);
    let mut open = BTreeMap::new();
    for entry in lines.filter_map(|line| serde_json::from_str::<Entry>(line).ok()) {
        match entry {
            Entry::Begun { id, what } => {
                open.insert(id, what);
            }
            Entry::Done { id } | Entry::Failed { id } | Entry::Undone { id } => {
                open.remove(&id);
            }
        }
    }
    Unfinished {
        command: header.as_ref().map(|h| h.command.clone()),
        pid: header.as_ref().map(|h| h.pid),
        since: header.map(|h| h.since),
        during: if readable {
            open.into_values().collect()
        } else {
            Vec::new()
        },
    }
}

fn clear_at(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(io_error("remove", path)(source)),
    }
    // The project may have been forgotten in this run; then its directory is empty now.
    match path.parent().map(fs::remove_dir) {
        None | Some(Ok(())) => Ok(()),
        Some(Err(error))
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(())
        }
        Some(Err(source)) => Err(io_error("remove", path.parent().unwrap_or(path))(source)),
    }
}

fn io_error(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_path_buf();
    move |source| StoreError::Io { verb, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Paths, Name) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        (dir, paths, Name::new("shop").unwrap())
    }

    #[tokio::test]
    async fn the_next_run_learns_what_was_under_way() {
        let (_dir, paths, name) = place();
        let journal = Journal::begin(&paths, &name, "up").unwrap();
        for (id, what) in [(0, "create db"), (1, "create web"), (2, "start db")] {
            journal.begun(id, what.into(), id == 1).await.unwrap();
        }
        journal.done(0).unwrap();
        journal.undone(2).unwrap();
        drop(journal);
        let left = Unfinished::load(&paths, &name).unwrap().unwrap();
        let text = left.to_string();
        let start = format!("an earlier run (`up`, pid {}, ", std::process::id());
        assert!(text.starts_with(&start), "{text}");
        assert!(text.contains("interrupted during: create web; "), "{text}");
    }

    #[test]
    fn a_run_that_ends_well_leaves_no_journal_and_no_directory() {
        let (_dir, paths, name) = place();
        let journal = Journal::begin(&paths, &name, "up").unwrap();
        journal.finish().unwrap();
        assert_eq!(Unfinished::load(&paths, &name).unwrap(), None);
        assert!(!paths.project(&name).exists());
        Unfinished::clear(&paths, &name).unwrap();
    }

    #[tokio::test]
    async fn without_room_nothing_is_written_and_nothing_is_left() {
        let (_dir, paths, name) = place();
        let journal = Journal::none(&paths, &name);
        journal.begun(0, "stop db".into(), true).await.unwrap();
        journal.done(0).unwrap();
        assert_eq!(Unfinished::load(&paths, &name).unwrap(), None);
        journal.finish().unwrap();
    }

    #[test]
    fn a_torn_line_and_a_newer_version_are_borne() {
        let header = r#"{"version":1,"command":"up","pid":7,"since":"T"}"#;
        let newer = r#"{"version":9,"command":"up","pid":7,"since":"T","more":[]}"#;
        let begun = r#"{"begun":{"id":0,"what":"create web"}}"#;
        let cases = [
            (
                format!("{header}\n{begun}\n{{\"done\":{{\"i"),
                vec!["create web"],
            ),
            (format!("{newer}\n{begun}\n"), vec![]),
            (String::new(), vec![]),
            ("{\"vers".into(), vec![]),
        ];
        for (text, during) in cases {
            let left = parse(&text);
            assert_eq!(left.during, during, "{text}");
            assert!(left.to_string().starts_with("an earlier run"));
        }
    }
}
