//! `cgroup`: apply limits.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

/// Apply the limits of the key `cgroup`, without a restart
#[derive(Debug, Args)]
pub struct Cgroup {
    #[command(flatten)]
    names: Names,
}

impl Cgroup {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let request = change::request("cgroup", Goal::Limits, &self.names.names, global);
        change::run(&request, global, ui, false)
    }
}
