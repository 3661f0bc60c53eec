//! `top`: what containers use, live, or their processes.

use std::ops::ControlFlow;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::error::CliError;
use crate::cli::flags::{ListFormat, Names};
use crate::cli::global::GlobalArgs;
use crate::cli::live::{Live, asked_to_end};
use crate::cli::size::bytes;
use crate::cli::ui::Ui;
use crate::cli::{change, clean::clean, list, report, table, yaml};
use crate::job::{self, Process, Processes, Remark, TopOrder, TopRequest, TopRow};

/// Between two samples when nothing else is said.
const INTERVAL: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  locker top                    all that run, every second, until Ctrl-C
  locker top --sort cpu @front
  locker top --once --format json
  locker top --processes web    what runs in it, with ids on the host
";

/// Show what running containers use: processors, memory, input and output, network, tasks
///
/// On a terminal the table is drawn anew every second until Ctrl-C; elsewhere it is printed once, unless
/// `--interval` is given. 100 % is one processor. `-` is not known. As JSON, each container is one
/// object on one line in every sample.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Top {
    #[command(flatten)]
    names: Names,
    /// Show it once and end
    #[arg(
        short = '1',
        long,
        visible_alias = "no-stream",
        conflicts_with = "interval"
    )]
    once: bool,
    /// The time between two samples, as `5` or `500ms`; otherwise a second
    #[arg(long, value_name = "TIME", value_parser = interval)]
    interval: Option<Duration>,
    /// The order of the containers; the greatest comes first
    #[arg(long, value_name = "KEY", default_value = "name", value_enum)]
    sort: Sort,
    /// The processes of the containers instead, once, as `docker compose top` does
    #[arg(long, conflicts_with_all = ["once", "interval", "sort"])]
    processes: bool,
    /// The form of the list
    #[arg(long, value_name = "FORM", default_value = "table", value_enum)]
    format: ListFormat,
}

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Their names
    Name,
    /// Processor time
    Cpu,
    /// Memory
    Memory,
    /// Bytes read and written in a second
    Io,
    /// Bytes over the network in a second
    Net,
    /// Processes and threads
    Tasks,
}

impl From<Sort> for TopOrder {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Name => Self::Name,
            Sort::Cpu => Self::Cpu,
            Sort::Memory => Self::Memory,
            Sort::Io => Self::Io,
            Sort::Net => Self::Network,
            Sort::Tasks => Self::Tasks,
        }
    }
}

/// As everywhere, and long enough for a rate to mean something.
fn interval(word: &str) -> Result<Duration, String> {
    let time = crate::cli::global::duration(word)?;
    match time < Duration::from_millis(100) {
        true => Err("must be 100ms or more".into()),
        false => Ok(time),
    }
}

impl Top {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        if self.processes {
            return self.show_processes(global, ui);
        }
        let setting = global.setting_for(&self.names.names)?;
        let goes_on = self.interval.is_some() || (!self.once && ui.shows_data_on_terminal());
        let request = TopRequest {
            names: self.names.names.clone(),
            interval: goes_on.then_some(self.interval.unwrap_or(INTERVAL)),
            order: self.sort.into(),
        };
        let in_place = goes_on && self.format == ListFormat::Table && ui.shows_data_on_terminal();
        let mut live = in_place.then(|| Live::begin(ui)).transpose()?;
        let mut kept = Vec::new();
        let mut remarks = |remark: &Remark| match in_place {
            // It would be drawn over.
            true => kept.push(remark.clone()),
            false => report::remark(remark, ui),
        };
        let mut failure = None;
        let mut show = |rows: &[TopRow]| match self.show(rows, live.as_mut(), ui) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        };
        let done = change::block_on(async {
            tokio::select! {
                done = job::top(&setting, &request, &mut show, &mut remarks) => done.map_err(CliError::from),
                ended = asked_to_end() => ended.map_err(|source| CliError::Runtime { source }),
            }
        })?;
        if let Some(live) = live {
            live.end()?;
        }
        kept.iter().for_each(|remark| report::remark(remark, ui));
        done?;
        failure.map_or(Ok(0), Err)
    }

    fn show(&self, rows: &[TopRow], live: Option<&mut Live<'_>>, ui: &Ui) -> Result<(), CliError> {
        match (self.format, live) {
            (ListFormat::Table, Some(live)) => live.draw(&figures(rows, ui.width())),
            (ListFormat::Table, None) => ui.data(&figures(rows, ui.width())),
            (ListFormat::Json, _) => rows.iter().try_for_each(|row| {
                let text =
                    serde_json::to_string(row).map_err(|source| CliError::Json { source })?;
                ui.data(&format!("{text}\n"))
            }),
            (ListFormat::Yaml, _) => {
                let value =
                    serde_json::to_value(rows).map_err(|source| CliError::Json { source })?;
                ui.data(&format!("---\n{}", yaml::to_string(&value)))
            }
        }
    }

    fn show_processes(&self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let names = &self.names.names;
        let setting = global.setting_for(names)?;
        let mut remarks = |remark: &Remark| report::remark(remark, ui);
        let all = change::block_on(job::processes(&setting, names, &mut remarks))??;
        list::print(&all, self.format, ui, |all| {
            let header = ["Name", "PID", "Parent", "User", "Elapsed", "CPU", "Command"];
            table::text(&header, all.iter().flat_map(lines), ui.width())
        })?;
        Ok(0)
    }
}

/// The table of a sample.
fn figures(rows: &[TopRow], width: Option<u16>) -> String {
    let header = [
        "Name",
        "CPU",
        "Memory",
        "Limit",
        "Read/s",
        "Written/s",
        "In/s",
        "Out/s",
        "Tasks",
    ];
    let cells = rows.iter().map(|row| {
        let size = |count: Option<u64>| count.map_or("-".into(), bytes);
        vec![
            row.name.to_string(),
            row.cpu_percent
                .map_or("-".into(), |cpu| format!("{cpu:.1} %")),
            size(row.memory),
            size(row.memory_limit),
            size(row.io_read_rate),
            size(row.io_write_rate),
            size(row.net_receive_rate),
            size(row.net_send_rate),
            row.tasks.map_or("-".into(), |tasks| tasks.to_string()),
        ]
    });
    table::text(&header, cells, width)
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
pub(super) fn elapsed(seconds: u64) -> String {
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

    #[test]
    fn a_sample_needs_time() {
        assert!(interval("0").is_err() && interval("50ms").is_err());
        assert_eq!(interval("2"), Ok(Duration::from_secs(2)));
    }
}
