//! `jobs`: what became of commands in containers of their own.

use clap::Args;

use crate::cli::clean::clean;
use crate::cli::command::top::elapsed;
use crate::cli::error::CliError;
use crate::cli::flags::ListFormat;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::cli::{change, list, table};
use crate::job::{self, Goal, JobPhase, JobRow};

const EXAMPLES: &str = "\
Examples:
  locker run --detach web ./manage.py migrate     prints the job's id
  locker jobs
  locker logs web_run_1a2b3c4d
  locker wait web_run_1a2b3c4d                    its exit code
  locker jobs --remove                            those that are over
  locker rm web_run_1a2b3c4d                      this one, also when it runs
";

/// Show the commands that `run` has begun: those that run, and what became of the others
///
/// A job's id is the name of its container. `logs`, `wait`, `stop`, `rm` and the others take it like any
/// name; `down` ends and removes all of them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Jobs {
    /// Ids of jobs; none means all
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    /// Remove those that are over: their containers, exit codes and what is known of them
    #[arg(long)]
    remove: bool,
    /// The form of the list
    #[arg(long, value_name = "FORM", default_value = "table", value_enum)]
    format: ListFormat,
}

impl Jobs {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let setting = global.setting()?;
        let rows = change::block_on(job::jobs(&setting, &self.jobs))??;
        if self.remove {
            return remove(&rows, global, ui);
        }
        list::print(&rows, self.format, ui, |rows| {
            let header = ["Job", "Of", "State", "Since", "Ran", "Command"];
            table::text(&header, rows.iter().map(cells), ui.width())
        })?;
        Ok(0)
    }
}

fn remove(rows: &[JobRow], global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
    let over = rows.iter().filter(|row| row.state != JobPhase::Running);
    let names: Vec<String> = over.map(|row| row.name.to_string()).collect();
    if names.is_empty() {
        ui.say("nothing to do\n");
        return Ok(0);
    }
    let request = change::request("jobs", Goal::Remove, &names, global);
    change::run(&request, global, ui, false)
}

fn cells(row: &JobRow) -> Vec<String> {
    vec![
        row.name.to_string(),
        row.of.to_string(),
        state(row),
        row.since.clone(),
        row.seconds.map_or("-".into(), elapsed),
        clean(&command(&row.command)).into_owned(),
    ]
}

/// `running`, `exited (7)`, `ended`.
fn state(row: &JobRow) -> String {
    match (row.state, row.exit_code) {
        (JobPhase::Running, _) => "running".into(),
        (JobPhase::Exited, Some(code)) => format!("exited ({code})"),
        (JobPhase::Exited | JobPhase::Ended, _) => "ended".into(),
    }
}

/// As a shell would take it.
fn command(argv: &[String]) -> String {
    let words = argv.iter().map(String::as_str);
    // Only a zero byte cannot be quoted, and no argument holds one.
    match shlex::try_join(words) {
        Ok(line) if !line.is_empty() => line,
        Ok(_) | Err(_) => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let argv = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(command(&argv(&["sh", "-c", "exit 7"])), "sh -c 'exit 7'");
        assert_eq!(command(&[]), "-");
    }
}
