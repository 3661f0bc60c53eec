//! Commands inside a running container.
//!
//! The engine knows no way to end such a command. It runs on this host, so a signal is sent to the
//! process itself, after a look whether it still is the one that was started.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::{Stream, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWrite;

use super::client::Link;
use super::error::{failed, refused};
use super::unframed;
use crate::backend::{AttachOptions, BackendError, Ran};
use crate::model::Hook;
use crate::sys::process::descendants;
use crate::sys::terminal::{self, End, Input, Orders, Piece, Remote, Wires};

const VERB: &str = "run a command in";
/// Output that is kept, from its end.
const KEPT: usize = 64 * 1024;
/// How soon it is asked again whether a command has ended that closed its streams.
const SOON: Duration = Duration::from_millis(10);
/// How long a command may take over a signal that asks it to be gone.
const LEAVING: Duration = Duration::from_secs(5);
/// The longest pause between two such questions.
const LATER: Duration = Duration::from_millis(500);

/// Runs a command and returns its output and code; after `timeout` it is killed.
pub(super) async fn run(
    docker: &Docker,
    full: &str,
    hook: &Hook,
    timeout: Option<Duration>,
) -> Result<Ran, BackendError> {
    let variables = hook.environment.iter();
    let variables: Vec<String> = variables.map(|(k, v)| format!("{k}={v}")).collect();
    let config = ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(hook.command.argv()),
        env: (!variables.is_empty()).then_some(variables),
        user: hook.user.clone(),
        working_dir: hook.working_dir.clone(),
        privileged: hook.privileged.then_some(true),
        ..ExecConfig::default()
    };
    let exec = Exec::make(docker, full, config).await?;
    let mut unfinished = Unfinished(Some(exec.clone()));
    let work = async {
        let mut kept = Kept::default();
        if let StartExecResults::Attached { mut output, .. } = exec.start(false, false).await? {
            while let Some(piece) = output.next().await {
                kept.add(&exec.ok(piece)?);
            }
        }
        let code = exec.code().await?;
        Ok(Ran {
            code,
            output: kept.text(),
        })
    };
    let done = match timeout {
        Some(limit) => tokio::time::timeout(limit, work).await,
        None => Ok(work.await),
    };
    unfinished.0 = None;
    match done {
        Ok(done) => done,
        Err(_) => {
            exec.kill(Signal::KILL, true).await;
            let reason = format!("`{hook}` did not end within its time");
            Err(refused(VERB, full, reason))
        }
    }
}

/// Runs a command with this process's own streams and terminal; returns its exit code.
pub(super) async fn attach(
    link: &Link,
    full: &str,
    argv: &[String],
    options: &AttachOptions,
) -> Result<i32, BackendError> {
    if argv.is_empty() {
        return Err(refused(VERB, full, "there is no command"));
    }
    let tty = !options.detach && options.tty.unwrap_or_else(terminal::is_one);
    let exec = Exec::make(&link.docker, full, config(argv, options, tty)).await?;
    let wires = match tty {
        true => exec.ok(unframed::exec(&link.endpoint, &exec.id).await)?,
        false => match exec.start(options.detach, false).await? {
            StartExecResults::Attached { output, input } => wires(output, Some(input)),
            StartExecResults::Detached => return Ok(0),
        },
    };
    let mut orders = exec.ok(Orders::listen(Some(LEAVING)).map_err(Into::into))?;
    let joined = terminal::join(wires, tty, &exec, &mut orders).await;
    let left = match exec.ok(joined)? {
        // It may go on after it closed its streams; it is no deafer to signals then.
        End::Closed => tokio::select! {
            code = exec.code() => return code,
            code = orders.heed(&exec, false) => code,
        },
        End::Left(code) => code,
    };
    // Whoever is told to go leaves nothing behind.
    exec.kill(Signal::KILL, true).await;
    Ok(left)
}

/// The engine's streams as ours.
pub(super) fn wires(
    output: impl Stream<Item = Result<LogOutput, Error>> + Send + 'static,
    input: Option<Pin<Box<dyn AsyncWrite + Send>>>,
) -> Wires<Error> {
    let output = output.map(|piece| {
        Ok(match piece? {
            LogOutput::StdErr { message } => Piece::Err(message.into()),
            LogOutput::StdOut { message }
            | LogOutput::StdIn { message }
            | LogOutput::Console { message } => Piece::Out(message.into()),
        })
    });
    Wires {
        output: Box::pin(output),
        input: input.map(|to| Input { to, left: None }),
    }
}

