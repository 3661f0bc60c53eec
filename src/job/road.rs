//! The road that every job walks: the file, the host, the look, the plan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::apply::{Host, Supervised, closed_to_others};
use crate::backend::docker::DockerBackend;
use crate::backend::engines::Engines;
use crate::backend::lxc::LxcBackend;
use crate::file::diagnostic::Diagnostic;
use crate::firewall;
use crate::hosts::HostsFile;
use crate::model::{Name, Port, ProgramCopy, Project, Supervisor};
use crate::network::KernelNetwork;
use crate::observed::Observed;
use crate::plan::{self, Goal, Plan, Step, Wish};
use crate::store::{self, Origins, Paths, Program};
use crate::systemd::{self, Units};

use super::beside_compose;
use super::home::{self, Moved, Traces};
use super::images;
use super::located;
use super::missing_files;
use super::own_sources;
use super::select::select;
use super::supplies;
use super::unseen::{Unseen, look_into_images};
use super::{ChangeRequest, JobError, Setting};

/// LXC's own default, lxc.system.conf(5).
const LXCPATH: &str = "/var/lib/lxc";

/// A project and the host it is on.
pub(super) struct Opened {
    pub(super) project: Project,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) host: Host,
    pub(super) lxcpath: PathBuf,
    /// The program that units start.
    pub(super) program: PathBuf,
    /// The copy of this program that they need first.
    pub(super) copy: Option<ProgramCopy>,
    /// It was elsewhere until now, and nobody has agreed to that yet.
    pub(super) moved: Option<Moved>,
    /// The files that it was read from.
    pub(super) origins: Origins,
    /// The command line gave its name.
    pub(super) named: bool,
    /// Where its state is when it is not where it usually is.
    pub(super) state_dir: Option<PathBuf>,
}

/// What is, and what is to be done about it.
pub(super) struct Looked {
    pub(super) observed: Observed,
    pub(super) wish: Wish,
    pub(super) plan: Plan,
}

/// Reads the file, then opens the drivers. Errors of the file come before any question of rights.
pub(super) async fn open(setting: &Setting, command: &'static str) -> Result<Opened, JobError> {
    open_for(setting, command, false).await
}

/// The same; `alone` leaves alone what a container depends on when it is started.
pub(super) async fn open_for(
    setting: &Setting,
    command: &'static str,
    alone: bool,
) -> Result<Opened, JobError> {
    let paths = paths(setting);
    let (loaded, origins) = located::load(setting, &paths)?;
    if !rustix::process::geteuid().is_root() {
        return Err(JobError::NotRoot { command });
    }
    let mut project = loaded.project;
    let record = store::load_record(&paths, &project.name)?;
    let usual = setting.lxcpath.as_deref().unwrap_or(Path::new(LXCPATH));
    let traces = match &record {
        Some(_) => Traces::default(),
        None => Traces::of(&project, &paths, usual).await?,
    };
    let mut files = store::load_origins(&paths, &project.name).files;
    if files.iter().any(|file| origins.files.contains(file)) {
        // That they are there tells nothing: they are read just now.
        files.clear();
    }
    let here = project.directory.clone();
    let moved = home::settle(&mut project, record.as_ref(), &traces, &files);
    let moved = moved.map_err(|problem| JobError::Problems {
        command,
        problems: vec![*problem],
    })?;
    let recorded = record.map(|record| record.lxcpath).or(traces.lxcpath);
    let lxcpath = lxcpath(setting, &project, recorded)?;
    let name = project.name.clone();
    let choice = setting.firewall.unwrap_or(project.firewall);
    let engines = Arc::new(engines(&project, here, &lxcpath, &paths));
    // What the file wishes is the planner's business; units of an older file must be seen in any case.
    let units: Arc<dyn Units> = Arc::from(systemd::open(Supervisor::Auto, &paths)?);
    // Without services nobody but this run runs it, and what it would be compared by is read through for nothing.
    let Program { path, install } = match systemd::runs() {
        true => store::program(&paths)?,
        false => Program {
            path: "/proc/self/exe".into(),
            install: None,
        },
    };
    let host = Host {
        directory: project.directory.clone(),
        backend: Arc::new(Supervised::new(
            name.clone(),
            engines,
            units.clone(),
            paths.clone(),
            alone,
        )),
        network: Arc::new(KernelNetwork::new(&paths, choice)),
        firewall: Arc::from(firewall::open(choice, &paths)?),
        units,
        project: name,
        hosts: HostsFile::new(paths.hosts()),
        paths,
    };
    Ok(Opened {
        project,
        warnings: loaded.warnings,
        host,
        lxcpath,
        program: path,
        copy: install,
        moved,
        origins,
        named: setting.load.project_name.is_some(),
        state_dir: setting.state_dir.clone(),
    })
}

