//! `up`: make it so.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::{Around, Copying, Names, Orphans};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker up                 the whole project
  locker up web             web and what it depends on
  locker up --dry-run       only print the plan
  locker up --yes           for scripts: destroy without a question
";

/// Make the project as the file says, and running
///
/// Creates what is missing, starts what does not run, and changes what differs; what is as it should
/// be is not touched. What would destroy a root file system is listed and asked about first.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Up {
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    around: Around,
    #[command(flatten)]
    copying: Copying,
    #[command(flatten)]
    orphans: Orphans,
}

impl Up {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut request = change::request("up", Goal::Up, &self.names.names, global);
        request.no_ports = self.around.no_ports;
        request.no_links = self.around.no_links;
        request.host_names = self.around.add_hosts;
        request.no_copy = self.copying.no_move;
        request.remove_orphans = self.orphans.remove_orphans;
        change::run(&request, global, ui, false)
    }
}
