//! `config`: the file as locker understands it.

use clap::{Args, ValueEnum};

use crate::cli::error::CliError;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::{self, Resolved};

const EXAMPLES: &str = "\
Examples:
  locker config
  locker config --images
  locker config --hash web      changes when what defines web does
";

/// The form of the resolved file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ConfigFormat {
    /// A project file again
    Yaml,
    /// For programs
    Json,
}

/// Print the file with defaults, variables and placeholders put in
///
/// With --quiet it is only checked.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Config {
    /// The form of the file, and of the lists
    #[arg(long, value_name = "FORM", default_value = "yaml", value_enum)]
    format: ConfigFormat,
    #[command(flatten)]
    only: Only,
}

/// One list instead of the whole file.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Only {
    /// Only the names of containers; one for all of a scaled service
    #[arg(long, visible_alias = "containers")]
    services: bool,
    /// Only the names of images
    #[arg(long)]
    images: bool,
    /// Only the names of volumes
    #[arg(long)]
    volumes: bool,
    /// Only the names of networks
    #[arg(long)]
    networks: bool,
    /// Only the names of groups
    #[arg(long)]
    groups: bool,
    /// Only a number for what defines a container, or each with `*`
    #[arg(long, value_name = "NAME")]
    hash: Option<String>,
}

impl Config {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let resolved = job::config(&global.setting()?)?;
        ui.warn(&resolved.warnings);
        if global.quiet {
            return Ok(0);
        }
        match (self.only.list(&resolved)?, self.format) {
            (Some(list), ConfigFormat::Yaml) => {
                let lines: Vec<String> = list.iter().map(|line| format!("{line}\n")).collect();
                ui.data(&lines.concat())?;
            }
            (Some(list), ConfigFormat::Json) => ui.data_json(&list)?,
            (None, ConfigFormat::Yaml) => ui.data(&resolved.to_yaml())?,
            (None, ConfigFormat::Json) => {
                ui.data(&format!("{}\n", resolved.to_json().trim_end()))?;
            }
        }
        Ok(0)
    }
}

impl Only {
    fn list(&self, resolved: &Resolved) -> Result<Option<Vec<String>>, CliError> {
        let list = if self.services {
            resolved.services()
        } else if self.images {
            resolved.images()
        } else if self.volumes {
            resolved.volumes()
        } else if self.networks {
            resolved.networks()
        } else if self.groups {
            resolved.groups()
        } else if let Some(name) = &self.hash {
            resolved.hashes(name)?
        } else {
            return Ok(None);
        };
        Ok(Some(list))
    }
}
