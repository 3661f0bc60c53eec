//! The manager over D-Bus (org.freedesktop.systemd1(5)). zbus stays here.

mod change;
mod jobs;
mod proxy;
mod sockets;
mod states;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::Mutex;
use zbus::Connection;

use self::proxy::ManagerProxy;
use self::states::service_names;
use super::files::Files;
use super::{Job, Jobs, Units, UnitsError, names};
use crate::model::{Name, ProjectUnits, UnitState, UnitsChange};
use crate::observed::ObservedUnits;
use crate::store::Paths;

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
