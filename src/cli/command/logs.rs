//! `logs`: what containers printed, several merged.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use colored::{Color, Colorize};
use serde_json::{Value, json};

use crate::cli::clean::clean;
use crate::cli::error::CliError;
use crate::cli::flags::{LineFormat, Names};
use crate::cli::global::{GlobalArgs, duration};
use crate::cli::ui::Ui;
use crate::cli::{change, report, time};
use crate::job::{self, LogLine, LogRequest, LogWish, Remark};
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
  locker logs --since 10m -t    the last ten minutes, with times
  locker logs --engine web      what its engine has kept, and not the journal
";

/// Show what containers printed, all of them in the order of time
///
/// Of a system container it is what its console shows, of an application container the output of its
/// program. Containers that systemd runs print to the journal, which has all their runs; of others it is
/// what the engine has kept. A container that is started again while it is followed goes on being followed, and so do
/// those of an engine that was away.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Logs {
    #[command(flatten)]
    names: Names,
    /// Go on with what comes, until Ctrl-C
    #[arg(short = 'f', long)]
    follow: bool,
    /// What the engine has kept of the run, also where the journal has its output
    #[arg(long, conflicts_with = "follow")]
    engine: bool,
    /// Only the last N lines of each, or `all`
    #[arg(short = 'n', long, visible_alias = "tail", value_name = "N", value_parser = lines)]
    lines: Option<Lines>,
    /// Only from this time on: `10m` ago, `2026-01-31T12:00`
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    since: Option<SystemTime>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    until: Option<SystemTime>,
    /// The time of each line; `-` where it is not known
    #[arg(short = 't', long)]
    timestamps: bool,
    /// Do not write the container's name before each line
    #[arg(long)]
    no_log_prefix: bool,
    /// The form of a line
    #[arg(long, value_name = "FORM", default_value = "text", value_enum)]
    format: LineFormat,
    // `-f` means --follow here and `-t` --timestamps, so these take the place of the options of every
    // command, without their letters.
    /// The project file; `-f FILE` stands before `logs`
    #[arg(long, value_name = "FILE", id = "file")]
    _file: Vec<PathBuf>,
    #[arg(long, id = "timeout", value_parser = duration, hide = true, help = "Not used here")]
    _timeout: Option<Duration>,
}

/// How many lines; none is all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lines(Option<usize>);

fn lines(word: &str) -> Result<Lines, String> {
    match word {
        "all" => Ok(Lines(None)),
        number => match number.parse() {
            Ok(count) => Ok(Lines(Some(count))),
            Err(_) => Err("must be a number or `all`".into()),
        },
    }
}

impl Logs {
    pub fn run(self, global: &GlobalArgs, ui: &Ui) -> Result<u8, CliError> {
        let mut failure = None;
        let mut print = |name: &Name, line: &LogLine| match ui.data(&self.text(name, line)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        };
        let names = &self.names.names;
        let setting = global.setting_for(names)?;
        let request = LogRequest {
            names: names.clone(),
            wish: LogWish {
                follow: self.follow,
                since: self.since,
                until: self.until,
                lines: self.lines.and_then(|lines| lines.0),
                fresh: self.engine,
                ..LogWish::default()
            },
        };
        let mut remarks = |remark: &Remark| report::remark(remark, ui);
        let asked = job::logs(&setting, &request, &mut print, &mut remarks);
        change::block_on(asked)??;
        failure.map_or(Ok(0), Err)
    }

    fn text(&self, name: &Name, line: &LogLine) -> String {
        if self.format == LineFormat::Json {
            return format!("{}\n", object(name, line));
        }
        let mut text = String::new();
        if !self.no_log_prefix {
            text = format!("{} ", prefix(name));
        }
        if self.timestamps {
            let at = line.at.map_or_else(|| "-".into(), time::local);
            text.push_str(&format!("{at} "));
        }
        text.push_str(&clean(&line.text));
        text + "\n"
    }
}

/// A container keeps its colour whichever others are shown beside it.
fn prefix(name: &Name) -> String {
    let colour = COLOURS[(stable_hash(name.as_str()) % COLOURS.len() as u64) as usize];
    format!("{name} |").color(colour).to_string()
}

/// The keys are a promise.
fn object(name: &Name, line: &LogLine) -> Value {
    json!({
        "time": line.at.map(time::rfc3339),
        "container": name,
        "stream": if line.error { "stderr" } else { "stdout" },
        "text": line.text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        logs: Logs,
    }

    fn plain(words: &str, line: &LogLine) -> String {
        let logs = Typed::parse_from(words.split(' ')).logs;
        let text = logs.text(&Name::new("web").unwrap(), line);
        anstream::adapter::strip_str(&text).to_string()
    }

    fn line(text: &str) -> LogLine {
        LogLine {
            at: Some(SystemTime::UNIX_EPOCH),
            error: false,
            text: text.into(),
        }
    }

    #[test]
    fn a_line_tells_whose_it_is_and_cannot_steer_the_terminal() {
        let hostile = line("hello\x1b]0;title\x07 \x1b[2Jworld\r");
        assert_eq!(plain("logs", &hostile), "web | hello world\n");
        assert_eq!(plain("logs --no-log-prefix", &line("x")), "x\n");
    }

    #[test]
    fn a_time_that_is_not_known_is_a_dash() {
        let mut line = line("x");
        assert!(plain("logs -t", &line).starts_with("web | 19"));
        line.at = None;
        assert_eq!(plain("logs -t", &line), "web | - x\n");
        assert_eq!(
            plain("logs --format json", &line),
            "{\"time\":null,\"container\":\"web\",\"stream\":\"stdout\",\"text\":\"x\"}\n"
        );
    }

    #[test]
    fn all_lines_may_be_asked_for_by_name() {
        assert_eq!(lines("all"), Ok(Lines(None)));
        assert_eq!(lines("0"), Ok(Lines(Some(0))));
        assert!(lines("-1").is_err());
    }
}
