//! `disable`: do not start with the host.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker disable            all of the project
  locker disable web
";

/// Do not let containers start when the host starts
///
/// For containers that a supervisor keeps up. Nothing is stopped now; `stop` does that.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Disable {
    #[command(flatten)]
    names: Names,
}

impl Disable {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let names = &self.names.names;
        let request = change::request("disable", Goal::Enable(false), names, global);
        change::run(&request, global, ui, false)
    }
}
