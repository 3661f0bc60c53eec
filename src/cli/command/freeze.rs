//! `freeze`: freeze.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

/// Freeze all processes of running containers
#[derive(Debug, Args)]
pub struct Freeze {
    #[command(flatten)]
    names: Names,
}

impl Freeze {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let request = change::request("freeze", Goal::Freeze, &self.names.names, global);
        change::run(&request, global, ui, false)
    }
}
