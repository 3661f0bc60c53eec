//! `rm`: destroy containers.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker rm web
  locker rm -x              all of the project, without a question
";

/// Destroy containers with their root file systems
///
/// Lists what is lost, with sizes, and asks. Bind-mounted data and named volumes stay.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Rm {
    /// Do not ask; the same as --yes
    #[arg(short = 'x', long, visible_alias = "delete-dont-ask")]
    force_delete: bool,
    #[command(flatten)]
    names: Names,
}

impl Rm {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let request = change::request("rm", Goal::Remove, &self.names.names, global);
        change::run(&request, global, ui, self.force_delete)
    }
}
