//! Options that several commands share, each said once.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};

use super::error::CliError;

/// Containers by name.
#[derive(Debug, Args)]
pub struct Names {
    /// Containers as named in the file, or `@group`; none means all
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// What `start` and `stop` may leave alone or do as well.
#[derive(Debug, Args)]
pub struct Around {
    /// Leave port rules alone
    #[arg(short = 'n', long)]
    pub no_ports: bool,
    /// Leave the names of linked containers alone
    #[arg(short = 'l', short_alias = 'm', long)]
    pub no_links: bool,
    /// Keep the containers' names in the host's /etc/hosts as well
    #[arg(short = 'a', long)]
    pub add_hosts: bool,
}

/// What happens to a container's own content below its volumes.
#[derive(Debug, Args)]
pub struct Copying {
    /// Do not copy the container's content to empty host directories
    #[arg(short = 'd', long, visible_alias = "dont-copy-on-create")]
    pub no_move: bool,
}

/// What happens to containers that the file no longer defines.
#[derive(Debug, Args)]
pub struct Orphans {
    /// Destroy containers of the project that the file no longer defines; asks first
    #[arg(long)]
    pub remove_orphans: bool,
}

/// What a container that fails means for the others.
#[derive(Clone, Copy, Debug, Args)]
pub struct Together {
    /// When a container fails, undo what was done for all; otherwise for it and for what needs it
    #[arg(long)]
    pub all_or_nothing: bool,
    /// A container whose making or `setup` fails stays for a look; the next `up` goes on with it
    #[arg(long, conflicts_with = "all_or_nothing")]
    pub keep_failed: bool,
}

/// How long a new self is watched.
#[derive(Clone, Copy, Debug, Args)]
pub struct Settling {
    /// Watch a container that replaces another one so long before the other goes, where it has no health
    /// check [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = super::global::duration)]
    pub settle: Option<std::time::Duration>,
}

/// The form of a reply that is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For people
    Table,
    /// One JSON list
    Json,
    /// The same as YAML
    Yaml,
}

/// The form of a reply that goes on line by line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LineFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// `NAME=VALUE`, or `NAME` for the value that this environment has.
pub fn variable(word: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value.to_string())),
        None => (word, None),
    };
    if name.is_empty() {
        return Err("must be NAME=VALUE or NAME".into());
    }
    Ok((name.into(), value))
}

/// Puts in the value of this environment; a variable that is not there is left out.
pub fn own((name, value): (String, Option<String>)) -> Option<(String, String)> {
    let value = value.or_else(|| std::env::var(&name).ok())?;
    Some((name, value))
}

/// Whether there is a terminal inside; none is: as this process has one.
///
/// # Errors
/// A terminal was asked for to type on, and there is nothing to type on.
pub fn tty(wanted: bool, unwanted: bool, interactive: bool) -> Result<Option<bool>, CliError> {
    tty_on(
        wanted,
        unwanted,
        interactive && !std::io::stdin().is_terminal(),
    )
}

fn tty_on(wanted: bool, unwanted: bool, nothing_typed: bool) -> Result<Option<bool>, CliError> {
    match (wanted, unwanted) {
        (true, _) if nothing_typed => Err(CliError::NoTerminal),
        (true, _) => Ok(Some(true)),
        (false, true) => Ok(Some(false)),
        (false, false) => Ok(None),
    }
}

/// `NAME=VALUE`.
pub fn pair(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        Some(_) | None => Err("must be NAME=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_to_type_on_is_refused_where_nothing_is_typed() {
        assert!(matches!(
            tty_on(true, false, true),
            Err(CliError::NoTerminal)
        ));
        for (asked, told) in [
            ((true, false, false), Some(true)),
            ((false, true, true), Some(false)),
            ((false, false, true), None),
        ] {
            assert_eq!(
                tty_on(asked.0, asked.1, asked.2).unwrap(),
                told,
                "{asked:?}"
            );
        }
    }

    #[test]
    fn a_variable_may_hold_equal_signs_and_may_leave_its_value_to_the_environment() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), Some("b=c".into()))));
        assert_eq!(variable("A="), Ok(("A".into(), Some(String::new()))));
        assert_eq!(variable("A"), Ok(("A".into(), None)));
        for bad in ["=b", ""] {
            assert!(variable(bad).is_err(), "{bad} was taken");
            assert!(pair(bad).is_err(), "{bad} was taken");
        }
        assert!(pair("A").is_err());
        let given = ("A".to_string(), Some("b".to_string()));
        assert_eq!(own(given), Some(("A".into(), "b".into())));
        assert_eq!(own(("LOCKER_NOT_THERE".into(), None)), None);
    }
}
