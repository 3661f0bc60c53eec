//! `enable`: start with the host.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker enable             all of the project
  locker enable web
";

/// Let containers start when the host starts
///
/// For containers that a supervisor keeps up. Nothing is started now; `start` does that.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Enable {
    #[command(flatten)]
    names: Names,
}

impl Enable {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let names = &self.names.names;
        let request = change::request("enable", Goal::Enable(true), names, global);
        change::run(&request, global, ui, false)
    }
}
