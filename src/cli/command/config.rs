//! `config`: the file as locker understands it.

use clap::{Args, ValueEnum};

use crate::cli::error::CliError;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job;

/// The form of the resolved file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConfigFormat {
    /// A project file again
    Yaml,
    /// For programs
    Json,
}

/// Print the file with defaults, variables and placeholders put in
#[derive(Debug, Args)]
pub struct Config {
    /// The form of the file
    #[arg(long, value_name = "FORM", default_value = "yaml", value_enum)]
    format: ConfigFormat,
}

impl Config {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let resolved = job::config(&global.setting()?)?;
        ui.warn(&resolved.warnings);
        match self.format {
            ConfigFormat::Yaml => ui.data(&resolved.to_yaml())?,
            ConfigFormat::Json => ui.data(&format!("{}\n", resolved.to_json().trim_end()))?,
        }
        Ok(0)
    }
}
