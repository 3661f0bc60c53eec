//! `cleanup`: stop all and take the network down.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Orphans;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

/// Stop everything, and remove rules, links, bridge and record
///
/// A container that the file defines is never destroyed.
#[derive(Debug, Args)]
pub struct Cleanup {
    #[command(flatten)]
    orphans: Orphans,
}

impl Cleanup {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut request = change::request("cleanup", Goal::Cleanup, &[], global);
        request.remove_orphans = self.orphans.remove_orphans;
        change::run(&request, global, ui, false)
    }
}
