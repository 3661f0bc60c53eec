//! `rmports`: take port rules out.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

/// Take the port rules of containers out; `ports` or `up` puts them back
#[derive(Debug, Args)]
pub struct Rmports {
    #[command(flatten)]
    names: Names,
}

impl Rmports {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let request = change::request("rmports", Goal::Unports, &self.names.names, global);
        change::run(&request, global, ui, false)
    }
}
