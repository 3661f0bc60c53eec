//! `plan`: what `up` would do.

use clap::{Args, ValueEnum};

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::cli::up_flags::UpOptions;
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
/// Every step names its cause: the changed key and its line in the file. It takes the options of `up`.
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
    options: UpOptions,
}

impl Plan {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let names = &self.names.names;
        let mut request = change::request("plan", Goal::Up, names, global);
        self.options.put_into(&mut request);
        let setting = self.options.setting(global, names)?;
        let plan = change::plan(&setting, &request, ui)?;
        match self.format {
            PlanFormat::Text => ui.data(&change::text(&plan))?,
            PlanFormat::Json => ui.data_json(&plan.to_json())?,
        }
        let changes = self.exit_code && !plan.steps.is_empty();
        Ok(if changes { CHANGES } else { 0 })
    }
}
