//! `convert`: the file in the other layout.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::error::CliError;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::{self, Target};

const EXAMPLES: &str = "\
Examples:
  locker convert
  locker -f compose.yaml convert --to locker --output locker.yaml
  locker -f locker.yaml convert --to compose
";

/// A layout by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TargetName {
    /// `containers:`, as locker has it
    Locker,
    /// `services:`, as in the Compose Specification
    Compose,
}

/// Write a Compose file in Locker's layout, or the other way round
///
/// Variables stay variables. Several files, and what they extend and include, become one. What the
/// other layout does not have is told on standard error, each with its line; so is that comments are
/// not kept. Needs no root and looks at no container.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Convert {
    /// The layout to write; otherwise the one that the file does not have
    #[arg(long, value_name = "LAYOUT", value_enum)]
    to: Option<TargetName>,
    /// Write to this file instead of standard output; one that is there is replaced with `--yes` only
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Convert {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let setting = global.setting()?;
        let target = self.to.map(|name| match name {
            TargetName::Locker => Target::Locker,
            TargetName::Compose => Target::Compose,
        });
        let converted = job::convert(&setting, target)?;
        match &self.output {
            Some(file) => job::write_file(&setting, file, &converted.text, global.yes)?,
            None => ui.data(&converted.text)?,
        }
        ui.warn(&converted.lost);
        Ok(0)
    }
}
