//! `completions`: what a shell must know to complete locker's words.

use clap::Args;
use clap_complete::Shell;

use crate::cli::error::CliError;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;

const EXAMPLES: &str = "\
Examples:
  locker completions bash > /etc/bash_completion.d/locker
";

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(self, _global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut script = Vec::new();
        let mut definition = crate::cli::definition();
        clap_complete::generate(self.shell, &mut definition, "locker", &mut script);
        ui.data(&String::from_utf8_lossy(&script))?;
        Ok(0)
    }
}
