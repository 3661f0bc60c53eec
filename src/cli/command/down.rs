//! `down`: take the project down.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Orphans;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker down --keep        stop all and leave nothing running
  locker down --yes         for scripts
";

/// Take the whole project down: containers, rules, links and bridge
///
/// Lists the root file systems that are lost, with sizes, and asks. Bind-mounted data stays.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Down {
    /// Keep the containers, stopped; only rules, links and bridge go
    #[arg(long)]
    keep: bool,
    /// Remove volumes and their data too, named ones and those without a name; asks first
    #[arg(long, conflicts_with = "keep")]
    volumes: bool,
    #[command(flatten)]
    orphans: Orphans,
}

impl Down {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut request = change::request(
            "down",
            Goal::Down {
                keep: self.keep,
                volumes: self.volumes,
            },
            &[],
            global,
        );
        request.remove_orphans = self.orphans.remove_orphans;
        change::run(&request, global, ui, false)
    }
}
