//! A container that runs once, with this process's terminal and streams.
//!
//! The driver makes it like any other; here it is adapted, started and waited for. Its streams are joined
//! before it starts, so that nothing it prints is lost.

use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, RestartPolicy, RestartPolicyNameEnum};
use bollard::query_parameters::{
    AttachContainerOptions, InspectContainerOptions, KillContainerOptions, RemoveContainerOptions,
    ResizeContainerTTYOptions, StartContainerOptions,
};

use super::client::Link;
use super::ended::ended;
use super::error::{failed, is_missing, reason, refused};
use super::unframed;
use crate::backend::{BackendError, RunOptions};
use crate::sys::terminal::{self, End, Orders, Remote, Wires};

/// How often, and how many times, is looked whether one that somebody else removes is gone.
const REMOVAL: Duration = Duration::from_millis(50);
const REMOVALS: u32 = 200;

/// Whether it gets a terminal.
fn tty(options: &RunOptions) -> bool {
    !options.detach && options.tty.unwrap_or_else(terminal::is_one)
}

/// Makes a container that stays into one that runs once.
pub(super) fn adapt(body: &mut ContainerCreateBody, options: &RunOptions) {
    let attached = !options.detach;
    body.tty = Some(tty(options));
    body.open_stdin = Some(options.interactive);
    body.stdin_once = Some(options.interactive && attached);
    body.attach_stdin = Some(options.interactive && attached);
    body.attach_stdout = Some(attached);
    body.attach_stderr = Some(attached);
    let host = body.host_config.get_or_insert_default();
    // One that is started again has not run once.
    host.restart_policy = Some(RestartPolicy {
        name: Some(RestartPolicyNameEnum::NO),
        maximum_retry_count: None,
    });
    // It may ask for its size before it can be told.
    let size = terminal::size().filter(|_| tty(options));
    host.console_size = size.map(|(rows, columns)| vec![rows.into(), columns.into()]);
    // Nobody is there to remove it. An attached one is removed after its exit code is known.
    host.auto_remove = Some(options.remove && options.detach);
}

/// Whether the caller of [`run`] removes the container: `began` says that it ran, `well` that nothing failed.
pub(super) fn goes(options: &RunOptions, began: bool, well: bool) -> bool {
    match well {
        true => options.remove && !options.detach,
        false => options.remove || !began,
    }
}

/// Starts a made container and stays with it to its end. Returns whether it began to run, and its exit code; on an
/// error it is left to the caller to remove it.
pub(super) async fn run(
    link: &Link,
    full: &str,
    options: &RunOptions,
    orders: &mut Orders,
) -> (bool, Result<i32, BackendError>) {
    let mut began = false;
    let ran = attended(link, full, options, orders, &mut began).await;
    (began, ran)
}

async fn attended(
    link: &Link,
    full: &str,
    options: &RunOptions,
    orders: &mut Orders,
    began: &mut bool,
) -> Result<i32, BackendError> {
    let docker = &link.docker;
    if options.detach {
        start(docker, full).await?;
        *began = true;
        return Ok(0);
    }
    let attached = match tty(options) {
        true => unframed::container(&link.endpoint, full, options.interactive).await,
        false => framed(docker, full, options.interactive).await,
    };
    let wires = attached.map_err(|error| failed("attach to", full, &error))?;
    start(docker, full).await?;
    *began = true;
    let remote = Once { docker, full };
    let joined = terminal::join(wires, tty(options), &remote, orders).await;
    let code = match joined.map_err(|error| failed("attach to", full, &error))? {
        // The streams may be closed long before its end.
        End::Closed => tokio::select! {
            code = ended(docker, full) => code?,
            code = orders.heed(&remote, false) => code,
        },
        End::Left(code) => code,
    };
    if options.remove {
        remove(docker, full, true).await?;
    }
    Ok(code)
}

/// Its streams when it has no terminal.
async fn framed(docker: &Docker, full: &str, input: bool) -> Result<Wires<Error>, Error> {
    let options = AttachContainerOptions {
        stream: true,
        stdin: input,
        stdout: true,
        stderr: true,
        ..AttachContainerOptions::default()
    };
    let attached = docker.attach_container(full, Some(options)).await?;
    let typed = input.then_some(attached.input);
    Ok(super::attach::wires(attached.output, typed))
}

async fn start(docker: &Docker, full: &str) -> Result<(), BackendError> {
    let started = docker.start_container(full, None::<StartContainerOptions>);
    let started = started.await;
    started.map_err(|error| failed("start", full, &error))
}

/// Removes it, with `volumes` its volumes without a name too, also when it still runs since the user
/// left it.
pub(super) async fn remove(docker: &Docker, full: &str, volumes: bool) -> Result<(), BackendError> {
    let options = RemoveContainerOptions {
        v: volumes,
        force: true,
        link: false,
    };
    match docker.remove_container(full, Some(options)).await {
        // Somebody else removes it just now.
        Err(error) if reason(&error).contains("already in progress") => gone(docker, full).await,
        Err(error) if !is_missing(&error) => Err(failed("remove", full, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Waits until it is gone.
async fn gone(docker: &Docker, full: &str) -> Result<(), BackendError> {
    for _ in 0..REMOVALS {
        let options = None::<InspectContainerOptions>;
        if docker.inspect_container(full, options).await.is_err() {
            return Ok(());
        }
        tokio::time::sleep(REMOVAL).await;
    }
    Err(refused("remove", full, "it does not go"))
}

struct Once<'a> {
    docker: &'a Docker,
    full: &'a str,
}

#[async_trait]
impl Remote for Once<'_> {
    async fn resize(&self, rows: u16, columns: u16) {
        let size = ResizeContainerTTYOptions {
            h: rows.into(),
            w: columns.into(),
        };
        // It may have ended meanwhile; a wrong size is no reason to end.
        let _ = self.docker.resize_container_tty(self.full, size).await;
    }

    async fn signal(&self, number: i32) -> bool {
        let options = KillContainerOptions {
            signal: number.to_string(),
        };
        let sent = self.docker.kill_container(self.full, Some(options)).await;
        sent.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_ran_and_was_not_to_go_stays_whatever_failed_then() {
        for (remove, detach, began, well, gone) in [
            (false, false, true, false, false),
            (false, false, false, false, true),
            (true, false, true, false, true),
            (true, false, true, true, true),
            (true, true, true, true, false),
            (false, false, true, true, false),
        ] {
            let options = RunOptions {
                remove,
                detach,
                ..RunOptions::default()
            };
            assert_eq!(goes(&options, began, well), gone);
        }
    }

    #[test]
    fn one_that_runs_once_is_not_started_again_and_removed_by_the_engine_only_when_nobody_waits() {
        let mut body = ContainerCreateBody::default();
        let mut options = RunOptions {
            remove: true,
            interactive: true,
            tty: Some(true),
            ..RunOptions::default()
        };
        adapt(&mut body, &options);
        let host = body.host_config.clone().unwrap();
        let policy = host.restart_policy.and_then(|policy| policy.name);
        assert_eq!(policy, Some(RestartPolicyNameEnum::NO));
        assert_eq!(
            (host.auto_remove, body.tty, body.stdin_once),
            (Some(false), Some(true), Some(true))
        );
        options.detach = true;
        adapt(&mut body, &options);
        let host = body.host_config.unwrap();
        assert_eq!(
            (host.auto_remove, body.tty, body.attach_stdout),
            (Some(true), Some(false), Some(false))
        );
    }
}
