//! What a command after a start printed before it failed: its supervisor notes it, who has asked for the start tells it.

use std::fs;
use std::io;

use super::{Paths, make_private};
use crate::model::Name;

/// How many of the last lines are kept, and how many bytes of them.
const LINES: usize = 10;
const BYTES: usize = 4096;

/// A start that failed since a command after it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookFailed {
    /// Which, and how it has ended, in one line.
    pub reason: String,
    /// The last lines that it printed.
    pub said: Vec<String>,
}

/// Notes why a start failed, and the end of what the command printed.
///
/// # Errors
/// The note cannot be written.
pub fn note_hook_failed(
    paths: &Paths,
    project: &Name,
    container: &Name,
    reason: &str,
    output: &[u8],
) -> io::Result<()> {
    let note = paths.hook_failed(project, container);
    if let Some(dir) = note.parent() {
        make_private(dir)?;
    }
    let output = String::from_utf8_lossy(&output[output.len().saturating_sub(BYTES)..]);
    let lines: Vec<&str> = output.lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    let reason = reason.replace('\n', " ");
    fs::write(note, format!("{reason}\n{}", last.join("\n")))
}

/// Why the last start failed, if a command after it did.
pub fn hook_failed(paths: &Paths, project: &Name, container: &Name) -> Option<HookFailed> {
    let text = fs::read_to_string(paths.hook_failed(project, container)).ok()?;
    let mut lines = text.lines().map(String::from);
    Some(HookFailed {
        reason: lines.next()?,
        said: lines.collect(),
    })
}

/// Forgets it: the container starts anew.
pub fn forget_hook_failed(paths: &Paths, project: &Name, container: &Name) {
    let _ = fs::remove_file(paths.hook_failed(project, container)); // Not there is what is wanted.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_command_that_failed_are_kept_until_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let (shop, web) = (Name::new("shop").unwrap(), Name::new("web").unwrap());
        assert_eq!(hook_failed(&paths, &shop, &web), None);
        let note =
            |output: &[u8]| note_hook_failed(&paths, &shop, &web, "it\nfailed", output).unwrap();
        note(b"");
        let found = hook_failed(&paths, &shop, &web).unwrap();
        assert_eq!((found.reason.as_str(), found.said.len()), ("it failed", 0));
        let many: String = (0..10_000).map(|n| format!("line {n}\n")).collect();
        note(many.as_bytes());
        let said = hook_failed(&paths, &shop, &web).unwrap().said;
        assert_eq!((said.len(), said[9].as_str()), (10, "line 9999"));
        note(&b"\xff".repeat(10_000));
        assert_eq!(hook_failed(&paths, &shop, &web).unwrap().said.len(), 1);
        forget_hook_failed(&paths, &shop, &web);
        assert_eq!(hook_failed(&paths, &shop, &web), None);
    }
}