/// Both engines. One that is not on this host is missed only where the project needs it.
fn engines(project: &Project, here: PathBuf, lxcpath: &Path, paths: &Paths) -> Engines {
    let (name, directory) = (project.name.clone(), project.directory.clone());
    let system = LxcBackend::open(
        name.clone(),
        directory.clone(),
        lxcpath.into(),
        paths.clone(),
    );
    let application = DockerBackend::open(name, directory, paths.clone()).moved_to(here);
    Engines::new(Arc::new(system), Arc::new(application))
}

pub(super) fn paths(setting: &Setting) -> Paths {
    match &setting.state_dir {
        Some(dir) => Paths::under(dir),
        None => Paths::system(),
    }
}

/// Containers are looked for where the project has them: elsewhere they would be made a second time.
fn lxcpath(
    setting: &Setting,
    project: &Project,
    recorded: Option<PathBuf>,
) -> Result<PathBuf, JobError> {
    match (&setting.lxcpath, recorded) {
        (Some(asked), Some(recorded)) if *asked != recorded => Err(JobError::Elsewhere {
            project: project.name.clone(),
            recorded,
            asked: asked.clone(),
        }),
        (Some(asked), _) => Ok(asked.clone()),
        (None, Some(recorded)) => Ok(recorded),
        (None, None) => Ok(Path::new(LXCPATH).into()),
    }
}

/// Looks at the host and plans.
pub(super) async fn look(opened: &Opened, request: &ChangeRequest) -> Result<Looked, JobError> {
    let project = &opened.project;
    let observed = observe(opened, request).await?;
    let mut selection = select(project, &observed, &request.names)?;
    if request.goal.begins() {
        let begun = images::scope(project, selection.as_ref(), request.no_deps);
        beside_compose::check(project, &observed, &begun)?;
    }
    if let Some(chosen) = selection.as_mut().filter(|_| request.with_deps) {
        chosen.extend(images::scope(project, Some(&*chosen), false));
    }
    if matches!(request.goal, Goal::Enable(_)) && !observed.units.available {
        return Err(JobError::NoSupervisor {
            command: request.command,
        });
    }
    let wish = wish(opened, request, selection);
    seen(opened, observed, wish, request.command).await
}

/// Looks at the host and plans another wish than the request's.
pub(super) async fn look_for(
    opened: &Opened,
    request: &ChangeRequest,
    wish: Wish,
) -> Result<Looked, JobError> {
    let observed = observe(opened, request).await?;
    seen(opened, observed, wish, request.command).await
}

/// Looks at the host.
pub(super) async fn observe(
    opened: &Opened,
    request: &ChangeRequest,
) -> Result<Observed, JobError> {
    let project = &opened.project;
    let mut observed = opened.host.observe(project, asked_port(request)).await?;
    if project.containers.values().any(|c| c.idmap.is_some()) {
        observed.host.closed = closed_to_others(&opened.lxcpath);
    }
    if opened.named {
        // Whoever names the project means that one, whatever else was begun in its directory.
        observed.engine.compose_else.clear();
    }
    Ok(observed)
}

