//! `wait`: until containers have ended.

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::{LineFormat, Names};
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::{self, Ended};

const EXAMPLES: &str = "\
Examples:
  locker wait migrate && echo done
";

/// Wait until containers have ended, and print their exit codes
///
/// One line for each, `NAME CODE`, when it has ended; those that do not run at once. The exit status
/// is the greatest of the codes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Wait {
    #[command(flatten)]
    names: Names,
    /// The form of a line
    #[arg(long, value_name = "FORM", default_value = "text", value_enum)]
    format: LineFormat,
}

impl Wait {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut failure = None;
        let mut tell = |ended: &Ended| {
            let line = match self.format {
                LineFormat::Json => json(ended),
                LineFormat::Text => Ok(format!("{} {}\n", ended.name, ended.code)),
            };
            if let Err(error) = line.and_then(|line| ui.data(&line)) {
                failure.get_or_insert(error);
            }
        };
        let names = &self.names.names;
        let setting = global.setting_for(names)?;
        let all = change::block_on(job::wait(&setting, names, &mut tell))??;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let greatest = all.iter().map(|ended| ended.code).max().unwrap_or(0);
        Ok(u8::try_from(greatest).unwrap_or(u8::MAX))
    }
}

fn json(ended: &Ended) -> Result<String, CliError> {
    let text = serde_json::to_string(ended).map_err(|source| CliError::Json { source })?;
    Ok(text + "\n")
}
