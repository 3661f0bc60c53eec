//! `exec`: a command inside a container.

use std::path::PathBuf;

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::{self, ExecRequest};

const EXAMPLES: &str = "\
Examples:
  locker exec db -- pg_dump shop > shop.sql
  locker exec -u www-data web -- id
";

/// Run a command inside a running container, with this terminal and these streams
///
/// The exit status is that of the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Exec {
    /// The user inside, by name or number; otherwise root
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// The directory inside that it runs in
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// A variable for the command
    #[arg(short, long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,
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
        run(
            "exec",
            &ExecRequest {
                name: self.name,
                index: None,
                argv: self.argv,
                user: self.user,
                workdir: self.workdir,
                environment: self.environment,
                tty: None,
                privileged: false,
                detach: false,
            },
            global,
        )
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
    let code = change::block_on(job::exec(&global.setting()?, request))??;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

fn variable(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        Some(_) | None => Err("must be NAME=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name_and_may_hold_equal_signs() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(variable("A="), Ok(("A".into(), String::new())));
        for bad in ["A", "=b", ""] {
            assert!(variable(bad).is_err(), "{bad} was taken");
        }
    }
}