/// Plans for what was observed, and looks into the images that have to be looked into.
async fn seen(
    opened: &Opened,
    observed: Observed,
    wish: Wish,
    command: &'static str,
) -> Result<Looked, JobError> {
    let looked = planned(opened, observed, wish, command)?;
    look_into_images(opened, &looked, command).await?;
    Ok(looked)
}

/// Plans for what was observed, with all that else can be known before the first change but for what images have.
pub(super) fn planned(
    opened: &Opened,
    observed: Observed,
    wish: Wish,
    command: &'static str,
) -> Result<Looked, JobError> {
    let project = &opened.project;
    let refused = |problems| JobError::Problems { command, problems };
    let plan = plan::plan(project, &observed, &wish).map_err(refused)?;
    let mut missing = supplies::missing(project, &plan, &opened.lxcpath);
    missing.extend(missing_files::missing(project, &plan, &opened.lxcpath));
    let paths = &opened.host.paths;
    missing.extend(own_sources::refused(
        (project, &observed),
        &plan,
        &opened.lxcpath,
        paths,
    ));
    if !missing.is_empty() {
        return Err(refused(missing));
    }
    for planned in &plan.steps {
        if let Step::WriteUnits(change) = &planned.step {
            opened.host.units.check(change)?;
        }
    }
    Ok(Looked {
        observed,
        wish,
        plan,
    })
}

/// What a request wants of the planner.
pub(super) fn wish(
    opened: &Opened,
    request: &ChangeRequest,
    selection: Option<BTreeSet<Name>>,
) -> Wish {
    Wish {
        goal: request.goal.clone(),
        selection,
        no_ports: request.no_ports,
        no_links: request.no_links,
        host_names: request.host_names,
        no_copy: request.no_copy,
        timeout: request.timeout,
        lxcpath: opened.lxcpath.clone(),
        remove_orphans: request.remove_orphans,
        recreate: request.recreate,
        no_deps: request.no_deps,
        wait: request.wait,
        program: opened.program.clone(),
        copy: opened.copy.clone(),
        state_dir: opened.state_dir.clone(),
        renew_anonymous: request.renew_anonymous,
        settle: request.settle,
        moved: opened.moved.as_ref().map(|moved| moved.to().into()),
    }
}

/// What is done about images before the plan: see [`images::first`]. One that has to be looked into is fetched or
/// built then as well, so that nothing is changed before that.
pub(super) fn first(
    opened: &Opened,
    looked: &Looked,
    request: &ChangeRequest,
) -> Result<Plan, JobError> {
    let refused = |problems| JobError::Problems {
        command: request.command,
        problems,
    };
    let first = images::first(&opened.project, &looked.observed, &looked.wish);
    let mut first = first.map_err(refused)?;
    let unseen = Unseen::of(&opened.project, &looked.observed, &looked.plan);
    if !unseen.absent.is_empty() {
        let absent = images::only(looked.plan.clone(), Some(&unseen.absent));
        first = images::join(first, absent);
    }
    let missing = supplies::missing(&opened.project, &first, &opened.lxcpath);
    if missing.is_empty() {
        return Ok(first);
    }
    Err(refused(missing))
}

fn asked_port(request: &ChangeRequest) -> Option<&Port> {
    match &request.goal {
        Goal::PortAdd(port) | Goal::PortRemove(port) => Some(port),
        Goal::Up
        | Goal::Create
        | Goal::Start { .. }
        | Goal::Stop
        | Goal::Restart
        | Goal::Remove
        | Goal::Down { .. }
        | Goal::Ports
        | Goal::Unports
        | Goal::Links
        | Goal::Unlinks
        | Goal::Limits
        | Goal::Freeze
        | Goal::Unfreeze
        | Goal::Enable(_)
        | Goal::Pull
        | Goal::Build
        | Goal::Cleanup => None,
    }
}
