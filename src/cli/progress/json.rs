//! Progress for programs: one JSON object a line.

use serde_json::{Value, json};

use crate::cli::ui::Ui;
use crate::cli::wording;
use crate::job::{Event, Events, Step, StepId};

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
        self.ui.insist_json(&object.to_string());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    fn start() -> Step {
        Step::Start {
            container: Name::new("web").unwrap(),
        }
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
