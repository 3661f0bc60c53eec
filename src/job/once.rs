//! One container more of a service, for one command: `run`.
//!
//! The container is planned as if the file had it, so that its address, its mounts and its settings are
//! worked out as for any other and what it depends on is started before it. Then its own steps are
//! taken out of the plan, and the engine makes and runs it with this process's terminal.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::apply::{Event, Events};
use crate::backend::{BackendError, RunOptions};
use crate::model::{ContainerSpec, HostsLine, JobState, Name};
use crate::observed::ObservedJob;
use crate::plan::{Goal, Plan, Recreate, Step};

use super::begun::Begun;
use super::change::{ask, end_if_told, lock, perform, trust};
use super::consent::Consent;
use super::one_off::copy_of;
use super::road::{self, Opened};
use super::select::one;
use super::{ChangeRequest, ImageWish, JobError, Setting};

/// The verb.
const COMMAND: &str = "run";

/// One command in a container of its own.
#[derive(Clone, Debug, Default)]
pub struct OnceRequest {
    /// The container whose image and settings it gets.
    pub name: String,
    /// Program and arguments; empty means what the file or the image says.
    pub argv: Vec<String>,
    /// Takes the place of the entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// The name that the container gets; none is `<name>_run_<8 hex>`.
    pub called: Option<Name>,
    /// Variables on top of the container's own.
    pub environment: Vec<(String, String)>,
    /// User inside.
    pub user: Option<String>,
    /// Working directory inside.
    pub workdir: Option<PathBuf>,
    /// `HOST:CONTAINER[:ro]`: mounted as well.
    pub volumes: Vec<String>,
    /// Labels on top of the container's own.
    pub labels: Vec<(String, String)>,
    /// Leave alone what it depends on.
    pub no_deps: bool,
    /// Publish the ports of the file.
    pub service_ports: bool,
    /// It answers to the names of the service on its networks.
    pub use_aliases: bool,
    /// What is done about images first.
    pub images: ImageWish,
    /// How it is run.
    pub options: RunOptions,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The short name of its container.
    pub name: Name,
    /// Its exit code; 0 for one that was left to run.
    pub code: i32,
}

/// Runs it to its end; detached, until it runs.
pub async fn once(
    setting: &Setting,
    request: &OnceRequest,
    events: &dyn Events,
    consent: &dyn Consent,
) -> Result<Once, JobError> {
    let mut opened = road::open(setting, COMMAND).await?;
    request.images.put_into(&mut opened.project);
    if let Some(moved) = &opened.moved {
        moved.agree((&opened.project, &opened.host.paths), consent)?;
    }
    let observed = opened.host.observe(&opened.project, None).await?;
    let name = one(&opened.project, &observed, &request.name, None)?;
    let copy = copy_of(&opened, &name, request, setting)?;
    let called = copy.name.clone();
    let old = observed.jobs.get(&called);
    let runs = |job: &ObservedJob| job.attended || job.unit.as_ref().is_some_and(JobState::runs);
    if observed.containers.contains_key(&called)
        || opened.project.containers.contains_key(&called)
        || old.is_some_and(runs)
    {
        return Err(JobError::NameTaken { name: called });
    }
    opened.project.containers.insert(called.clone(), copy);
    let change = ChangeRequest {
        names: vec![called.to_string()],
        no_deps: request.no_deps,
        recreate: Recreate::Never,
        images: request.images.clone(),
        ..ChangeRequest::new(COMMAND, Goal::Up)
    };
    let held = lock(setting, &change, &opened, events).await?;
    let spec = prepare(setting, &change, (&opened, &called), events, consent).await?;
    // Others may change the project while it runs; its address is in the record.
    let held = request.options.detach.then_some(held);
    let begun = Begun::new(&opened, &spec, (&name, request), observed.units.available)?;
    let code = begun.run(old).await;
    for remark in opened.host.backend.remarks() {
        events.tell(Event::Note(&remark));
    }
    drop(held);
    if request.service_ports && !request.options.detach {
        close(setting, &change, &mut opened, &called, events).await?;
    }
    Ok(Once {
        name: called,
        code: code?,
    })
}

