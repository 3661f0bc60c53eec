//! A program's output, line by line as it comes, without keeping what was read.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::task::JoinHandle;

use super::exec::{Exec, ExecError};

/// So much of what a program says about its failure is kept.
const MOST_SAID: u64 = 4096;

/// A running program whose output is read. It is killed when this is dropped.
#[derive(Debug)]
pub struct Lines {
    program: String,
    child: Child,
    out: BufReader<ChildStdout>,
    said: JoinHandle<String>,
}

impl Exec {
    /// Starts it, to be read line by line; it has no stdin and may take as long as it likes.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn lines(&self) -> Result<Lines, ExecError> {
        let failed = |source| ExecError::Io {
            verb: "start",
            program: self.program().into(),
            source,
        };
        let mut child = tokio::process::Command::new(self.program())
            .args(self.args())
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (Some(out), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
        };
        // Read beside the output: a program whose stderr is full stands still.
        let said = tokio::spawn(async move {
            let mut said = Vec::new();
            // What cannot be read is missing in a message, no more.
            let _ = stderr.take(MOST_SAID).read_to_end(&mut said).await;
            String::from_utf8_lossy(&said).trim().to_string()
        });
        Ok(Lines {
            program: self.program().into(),
            child,
            out: BufReader::new(out),
            said,
        })
    }
}

impl Lines {
    /// The next line without its end; none when the program has ended with 0. Not to be asked again
    /// after that.
    ///
    /// # Errors
    /// The program failed, or cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ExecError> {
        let mut line = Vec::new();
        let read = self.out.read_until(b'\n', &mut line).await;
        let program = || self.program.clone();
        let io = |verb| {
            move |source| ExecError::Io {
                verb,
                program: program(),
                source,
            }
        };
        if read.map_err(io("read from"))? > 0 {
            line.pop_if(|byte| *byte == b'\n');
            return Ok(Some(line));
        }
        let status = self.child.wait().await.map_err(io("wait for"))?;
        if status.success() {
            return Ok(None);
        }
        Err(ExecError::Failed {
            program: self.program.clone(),
            status: status.to_string(),
            stderr: (&mut self.said).await.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_as_they_are_and_a_failure_tells_why() {
        let mut lines = Exec::new("printf", ["one\\n\\ntwo"]).lines().unwrap();
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(read, ["one", "", "two"]);
        let mut fails = Exec::new("ls", ["/no/such"]).lines().unwrap();
        let error = fails.next().await.unwrap_err().to_string();
        assert!(error.contains("No such file"), "{error}");
    }

    #[tokio::test]
    async fn a_program_ends_when_nobody_reads_it() {
        let lines = Exec::new("sleep", ["600"]).lines().unwrap();
        let pid = lines.child.id().unwrap();
        drop(lines);
        let dead = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        for _ in 0..100 {
            if dead() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("it still runs");
    }
}
