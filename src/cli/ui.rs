//! The streams: data to standard output, talk to standard error, colour decided for each of them.
//!
//! Colour is always made (`colored` is told so once) and taken out again by `anstream` where the
//! stream, NO_COLOR, CLICOLOR_FORCE or `--no-color` say so.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

use anstream::{AutoStream, ColorChoice};

use super::error::CliError;
use super::global::{GlobalArgs, ProgressKind};
use super::progress::{Json, Plain, Quiet, Tty};
use crate::file::diagnostic::Diagnostic;
use crate::job::Events;
use crate::model::{shown, shown_quoted};

/// How to talk.
#[derive(Clone, Debug)]
pub struct Ui {
    json: bool,
    quiet: bool,
    verbose: bool,
    colour: ColorChoice,
    progress: ProgressKind,
}

impl Ui {
    /// From the words as typed: an error in them must already be told in the form that they ask for.
    pub fn from_raw_args(args: &[OsString]) -> Self {
        colored::control::set_override(true);
        let words: Vec<&str> = args
            .iter()
            .filter_map(|arg| arg.to_str())
            .take_while(|word| *word != "--")
            .collect();
        let pair = |name: &str| {
            words.windows(2).any(|pair| pair == [name, "json"])
                || words
                    .iter()
                    .any(|word| word.strip_prefix(name) == Some("=json"))
        };
        let plain = words
            .iter()
            .any(|word| matches!(*word, "--no-color" | "-o"));
        Self {
            json: pair("--format") || pair("--progress"),
            quiet: false,
            verbose: false,
            colour: choice(plain),
            progress: ProgressKind::Auto,
        }
    }

    /// Takes over what the parsed options say.
    pub fn obey(&mut self, global: &GlobalArgs) {
        self.quiet = global.quiet || global.progress == ProgressKind::Quiet;
        self.verbose = global.verbose;
        self.colour = choice(global.no_color);
        self.progress = global.progress;
    }

    /// Whether errors are told as JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether text on standard error may be coloured.
    pub fn colours_talk(&self) -> bool {
        self.err().current_choice() != ColorChoice::Never
    }

    /// Whether standard output is a terminal.
    pub fn shows_data_on_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Columns of the terminal that standard output is; none when it is not one.
    pub fn width(&self) -> Option<u16> {
        rustix::termios::tcgetwinsize(std::io::stdout())
            .ok()
            .map(|size| size.ws_col)
            .filter(|columns| *columns > 0)
    }

    /// Lines of the terminal that standard output is; none when it is not one.
    pub fn height(&self) -> Option<u16> {
        rustix::termios::tcgetwinsize(std::io::stdout())
            .ok()
            .map(|size| size.ws_row)
            .filter(|lines| *lines > 0)
    }

    /// Data, to standard output.
    pub fn data(&self, text: &str) -> Result<(), CliError> {
        // Stripped in memory: the stream would be written to line by line.
        let mut plain = AutoStream::new(Vec::new(), self.colour_of_stdout());
        let mut out = std::io::stdout().lock();
        plain
            .write_all(shown(text).as_bytes())
            .and_then(|()| out.write_all(&plain.into_inner()))
            .and_then(|()| out.flush())
            .map_err(|source| CliError::Output { source })
    }

    /// Data that steers the terminal, for one that is known to be there.
    pub fn data_raw(&self, text: &str) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|source| CliError::Output { source })
    }

    /// A reply as JSON, to standard output.
    pub fn data_json(&self, value: &impl serde::Serialize) -> Result<(), CliError> {
        let text =
            serde_json::to_string_pretty(value).map_err(|source| CliError::Json { source })?;
        self.data(&format!("{}\n", shown_quoted(&text)))
    }

    /// Talk, to standard error, unless `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.quiet && !self.json {
            self.insist(text);
        }
    }

    /// Talk that `--quiet` does not silence: errors and questions.
    pub fn insist(&self, text: &str) {
        // Nobody is left to be told when standard error cannot be written.
        let _ = self.err().write_all(shown(text).as_bytes());
    }

    /// The same for an object of JSON, on a line of its own.
    pub fn insist_json(&self, object: &str) {
        self.insist(&format!("{}\n", shown_quoted(object)));
    }

    /// Findings that stop nothing.
    pub fn warn(&self, warnings: &[Diagnostic]) {
        if !self.quiet {
            self.insist(&super::report::findings(warnings, self));
        }
    }

    /// Who is told of the progress of a change.
    pub fn events(&self) -> Arc<dyn Events> {
        let terminal = std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        if self.quiet {
            return Arc::new(Quiet);
        }
        match self.progress {
            ProgressKind::Quiet => Arc::new(Quiet),
            ProgressKind::Json => Arc::new(Json::new(self.clone())),
            ProgressKind::Auto if self.json => Arc::new(Json::new(self.clone())),
            ProgressKind::Tty => Arc::new(Tty::new(self.clone(), self.verbose)),
            ProgressKind::Auto if terminal => Arc::new(Tty::new(self.clone(), self.verbose)),
            ProgressKind::Auto | ProgressKind::Plain => {
                Arc::new(Plain::new(self.clone(), self.verbose))
            }
        }
    }

    fn err(&self) -> AutoStream<std::io::Stderr> {
        let stream = std::io::stderr();
        let choice = match self.colour {
            ColorChoice::Auto => AutoStream::choice(&stream),
            ColorChoice::Always | ColorChoice::AlwaysAnsi | ColorChoice::Never => self.colour,
        };
        AutoStream::new(stream, choice)
    }

    fn colour_of_stdout(&self) -> ColorChoice {
        match self.colour {
            ColorChoice::Auto => AutoStream::choice(&std::io::stdout()),
            ColorChoice::Always | ColorChoice::AlwaysAnsi | ColorChoice::Never => self.colour,
        }
    }
}

fn choice(plain: bool) -> ColorChoice {
    if plain {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_heard_before_the_words_are_understood() {
        let ui = |line: &str| {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            Ui::from_raw_args(&args)
        };
        for yes in [
            "locker status --format json",
            "locker --progress=json upp",
            "locker up --progress json --nosuch",
        ] {
            assert!(ui(yes).json(), "{yes}");
        }
        for no in [
            "locker status",
            "locker status --format table json",
            "locker exec web -- tool --format json",
        ] {
            assert!(!ui(no).json(), "{no}");
        }
    }
}
