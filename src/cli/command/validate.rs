//! `validate`: is the file right?

use std::path::PathBuf;

use clap::Args;

use crate::cli::error::CliError;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job;

const EXAMPLES: &str = "\
Examples:
  locker validate
  locker -f other.yaml validate
  locker validate --print-schema > locker.schema.json
";

/// Check the project file and show all that is wrong with it
///
/// Needs no root and looks at no container. Exits with 2 when the file is invalid.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Validate {
    /// Print the JSON Schema of the file, for editors, and check nothing
    #[arg(long)]
    print_schema: bool,
    /// Taken for scripts of the first Locker; the check always is against locker's own rules
    #[arg(short, long, value_name = "FILE", hide = true)]
    schema: Option<PathBuf>,
}

impl Validate {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        if self.print_schema {
            ui.data_json(&job::schema())?;
            return Ok(0);
        }
        if let Some(schema) = &self.schema {
            ui.say(&format!(
                "warning: `{}` is not used: locker checks against its own rules\n",
                schema.display()
            ));
        }
        let valid = job::validate(&global.setting()?)?;
        ui.warn(&valid.warnings);
        let count = valid.containers;
        let noun = if count == 1 {
            "container"
        } else {
            "containers"
        };
        ui.data(&format!(
            "{} is valid: {count} {noun}\n",
            valid
                .file
                .file_name()
                .unwrap_or(valid.file.as_os_str())
                .display()
        ))?;
        Ok(0)
    }
}
