//! The counter: words in, words out; decides nothing.
//!
//! A command file holds the arguments of one verb, whose doc comments are its help, and one function
//! that turns them into a request to [`crate::job`] and prints the reply. Standard output is data,
//! standard error is talk. Errors are dressed in `report` and nowhere else.

mod change;
mod clean;
mod command;
mod confirm;
mod error;
mod flags;
mod global;
mod list;
mod live;
mod progress;
mod report;
mod size;
mod status_table;
mod status_unit;
mod table;
mod time;
mod ui;
mod up_flags;
mod wording;
mod yaml;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};

pub use command::Command;
pub use global::GlobalArgs;

use error::CliError;
use ui::Ui;

const EXAMPLES: &str = "\
Examples:
  locker up                     make the project of this directory run
  locker plan                   what `up` would do, and why
  locker status                 what is there
  locker logs -f web            follow the console of one container
  locker restart @front         names are as in the file, `@group` is a group

Exit status: 0 done, 1 failed, 2 wrong usage or invalid file;
`plan --exit-code`: 0 nothing to do, 3 changes; `exec`, `shell`: that of the command;
130 ended by SIGINT (Ctrl-C), 143 by SIGTERM, 129 by SIGHUP; a change that was
complete all the same: 0.
";

/// The first Locker started everything when no command was given.
const NO_COMMAND: &str =
    "no command was given, so nothing was done: `locker up` makes the project run\n";

/// Runs a project of containers on this host from one YAML file.
#[derive(Debug, Parser)]
#[command(
    name = "locker",
    version,
    after_help = EXAMPLES,
    subcommand_value_name = "COMMAND",
    subcommand_help_heading = "Commands"
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The definition of the whole command line: help, completions and docs/commands.md come from it.
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Parses the process's arguments, does what they say and returns the exit code.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let mut ui = Ui::from_raw_args(&args);
    let code = match run(args, &mut ui) {
        Ok(code) => code,
        Err(error) => report::finish(&error, &ui),
    };
    ExitCode::from(code)
}

fn run(args: Vec<OsString>, ui: &mut Ui) -> Result<u8, CliError> {
    let mut definition = definition();
    let matches = definition.try_get_matches_from_mut(args)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut definition))?;
    ui.obey(&cli.global);
    match cli.command {
        Some(command) => command.run(&cli.global, ui),
        None => {
            ui.data(&definition.render_help().ansi().to_string())?;
            ui.say(NO_COMMAND);
            Ok(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        definition().debug_assert();
    }

    #[test]
    fn every_command_and_option_is_explained() {
        let mut definition = definition();
        definition.build();
        for command in definition.get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments() {
                assert!(
                    arg.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    arg.get_id()
                );
            }
        }
    }

    #[test]
    fn one_verb_is_one_file() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/command");
        let mut files: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_string())
            .filter(|stem| stem != "mod")
            .collect();
        let mut verbs: Vec<String> = definition()
            .get_subcommands()
            .map(|command| command.get_name().to_string())
            .collect();
        files.sort();
        verbs.sort();
        assert_eq!(files, verbs);
    }
}
