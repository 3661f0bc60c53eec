//! `status`: what is there.

use std::time::Duration;

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::flags::{ListFormat, Names};
use crate::cli::global::GlobalArgs;
use crate::cli::status_table::{self, Column};
use crate::cli::status_unit;
use crate::cli::ui::Ui;
use crate::cli::{change, yaml};
use crate::job::{self, StatusRequest, StatusRow};

/// How often `--watch` looks when it is not told.
const WATCH: &str = "2";

/// To the first corner and clear the screen (ECMA-48 CUP, ED).
const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J";

const EXAMPLES: &str = "\
Examples:
  locker status
  locker ps -e web              with its service, links and limits
  locker status --columns name,state,ips
  locker status --format json | jq -r '.[] | select(.state == \"running\") | .name'
";

/// Show the containers of the project: those of the file, and leftovers of it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Status {
    #[command(flatten)]
    names: Names,
    /// Services, links, processors and memory as well
    #[arg(short, long)]
    extended: bool,
    /// Only these columns, in this order
    #[arg(
        long,
        value_name = "LIST",
        value_enum,
        value_delimiter = ',',
        ignore_case = true
    )]
    columns: Vec<Column>,
    /// The form of the list
    #[arg(long, value_name = "FORM", default_value = "table", value_enum)]
    format: ListFormat,
    /// Look again every so many seconds, until Ctrl-C
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = WATCH, value_parser = clap::value_parser!(u64).range(1..))]
    watch: Option<u64>,
}

impl Status {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        change::block_on(self.show(global, ui))??;
        Ok(0)
    }

    async fn show(&self, global: &GlobalArgs, ui: &Ui) -> Result<(), CliError> {
        let setting = global.setting()?;
        loop {
            let rows = job::status(&setting, &self.request()).await?;
            if self.watch.is_some() && ui.shows_data_on_terminal() {
                ui.data_raw(CLEAR_SCREEN)?;
            }
            self.print(&rows, ui)?;
            match self.watch {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => return Ok(()),
            }
        }
    }

    fn request(&self) -> StatusRequest {
        let columns = self.columns();
        let shows = |some: &[Column]| match self.format {
            ListFormat::Json | ListFormat::Yaml => true,
            ListFormat::Table => columns.iter().any(|column| some.contains(column)),
        };
        StatusRequest {
            names: self.names.names.clone(),
            units: shows(&status_table::UNIT),
            figures: shows(&status_table::FIGURES),
        }
    }

    fn print(&self, rows: &[StatusRow], ui: &Ui) -> Result<(), CliError> {
        match self.format {
            ListFormat::Json => ui.data_json(&rows),
            ListFormat::Yaml => {
                let value =
                    serde_json::to_value(rows).map_err(|source| CliError::Json { source })?;
                ui.data(&yaml::to_string(&value))
            }
            ListFormat::Table => {
                ui.data(&status_table::render(rows, &self.columns(), ui.width()))?;
                for row in rows {
                    let unit = status_unit::warning(row);
                    let check = row.failed_check.as_ref();
                    let check = check.map(|check| format!("its health check fails: {check}"));
                    let setup = row.setup.as_ref().map(|why| setup_words(why));
                    for warning in row.drift.iter().chain(&unit).chain(&setup).chain(&check) {
                        ui.say(&format!("warning: {}: {warning}\n", row.name));
                    }
                }
                Ok(())
            }
        }
    }

    fn columns(&self) -> Vec<Column> {
        if !self.columns.is_empty() {
            return self.columns.clone();
        }
        let mut columns = status_table::USUAL.to_vec();
        if self.extended {
            columns.extend(status_table::EXTENDED);
        }
        columns
    }
}

/// What is said of a container whose setup has not come to its end.
fn setup_words(why: &str) -> String {
    format!(
        "its setup failed or was ended: {why}; `locker up` runs it again from its first command"
    )
}
