//! A one-off container that is made and run: by this process, by the engine alone, or as a transient
//! service. It is written down first, so that whatever becomes of this process it is found again.

use std::path::{Path, PathBuf};

use crate::apply::Host;
use crate::backend::{Engine, RunOptions};
use crate::model::{ContainerSpec, JobRecord, Name, ProgramCopy, Runner, STOP_GRACE, Supervisor};
use crate::observed::ObservedJob;
use crate::store::{self, JOB_VERSION};
use crate::sys;
use crate::sys::process::Stat;
use crate::systemd::TransientJob;

use super::road::Opened;
use super::{JobError, OnceRequest};

/// A container for one command, before it runs.
pub(super) struct Begun<'a> {
    host: &'a Host,
    program: &'a Path,
    /// The copy of this program that must be there first.
    copy: Option<&'a ProgramCopy>,
    engine: &'a dyn Engine,
    spec: &'a ContainerSpec,
    options: &'a RunOptions,
    record: JobRecord,
    /// The engine's socket, when it is to be a service.
    socket: Option<PathBuf>,
}

impl<'a> Begun<'a> {
    /// Works out who is to run it; `systemd` says whether it runs the host.
    pub(super) fn new(
        opened: &'a Opened,
        spec: &'a ContainerSpec,
        (of, request): (&Name, &'a OnceRequest),
        systemd: bool,
    ) -> Result<Self, JobError> {
        let Some(engine) = opened.host.backend.engine() else {
            return Err(super::once::no_engine());
        };
        let options = &request.options;
        let wanted = options.detach && systemd && is_supervised(opened, of);
        let socket = engine.once().socket().filter(|_| wanted);
        let record = JobRecord {
            version: JOB_VERSION,
            name: spec.name.clone(),
            of: of.clone(),
            argv: request.argv.clone(),
            begun: sys::now(),
            remove: options.remove,
            unit: socket.is_some(),
            runner: (!options.detach).then(runner).flatten(),
        };
        Ok(Self {
            host: &opened.host,
            program: &opened.program,
            copy: opened.copy.as_ref(),
            engine,
            spec,
            options,
            record,
            socket,
        })
    }

    /// Runs it; its exit code, 0 for one that was left to run. What never came to run, or went with its
    /// end, is forgotten again.
    /// `old` is one of the same name that is over: it is forgotten first.
    pub(super) async fn run(&self, old: Option<&ObservedJob>) -> Result<i32, JobError> {
        let (paths, project) = (&self.host.paths, &self.host.project);
        if old.is_some_and(|old| old.record.unit) {
            let jobs = self.host.units.jobs();
            jobs.forget(project, &self.record.name).await?;
        }
        store::save_job(paths, project, &self.record)?;
        let ran = match &self.socket {
            Some(socket) => self.as_service(socket).await.map(|()| 0),
            None => {
                let once = self.engine.once();
                let ran = once.run(self.spec, self.options).await;
                ran.map_err(JobError::from)
            }
        };
        if ran.is_err() || (self.options.remove && !self.options.detach) {
            store::remove_job(paths, project, &self.record.name)?;
        }
        ran
    }

    async fn as_service(&self, socket: &Path) -> Result<(), JobError> {
        self.installed()?;
        let (once, name) = (self.engine.once(), &self.spec.name);
        once.make(self.spec).await?;
        let jobs = self.host.units.jobs();
        let Err(error) = jobs.start(&self.service(socket)).await else {
            return Ok(());
        };
        // What is told is why it did not start.
        let _ = jobs.forget(&self.host.project, name).await;
        let _ = once.remove(name, true).await;
        Err(error.into())
    }

    /// Puts the program where a service can run it. One that units run already is replaced by a plan only.
    fn installed(&self) -> Result<(), JobError> {
        let Some(copy) = self.copy else { return Ok(()) };
        let other = copy
            .before
            .as_ref()
            .map(|_| "units run another one".to_string());
        let doubt = copy.doubt.clone();
        match other.or(copy.obstacle.clone()).or(doubt) {
            None => Ok(store::install(copy)?),
            Some(reason) => Err(JobError::Program {
                program: copy.source.clone(),
                reason,
            }),
        }
    }

    fn service(&self, socket: &Path) -> TransientJob {
        let grace = self.spec.stop_grace.unwrap_or(STOP_GRACE);
        let call = |verb: &str, last: String| {
            let program = self.program.to_string_lossy().into_owned();
            let socket = socket.to_string_lossy().into_owned();
            let (project, name) = (&self.host.project, &self.spec.name);
            let names = [project, name].map(ToString::to_string);
            [vec![program, verb.into()], names.into(), vec![socket, last]].concat()
        };
        let last = if self.options.remove {
            "remove"
        } else {
            "keep"
        };
        TransientJob {
            project: self.host.project.clone(),
            id: self.spec.name.clone(),
            description: format!(
                "One run of container {} of project {}",
                self.record.of, self.host.project
            ),
            argv: call("__run", last.into()),
            stop: call("__end", grace.as_secs_f64().ceil().to_string()),
            grace,
            identifier: self.spec.name.to_string(),
        }
    }
}

/// Whether systemd may have it: as the container that it is made from.
fn is_supervised(opened: &Opened, of: &Name) -> bool {
    let project = &opened.project;
    let own = project.containers.get(of).and_then(|c| c.supervisor);
    match own.unwrap_or(project.supervisor) {
        Supervisor::None => false,
        Supervisor::Auto | Supervisor::Systemd => true,
    }
}

/// This process.
fn runner() -> Option<Runner> {
    let pid = std::process::id();
    let started = Stat::of(pid)?.started;
    Some(Runner { pid, started })
}