/// Brings up all that it needs and returns what it shall be.
async fn prepare(
    setting: &Setting,
    change: &ChangeRequest,
    (opened, called): (&Opened, &Name),
    events: &dyn Events,
    consent: &dyn Consent,
) -> Result<ContainerSpec, JobError> {
    let mut looked = road::look(opened, change).await?;
    let first = road::first(opened, &looked, change)?;
    change.images.check(&looked.plan, change)?;
    ask(opened, &looked.plan.losses, consent).await?;
    if !first.steps.is_empty() {
        let planned = (&first, &looked.observed);
        let told = perform(setting, change, opened, planned, events).await?;
        end_if_told(told, &first)?;
        looked = road::look(opened, change).await?;
    }
    let parts = Parts::of(looked.plan, called);
    trust(&parts.rest, consent)?;
    if !parts.rest.steps.is_empty() {
        let planned = (&parts.rest, &looked.observed);
        let told = perform(setting, change, opened, planned, events).await?;
        end_if_told(told, &parts.rest)?;
    }
    let Some(mut spec) = parts.spec else {
        return Err(no_engine());
    };
    know_others(&mut spec, &parts.hosts);
    // For one with ids of its own the engine's driver makes them, which gives them to its user.
    if spec.idmap.is_empty() {
        make_directories(spec.mounts.iter().map(|mount| mount.host.clone()).collect()).await?;
    }
    Ok(spec)
}

/// Writes the links into its hosts file, which the engine makes; its own names are the engine's.
fn know_others(spec: &mut ContainerSpec, hosts: &[HostsLine]) {
    let own = spec.nic.as_ref().map(|nic| nic.addresses);
    let is_own = |ip: IpAddr| own.is_some_and(|own| own.each().any(|own| own == ip));
    let Some(app) = spec.app.as_mut() else {
        return;
    };
    for line in hosts.iter().filter(|line| !is_own(line.address)) {
        let address = line.address.to_string();
        let names = line
            .names
            .iter()
            .map(|name| (name.clone(), address.clone()));
        app.settings.extra_hosts.extend(names);
    }
}

/// Takes its port rules out when it is gone.
async fn close(
    setting: &Setting,
    change: &ChangeRequest,
    opened: &mut Opened,
    called: &Name,
    events: &dyn Events,
) -> Result<(), JobError> {
    if let Some(copy) = opened.project.containers.get_mut(called) {
        copy.ports.clear();
    }
    let unpublish = ChangeRequest {
        goal: Goal::Unports,
        ..change.clone()
    };
    let _held = lock(setting, &unpublish, opened, events).await?;
    let looked = road::look(opened, &unpublish).await?;
    if looked.plan.steps.is_empty() {
        return Ok(());
    }
    let planned = (&looked.plan, &looked.observed);
    let told = perform(setting, &unpublish, opened, planned, events).await;
    told.map(drop)
}

pub(super) fn no_engine() -> JobError {
    JobError::Backend(BackendError::Unavailable {
        engine: "Docker",
        reason: "there is no engine of application containers".into(),
        help: "apt-get install docker.io".into(),
    })
}

/// A plan without the steps of one container, and what they said of it.
struct Parts {
    rest: Plan,
    spec: Option<ContainerSpec>,
    hosts: Vec<HostsLine>,
}

impl Parts {
    fn of(mut plan: Plan, name: &Name) -> Self {
        let own = plan.take_out(|step| step.container() == Some(name));
        let mut parts = Self {
            rest: plan,
            spec: None,
            hosts: Vec::new(),
        };
        own.into_iter().for_each(|step| parts.keep(step));
        parts
    }

    fn keep(&mut self, step: Step) {
        if let Step::Create(spec) = step {
            self.spec = Some(*spec);
        } else if let Step::WriteNames { hosts, .. } = step {
            self.hosts = hosts;
        }
    }
}

/// Makes the host directories of mounts that are not there; as for any container.
async fn make_directories(paths: Vec<PathBuf>) -> Result<(), JobError> {
    let made =
        tokio::task::spawn_blocking(move || paths.iter().try_for_each(|path| make_directory(path)));
    match made.await {
        Ok(made) => Ok(made?),
        Err(source) => Err(crate::apply::ObserveError::Thread { source }.into()),
    }
}

fn make_directory(path: &Path) -> Result<(), BackendError> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    std::fs::create_dir_all(path).map_err(|source| BackendError::Io {
        verb: "make",
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Cause, PlannedStep, StepId};

    fn name(word: &str) -> Name {
        Name::new(word).unwrap()
    }

    #[test]
    fn the_steps_of_others_keep_their_order() {
        let step = |word: &str, after: &[StepId]| PlannedStep {
            step: Step::Start {
                container: name(word),
            },
            causes: vec![Cause::Asked],
            after: after.to_vec(),
        };
        let plan = Plan {
            steps: vec![
                step("db", &[]),
                step("web_run_1", &[0]),
                step("api", &[0, 1]),
            ],
            ..Plan::default()
        };
        let parts = Parts::of(plan, &name("web_run_1"));
        assert_eq!(parts.rest.steps, [step("db", &[]), step("api", &[0])]);
        assert!(parts.spec.is_none());
    }
}
