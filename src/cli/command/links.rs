//! `links`: write links.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

/// Write the names of linked containers into the hosts files of running ones
#[derive(Debug, Args)]
pub struct Links {
    #[command(flatten)]
    names: Names,
}

impl Links {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let request = change::request("links", Goal::Links, &self.names.names, global);
        change::run(&request, global, ui, false)
    }
}
