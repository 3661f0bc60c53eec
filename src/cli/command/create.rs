//! `create`: make, do not start.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::{Copying, Names, Together};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::cli::up_flags::{Images, Scaling};
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker create db web
  locker create -d          leave the host directories empty
";

/// Make containers that are missing, and start nothing
///
/// A container with volumes has its own content copied to host directories that are empty.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Create {
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    copying: Copying,
    #[command(flatten)]
    images: Images,
    #[command(flatten)]
    scaling: Scaling,
    #[command(flatten)]
    together: Together,
}

impl Create {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut request = change::request("create", Goal::Create, &self.names.names, global);
        request.no_copy = self.copying.no_move;
        request.images = self.images.wish();
        request.all_or_nothing = self.together.all_or_nothing;
        request.keep_failed = self.together.keep_failed;
        let mut setting = global.setting_for(&request.names)?;
        self.scaling.put_into(&mut setting);
        change::run_in(&setting, &request, global, ui, false)
    }
}
