//! `stop`: stop cleanly.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::{Around, Names};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker stop web -t 5      give it five seconds
";

/// Stop containers: ask them to shut down, after --timeout by force
///
/// Their port rules are taken out first; -n keeps those of containers without a supervisor. Frozen containers are thawed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Stop {
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    around: Around,
}

impl Stop {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut request = change::request("stop", Goal::Stop, &self.names.names, global);
        request.no_ports = self.around.no_ports;
        request.no_links = self.around.no_links;
        request.host_names = self.around.add_hosts;
        change::run(&request, global, ui, false)
    }
}
