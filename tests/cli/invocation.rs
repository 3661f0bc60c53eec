//! One run of the binary and what it must print: all of it, unless the test says otherwise.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A run in a directory of its own, without variables and without a terminal.
pub struct Invocation {
    directory: TempDir,
    args: Vec<String>,
    variables: Vec<(String, String)>,
}

/// What a run gave; the path of its directory reads `[DIR]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Invocation {
    /// `locker` with the words of `line`.
    pub fn of(line: &str) -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            args: line.split_whitespace().map(String::from).collect(),
            variables: Vec::new(),
        }
    }

    /// With a file in its directory.
    pub fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.directory.path().join(name), text).unwrap();
        self
    }

    /// With a variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The command, for a test that wants its own streams.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_locker"));
        command
            .args(&self.args)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs it.
    pub fn run(self) -> Outcome {
        let output = self.command().output().unwrap();
        let directory = self.directory.path().canonicalize().unwrap();
        Outcome {
            status: output.status.code(),
            stdout: text(&output.stdout, &directory),
            stderr: text(&output.stderr, &directory),
        }
    }

    /// Runs it and compares everything.
    #[track_caller]
    pub fn gives(self, status: i32, stdout: &str, stderr: &str) {
        let line = self.args.join(" ");
        let wanted = Outcome {
            status: Some(status),
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        let given = self.run();
        assert!(
            given == wanted,
            "locker {line}\n--- wanted\n{wanted:#?}\n--- given\n{given:#?}"
        );
    }
}

fn text(bytes: &[u8], directory: &Path) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.replace(directory.to_str().unwrap(), "[DIR]")
}
