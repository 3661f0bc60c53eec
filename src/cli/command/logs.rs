//! `logs`: console logs, several merged.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use colored::{Color, Colorize};

use crate::cli::change;
use crate::cli::clean::clean;
use crate::cli::error::CliError;
use crate::cli::flags::Names;
use crate::cli::global::GlobalArgs;
use crate::cli::ui::Ui;
use crate::job::{self, LogLine, LogRequest, LogWish};
use crate::model::{Name, stable_hash};

/// The first Locker's colours.
const COLOURS: [Color; 6] = [
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
];

const EXAMPLES: &str = "\
Examples:
  locker logs web
  locker logs -f -n 20          follow all, from their last 20 lines
";

/// Show what containers printed on their consoles
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Logs {
    #[command(flatten)]
    names: Names,
    /// Go on with what comes, until Ctrl-C
    #[arg(short = 'f', long)]
    follow: bool,
    /// Only the last N lines of each
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    // `-f` means --follow here, so this takes the place of the option of every command, without its letter.
    /// The project file; `-f FILE` stands before `logs`
    #[arg(long, value_name = "FILE", id = "file")]
    _file: Option<PathBuf>,
}

impl Logs {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut failure = None;
        let mut print = |name: &Name, line: &LogLine| match ui.data(&prefixed(name, &line.text)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        };
        let setting = global.setting()?;
        let request = LogRequest {
            names: self.names.names,
            wish: LogWish {
                follow: self.follow,
                lines: self.lines,
                ..LogWish::default()
            },
        };
        change::block_on(job::logs(&setting, &request, &mut print))??;
        failure.map_or(Ok(0), Err)
    }
}

/// A container keeps its colour whichever others are shown beside it.
fn prefixed(name: &Name, line: &str) -> String {
    let colour = COLOURS[(stable_hash(name.as_str()) % COLOURS.len() as u64) as usize];
    let prefix = format!("{name} |").color(colour);
    format!("{prefix} {}\n", clean(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_whose_it_is_and_cannot_steer_the_terminal() {
        let name = Name::new("web").unwrap();
        let line = prefixed(&name, "hello\x1b]0;title\x07 \x1b[2Jworld\r");
        let plain = anstream::adapter::strip_str(&line).to_string();
        assert_eq!(plain, "web | hello world\n");
    }
}
