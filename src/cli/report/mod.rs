//! Dresses any error for the user: kind, causes, hints and exit code. The only such place.

mod finding;
mod misplaced;
mod remark;
mod usage;

use std::error::Error;
use std::io::ErrorKind;

use clap::error::ErrorKind as ClapKind;
use colored::Colorize;
use serde::Serialize;

use super::clean::clean_lines;
use super::error::CliError;
use super::ui::Ui;
use crate::file::diagnostic::{Diagnostic, Severity};
use crate::job::{ConsentError, JobError, LoadError};

pub use finding::{findings, plan_warnings};
pub use remark::remark;

/// What sort of end it was; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Not an error: help, version, or a reader that has read enough.
    Fine,
    /// It could not be done.
    Failed,
    /// The words are wrong.
    Usage,
    /// The file is wrong.
    InvalidFile,
    /// SIGINT ended it.
    Interrupted,
    /// SIGTERM ended it.
    Terminated,
    /// SIGHUP ended it.
    HungUp,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Usage | Self::InvalidFile => 2,
            // As a shell shows the end of a program by a signal.
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// An error, dressed.
#[derive(Debug, Serialize)]
struct Report {
    kind: Kind,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    /// What the engine's log says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    help: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<Diagnostic>,
}

/// Tells the error on standard error and gives the exit code.
pub fn finish(error: &CliError, ui: &Ui) -> u8 {
    if let CliError::Usage(usage) = error {
        return finish_usage(usage, ui);
    }
    let report = dress(error);
    if report.kind != Kind::Fine {
        tell(&report, ui);
    }
    report.kind.code()
}

/// Clap's help and version go to standard output and are no errors.
fn finish_usage(error: &clap::Error, ui: &Ui) -> u8 {
    if matches!(
        error.kind(),
        ClapKind::DisplayHelp | ClapKind::DisplayVersion
    ) {
        return match ui.data(&error.render().ansi().to_string()) {
            Ok(()) => Kind::Fine.code(),
            Err(failure) => finish(&failure, ui),
        };
    }
    let words = std::env::args().skip(1).collect::<Vec<String>>();
    let report = usage::dress(&error.render().to_string(), &words);
    tell(&report, ui);
    report.kind.code()
}

fn tell(report: &Report, ui: &Ui) {
    if ui.json() {
        // Strings and lists of strings: there is nothing in it that JSON could not say.
        let text = serde_json::to_string(report).unwrap_or_else(|error| error.to_string());
        ui.insist_json(&format!("{{\"error\":{text}}}"));
        return;
    }
    if !report.diagnostics.is_empty() {
        ui.insist(&findings(&report.diagnostics, ui));
    } else {
        let error = "error:".red().bold();
        ui.insist(&format!("{error} {}\n", clean_lines(&report.message)));
    }
    for cause in &report.causes {
        let cause = clean_lines(cause);
        ui.insist(&format!("  {} {cause}\n", "because:".dimmed()));
    }
    for line in &report.log {
        ui.insist(&format!("  {} {}\n", "|".dimmed(), clean_lines(line)));
    }
    for help in &report.help {
        ui.insist(&format!("{} {help}\n", "help:".cyan().bold()));
    }
}

fn bare(kind: Kind, message: String) -> Report {
    Report {
        kind,
        message,
        causes: Vec::new(),
        log: Vec::new(),
        help: Vec::new(),
        diagnostics: Vec::new(),
    }
}

fn dress(error: &CliError) -> Report {
    let mut report = bare(Kind::Failed, error.to_string());
    match error {
        CliError::Job(job) => dress_job(job, &mut report),
        CliError::Output { source } if source.kind() == ErrorKind::BrokenPipe => {
            report.kind = Kind::Fine;
        }
        CliError::NoPlan { command } => {
            report.kind = Kind::Usage;
            report.help = vec![format!("run `{command}` without `--dry-run`")];
        }
        CliError::Value { .. } | CliError::Usage(_) => report.kind = Kind::Usage,
        CliError::Output { .. }
        | CliError::Directory { .. }
        | CliError::Runtime { .. }
        | CliError::Json { .. }
        | CliError::NoTerminal => {}
    }
    report.causes = causes(error);
    report
}

fn ended_by(signal: &str) -> Kind {
    match signal {
        "SIGTERM" => Kind::Terminated,
        "SIGHUP" => Kind::HungUp,
        _ => Kind::Interrupted,
    }
}

