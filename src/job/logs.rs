//! Console logs of containers, as they are and as they grow.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::Name;

use super::select::select;
use super::{JobError, Setting, road};

/// How often a followed log is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// At most so much of a log is read at first; consoles are rotated by the engine far below this.
const MOST: u64 = 16 << 20;

/// Gives `out` the last `lines` lines (none: all) of each console log, then with `follow` every new
/// one, until `out` breaks. Lines come without their ends; a container without a log gives none.
pub async fn logs(
    setting: &Setting,
    names: &[String],
    follow: bool,
    lines: Option<usize>,
    out: &mut (dyn FnMut(&Name, &str) -> ControlFlow<()> + Send),
) -> Result<(), JobError> {
    let opened = road::open(setting, "logs")?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, names)?;
    let mut tails: Vec<Tail> = observed
        .containers
        .keys()
        .filter(|name| selection.as_ref().is_none_or(|some| some.contains(*name)))
        .map(|name| Tail::new(name, opened.host.backend.inside().console_log(name)))
        .collect();
    let mut most = lines;
    loop {
        for tail in &mut tails {
            let mut text = tail.read()?;
            if !follow {
                text.extend(tail.unfinished());
            }
            let skip = most.map_or(0, |most| text.len().saturating_sub(most));
            for line in &text[skip..] {
                if out(&tail.name, line).is_break() {
                    return Ok(());
                }
            }
        }
        if !follow {
            return Ok(());
        }
        most = None;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// One log and how far it was read.
struct Tail {
    name: Name,
    path: PathBuf,
    at: u64,
    /// The beginning of a line whose end is not there yet.
    rest: Vec<u8>,
    begun: bool,
}

impl Tail {
    fn new(name: &Name, path: PathBuf) -> Self {
        Self {
            name: name.clone(),
            path,
            at: 0,
            rest: Vec::new(),
            begun: false,
        }
    }

    /// Whole lines since the last time. A log that became shorter was begun anew.
    fn read(&mut self) -> Result<Vec<String>, JobError> {
        let mut bytes = std::mem::take(&mut self.rest);
        if let Err(source) = self.read_bytes(&mut bytes) {
            return Err(JobError::Log {
                verb: "read",
                path: self.path.clone(),
                source,
            });
        }
        let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None => 0,
        };
        self.rest = bytes.split_off(whole);
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(|line| line.trim_end_matches('\r').into());
        Ok(lines.collect())
    }

    /// The last line when it has no end yet: a prompt, or what a container said before it died.
    fn unfinished(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.rest);
        let text = String::from_utf8_lossy(&rest);
        (!text.trim().is_empty()).then(|| text.trim_end().into())
    }

    fn read_bytes(&mut self, bytes: &mut Vec<u8>) -> std::io::Result<()> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        if length < self.at {
            self.at = 0;
            bytes.clear();
        }
        if !self.begun {
            self.at = length.saturating_sub(MOST);
            self.begun = true;
        }
        file.seek(SeekFrom::Start(self.at))?;
        self.at += file.take(MOST).read_to_end(bytes)? as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_growing_log_gives_each_line_once_and_a_new_one_from_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.console");
        let mut tail = Tail::new(&Name::new("web").unwrap(), path.clone());
        assert!(tail.read().unwrap().is_empty());
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\r\ntwo\nthr").unwrap();
        assert_eq!(tail.read().unwrap(), ["one", "two"]);
        assert_eq!(tail.unfinished().as_deref(), Some("thr"));
        assert_eq!(tail.unfinished(), None);
        tail.rest = b"thr".to_vec();
        file.write_all(b"ee\n").unwrap();
        assert_eq!(tail.read().unwrap(), ["three"]);
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(tail.read().unwrap(), ["new"]);
    }
}
