//! `exec`: a command inside a container.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::flags::{self, own, variable};
use crate::cli::global::{GlobalArgs, duration};
use crate::cli::ui::Ui;
use crate::job::{self, ExecRequest};

const EXAMPLES: &str = "\
Examples:
  locker exec db -- pg_dump shop > shop.sql
  locker exec -u www-data web -- id
";

/// Run a command inside a running container, with this terminal and these streams
///
/// There is a terminal inside when this process has one. The exit status is that of the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Exec {
    /// The user inside, by name or number; otherwise root, or what an application container runs as
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// The directory inside that it runs in
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// A variable for the command; without a value, that of this environment
    #[arg(short, long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    environment: Vec<(String, Option<String>)>,
    /// No terminal inside
    #[arg(short = 'T', long, conflicts_with = "tty")]
    no_tty: bool,
    /// A terminal inside, also without one here: input that ends is told by the key that ends it
    #[arg(short = 't', long)]
    tty: bool,
    /// Taken for those who are used to it: standard input is always handed on. With `-t` it must be a
    /// terminal
    #[arg(short, long)]
    interactive: bool,
    /// With all capabilities (application containers)
    #[arg(long)]
    privileged: bool,
    /// Return at once and leave it to run
    #[arg(short, long)]
    detach: bool,
    /// Which container of a scaled service, counted from 1
    #[arg(long, value_name = "N")]
    index: Option<u32>,
    // `-t` means a terminal here, so this takes the place of the option of every command, without its
    // letter; nothing is stopped here.
    #[arg(long, id = "timeout", value_parser = duration, hide = true, help = "Not used here")]
    _timeout: Option<Duration>,
    /// The container
    name: String,
    /// The program and its arguments; no shell is between
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    argv: Vec<String>,
}

impl Exec {
    pub fn run(self, global: &GlobalArgs, _ui: &Ui) -> Result<u8, CliError> {
        let request = ExecRequest {
            name: self.name,
            index: self.index,
            argv: self.argv,
            user: self.user,
            workdir: self.workdir,
            environment: self.environment.into_iter().filter_map(own).collect(),
            tty: flags::tty(
                self.tty,
                self.no_tty || self.detach,
                self.interactive && !self.detach,
            )?,
            privileged: self.privileged,
            detach: self.detach,
        };
        run("exec", &request, global)
    }
}

/// Runs it; codes that do not fit into a process's status become 255.
pub fn run(
    command: &'static str,
    request: &ExecRequest,
    global: &GlobalArgs,
) -> Result<u8, CliError> {
    if global.dry_run {
        return Err(CliError::NoPlan { command });
    }
    let setting = global.setting_for(std::slice::from_ref(&request.name))?;
    let code = change::block_on(job::exec(&setting, request))??;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}
