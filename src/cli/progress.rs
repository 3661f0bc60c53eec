//! Progress of a change on standard error: lines, a rewritten line on a terminal, JSON, or nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use colored::Colorize;
use serde_json::{Value, json};

use super::clean::clean;
use super::ui::Ui;
use super::wording;
use crate::job::{Event, Events, Step, StepId};

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
        if let Some(line) = line(&event, self.verbose) {
            self.ui.insist(&line);
        }
    }
}

/// As [`Plain`], and below the lines one that names what is running; it is rewritten in place.
#[derive(Debug)]
pub struct Tty {
    plain: Plain,
    running: Mutex<BTreeMap<StepId, String>>,
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

    fn running(&self) -> MutexGuard<'_, BTreeMap<StepId, String>> {
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
                running.insert(*id, format!("{} {}", words.verb, words.subject));
            }
            Event::Done { id, .. } | Event::Failed { id, .. } => {
                running.remove(id);
            }
            Event::Waiting { .. }
            | Event::Note(_)
            | Event::Output { .. }
            | Event::Undone { .. }
            | Event::UndoFailed { .. } => {}
        }
        let line = line(&event, self.plain.verbose).unwrap_or_default();
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
fn live_line(running: &BTreeMap<StepId, String>, width: usize) -> String {
    if running.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = running.values().map(String::as_str).collect();
    let text = format!("{} running: {}", running.len(), names.join(", "));
    text.chars().take(width.saturating_sub(1)).collect()
}

/// One JSON object a line.
#[derive(Debug)]
pub struct Json {
    ui: Ui,
}

impl Json {
    /// To the standard error of `ui`.
    pub fn new(ui: Ui) -> Self {
        Self { ui }
    }
}

impl Events for Json {
    fn tell(&self, event: Event<'_>) {
        let mut object = object(&event);
        object["time"] = Value::from(jiff::Timestamp::now().to_string());
        self.ui.insist(&format!("{object}\n"));
    }
}

fn object(event: &Event<'_>) -> Value {
    let about = |name: &str, id: StepId, step: &Step| {
        let words = wording::of(step);
        json!({"event": name, "id": id, "subject": words.subject, "action": words.verb})
    };
    match event {
        Event::Waiting { holder } => json!({"event": "waiting", "holder": holder}),
        Event::Note(text) => json!({"event": "note", "text": text}),
        Event::Begin { id, step } => about("begin", *id, step),
        Event::Output { id, step, line } => {
            let mut object = about("output", *id, step);
            object["line"] = Value::from(*line);
            object
        }
        Event::Done {
            id,
            step,
            took,
            already,
        } => {
            let mut object = about("done", *id, step);
            object["seconds"] = Value::from(took.as_secs_f64());
            object["already"] = Value::from(*already);
            object
        }
        Event::Undone { id, step } => about("undone", *id, step),
        Event::Failed { id, step, error } => {
            let mut object = about("failed", *id, step);
            object["error"] = Value::from(*error);
            object
        }
        Event::UndoFailed { id, step, error } => {
            let mut object = about("undo_failed", *id, step);
            object["error"] = Value::from(*error);
            object
        }
    }
}

/// The line for people; none when only `--verbose` wants it.
fn line(event: &Event<'_>, verbose: bool) -> Option<String> {
    match event {
        Event::Waiting { holder } => Some(format!("waiting for {holder}\n")),
        Event::Note(text) => Some(format!("{} {text}\n", "note:".cyan().bold())),
        Event::Begin { step, .. } => {
            let words = wording::of(step);
            verbose.then(|| format!("{}  {} …\n", words.subject.bold(), words.verb))
        }
        Event::Output { step, line, .. } => {
            let words = wording::of(step);
            verbose.then(|| {
                format!(
                    "{}  {} {}\n",
                    words.subject.bold(),
                    "|".dimmed(),
                    clean(line)
                )
            })
        }
        Event::Done {
            step,
            took,
            already,
            ..
        } => {
            let words = wording::of(step);
            let so = if *already { "already " } else { "" };
            let done = format!("{so}{}", words.done).green();
            Some(format!(
                "{}  {done}  {}\n",
                words.subject.bold(),
                seconds(*took)
            ))
        }
        Event::Undone { step, .. } => {
            let words = wording::of(step);
            let undone = format!("undone: {}", words.verb).yellow();
            Some(format!("{}  {undone}\n", words.subject.bold()))
        }
        Event::Failed { step, error, .. } => Some(failure(step, "failed", error)),
        Event::UndoFailed { step, error, .. } => Some(failure(step, "could not be undone", error)),
    }
}

fn failure(step: &Step, how: &str, error: &str) -> String {
    let words = wording::of(step);
    let what = format!("{} {how}", words.verb).red().bold();
    format!("{}  {what}: {error}\n", words.subject.bold())
}

fn seconds(took: Duration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    fn start() -> Step {
        Step::Start {
            container: Name::new("web").unwrap(),
        }
    }

    fn plain(event: &Event<'_>, verbose: bool) -> Option<String> {
        line(event, verbose).map(|text| anstream::adapter::strip_str(&text).to_string())
    }

    #[test]
    fn a_finished_step_is_one_line() {
        let step = start();
        let done = |already| Event::Done {
            id: 0,
            step: &step,
            took: Duration::from_millis(420),
            already,
        };
        assert_eq!(plain(&done(false), false).unwrap(), "web  started  0.4s\n");
        assert_eq!(
            plain(&done(true), false).unwrap(),
            "web  already started  0.4s\n"
        );
        let failed = Event::Failed {
            id: 0,
            step: &step,
            error: "no",
        };
        assert_eq!(plain(&failed, false).unwrap(), "web  start failed: no\n");
    }

    #[test]
    fn what_the_tools_print_is_for_verbose_only() {
        let step = start();
        let output = Event::Output {
            id: 0,
            step: &step,
            line: "unpacking",
        };
        assert_eq!(plain(&output, false), None);
        assert_eq!(plain(&output, true).unwrap(), "web  | unpacking\n");
        let begin = Event::Begin { id: 0, step: &step };
        assert_eq!(plain(&begin, false), None);
    }

    #[test]
    fn the_live_line_never_wraps() {
        let mut running: BTreeMap<StepId, String> = BTreeMap::new();
        assert_eq!(live_line(&running, 80), "");
        running.insert(1, "create web".into());
        running.insert(2, "create db".into());
        assert_eq!(live_line(&running, 80), "2 running: create web, create db");
        assert_eq!(live_line(&running, 12), "2 running: ");
        assert_eq!(live_line(&running, 0), "");
    }

    #[test]
    fn json_names_event_step_and_outcome() {
        let step = start();
        let event = Event::Failed {
            id: 3,
            step: &step,
            error: "a \"quoted\"\nreason",
        };
        assert_eq!(
            object(&event).to_string(),
            r#"{"event":"failed","id":3,"subject":"web","action":"start","error":"a \"quoted\"\nreason"}"#
        );
    }
}
