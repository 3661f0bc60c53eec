//! `rmlinks`: remove links.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

/// Take the names of linked containers out again; `links` or `up` puts them back
#[derive(Debug, Args)]
pub struct Rmlinks {
    #[command(flatten)]
    names: Names,
}

impl Rmlinks {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let request = change::request("rmlinks", Goal::Unlinks, &self.names.names, global);
        change::run(&request, global, ui, false)
    }
}