fn config(argv: &[String], options: &AttachOptions, tty: bool) -> ExecConfig {
    let mut env: Vec<String> = Vec::new();
    if let (true, Ok(term)) = (tty, std::env::var("TERM")) {
        env.push(format!("TERM={term}"));
    }
    let own = options.environment.iter();
    env.extend(own.map(|(key, value)| format!("{key}={value}")));
    let workdir = options.workdir.as_ref();
    // It may ask for its size before it can be told; engines before 23 do not heed this.
    let size = terminal::size().filter(|_| tty);
    ExecConfig {
        attach_stdin: Some(!options.detach),
        attach_stdout: Some(!options.detach),
        attach_stderr: Some(!options.detach),
        tty: Some(tty),
        console_size: size.map(|(rows, columns)| vec![rows.into(), columns.into()]),
        env: Some(env),
        cmd: Some(argv.to_vec()),
        privileged: Some(options.privileged),
        user: options.user.clone(),
        working_dir: workdir.map(|dir| dir.to_string_lossy().into_owned()),
        ..ExecConfig::default()
    }
}

/// A command that nobody waits for any more, since the run that did ends, is killed.
struct Unfinished(Option<Exec>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(exec) = self.0.take() {
            tokio::spawn(async move { exec.kill(Signal::KILL, true).await });
        }
    }
}

/// A command as the engine knows it.
#[derive(Clone, Debug)]
struct Exec {
    docker: Docker,
    full: String,
    id: String,
}

impl Exec {
    async fn make(docker: &Docker, full: &str, config: ExecConfig) -> Result<Self, BackendError> {
        let made = docker.create_exec(full, config).await;
        let id = made.map_err(|error| failed(VERB, full, &error))?.id;
        Ok(Self {
            docker: docker.clone(),
            full: full.into(),
            id,
        })
    }

    fn ok<T>(&self, result: Result<T, Error>) -> Result<T, BackendError> {
        result.map_err(|error| failed(VERB, &self.full, &error))
    }

    /// Starts it.
    async fn start(&self, detach: bool, tty: bool) -> Result<StartExecResults, BackendError> {
        let options = StartExecOptions {
            detach,
            tty,
            output_capacity: None,
        };
        let started = self.docker.start_exec(&self.id, Some(options)).await;
        self.ok(started)
    }

    /// Its exit code. It may go on after it closed its streams.
    async fn code(&self) -> Result<i32, BackendError> {
        let mut pause = SOON;
        loop {
            let state = self.ok(self.docker.inspect_exec(&self.id).await)?;
            if state.running != Some(true) {
                let code = state.exit_code.and_then(|code| i32::try_from(code).ok());
                return Ok(code.unwrap_or(255));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LATER);
        }
    }

    /// Sends a signal to its process, and with `all` to those that it began, when it is what it was. Its
    /// number may belong to another by now, which is not in a cgroup of this container.
    async fn kill(&self, signal: Signal, all: bool) -> bool {
        let Ok(state) = self.docker.inspect_exec(&self.id).await else {
            return false;
        };
        let (Some(true), Some(pid), Some(container)) =
            (state.running, state.pid, state.container_id)
        else {
            return false;
        };
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        if !groups.contains(&container) {
            return false;
        }
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return false;
        };
        let below = if all { descendants(pid) } else { Vec::new() };
        // All are asked, whatever becomes of one.
        let own = kill_process(pid, signal).is_ok();
        for pid in below {
            let _ = kill_process(pid, signal);
        }
        own
    }
}

#[async_trait]
impl Remote for Exec {
    async fn resize(&self, rows: u16, columns: u16) {
        let size = ResizeExecOptions {
            height: rows,
            width: columns,
        };
        // It may have ended meanwhile; a wrong size is no reason to end.
        let _ = self.docker.resize_exec(&self.id, size).await;
    }

    async fn signal(&self, number: i32) -> bool {
        match Signal::from_named_raw(number) {
            Some(signal) => self.kill(signal, false).await,
            None => false,
        }
    }
}

/// The end of an output.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Kept {
    fn add(&mut self, piece: &LogOutput) {
        self.0.extend_from_slice(piece.as_ref());
        if self.0.len() > 2 * KEPT {
            self.0.drain(..self.0.len() - KEPT);
        }
    }

    fn text(&self) -> String {
        let start = self.0.len().saturating_sub(KEPT);
        String::from_utf8_lossy(self.0.get(start..).unwrap_or_default()).into_owned()
    }
}

#[cfg(test)]
#[path = "attach_tests.rs"]
mod tests;
