//! The one text and the one JSON form of a plan. docs/plan.md describes both.

use std::fmt;

use serde_json::{Value, json};

use crate::model::{HostsLine, Name, PortRule};

use super::{Cause, Plan, PlannedStep, Step};

/// A step in words: sign, verb, subject, detail.
struct Words {
    sign: char,
    verb: &'static str,
    action: &'static str,
    subject: String,
    detail: String,
}

impl Step {
    /// The container it is about; none for steps of the project.
    pub fn container(&self) -> Option<&Name> {
        match self {
            Self::Create(spec) | Self::Configure(spec) => Some(&spec.name),
            Self::RemoveWreck { container }
            | Self::BringBack { container }
            | Self::Seed { container, .. }
            | Self::WriteNames { container, .. }
            | Self::Start { container }
            | Self::AwaitHealthy { container, .. }
            | Self::Setup { container, .. }
            | Self::Stop { container, .. }
            | Self::Freeze { container }
            | Self::Unfreeze { container }
            | Self::SetAside { container }
            | Self::Destroy { container, .. } => Some(container),
            Self::SaveRecord(_)
            | Self::ForgetProject(_)
            | Self::EnsureBridge { .. }
            | Self::RemoveBridge { .. }
            | Self::OpenNetwork(_)
            | Self::CloseNetwork(_)
            | Self::Publish { .. }
            | Self::WriteHostNames { .. }
            | Self::RemoveVolume { .. } => None,
        }
    }

    fn words(&self) -> Words {
        let (sign, verb, action) = self.verb();
        let subject = match self {
            Self::SaveRecord(record) | Self::ForgetProject(record) => record.name.to_string(),
            Self::EnsureBridge { bridge, .. } | Self::RemoveBridge { bridge, .. } => bridge.clone(),
            Self::OpenNetwork(rules) | Self::CloseNetwork(rules) => rules.bridge.clone(),
            Self::Publish { .. } => "ports".into(),
            Self::WriteHostNames { .. } => "host".into(),
            Self::RemoveVolume { path } => path.display().to_string(),
            Self::RemoveWreck { .. }
            | Self::BringBack { .. }
            | Self::Create(_)
            | Self::Seed { .. }
            | Self::Configure(_)
            | Self::WriteNames { .. }
            | Self::Start { .. }
            | Self::AwaitHealthy { .. }
            | Self::Setup { .. }
            | Self::Stop { .. }
            | Self::Freeze { .. }
            | Self::Unfreeze { .. }
            | Self::SetAside { .. }
            | Self::Destroy { .. } => self.container().map_or(String::new(), Name::to_string),
        };
        Words {
            sign,
            verb,
            action,
            subject,
            detail: self.detail(),
        }
    }

