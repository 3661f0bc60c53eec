//! One container more of a service, for one command: `run`.
//!
//! The container is planned as if the file had it, so that its address, its mounts and its settings are
//! worked out as for any other and what it depends on is started before it. Then its own steps are
//! taken out of the plan, and the engine makes and runs it with this process's terminal.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::apply::Events;
use crate::backend::{BackendError, RunOptions};
use crate::model::{
    App, AppNetwork, Container, ContainerSpec, HostsLine, Kind, Name, Place, Restart, Volume,
};
use crate::plan::{Goal, Plan, PlannedStep, Recreate, Step, StepId};

use super::change::{ask, lock, perform};
use super::consent::Consent;
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
    let mut opened = road::open(setting, COMMAND)?;
    request.images.put_into(&mut opened.project);
    let observed = opened.host.observe(&opened.project, None).await?;
    let name = one(&opened.project, &observed, &request.name, None)?;
    let copy = copy_of(&opened, &name, request, setting)?;
    let called = copy.name.clone();
    if observed.containers.contains_key(&called) || opened.project.containers.contains_key(&called)
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
    let Some(engine) = opened.host.backend.engine() else {
        return Err(no_engine());
    };
    let code = engine.run_once(&spec, &request.options).await;
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
        perform(setting, change, opened, (&first, &looked.observed), events).await?;
        looked = road::look(opened, change).await?;
    }
    let parts = Parts::of(looked.plan, called);
    if !parts.rest.steps.is_empty() {
        perform(
            setting,
            change,
            opened,
            (&parts.rest, &looked.observed),
            events,
        )
        .await?;
    }
    let Some(mut spec) = parts.spec else {
        return Err(no_engine());
    };
    if let Some(app) = spec.app.as_mut() {
        // Its own names are written by the engine.
        let own = spec.nic.as_ref().map(|nic| nic.addresses);
        let is_own =
            |ip: IpAddr| own.is_some_and(|own| [own.v4.into(), own.v6.into()].contains(&ip));
        let others = parts.hosts.iter().filter(|line| !is_own(line.address));
        let names = others.flat_map(|line| {
            let address = line.address.to_string();
            line.names
                .iter()
                .map(move |name| (name.clone(), address.clone()))
        });
        app.settings.extra_hosts.extend(names);
    }
    make_directories(spec.mounts.iter().map(|mount| mount.host.clone()).collect()).await?;
    Ok(spec)
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
    perform(setting, &unpublish, opened, planned, events).await
}

fn no_engine() -> JobError {
    JobError::Backend(BackendError::Unavailable {
        engine: "Docker",
        reason: "there is no engine of application containers".into(),
        help: "apt-get install docker.io".into(),
    })
}

/// The container of the file with another name and what the request says.
fn copy_of(
    opened: &Opened,
    name: &Name,
    request: &OnceRequest,
    setting: &Setting,
) -> Result<Container, JobError> {
    let original = opened.project.containers.get(name);
    let original = original.ok_or_else(|| JobError::NotInFile { name: name.clone() })?;
    let app = original
        .app
        .as_deref()
        .filter(|_| original.kind() == Kind::Application);
    let Some(app) = app.cloned() else {
        return Err(JobError::NotOnce { name: name.clone() });
    };
    let called = match &request.called {
        Some(called) => called.clone(),
        None => fresh_name(name)?,
    };
    let mut copy = Container {
        name: called,
        groups: Vec::new(),
        setup: Vec::new(),
        restart: Restart::No,
        healthcheck: None,
        replica_of: None,
        autostart: false,
        ..original.clone()
    };
    if !request.service_ports {
        copy.ports.clear();
    }
    if request.no_deps {
        copy.depends_on.clear();
    }
    copy.environment.extend(request.environment.iter().cloned());
    copy.labels.extend(request.labels.iter().cloned());
    for text in &request.volumes {
        let volume = Volume::parse(text, &setting.load.cwd).map_err(|error| {
            let (message, help) = (error.to_string(), None);
            JobError::Selection { message, help }
        })?;
        copy.volumes
            .retain(|(other, _)| other.target != volume.target);
        copy.volumes.push((volume, Place::nowhere()));
    }
    copy.app = Some(Box::new(settings(app, request)));
    Ok(copy)
}

