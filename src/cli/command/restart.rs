//! `restart`: stop and start.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker restart web
  locker reboot             the name it had in the first Locker
";

/// Stop containers and start them again; addresses stay
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Restart {
    #[command(flatten)]
    names: Names,
}

impl Restart {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let request = change::request("restart", Goal::Restart, &self.names.names, global);
        change::run(&request, global, ui, false)
    }
}
