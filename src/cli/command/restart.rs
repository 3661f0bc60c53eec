//! `restart`: stop and start.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::cli::up_flags::Waiting;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker restart web
  locker restart --wait     and return when all is healthy
  locker reboot             the name it had in the first Locker
";

/// Stop containers and start them again; addresses stay
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Restart {
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    waiting: Waiting,
}

impl Restart {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut request = change::request("restart", Goal::Restart, &self.names.names, global);
        request.wait = self.waiting.wish();
        change::run(&request, global, ui, false)
    }
}
