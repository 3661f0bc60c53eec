//! The one JSON form of a plan. docs/plan.md is its schema.

use serde_json::{Value, json};

use super::{Cause, Plan, PlannedStep};

impl Plan {
    /// The plan for scripts: steps with id, action, container, detail, causes, after and destroys;
    /// losses; warnings. docs/plan.md is its schema.
    pub fn to_json(&self) -> Value {
        let steps: Vec<Value> = self.steps.iter().enumerate().map(step_json).collect();
        let losses = self.losses.iter().map(|loss| {
            json!({
                "what": loss.what,
                "container": loss.container,
                "path": loss.path,
                "cause": cause_json(&loss.cause),
            })
        });
        let notices = self.notices.iter();
        let notices = notices.map(|notice| json!({"message": notice, "line": Value::Null}));
        let warnings = self.warnings.iter().map(|warning| {
            let line = warning.place.as_ref().filter(|p| p.is_somewhere());
            json!({"message": warning.message, "line": line.map(|p| p.line)})
        });
        let warnings = notices.chain(warnings);
        json!({
            "version": 1,
            "steps": steps,
            "losses": losses.collect::<Vec<_>>(),
            "warnings": warnings.collect::<Vec<_>>(),
        })
    }
}

fn step_json((id, planned): (usize, &PlannedStep)) -> Value {
    let words = planned.step.words();
    json!({
        "id": id,
        "action": words.action,
        "container": planned.step.container(),
        "subject": words.subject,
        "detail": words.detail,
        "causes": planned.causes.iter().map(cause_json).collect::<Vec<_>>(),
        "after": planned.after,
        "destroys": planned.step.is_final(),
    })
}

fn cause_json(cause: &Cause) -> Value {
    let (key, place) = match cause {
        Cause::Changed { key, place } | Cause::NotInPlace { key, place } => {
            (Some(key.as_str()), Some(place))
        }
        Cause::Network(place) => (Some("network"), Some(place)),
        Cause::Networks(place) => (Some("networks"), Some(place)),
        Cause::Missing(place) => (None, Some(place)),
        Cause::NotRunning
        | Cause::NotInFile
        | Cause::Asked
        | Cause::Unfinished
        | Cause::Drifted(_)
        | Cause::PortsClosed(_)
        | Cause::For(_)
        | Cause::ForProject => (None, None),
    };
    let line = place.filter(|p| p.is_somewhere()).map(|p| p.line);
    json!({"text": cause.to_string(), "key": key, "line": line})
}
