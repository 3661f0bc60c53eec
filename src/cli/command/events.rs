//! `events`: what happens to containers.

use std::ops::ControlFlow;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::flags::{LineFormat, Names};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::cli::{change, report, time};
use crate::job::{self, Happening, Health, Remark, What};

const EXAMPLES: &str = "\
Examples:
  locker events
  locker events --json web
";

/// Tell what happens to containers from now on, until Ctrl-C
///
/// Created, started, ended with its exit code, frozen, thawed, healthy, unhealthy, out of memory,
/// destroyed: whoever did it. An engine that goes away is waited for.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Events {
    #[command(flatten)]
    names: Names,
    /// The form of a line
    #[arg(long, value_name = "FORM", default_value = "text", value_enum)]
    format: LineFormat,
    /// The same as --format json
    #[arg(long)]
    json: bool,
}

impl Events {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut failure = None;
        let json = self.json || self.format == LineFormat::Json;
        let mut tell = |happened: &Happening| {
            let line = if json {
                format!("{}\n", object(happened))
            } else {
                line(happened)
            };
            match ui.data(&line) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let names = &self.names.names;
        let setting = global.setting_for(names)?;
        let mut remarks = |remark: &Remark| report::remark(remark, ui);
        let told = job::happenings(&setting, names, &mut tell, &mut remarks);
        change::block_on(told)??;
        failure.map_or(Ok(0), Err)
    }
}

fn line(happened: &Happening) -> String {
    let code = match happened.what {
        What::Ended(Some(code)) => format!(" ({code})"),
        What::Ended(None)
        | What::Created
        | What::Started
        | What::Frozen
        | What::Thawed
        | What::Health(_)
        | What::OutOfMemory
        | What::Destroyed => String::new(),
    };
    let at = time::local(happened.at);
    let word = word(&happened.what).replace('_', " ");
    format!("{at} {} {word}{code}\n", happened.container)
}

/// The keys and words are a promise.
fn object(happened: &Happening) -> Value {
    let mut object = json!({
        "time": time::rfc3339(happened.at),
        "container": happened.container,
        "event": word(&happened.what),
    });
    if let What::Ended(code) = happened.what {
        object["code"] = Value::from(code);
    }
    object
}

fn word(what: &What) -> &'static str {
    match what {
        What::Created => "created",
        What::Started => "started",
        What::Ended(_) => "ended",
        What::Frozen => "frozen",
        What::Thawed => "thawed",
        What::Health(Health::Starting) => "health_starting",
        What::Health(Health::Healthy) => "healthy",
        What::Health(Health::Unhealthy) => "unhealthy",
        What::OutOfMemory => "out_of_memory",
        What::Destroyed => "destroyed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;
    use std::time::SystemTime;

    #[test]
    fn an_end_tells_its_code() {
        let mut happened = Happening {
            at: SystemTime::UNIX_EPOCH,
            container: Name::new("web").unwrap(),
            what: What::Ended(Some(3)),
        };
        assert!(line(&happened).ends_with(" web ended (3)\n"));
        assert_eq!(
            object(&happened).to_string(),
            r#"{"time":"1970-01-01T00:00:00Z","container":"web","event":"ended","code":3}"#
        );
        happened.what = What::OutOfMemory;
        assert!(line(&happened).ends_with(" web out of memory\n"));
        assert!(object(&happened).get("code").is_none());
    }
}
