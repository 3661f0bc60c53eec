//! How far an application container's output was handed on, so that the supervisor that comes after one
//! that was killed goes on there: nothing is told twice, and nothing that was printed meanwhile is lost.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

/// A note below /run of the time of the last line, by the engine's clock, and of which container.
pub(super) struct Bookmark {
    path: PathBuf,
    file: Option<File>,
}

impl Bookmark {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Where to go on with the container of this id, whose run before ended at `ended`; as the engine's
    /// `since` wants it. The start of this run is no such time: the first lines may be older.
    pub(super) fn since(&self, id: &str, ended: &str) -> String {
        let note = fs::read_to_string(&self.path).unwrap_or_default();
        let of = note.trim_end().strip_prefix(id).and_then(after);
        // One that has never ended did so in the year 1. A time that is yet to come was noted before the clock was set back.
        let known = of.or_else(|| ended.parse().ok());
        let known = known.map(|at: Timestamp| at.min(Timestamp::now()));
        match known.filter(|at| *at > Timestamp::UNIX_EPOCH) {
            Some(at) => format!("{}.{:09}", at.as_second(), at.subsec_nanosecond()),
            None => "0".into(),
        }
    }

    /// All up to `at` was handed on.
    pub(super) fn set(&mut self, id: &str, at: Timestamp) {
        if self.file.is_none() {
            if let Some(dir) = self.path.parent() {
                let _ = crate::store::make_private(dir);
            }
            self.file = crate::store::create_private(&self.path).ok();
        }
        // Always of the same length, so it is written over. Without it a later supervisor begins with the
        // end of the run before, which is all the harm.
        if let Some(file) = &self.file {
            let _ = file.write_all_at(format!("{id} {at:.9}\n").as_bytes(), 0);
        }
    }
}

/// The moment after the one that is noted, so that its line is not told twice.
fn after(noted: &str) -> Option<Timestamp> {
    let at: Timestamp = noted.trim().parse().ok()?;
    at.checked_add(SignedDuration::from_nanos(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_supervisor_goes_on_after_the_last_line_of_the_same_container() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("output/shop~web");
        let ended = "1970-01-01T00:00:05.5Z";
        let mut mark = Bookmark::new(path.clone());
        assert_eq!(mark.since("abc", ended), "5.500000000");
        mark.set("abc", "1970-01-01T00:00:07.000000009Z".parse().unwrap());
        mark.set("abc", "1970-01-01T00:00:08Z".parse().unwrap());
        let next = Bookmark::new(path);
        assert_eq!(next.since("abc", ended), "8.000000001");
        assert_eq!(next.since("def", ended), "5.500000000");
        // The clock was set back since.
        mark.set("abc", "2200-01-01T00:00:00Z".parse().unwrap());
        let since: f64 = next.since("abc", ended).parse().unwrap();
        assert!(since <= Timestamp::now().as_second() as f64 + 1.0);
        assert_eq!(next.since("def", "0001-01-01T00:00:00Z"), "0");
        assert_eq!(next.since("def", "no time"), "0");
    }
}
