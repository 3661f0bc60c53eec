//! `ports`: put port rules in place.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

/// Put the port rules of running containers in place, as the file says
#[derive(Debug, Args)]
pub struct Ports {
    #[command(flatten)]
    names: Names,
}

impl Ports {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let request = change::request("ports", Goal::Ports, &self.names.names, global);
        change::run(&request, global, ui, false)
    }
}
