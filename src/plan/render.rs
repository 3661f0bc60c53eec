//! The one text form of a plan. docs/plan.md describes it.

use std::fmt;

use super::words::Words;
use super::{Cause, Plan, PlannedStep};

/// Columns do not grow beyond this; a longer text moves only its own line.
const WIDEST: usize = 40;

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
