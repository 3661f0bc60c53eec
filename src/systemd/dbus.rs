//! The manager over D-Bus (org.freedesktop.systemd1(5)). zbus stays here.

mod jobs;
mod sockets;
mod states;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::sync::Mutex;
use zbus::{Connection, OwnedObjectPath, Variant};

use self::states::{ListedUnit, service_names};
use super::files::{Files, OnDisk};
use super::{Job, Jobs, Units, UnitsError, names, render};
use crate::model::{Name, ProjectUnits, UnitSpec, UnitState, UnitsChange};
use crate::observed::ObservedUnits;
use crate::store::Paths;

/// How often a unit is looked at when the bus was lost while a job ran.
const LOOK: Duration = Duration::from_millis(250);
/// How long the bus may be gone before that is an error.
const BUS_GONE: Duration = Duration::from_secs(30);

#[zbus::proxy(
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1",
    interface = "org.freedesktop.systemd1.Manager"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;
    fn reload(&self) -> zbus::Result<()>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn reset_failed_unit(&self, name: &str) -> zbus::Result<()>;
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn get_unit_processes(&self, name: &str) -> zbus::Result<Vec<(String, u32, String)>>;
    #[allow(clippy::type_complexity)]
    fn enable_unit_files(
        &self,
        files: &[&str],
        runtime: bool,
        force: bool,
    ) -> zbus::Result<(bool, Vec<(String, String, String)>)>;
    fn disable_unit_files(
        &self,
        files: &[&str],
        runtime: bool,
    ) -> zbus::Result<Vec<(String, String, String)>>;
    fn list_units_by_names(&self, names: &[&str]) -> zbus::Result<Vec<ListedUnit>>;
    fn list_units_by_patterns(
        &self,
        states: &[&str],
        patterns: &[&str],
    ) -> zbus::Result<Vec<ListedUnit>>;
    #[allow(clippy::type_complexity)]
    fn start_transient_unit(
        &self,
        name: &str,
        mode: &str,
        properties: &[(&str, Variant<'_>)],
        aux: &[(&str, Vec<(&str, Variant<'_>)>)],
    ) -> zbus::Result<OwnedObjectPath>;
    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

/// systemd on the system bus.
pub struct Systemd {
    files: Files,
    moved: Option<PathBuf>,
    /// Made with the first call, made again when it was lost.
    bus: Mutex<Option<Connection>>,
}

impl Systemd {
    /// A manager that is not connected yet.
    pub fn new(paths: &Paths) -> Self {
        Self {
            files: Files::new(paths),
            moved: paths.moved(),
            bus: Mutex::new(None),
        }
    }

    async fn connection(&self) -> Result<Connection, UnitsError> {
        let mut bus = self.bus.lock().await;
        if let Some(bus) = bus.as_ref().filter(|bus| !bus.is_closed()) {
            return Ok(bus.clone());
        }
        let made = Connection::system().await;
        let made = made.map_err(failed("reach", "systemd"))?;
        // Signals come to those only who asked once.
        let manager = ManagerProxy::new(&made).await;
        let manager = manager.map_err(failed("reach", "systemd"))?;
        manager
            .subscribe()
            .await
            .map_err(failed("watch", "systemd"))?;
        *bus = Some(made.clone());
        Ok(made)
    }

    async fn manager(&self) -> Result<ManagerProxy<'static>, UnitsError> {
        let connection = self.connection().await?;
        let manager = ManagerProxy::new(&connection).await;
        manager.map_err(failed("reach", "systemd"))
    }

    async fn begin(&self, unit: &str, job: Job) -> Result<OwnedObjectPath, UnitsError> {
        let manager = self.manager().await?;
        let path = match job {
            Job::Start => manager.start_unit(unit, "replace").await,
            // Its slice is a need like any other and would be left out, too; it has none of its own.
            Job::StartAlone => manager.start_unit(unit, "ignore-dependencies").await,
            // It alone: what needs it is stopped by whoever decides that, not by a side effect.
            Job::Stop => manager.stop_unit(unit, "ignore-dependencies").await,
        };
        path.map_err(failed(verb(job), unit))
    }

    /// Does the job and waits for the signal of its end; when the bus goes away meanwhile, for the unit.
    async fn finish(&self, unit: &str, job: Job) -> Result<(), UnitsError> {
        let removed = self.manager().await?.receive_job_removed().await;
        let removed = removed.map_err(failed("watch", unit))?;
        let path = self.begin(unit, job).await?;
        self.done(removed, &path, unit, job).await
    }

    /// Waits for the signal that the job `path` is over.
    async fn done(
        &self,
        mut removed: JobRemovedStream,
        path: &OwnedObjectPath,
        unit: &str,
        job: Job,
    ) -> Result<(), UnitsError> {
        while let Some(signal) = removed.next().await {
            let Ok(args) = signal.args() else { continue };
            if args.job() != path {
                continue;
            }
            return match args.result().as_str() {
                "done" | "skipped" => Ok(()),
                result => Err(self.failure(unit, job, result).await),
            };
        }
        self.settle(unit, job).await
    }

    /// Looks at the unit until its job is over.
    async fn settle(&self, unit: &str, job: Job) -> Result<(), UnitsError> {
        let begun = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            match self.state_of(unit).await {
                Ok(state) => match (state.active.as_str(), job) {
                    ("activating" | "deactivating" | "reloading", _) => {}
                    ("active", Job::Start | Job::StartAlone)
                    | ("inactive" | "failed", Job::Stop) => return Ok(()),
                    (_, _) => return Err(self.failure(unit, job, &state.active).await),
                },
                Err(error) if begun.elapsed() > BUS_GONE => return Err(error),
                Err(_) => {}
            }
        }
    }

    async fn failure(&self, unit: &str, job: Job, result: &str) -> UnitsError {
        let state = self.state_of(unit).await.unwrap_or_default();
        let result = match state.result.as_str() {
            "" | "success" => result.to_string(),
            own => own.to_string(),
        };
        UnitsError::Job {
            verb: verb(job),
            unit: unit.into(),
            result,
            status: state.status,
        }
    }

    /// Makes the boot links what `change` says.
    async fn link(&self, change: &UnitsChange, before: &OnDisk) -> Result<(), UnitsError> {
        let project = &change.units.project;
        let manager = self.manager().await?;
        let (was, was_project) = self.files.enabled(project, before);
        let units = |names: &BTreeSet<Name>, of: &BTreeMap<Name, UnitSpec>| {
            let specs = names.iter().filter_map(|name| of.get(name));
            specs.flat_map(names::at_boot).collect::<BTreeSet<String>>()
        };
        let wanted = units(&change.enabled, &change.units.services);
        let linked = units(&was, &before.services);
        let mut on: Vec<String> = wanted.difference(&linked).cloned().collect();
        let mut off: Vec<String> = linked.difference(&wanted).cloned().collect();
        match (change.project_enabled, was_project) {
            (true, false) => on.push(names::target(project)),
            (false, true) => off.push(names::target(project)),
            (true, true) | (false, false) => {}
        }
        if !off.is_empty() {
            let off: Vec<&str> = off.iter().map(String::as_str).collect();
            let done = manager.disable_unit_files(&off, false).await;
            done.map_err(failed("disable", off[0]))?;
        }
        if !on.is_empty() {
            let on: Vec<&str> = on.iter().map(String::as_str).collect();
            let done = manager.enable_unit_files(&on, false, false).await;
            done.map_err(failed("enable", on[0]))?;
        }
        Ok(())
    }

    /// The host's network service: there and running while any project has units.
    async fn keep_network(&self, wanted: bool, program: Option<PathBuf>) -> Result<(), UnitsError> {
        let manager = self.manager().await?;
        if let Some(program) = program.filter(|_| wanted) {
            let text = render::network(&program, self.moved.as_deref())?;
            if self.files.write_network(&text)? {
                manager
                    .reload()
                    .await
                    .map_err(failed("reload", "systemd"))?;
            }
            // A run that was killed may have written the file and no more.
            if !self.files.network_enabled() {
                let on = manager
                    .enable_unit_files(&[names::NETWORK], false, false)
                    .await;
                on.map_err(failed("enable", names::NETWORK))?;
            }
            return self.finish(names::NETWORK, Job::Start).await;
        }
        if !wanted && self.files.network_is_over()? {
            let off = manager.disable_unit_files(&[names::NETWORK], false).await;
            off.map_err(failed("disable", names::NETWORK))?;
            self.finish(names::NETWORK, Job::Stop).await?;
            self.finish(names::SLICE, Job::Stop).await?;
            // Last: without the file nothing shows that any of this is left to be done.
            self.files.remove_network()?;
            manager
                .reload()
                .await
                .map_err(failed("reload", "systemd"))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Units for Systemd {
    async fn observe(&self, project: &Name) -> Result<ObservedUnits, UnitsError> {
        let disk = self.files.read(project)?;
        let (enabled, project_enabled) = self.files.enabled(project, &disk);
        let mut view = ObservedUnits {
            available: true,
            enabled,
            project_enabled,
            ..ObservedUnits::default()
        };
        if disk.files.is_empty() && disk.services.is_empty() {
            return Ok(view);
        }
        let directory = disk
            .services
            .values()
            .next()
            .map(|spec| spec.directory.clone());
        let units = ProjectUnits {
            project: project.clone(),
            directory: directory.unwrap_or_default(),
            services: disk.services.clone(),
        };
        view.drifted = self.files.differs(&disk, &units)?;
        let services = service_names(project, disk.services.keys());
        view.states = self.brief_states(services).await?;
        view.held = self.held(&disk.services).await?;
        view.services = disk.services;
        Ok(view)
    }

    async fn write(&self, change: &UnitsChange) -> Result<(), UnitsError> {
        let before = self.files.read(&change.units.project)?;
        if change.units.services.is_empty() {
            // The links first: without its file a unit cannot be disabled.
            self.link(change, &before).await?;
        }
        self.stop_sockets(change, &before).await?;
        self.let_go(change, &before).await?;
        let undo = self.files.write(&change.units)?;
        let done = self.settle_files(change, &before, undo.changed()).await;
        if done.is_err() {
            undo.back();
            if let Ok(manager) = self.manager().await {
                let _ = manager.reload().await; // The error that is told is the first one.
            }
        }
        done
    }

    async fn run(&self, project: &Name, name: &Name, job: Job) -> Result<(), UnitsError> {
        self.ways(project, name, job).await?;
        self.finish(&names::service(project, name), job).await
    }

    async fn queue(&self, project: &Name, name: &Name, job: Job) -> Result<(), UnitsError> {
        self.ways(project, name, job).await?;
        self.begin(&names::service(project, name), job).await?;
        Ok(())
    }

    async fn states(
        &self,
        project: &Name,
        names: &BTreeSet<Name>,
    ) -> Result<BTreeMap<Name, UnitState>, UnitsError> {
        self.full_states(&service_names(project, names)).await
    }

    async fn reset(&self, project: &Name, name: &Name) -> Result<(), UnitsError> {
        self.forget_failure(&names::service(project, name)).await
    }

    fn jobs(&self) -> &dyn Jobs {
        self
    }
}

impl Systemd {
    async fn settle_files(
        &self,
        change: &UnitsChange,
        before: &OnDisk,
        changed: bool,
    ) -> Result<(), UnitsError> {
        if changed {
            let manager = self.manager().await?;
            manager
                .reload()
                .await
                .map_err(failed("reload", "systemd"))?;
        }
        let program = change
            .units
            .services
            .values()
            .next()
            .map(|s| s.program.clone());
        if !change.units.services.is_empty() {
            self.link(change, before).await?;
        }
        self.keep_network(!change.units.services.is_empty(), program)
            .await?;
        self.open_sockets(change).await
    }

    async fn forget_failure(&self, unit: &str) -> Result<(), UnitsError> {
        let done = self.manager().await?.reset_failed_unit(unit).await;
        match done {
            // It is not loaded, so there is nothing to forget.
            Err(zbus::Error::MethodError(name, _, _)) if name.ends_with("NoSuchUnit") => Ok(()),
            done => done.map_err(failed("reset", unit)),
        }
    }

    /// Ends what systemd still knows of services that are to be no more, while their units are there: a
    /// failure that is remembered, a container that is done, the slice of a project that goes.
    async fn let_go(&self, change: &UnitsChange, before: &OnDisk) -> Result<(), UnitsError> {
        let project = &change.units.project;
        let services = &change.units.services;
        for name in before
            .services
            .keys()
            .filter(|name| !services.contains_key(*name))
        {
            let unit = names::service(project, name);
            // One that is to be started again in a moment would fail then, for want of its unit.
            if !matches!(
                self.state_of(&unit).await?.active.as_str(),
                "inactive" | "failed"
            ) {
                self.finish(&unit, Job::Stop).await?;
            }
            self.reset(project, name).await?;
        }
        if services.is_empty() && !before.services.is_empty() {
            self.finish(&names::target(project), Job::Stop).await?;
            self.finish(&names::slice(project), Job::Stop).await?;
        }
        Ok(())
    }
}

fn verb(job: Job) -> &'static str {
    match job {
        Job::Start | Job::StartAlone => "start",
        Job::Stop => "stop",
    }
}

fn failed<E: Into<zbus::Error>>(verb: &'static str, unit: &str) -> impl FnOnce(E) -> UnitsError {
    let unit = unit.to_string();
    move |error| UnitsError::Bus {
        verb,
        unit,
        reason: reason(&error.into()),
    }
}

/// systemd's own words without the name of the error in front of them.
fn reason(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(_, Some(said), _) => said.clone(),
        other => other.to_string(),
    }
}
