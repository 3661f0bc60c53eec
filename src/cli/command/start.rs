//! `start`: start what is made.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::{Around, Names};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::cli::up_flags::Waiting;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker start @front       all of the group front
  locker start -r web       stop it first
";

/// Start containers that are made, with their names, links and ports
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Start {
    /// Stop running ones first
    #[arg(short = 'r', long)]
    restart: bool,
    /// Leave alone what the named ones depend on; they do not wait for it either
    #[arg(long)]
    no_deps: bool,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    around: Around,
    #[command(flatten)]
    waiting: Waiting,
}

impl Start {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut request = change::request(
            "start",
            Goal::Start {
                restart: self.restart,
            },
            &self.names.names,
            global,
        );
        request.no_ports = self.around.no_ports;
        request.no_links = self.around.no_links;
        request.host_names = self.around.add_hosts;
        request.no_deps = self.no_deps;
        request.wait = self.waiting.wish();
        change::run(&request, global, ui, false)
    }
}
