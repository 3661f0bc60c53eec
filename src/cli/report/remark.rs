//! What is told beside what was asked for: on standard error, while the answer goes on.

use super::finding::finding;
use crate::cli::ui::Ui;
use crate::file::diagnostic::{Diagnostic, Severity};
use crate::job::{Down, Remark};
use crate::model::Name;

/// Tells a remark of a job.
pub fn remark(remark: &Remark, ui: &Ui) {
    match remark {
        Remark::Lost(name, count) => ui.say(&lost(name, *count)),
        Remark::Away { down, hidden } => ui.warn(&[away(down, hidden.iter())]),
        Remark::Back(engine) => ui.say(&format!("{engine} answers again\n")),
    }
}

/// What is said of lines that the journal has not taken.
fn lost(name: &Name, count: u64) -> String {
    let lines = if count == 1 { "line" } else { "lines" };
    format!(
        "warning: the journal has dropped {count} {lines} of container `{name}`: a drop-in of its service limits them \
         (`LogRateLimitBurst=`); `locker logs --engine {name}` shows what its engine has kept of this run\n"
    )
}

/// An engine that does not answer, with the containers of which nothing is shown.
fn away<'a>(down: &Down, hidden: impl Iterator<Item = &'a Name>) -> Diagnostic {
    let hidden: Vec<&str> = hidden.map(Name::as_str).collect();
    let hidden = match hidden.is_empty() {
        true => String::new(),
        false => format!("; not shown: {}", hidden.join(" ")),
    };
    let message = format!("{} is not available: {}{hidden}", down.engine, down.reason);
    let help = Some(down.help.as_str()).filter(|help| !help.is_empty());
    finding(Severity::Warning, &message, None, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_missing_are_told_with_where_they_are() {
        let web = Name::new("web").unwrap();
        let told = lost(&web, 162_501);
        assert!(told.contains("dropped 162501 lines of container `web`"));
        assert!(told.contains("`locker logs --engine web`"), "{told}");
        assert!(lost(&web, 1).contains("dropped 1 line of"));
    }

    #[test]
    fn an_engine_that_is_away_is_told_with_its_cure_and_who_is_not_shown() {
        let down = Down {
            engine: "Docker",
            reason: "nothing answers on its socket".into(),
            help: "start it".into(),
        };
        let names = ["raw", "web"].map(|word| Name::new(word).unwrap());
        let told = away(&down, names.iter());
        assert_eq!(
            told.message,
            "Docker is not available: nothing answers on its socket; not shown: raw web"
        );
        assert_eq!(told.help.as_deref(), Some("start it"));
        assert!(away(&down, [].iter()).message.ends_with("on its socket"));
    }
}
