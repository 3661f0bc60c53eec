//! `top`: the processes of containers.

use clap::Args;

use crate::cli::clean::clean;
use crate::cli::error::CliError;
use crate::cli::flags::{ListFormat, Names};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::cli::{change, list, table};
use crate::job::{self, Process, Processes};

const EXAMPLES: &str = "\
Examples:
  locker top web
  locker top --format json
";

/// Show the processes of running containers, with their ids on the host
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Top {
    #[command(flatten)]
    names: Names,
    /// The form of the list
    #[arg(long, value_name = "FORM", default_value = "table", value_enum)]
    format: ListFormat,
}

impl Top {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let names = &self.names.names;
        let all = change::block_on(job::processes(&global.setting_for(names)?, names))??;
        list::print(&all, self.format, ui, |all| {
            let header = ["Name", "PID", "Parent", "User", "Elapsed", "CPU", "Command"];
            table::text(&header, all.iter().flat_map(lines), ui.width())
        })?;
        Ok(0)
    }
}

fn lines(of_one: &Processes) -> impl Iterator<Item = Vec<String>> {
    let row = |process: &Process| {
        vec![
            of_one.name.to_string(),
            process.pid.to_string(),
            process.parent.to_string(),
            clean(&process.user).into_owned(),
            elapsed(process.seconds),
            format!("{:.1}s", process.cpu),
            clean(&process.command).into_owned(),
        ]
    };
    of_one.processes.iter().map(row)
}

/// `5s`, `12m05s`, `3h07m`, `2d04h`.
fn elapsed(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{:02}m", minutes % 60),
        (_, _, _) => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (725, "12m05s"),
            (11_220, "3h07m"),
            (187_300, "2d04h"),
        ] {
            assert_eq!(elapsed(seconds), text);
        }
    }
}
