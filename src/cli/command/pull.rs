//! `pull`: fetch images.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker pull
  locker pull web --include-deps
";

/// Fetch the images of application containers, also those that the host has
///
/// Nothing is made or started anew: `up` does that when an image is another one then.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Pull {
    #[command(flatten)]
    names: Names,
    /// The images of what the named ones depend on as well
    #[arg(long)]
    include_deps: bool,
}

impl Pull {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut request = change::request("pull", Goal::Pull, &self.names.names, global);
        request.with_deps = self.include_deps;
        change::run(&request, global, ui, false)
    }
}
