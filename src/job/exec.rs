//! Running a command, or a shell, inside a container with the caller's own terminal.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::backend::{AttachOptions, Backend, BackendError};
use crate::model::{Name, Project, host_name_of};
use crate::observed::{Observed, Silent, State};

use super::select::one;
use super::{JobError, Setting, road};

/// A login shell: the container's bash where it has one. Nothing of the caller's is in this line.
const SHELL: [&str; 3] = [
    "/bin/sh",
    "-c",
    "[ -x /bin/bash ] && exec /bin/bash -l; exec /bin/sh -l",
];

/// How long a container that is about to run is waited for: its service may be there a moment before its engine
/// calls it running.
const ABOUT_TO_RUN: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

/// A command for the inside of one container.
#[derive(Clone, Debug)]
pub struct ExecRequest {
    /// Short name.
    pub name: String,
    /// Which container of a scaled service, from 1.
    pub index: Option<u32>,
    /// Program and arguments; empty means a shell.
    pub argv: Vec<String>,
    /// User inside; none means root.
    pub user: Option<String>,
    /// Working directory inside.
    pub workdir: Option<PathBuf>,
    /// Variables on top of the container's own.
    pub environment: Vec<(String, String)>,
    /// A terminal inside; none is: as this process has one.
    pub tty: Option<bool>,
    /// All capabilities (application containers).
    pub privileged: bool,
    /// Do not wait for it.
    pub detach: bool,
}

/// Runs it and returns its exit code.
pub async fn exec(setting: &Setting, request: &ExecRequest) -> Result<i32, JobError> {
    let command = if request.argv.is_empty() {
        "shell"
    } else {
        "exec"
    };
    let opened = road::open(setting, command).await?;
    let (name, state, tried) = found(&opened, request).await?;
    match state {
        Some(State::Running) => {}
        Some(State::Frozen) => return Err(JobError::Frozen { name }),
        Some(State::Absent | State::Stopped | State::Starting | State::Unknown) | None => {
            return Err(match tried {
                true => JobError::Tried { name },
                false => JobError::NotRunning { name },
            });
        }
    }
    let argv = if request.argv.is_empty() {
        SHELL.map(String::from).to_vec()
    } else {
        request.argv.clone()
    };
    let options = AttachOptions {
        user: request.user.clone(),
        workdir: request.workdir.clone(),
        environment: request.environment.clone(),
        tty: request.tty,
        privileged: request.privileged,
        detach: request.detach,
    };
    let backend: &dyn Backend = &*opened.host.backend;
    Ok(backend.inside().attach(&name, &argv, &options).await?)
}

/// The container that is meant, its state, and whether systemd is about to start it: one that is about to run is
/// waited for.
async fn found(
    opened: &road::Opened,
    request: &ExecRequest,
) -> Result<(Name, Option<State>, bool), JobError> {
    let begun = Instant::now();
    loop {
        let observed = opened.host.observe(&opened.project, None).await?;
        let name = one(&opened.project, &observed, &request.name, request.index)?;
        let state = observed.containers.get(&name).map(|c| c.state);
        if state.is_none() {
            answers(&opened.project, &observed, &name)?;
        }
        if state != Some(State::Starting) || begun.elapsed() >= ABOUT_TO_RUN {
            let tried = observed.units.starts(&name);
            return Ok((name, state, tried));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// An error when one of `names` is not seen because its engine or its keeper does not answer.
pub(super) fn all_answer<'a>(
    project: &Project,
    observed: &Observed,
    names: impl IntoIterator<Item = &'a Name>,
) -> Result<(), JobError> {
    names
        .into_iter()
        .filter(|name| !observed.containers.contains_key(*name))
        .try_for_each(|name| answers(project, observed, name))
}

/// An error when the engine of this container, or its keeper, does not answer.
pub(super) fn answers(project: &Project, observed: &Observed, name: &Name) -> Result<(), JobError> {
    all_speak(project, observed, [name])?;
    let kind = project
        .containers
        .get(name)
        .map(|container| container.kind());
    let down = kind.and_then(|kind| observed.down.get(&kind));
    match down.cloned() {
        None => Ok(()),
        Some(down) => Err(JobError::Backend(down.into())),
    }
}

/// An error when the keeper of one of `names` does not answer, whatever its engine does.
pub(super) fn all_speak<'a>(
    project: &Project,
    observed: &Observed,
    names: impl IntoIterator<Item = &'a Name>,
) -> Result<(), JobError> {
    let silent = |name| Some((name, observed.silent.get(name)?));
    match names.into_iter().find_map(silent) {
        None => Ok(()),
        Some((name, Silent { reason, help })) => Err(JobError::Backend(BackendError::Silent {
            verb: "look at",
            container: host_name_of(&project.name, name),
            reason: reason.clone(),
            help: help.clone(),
        })),
    }
}
