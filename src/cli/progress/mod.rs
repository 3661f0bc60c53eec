//! Progress of a change on standard error: lines, a rewritten line on a terminal, JSON, or nothing.

mod json;
mod line;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::clean::clean;
use super::ui::Ui;
use super::wording;
use crate::job::{Event, Events, Step, StepId};

pub use json::Json;

/// Tells nothing.
#[derive(Debug)]
pub struct Quiet;

impl Events for Quiet {
    fn tell(&self, _: Event<'_>) {}
}

/// One line for each step that ended.
#[derive(Debug)]
pub struct Plain {
    ui: Ui,
    verbose: bool,
}

impl Plain {
    /// With `verbose` also what begins and what the tools print.
    pub fn new(ui: Ui, verbose: bool) -> Self {
        Self { ui, verbose }
    }
}

impl Events for Plain {
    fn tell(&self, event: Event<'_>) {
        if let Some(line) = line::of(&event, self.verbose) {
            self.ui.insist(&line);
        }
    }
}

/// As [`Plain`], and below the lines one that names what is running; it is rewritten in place.
#[derive(Debug)]
pub struct Tty {
    plain: Plain,
    running: Mutex<BTreeMap<StepId, Running>>,
}

/// A step that runs.
#[derive(Debug)]
struct Running {
    /// `fetch busybox`.
    what: String,
    /// What it printed last, where that is its progress.
    said: String,
}

/// Back to the first column, and clear to the end of the line (ECMA-48 EL).
const CLEAR_LINE: &str = "\r\x1b[K";

impl Tty {
    /// With `verbose` also what begins and what the tools print.
    pub fn new(ui: Ui, verbose: bool) -> Self {
        Self {
            plain: Plain::new(ui, verbose),
            running: Mutex::default(),
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<StepId, Running>> {
        // The map is whole after every statement, so a panic elsewhere has not broken it.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events for Tty {
    fn tell(&self, event: Event<'_>) {
        let mut running = self.running();
        match &event {
            Event::Begin { id, step } => {
                let words = wording::of(step);
                let what = format!("{} {}", words.verb, words.subject);
                let said = String::new();
                running.insert(*id, Running { what, said });
            }
            Event::Done { id, .. } | Event::Failed { id, .. } => {
                running.remove(id);
            }
            Event::Output {
                id,
                step: Step::Pull { .. },
                line,
            } => {
                if let Some(running) = running.get_mut(id) {
                    running.said = clean(line).into_owned();
                }
            }
            Event::Waiting { .. }
            | Event::Note(_)
            | Event::Output { .. }
            | Event::Undone { .. }
            | Event::UndoFailed { .. } => {}
        }
        let line = line::of(&event, self.plain.verbose).unwrap_or_default();
        let live = live_line(&running, terminal_width());
        self.plain.ui.insist(&format!("{CLEAR_LINE}{line}{live}"));
    }
}

fn terminal_width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .map(|size| usize::from(size.ws_col))
        .ok()
        .filter(|columns| *columns > 0)
        .unwrap_or(80)
}

/// What is running, in one line that never wraps: a wrapped line could not be cleared.
fn live_line(running: &BTreeMap<StepId, Running>, width: usize) -> String {
    if running.is_empty() {
        return String::new();
    }
    let names = running.values().map(|running| match running.said.as_str() {
        "" => running.what.clone(),
        said => format!("{} ({said})", running.what),
    });
    let names: Vec<String> = names.collect();
    let text = format!("{} running: {}", running.len(), names.join(", "));
    text.chars().take(width.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_line_never_wraps() {
        let mut running: BTreeMap<StepId, Running> = BTreeMap::new();
        assert_eq!(live_line(&running, 80), "");
        let run = |what: &str, said: &str| Running {
            what: what.into(),
            said: said.into(),
        };
        running.insert(1, run("create web", ""));
        running.insert(2, run("create db", ""));
        assert_eq!(live_line(&running, 80), "2 running: create web, create db");
        assert_eq!(live_line(&running, 12), "2 running: ");
        assert_eq!(live_line(&running, 0), "");
        running.remove(&1);
        running.insert(2, run("fetch nginx", "12 of 30 MiB"));
        assert_eq!(
            live_line(&running, 80),
            "1 running: fetch nginx (12 of 30 MiB)"
        );
    }
}