    fn verb(&self) -> (char, &'static str, &'static str) {
        match self {
            Self::SaveRecord(_) => ('~', "record", "save_record"),
            Self::ForgetProject(_) => ('-', "forget", "forget_project"),
            Self::RemoveWreck { .. } => ('-', "clear", "remove_wreck"),
            Self::BringBack { .. } => ('~', "restore", "bring_back"),
            Self::EnsureBridge { .. } => ('+', "bridge", "ensure_bridge"),
            Self::RemoveBridge { .. } => ('-', "unbridge", "remove_bridge"),
            Self::OpenNetwork(_) => ('+', "open", "open_network"),
            Self::CloseNetwork(_) => ('-', "close", "close_network"),
            Self::Create(_) => ('+', "create", "create"),
            Self::Seed { .. } => ('+', "seed", "seed"),
            Self::Configure(_) => ('~', "change", "configure"),
            Self::WriteNames { .. } => ('~', "names", "write_names"),
            Self::Start { .. } => ('+', "start", "start"),
            Self::AwaitHealthy { .. } => ('+', "await", "await_healthy"),
            Self::Setup { .. } => ('+', "setup", "setup"),
            Self::Stop { .. } => ('-', "stop", "stop"),
            Self::Freeze { .. } => ('~', "freeze", "freeze"),
            Self::Unfreeze { .. } => ('~', "unfreeze", "unfreeze"),
            Self::Publish { add, .. } if add.is_empty() => ('-', "publish", "publish"),
            Self::Publish { remove, .. } if remove.is_empty() => ('+', "publish", "publish"),
            Self::Publish { .. } => ('~', "publish", "publish"),
            Self::WriteHostNames { .. } => ('~', "names", "write_host_names"),
            Self::SetAside { .. } => ('~', "aside", "set_aside"),
            Self::Destroy { .. } => ('!', "destroy", "destroy"),
            Self::RemoveVolume { .. } => ('!', "remove", "remove_volume"),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Create(spec) => spec.source.to_string(),
            Self::EnsureBridge { subnets, .. } | Self::RemoveBridge { subnets, .. } => {
                format!("{} {}", subnets.v4, subnets.v6)
            }
            Self::OpenNetwork(rules) | Self::CloseNetwork(rules) if rules.isolate => {
                "isolated".into()
            }
            Self::Seed { mounts, .. } => {
                let paths = mounts.iter().map(|m| m.host.display().to_string());
                paths.collect::<Vec<_>>().join(" ")
            }
            Self::WriteNames { hosts, .. } | Self::WriteHostNames { hosts } => names(hosts),
            Self::Setup { commands, .. } if commands.len() == 1 => "1 command".into(),
            Self::Setup { commands, .. } => format!("{} commands", commands.len()),
            Self::Publish { add, remove } => {
                let plus = add.iter().map(|rule| format!("+{}", rule_text(rule)));
                let minus = remove.iter().map(|rule| format!("-{}", rule_text(rule)));
                plus.chain(minus).collect::<Vec<_>>().join(" ")
            }
            Self::Destroy { aside: true, .. } => "the older root file system".into(),
            Self::Destroy { aside: false, .. } => "with its root file system".into(),
            Self::SaveRecord(_)
            | Self::ForgetProject(_)
            | Self::RemoveWreck { .. }
            | Self::BringBack { .. }
            | Self::OpenNetwork(_)
            | Self::CloseNetwork(_)
            | Self::Configure(_)
            | Self::Start { .. }
            | Self::AwaitHealthy { .. }
            | Self::Stop { .. }
            | Self::Freeze { .. }
            | Self::Unfreeze { .. }
            | Self::SetAside { .. }
            | Self::RemoveVolume { .. } => String::new(),
        }
    }
}

fn rule_text(rule: &PortRule) -> String {
    format!("{}={}", rule.container, rule.port)
}

/// The names without addresses: which address it is, is seldom the question.
fn names(hosts: &[HostsLine]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for name in hosts.iter().flat_map(|line| &line.names) {
        if !seen.contains(&name.as_str()) {
            seen.push(name);
        }
    }
    if seen.is_empty() {
        return "none".into();
    }
    seen.join(" ")
}

fn causes(planned: &PlannedStep) -> String {
    let texts: Vec<String> = planned.causes.iter().map(Cause::to_string).collect();
    texts.join(", ")
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("nothing to do");
        }
        let words: Vec<Words> = self.steps.iter().map(|p| p.step.words()).collect();
        let wide = |of: fn(&Words) -> &str| {
            let widths = words.iter().map(|w| of(w).chars().count());
            widths.max().unwrap_or(0).min(40)
        };
        let (subject, detail) = (wide(|w| &w.subject), wide(|w| &w.detail));
        for (index, (words, planned)) in words.iter().zip(&self.steps).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(
                f,
                "{} {:<8} {:<subject$}  {:<detail$}  {}",
                words.sign,
                words.verb,
                words.subject,
                words.detail,
                causes(planned)
            )?;
        }
        Ok(())
    }
}

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
        let warnings = self.warnings.iter().map(|warning| {
            let line = warning.place.as_ref().filter(|p| p.is_somewhere());
            json!({"message": warning.message, "line": line.map(|p| p.line)})
        });
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
        Cause::Changed { key, place } | Cause::Absent { key, place } => {
            (Some(key.as_str()), Some(place))
        }
        Cause::Missing(place) => (None, Some(place)),
        Cause::NotRunning
        | Cause::NotInFile
        | Cause::Asked
        | Cause::Unfinished
        | Cause::Drifted(_)
        | Cause::For(_)
        | Cause::ForProject => (None, None),
    };
    let line = place.filter(|p| p.is_somewhere()).map(|p| p.line);
    json!({"text": cause.to_string(), "key": key, "line": line})
}
