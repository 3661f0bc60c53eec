//! `up`: make it so.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::cli::up_flags::UpOptions;
use crate::job::Goal;

const EXAMPLES: &str = "\
Examples:
  locker up                 the whole project
  locker up web             web and what it depends on
  locker up --wait          and return when all is healthy
  locker up --build         with images built anew
  locker up --scale web=3
  locker up --dry-run       only print the plan
  locker up --yes           for scripts: destroy without a question
";

/// Make the project as the file says, and running
///
/// Creates what is missing, starts what does not run, and changes what differs; what is as it should
/// be is not touched. What would destroy a root file system is listed and asked about first. It always
/// returns: containers go on by themselves, and `logs -f` shows their output. One that ends in failure as it
/// starts makes it fail, with the exit code and the last lines.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Up {
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    options: UpOptions,
    /// Make containers and start nothing, as `create` does
    #[arg(long, conflicts_with_all = ["wait", "wait_timeout"])]
    no_start: bool,
    /// Taken for those who are used to it: `up` always returns
    #[arg(short, long)]
    detach: bool,
}

impl Up {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let goal = if self.no_start {
            Goal::Create
        } else {
            Goal::Up
        };
        let names = &self.names.names;
        let mut request = change::request("up", goal, names, global);
        self.options.put_into(&mut request);
        let setting = self.options.setting(global, names)?;
        change::run_in(&setting, &request, global, ui, false)
    }
}