fn dress_job(error: &JobError, report: &mut Report) {
    report.log = error.details();
    if let Some(signal) = error.interruption() {
        report.kind = ended_by(signal);
    }
    report.help.extend(error.hint());
    if error.is_no_room() {
        let help = "make room (`df -h` shows which file system is full); `locker stop` and `locker down` need none";
        report.help.push(help.into());
    }
    match error {
        JobError::Load(LoadError::NotFound { .. }) => {
            report.kind = Kind::Usage;
            report.help =
                vec!["name a file with `-f FILE`, a project that is up with `-p NAME`, or go to the directory of a project".into()];
        }
        JobError::Load(LoadError::Io { source, .. }) => {
            report.kind = Kind::Usage;
            if source.kind() == std::io::ErrorKind::AlreadyExists {
                report.help = vec!["say `--yes` to replace it, or name another file".into()];
            }
        }
        JobError::Load(LoadError::Invalid(diagnostics)) => {
            report.kind = Kind::InvalidFile;
            report.diagnostics.clone_from(diagnostics);
        }
        JobError::Selection { help, .. } => {
            report.kind = Kind::Usage;
            report.help.extend(help.clone());
        }
        JobError::Problems { problems, .. } => {
            report.diagnostics = problems.iter().map(finding::of).collect();
        }
        JobError::OfLine { blame, .. } => {
            let finding =
                Diagnostic::at(Severity::Error, report.message.clone(), blame.place.clone());
            report.diagnostics = vec![finding.with_help(blame.help.clone())];
        }
        JobError::NotRoot { command } => {
            report.help = vec![format!("run `sudo locker {command}`")];
        }
        JobError::Consent(ConsentError::NoTerminal) => {
            report.kind = Kind::Usage;
            report.help = vec!["say `--yes` to destroy it without a question".into()];
        }
        JobError::Consent(ConsentError::Untrusted { .. }) => {
            report.help = vec![
                "install it where root alone can write: `install -m 755 PROGRAM /usr/local/bin/locker`"
                    .into(),
                "or say `--yes` once for this program".into(),
            ];
        }
        JobError::Program { .. } => {
            report.help = vec!["run `sudo locker up` with this program first".into()];
        }
        JobError::Consent(ConsentError::NoTerminalToAgree) => {
            report.kind = Kind::Usage;
            report.help = vec!["say `--yes` to do it without a question".into()];
        }
        JobError::Adopt { help, .. } => report.help = vec![help.clone()],
        JobError::NotRunning { name } => {
            report.help = vec![format!("run `sudo locker start {name}`")];
        }
        JobError::Tried { name } => {
            report.help = vec![format!(
                "`locker status {name}` tells what it waits for or why it ended, `locker logs {name}` what it printed"
            )];
        }
        JobError::NotMade { name } => {
            report.help = vec![format!("run `sudo locker up {name}`")];
        }
        JobError::NotInFile { .. } => {
            report.kind = Kind::Usage;
            report.help = vec!["write it into the file, or remove it: `locker rm`".into()];
        }
        JobError::NotOnce { name } => {
            report.kind = Kind::Usage;
            report.help = vec![format!(
                "run the command inside: `locker exec {name} -- CMD`, or write a container with \
                 `clone: {name}`"
            )];
        }
        JobError::NoSupervisor { .. } => {
            report.help = vec![
                "systemd must run this host, and the file must not say `supervisor: none`".into(),
            ];
        }
        JobError::NameTaken { .. } => {
            report.help = vec!["choose another one with `--name`".into()];
        }
        JobError::NoCode { name } => {
            report.help = vec![format!("`locker jobs {name}` tells what is known of it")];
        }
        JobError::Frozen { name } => {
            report.help = vec![format!("run `sudo locker unfreeze {name}`")];
        }
        JobError::Elsewhere { recorded, .. } => {
            let recorded = recorded.display();
            report.help = vec![format!(
                "leave `--lxcpath` out, or say `--lxcpath {recorded}`"
            )];
        }
        JobError::Consent(ConsentError::Failed { .. })
        | JobError::Refused
        | JobError::Lock(_)
        | JobError::Backend(_)
        | JobError::Firewall(_)
        | JobError::Units(_)
        | JobError::Store(_)
        | JobError::Observe(_)
        | JobError::Apply(_)
        | JobError::Verify(_)
        | JobError::Random { .. }
        | JobError::Cut { .. }
        | JobError::Signals { .. } => {}
    }
}

/// The chain below `error`, without what its own text already says.
fn causes(error: &dyn Error) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            causes.push(text.clone());
        }
        said = text;
        next = cause.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Problem;
    use std::io;

    #[test]
    fn every_end_has_its_exit_code() {
        let io = |kind| io::Error::from(kind);
        let load = |error| CliError::Job(JobError::Load(error));
        for (error, code) in [
            (
                CliError::Output {
                    source: io(ErrorKind::BrokenPipe),
                },
                0,
            ),
            (
                CliError::Output {
                    source: io(ErrorKind::StorageFull),
                },
                1,
            ),
            (CliError::Job(JobError::NotRoot { command: "up" }), 1),
            (CliError::Job(JobError::Refused), 1),
            (
                CliError::Job(JobError::Consent(ConsentError::NoTerminal)),
                2,
            ),
            (load(LoadError::Invalid(Vec::new())), 2),
            (
                CliError::Job(JobError::Selection {
                    message: "no container `wbe`".into(),
                    help: Some("did you mean `web`?".into()),
                }),
                2,
            ),
        ] {
            assert_eq!(dress(&error).kind.code(), code, "{error}");
        }
        for (signal, code) in [("SIGHUP", 129), ("SIGINT", 130), ("SIGTERM", 143)] {
            assert_eq!(ended_by(signal).code(), code, "{signal}");
        }
    }

    #[test]
    fn a_hint_names_the_next_command() {
        let report = dress(&CliError::Job(JobError::NotRoot { command: "up" }));
        assert_eq!(report.help, ["run `sudo locker up`"]);
        let report = dress(&CliError::Job(JobError::Consent(ConsentError::NoTerminal)));
        assert!(report.help[0].contains("`--yes`"));
    }

    #[test]
    fn a_cause_that_the_message_names_is_not_told_twice() {
        let error = CliError::Runtime {
            source: io::Error::other("out of files"),
        };
        assert_eq!(
            error.to_string(),
            "cannot set up the event loop: out of files"
        );
        assert_eq!(causes(&error), Vec::<String>::new());
    }

    #[test]
    fn all_problems_of_a_plan_are_told() {
        let problem = |message: &str| Problem {
            message: message.into(),
            container: None,
            key: None,
            place: None,
            help: None,
        };
        let report = dress(&CliError::Job(JobError::Problems {
            command: "up",
            problems: vec![problem("port 80 is taken"), problem("port 81 is taken")],
        }));
        let told: Vec<&str> = report
            .diagnostics
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(told, ["port 80 is taken", "port 81 is taken"]);
        assert_eq!(report.kind.code(), 1);
    }
}
