//! Progress for people: one line an event.

use std::time::Duration;

use colored::Colorize;

use crate::cli::clean::{clean, clean_lines};
use crate::cli::wording;
use crate::job::{Event, Step};

/// The line for people; none when only `--verbose` wants it.
pub(super) fn of(event: &Event<'_>, verbose: bool) -> Option<String> {
    match event {
        Event::Waiting { holder } => Some(format!("waiting for {holder}\n")),
        Event::Note(text) => Some(format!("{} {}\n", "note:".cyan().bold(), clean(text))),
        Event::Begin { step, .. } => {
            let words = wording::of(step);
            verbose.then(|| format!("{}  {} …\n", words.subject.bold(), words.verb))
        }
        Event::Output { step, line, .. } => {
            let words = wording::of(step);
            // A build takes long and is somebody's own work: they want to see it.
            let shown = verbose || matches!(step, Step::Build(_));
            shown.then(|| {
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
        } => Some(success(step, *took, *already)),
        Event::Undone { step, .. } => {
            let words = wording::of(step);
            let undone = format!("undone: {}", words.verb).yellow();
            Some(format!("{}  {undone}\n", words.subject.bold()))
        }
        Event::Failed { step, error, .. } => Some(failure(step, "failed", error)),
        Event::UndoFailed { step, error, .. } => Some(failure(step, "could not be undone", error)),
    }
}

fn success(step: &Step, took: Duration, already: bool) -> String {
    let words = wording::of(step);
    let done = if already {
        words.already()
    } else {
        words.done.to_string()
    };
    let subject = words.subject.bold();
    format!("{subject}  {}  {}\n", done.green(), seconds(took))
}

fn failure(step: &Step, how: &str, error: &str) -> String {
    let words = wording::of(step);
    let what = format!("{} {how}", words.verb).red().bold();
    format!("{}  {what}: {}\n", words.subject.bold(), clean_lines(error))
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
        of(event, verbose).map(|text| anstream::adapter::strip_str(&text).to_string())
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
}
