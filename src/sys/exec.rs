//! Runs a program: an argument list, bytes for its stdin, a time limit, and its stderr kept.
//!
//! There is no shell here and there must never be one: a value reaches a program as one argument or
//! on its stdin. The child is killed when the call is dropped.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

/// Longest time that a program may take when nothing else is said.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program to run.
#[derive(Clone, Debug)]
pub struct Exec {
    program: String,
    args: Vec<String>,
    stdin: Vec<u8>,
    limit: Duration,
}

/// What a program left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; none when a signal ended it.
    pub code: Option<i32>,
    /// Its stdout.
    pub stdout: String,
    /// Its stderr, trimmed.
    pub stderr: String,
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// It could not be started, fed or waited for.
    #[error("cannot {verb} `{program}`: {source}")]
    Io {
        /// `start`, `write to`, `read from`, `wait for`.
        verb: &'static str,
        /// The program.
        program: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// It ran for longer than it may and was killed.
    #[error("`{program}` took longer than {seconds} s and was killed")]
    Timeout {
        /// The program.
        program: String,
        /// How long it had.
        seconds: u64,
    },
    /// It ended with a status other than 0.
    #[error("`{program}` failed ({status}): {stderr}")]
    Failed {
        /// The program.
        program: String,
        /// `exit status 1`, `a signal`.
        status: String,
        /// What it said.
        stderr: String,
    },
}

impl Exec {
    /// `program`, looked up in `PATH`, with `args`.
    pub fn new<A: Into<String>>(program: &str, args: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            stdin: Vec::new(),
            limit: PATIENCE,
        }
    }

    pub(super) fn program(&self) -> &str {
        &self.program
    }

    pub(super) fn args(&self) -> &[String] {
        &self.args
    }

    /// Gives it `bytes` on stdin; without this, stdin is empty.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Kills it after `limit`.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end, whatever its status is.
    pub async fn output(&self) -> Result<Output, ExecError> {
        match tokio::time::timeout(self.limit, self.talk()).await {
            Ok(done) => done,
            Err(_) => Err(ExecError::Timeout {
                program: self.program.clone(),
                seconds: self.limit.as_secs(),
            }),
        }
    }

    /// Runs it to its end; a status other than 0 is an error that holds its stderr.
    pub async fn run(&self) -> Result<Output, ExecError> {
        let output = self.output().await?;
        if output.code == Some(0) {
            return Ok(output);
        }
        Err(ExecError::Failed {
            program: self.program.clone(),
            status: match output.code {
                Some(code) => format!("exit status {code}"),
                None => "a signal".into(),
            },
            stderr: output.stderr,
        })
    }

    async fn talk(&self) -> Result<Output, ExecError> {
        let io = |verb| {
            move |source| ExecError::Io {
                verb,
                program: self.program.clone(),
                source,
            }
        };
        let mut child = tokio::process::Command::new(&self.program)
            .args(&self.args)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(io("start"))?;
        let pipe = child.stdin.take();
        let feed = async {
            match pipe {
                // A program that ends without reading says why on stderr: a broken pipe is no news.
                Some(mut pipe) => match pipe.write_all(&self.stdin).await {
                    Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
                    Ok(()) | Err(_) => Ok(()),
                },
                None => Ok(()),
            }
        };
        let (fed, output) = tokio::join!(feed, child.wait_with_output());
        let output = output.map_err(io("wait for"))?;
        fed.map_err(io("write to"))?;
        Ok(Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stdin_reaches_the_program_and_stdout_comes_back() {
        let big = "x".repeat(1 << 20);
        let output = Exec::new("cat", ["-"]).stdin(big.clone()).run().await;
        assert_eq!(output.unwrap().stdout, big);
    }

    #[tokio::test]
    async fn an_argument_is_never_read_by_a_shell() {
        let output = Exec::new("echo", ["$(id); `id`"]).run().await.unwrap();
        assert_eq!(output.stdout, "$(id); `id`\n");
    }

    #[tokio::test]
    async fn a_failure_names_the_program_and_keeps_its_stderr() {
        let error = Exec::new("ls", ["/no/such"]).run().await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("`ls`") && text.contains("No such file"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = Exec::new("no-such-program", [""; 0]).run().await;
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("start `no-such-program`")
        );
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed() {
        let exec = Exec::new("sleep", ["60"]).limit(Duration::from_millis(50));
        let error = exec.run().await.unwrap_err();
        assert!(matches!(error, ExecError::Timeout { .. }), "{error}");
    }
}
