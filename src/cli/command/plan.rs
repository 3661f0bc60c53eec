//! `plan`: what `up` would do.

use clap::{Args, ValueEnum};

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::{Around, Copying, Names, Orphans};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

/// The exit code of `--exit-code` when there is something to do.
const CHANGES: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  locker plan
  locker plan --exit-code       for scripts: 0 nothing to do, 3 changes
  locker rm web --dry-run       the plan of any other command
";

/// The form of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// One line for each step
    Text,
    /// For programs; docs/plan.md tells the form
    Json,
}

/// Print what `up` would do, and why; change nothing
///
/// Every step names its cause: the changed key and its line in the file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Plan {
    #[command(flatten)]
    names: Names,
    /// Exit with 0 when there is nothing to do and with 3 when there are changes
    #[arg(long)]
    exit_code: bool,
    /// The form of the plan
    #[arg(long, value_name = "FORM", default_value = "text", value_enum)]
    format: PlanFormat,
    #[command(flatten)]
    around: Around,
    #[command(flatten)]
    copying: Copying,
    #[command(flatten)]
    orphans: Orphans,
}

impl Plan {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut request = change::request("plan", Goal::Up, &self.names.names, global);
        request.no_ports = self.around.no_ports;
        request.no_links = self.around.no_links;
        request.host_names = self.around.add_hosts;
        request.no_copy = self.copying.no_move;
        request.remove_orphans = self.orphans.remove_orphans;
        let plan = change::plan(&request, global, ui)?;
        match self.format {
            PlanFormat::Text => ui.data(&format!("{}\n", plan))?,
            PlanFormat::Json => ui.data_json(&plan.to_json())?,
        }
        let changes = self.exit_code && !plan.steps.is_empty();
        Ok(if changes { CHANGES } else { 0 })
    }
}
