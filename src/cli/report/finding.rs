//! Findings about a file or a plan: made into one value, drawn in one form.

use crate::cli::ui::Ui;
use crate::file::diagnostic::{self, Diagnostic, Severity, Sources};
use crate::job::{Plan, Problem};
use crate::model::Place;

/// A problem of a plan as a finding.
pub(super) fn of(problem: &Problem) -> Diagnostic {
    finding(
        Severity::Error,
        &problem.message,
        problem.place.as_ref(),
        problem.help.as_deref(),
    )
}

pub(super) fn finding(
    severity: Severity,
    message: &str,
    place: Option<&Place>,
    help: Option<&str>,
) -> Diagnostic {
    let place = place.cloned().unwrap_or_default();
    let finding = Diagnostic::at(severity, message, place);
    match help {
        Some(help) => finding.with_help(help),
        None => finding,
    }
}

/// Tells the warnings of a plan.
pub fn plan_warnings(plan: &Plan, ui: &Ui) {
    let warnings: Vec<Diagnostic> = plan
        .warnings
        .iter()
        .map(|warning| {
            finding(
                Severity::Warning,
                &warning.message,
                warning.place.as_ref(),
                None,
            )
        })
        .collect();
    let notices = plan.notices.iter();
    let notices = notices.map(|notice| finding(Severity::Warning, notice, None, None));
    ui.warn(&notices.chain(warnings).collect::<Vec<_>>());
}

/// Findings as text, or one JSON object a line.
pub fn findings(findings: &[Diagnostic], ui: &Ui) -> String {
    if findings.is_empty() {
        return String::new();
    }
    if !ui.json() {
        // Without a current directory only the source lines are missing.
        let sources = Sources::new(&std::env::current_dir().unwrap_or_default());
        return diagnostic::render(findings, &sources, ui.colours_talk());
    }
    let line = |finding| serde_json::json!({ "diagnostic": finding }).to_string() + "\n";
    findings.iter().map(line).collect()
}
