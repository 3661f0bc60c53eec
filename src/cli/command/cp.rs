//! `cp`: copy between the host and a container.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;

use crate::cli::change;
use crate::cli::error::CliError;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::{self, CopyRequest, Way};

const EXAMPLES: &str = "\
Examples:
  locker cp ./site web:/srv/www
  locker cp db:/var/backups/today.sql .
  tar -c site | locker cp - web:/srv/www
  locker cp db:/etc - > etc.tar
";

/// Copy files and directories between the host and a container, running or not
///
/// Exactly one side is `NAME:PATH`; a path of the host with a colon is written `./a:b`. Names are those
/// of `docker cp`: a directory that is there gets the source inside it, `SRC/.` is its content. `-` is a tar archive
/// on standard input, which goes into a directory of the container, or on standard output.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Cp {
    /// Which container of a scaled service, counted from 1
    #[arg(long, value_name = "N")]
    index: Option<u32>,
    /// What is copied: `PATH` or `NAME:PATH`
    #[arg(value_name = "SRC")]
    from: String,
    /// Where it goes: `PATH` or `NAME:PATH`
    #[arg(value_name = "DST")]
    to: String,
}

impl Cp {
    pub fn run(self, global: &GlobalArgs, _ui: &Ui) -> Result<u8, CliError> {
        if global.dry_run {
            return Err(CliError::NoPlan { command: "cp" });
        }
        let request = request(&self.from, &self.to, self.index)?;
        refuse_terminal(&request)?;
        let names = [request.name.clone()];
        change::block_on(job::copy(&global.setting_for(&names)?, &request))??;
        Ok(0)
    }
}

/// An archive makes no sense on a terminal.
fn refuse_terminal(request: &CopyRequest) -> Result<(), CliError> {
    let (path, terminal) = match request.way {
        Way::In => (&request.from, std::io::stdin().is_terminal()),
        Way::Out => (&request.to, std::io::stdout().is_terminal()),
    };
    let reason = match request.way {
        Way::In => {
            "an archive is read from standard input, which is a terminal: `tar -c … | locker cp - NAME:PATH`"
        }
        Way::Out => "an archive is not written to a terminal: `locker cp NAME:PATH - > FILE`",
    };
    if path.as_os_str() != "-" || !terminal {
        return Ok(());
    }
    Err(CliError::Value {
        value: "-".into(),
        what: "path",
        reason: reason.into(),
    })
}

fn request(from: &str, to: &str, index: Option<u32>) -> Result<CopyRequest, CliError> {
    let wrong = |reason: &str| CliError::Value {
        value: format!("{from} {to}"),
        what: "paths",
        reason: reason.into(),
    };
    let (name, way, from, to) = match (inside(from), inside(to)) {
        (None, Some((name, path))) => (name, Way::In, from, path),
        (Some((name, path)), None) => (name, Way::Out, path, to),
        (None, None) => return Err(wrong("one of them must be in a container, `NAME:PATH`")),
        (Some(_), Some(_)) => return Err(wrong("only one of them can be in a container")),
    };
    if from.is_empty() || to.is_empty() {
        return Err(wrong("a path is missing after the colon"));
    }
    Ok(CopyRequest {
        name: name.into(),
        index,
        way,
        from: PathBuf::from(from),
        to: PathBuf::from(to),
    })
}

/// `NAME:PATH`. What has a slash before the colon is a path of the host.
fn inside(word: &str) -> Option<(&str, &str)> {
    let (name, path) = word.split_once(':')?;
    (!name.is_empty() && !name.contains('/')).then_some((name, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_is_in_a_container() {
        let made = |from, to| {
            let made = request(from, to, None).map_err(|error| error.to_string());
            made.map(|r| (r.name, r.way, r.from, r.to))
        };
        let path = PathBuf::from;
        assert_eq!(
            made("./a:b", "web:/c"),
            Ok(("web".into(), Way::In, path("./a:b"), path("/c")))
        );
        assert_eq!(
            made("db:/x/.", "."),
            Ok(("db".into(), Way::Out, path("/x/."), path(".")))
        );
        assert_eq!(
            made("-", "web:/x"),
            Ok(("web".into(), Way::In, path("-"), path("/x")))
        );
        for (from, to) in [("a", "b"), ("-", "-"), ("a:/b", "c:/d"), ("web:", "x")] {
            assert!(made(from, to).is_err(), "{from} {to}");
        }
    }
}
