//! The one text form of a plan. docs/plan.md describes it.

use std::fmt;

use super::words::Words;
use super::{Cause, Plan, PlannedStep, Step};

/// Columns do not grow beyond this; a longer text moves only its own line.
const WIDEST: usize = 40;

impl Plan {
    /// What is asked about before anything is touched, a line each; empty when nothing is.
    pub fn questions(&self) -> String {
        let mut text = String::new();
        for loss in &self.losses {
            let cause = match &loss.cause {
                Cause::Asked => String::new(),
                cause => format!(" ({cause})"),
            };
            text.push_str(&format!("\n  lost: {}{cause}", loss.what));
        }
        let doubts = self.steps.iter().filter_map(|planned| {
            let Step::InstallProgram(copy) = &planned.step else {
                return None;
            };
            copy.doubt.as_ref()
        });
        for doubt in doubts {
            text.push_str(&format!("\n  trusted: this program, though {doubt}"));
        }
        match text.is_empty() {
            true => text,
            false => format!("asked about first, unless `--yes` is given:{text}"),
        }
    }
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
            widths.max().unwrap_or(0).min(WIDEST)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Loss;

    #[test]
    fn a_plan_names_all_that_is_asked_about() {
        assert_eq!(Plan::default().questions(), "");
        let loss = |what: &str, cause| Loss {
            what: what.into(),
            container: None,
            path: None,
            cause,
        };
        let unnamed = "the volume without a name at /data of container t";
        let owners = "the owners of all that the named volume state holds: container t gets it";
        let plan = Plan {
            losses: vec![loss(unnamed, Cause::Asked), loss(owners, Cause::Unfinished)],
            ..Plan::default()
        };
        let cause = Cause::Unfinished;
        assert_eq!(
            plan.questions(),
            format!(
                "asked about first, unless `--yes` is given:\n  lost: {unnamed}\n  lost: {owners} ({cause})"
            )
        );
    }
}
