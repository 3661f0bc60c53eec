//! `unfreeze`: thaw.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

/// Thaw frozen containers
#[derive(Debug, Args)]
pub struct Unfreeze {
    #[command(flatten)]
    names: Names,
}

impl Unfreeze {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let request = change::request("unfreeze", Goal::Unfreeze, &self.names.names, global);
        change::run(&request, global, ui, false)
    }
}