/// The settings of the copy: nothing in them may be taken by the original.
fn settings(mut app: App, request: &OnceRequest) -> App {
    if let Some(entrypoint) = &request.entrypoint {
        app.entrypoint = Some(entrypoint.clone());
        app.command = None;
    }
    if !request.argv.is_empty() {
        app.command = Some(request.argv.clone());
    }
    if let Some(user) = &request.user {
        app.user = Some(user.clone());
    }
    if let Some(workdir) = &request.workdir {
        app.working_dir = Some(workdir.to_string_lossy().into_owned());
    }
    app.no_healthcheck = true;
    if let AppNetwork::Networks(networks) = &mut app.network {
        for attachment in networks {
            attachment.v4 = None;
            attachment.v6 = None;
            attachment.mac = None;
            if !request.use_aliases {
                attachment.aliases.clear();
            }
        }
    }
    app
}

/// `<name>_run_<8 hex>`, with as much of the name as fits.
fn fresh_name(name: &Name) -> Result<Name, JobError> {
    let mut bytes = [0_u8; 4];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(
        |error| JobError::Random {
            source: error.into(),
        },
    )?;
    let tail = format!("_run_{:08x}", u32::from_ne_bytes(bytes));
    let room = crate::model::NAME_MAX - tail.len();
    let head: String = name.as_str().chars().take(room).collect();
    Name::new(&format!("{head}{tail}")).map_err(|_| JobError::NameTaken { name: name.clone() })
}

/// A plan without the steps of one container, and what they said of it.
struct Parts {
    rest: Plan,
    spec: Option<ContainerSpec>,
    hosts: Vec<HostsLine>,
}

impl Parts {
    fn of(plan: Plan, name: &Name) -> Self {
        let mut parts = Self {
            rest: Plan {
                steps: Vec::new(),
                ..plan
            },
            spec: None,
            hosts: Vec::new(),
        };
        let mut places: BTreeMap<StepId, StepId> = BTreeMap::new();
        for (id, planned) in plan.steps.into_iter().enumerate() {
            if planned.step.container() == Some(name) {
                parts.keep(planned.step);
                continue;
            }
            let after = planned
                .after
                .iter()
                .filter_map(|earlier| places.get(earlier));
            let after = after.copied().collect();
            places.insert(id, parts.rest.steps.len());
            parts.rest.steps.push(PlannedStep { after, ..planned });
        }
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
    use crate::model::Attachment;
    use crate::plan::Cause;

    fn name(word: &str) -> Name {
        Name::new(word).unwrap()
    }

    #[test]
    fn its_name_says_whose_it_is_and_always_fits() {
        let short = fresh_name(&name("web")).unwrap().to_string();
        assert!(
            short.starts_with("web_run_") && short.len() == 16,
            "{short}"
        );
        assert_ne!(fresh_name(&name("web")).unwrap().as_str(), short);
        let long = fresh_name(&name(&"x".repeat(crate::model::NAME_MAX))).unwrap();
        assert_eq!(long.as_str().len(), crate::model::NAME_MAX);
    }

    #[test]
    fn what_only_one_container_can_have_stays_with_the_original() {
        let mut attachment = Attachment::new(name("front"));
        attachment.v4 = Some([10, 0, 0, 9].into());
        attachment.aliases = vec!["www".into()];
        let app = App {
            network: AppNetwork::Networks(vec![attachment]),
            command: Some(vec!["serve".into()]),
            ..App::default()
        };
        let request = OnceRequest {
            argv: vec!["migrate".into()],
            ..OnceRequest::default()
        };
        let settings = settings(app, &request);
        assert_eq!(settings.command, Some(vec!["migrate".to_string()]));
        let networks = AppNetwork::Networks(vec![Attachment::new(name("front"))]);
        assert_eq!(settings.network, networks);
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
