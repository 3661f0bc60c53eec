//! The manager over D-Bus (org.freedesktop.systemd1(5)). zbus stays here.

mod change;
mod ends;
mod jobs;
mod limits;
mod proxy;
mod sockets;
mod states;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};
use zbus::Connection;

use self::ends::Ends;
use self::proxy::ManagerProxy;
use self::states::service_names;
use super::files::Files;
use super::{Job, Jobs, Queued, Rules, Units, UnitsError, names};
use crate::model::{Name, ProjectUnits, UnitState, UnitsChange};
use crate::observed::ObservedUnits;
use crate::store::Paths;

/// How long an answer may take. The longest one is about a reload with thousands of units.
const ANSWER: Duration = Duration::from_secs(180);
/// How long the bus itself may take to take a connection or to answer; it does so at once.
const CONNECT: Duration = Duration::from_secs(10);
/// How long systemd may be away from the bus while it begins itself anew, and how often it is looked for.
const AWAY: Duration = Duration::from_secs(30);
const BREATH: Duration = Duration::from_millis(100);
/// How many questions are on their way at once: the bus allows a connection 128 without an answer
/// (dbus-daemon(1), `max_replies_per_connection`).
const QUESTIONS: usize = 48;

/// systemd on the system bus.
pub struct Systemd {
    files: Files,
    paths: Paths,
    moved: Option<PathBuf>,
    /// Made with the first call, made again when it was lost.
    bus: Mutex<Option<Bus>>,
    questions: Semaphore,
}

/// A connection, and who hears on it.
#[derive(Clone)]
struct Bus {
    connection: Connection,
    ends: Arc<Ends>,
}

impl Systemd {
    /// A manager that is not connected yet.
    pub fn new(paths: &Paths) -> Self {
        Self {
            files: Files::new(paths),
            paths: paths.clone(),
            moved: paths.moved(),
            bus: Mutex::new(None),
            questions: Semaphore::new(QUESTIONS),
        }
    }

    async fn bus(&self) -> Result<Bus, UnitsError> {
        let mut bus = self.bus.lock().await;
        if let Some(bus) = bus.as_ref().filter(|bus| !bus.connection.is_closed()) {
            return Ok(bus.clone());
        }
        let made = timeout(CONNECT, connect()).await;
        let made = made.map_err(|_| silent("reach", "systemd", BUS, CONNECT))?;
        let made = made.map_err(failed("reach", "systemd"))?;
        *bus = Some(made.clone());
        Ok(made)
    }

    async fn connection(&self) -> Result<Connection, UnitsError> {
        Ok(self.bus().await?.connection)
    }

    async fn manager(&self) -> Result<ManagerProxy<'static>, UnitsError> {
        let connection = self.connection().await?;
        self.within("reach", "systemd", || ManagerProxy::new(&connection))
            .await
    }

    /// Room for a question that is asked for each of many units.
    async fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.questions.acquire().await.ok() // never closed
    }
}

/// Whether nobody has taken the question: systemd is not on the bus for the moment.
fn is_away(error: &zbus::Error) -> bool {
    use zbus::fdo::Error::{Disconnected, NameHasNoOwner, NoReply, ServiceUnknown};
    let zbus::Error::FDO(error) = error else {
        return false;
    };
    matches!(
        **error,
        NoReply(_) | ServiceUnknown(_) | NameHasNoOwner(_) | Disconnected(_)
    )
}

async fn connect() -> zbus::Result<Bus> {
    let connection = Connection::system().await?;
    let manager = ManagerProxy::new(&connection).await?;
    let ends = Arc::new(Ends::listen(&manager).await?);
    // Signals come to those only who asked once.
    loop {
        match manager.subscribe().await {
            Err(error) if is_away(&error) => sleep(BREATH).await,
            // Its answer to an earlier try was lost.
            Err(zbus::Error::MethodError(name, _, _)) if name.ends_with("AlreadySubscribed") => {
                break;
            }
            done => break done?,
        }
    }
    Ok(Bus { connection, ends })
}

impl Systemd {
    /// The answer to a question, or why there is none; it is not waited for without end. A bus that has died
    /// is found out soon, while systemd itself may be busy for long. One that begins itself anew (`daemon-reexec`,
    /// as each of its updates does) loses the questions that are on their way, and is asked again.
    async fn within<T, F: Future<Output = zbus::Result<T>>>(
        &self,
        verb: &'static str,
        unit: &str,
        ask: impl Fn() -> F,
    ) -> Result<T, UnitsError> {
        let begun = Instant::now();
        loop {
            match self.answer(verb, unit, ask()).await? {
                Err(error) if is_away(&error) && begun.elapsed() < AWAY => sleep(BREATH).await,
                answer => return answer.map_err(failed(verb, unit)),
            }
        }
    }

    /// What is said to one question; an error when nothing is.
    async fn answer<T>(
        &self,
        verb: &'static str,
        unit: &str,
        asked: impl Future<Output = zbus::Result<T>>,
    ) -> Result<zbus::Result<T>, UnitsError> {
        let mut asked = std::pin::pin!(asked);
        let begun = Instant::now();
        loop {
            match timeout(CONNECT, &mut asked).await {
                Ok(answer) => return Ok(answer),
                Err(_) if begun.elapsed() >= ANSWER => {
                    return Err(silent(verb, unit, MANAGER, begun.elapsed()));
                }
                Err(_) => self.alive(verb, unit).await?,
            }
        }
    }

    /// An error when the bus itself does not answer any more; its connection is given up then.
    async fn alive(&self, verb: &'static str, unit: &str) -> Result<(), UnitsError> {
        let held = self.bus.lock().await.clone();
        let Some(Bus { connection, .. }) = held else {
            return Ok(());
        };
        let ping = connection.call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus.Peer"),
            "Ping",
            &(),
        );
        // Whatever it says, it lives.
        if timeout(CONNECT, ping).await.is_ok() {
            return Ok(());
        }
        *self.bus.lock().await = None;
        Err(silent(verb, unit, BUS, 2 * CONNECT))
    }
}

/// Who may be silent, and what shows why.
type Who = (&'static str, &'static str);
const BUS: Who = (
    "the system bus (dbus-daemon or dbus-broker)",
    "see `systemctl status dbus` and `journalctl -u dbus`",
);
const MANAGER: Who = (
    "systemd (process 1)",
    "see what it does: `journalctl -b _PID=1 -n 20`",
);

fn silent(verb: &'static str, unit: &str, (who, help): Who, waited: Duration) -> UnitsError {
    UnitsError::Bus {
        verb,
        unit: unit.into(),
        reason: format!("{who} did not answer within {} s; {help}", waited.as_secs()),
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
        view.left_over = self.files.network_is_over()?;
        if disk.services.is_empty() {
            let units = !disk.files.is_empty() || self.files.is_linked(project)?;
            view.left_over |= units || !self.unfounded(project).await?.is_empty();
        }
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
        view.drifted = self.files.differs(&disk, &units)? || self.files.is_reload_due();
        view.network_fault = self.network_fault().await?;
        let services = service_names(project, disk.services.keys());
        view.states = self.brief_states(services).await?;
        view.held = self.held(&disk.services).await?;
        view.overruled = self.overruled(project, &disk.services);
        let unkept = Self::unkept(&disk.services, &view.states, &view.overruled);
        view.unkept = unkept.into_keys().collect();
        view.unkept.retain(|name| !disk.lost.contains(name));
        view.services = disk.services;
        view.lost = disk.lost;
        Ok(view)
    }

    fn check(&self, change: &UnitsChange) -> Result<(), UnitsError> {
        self.files.check(&change.units)
    }

    async fn write(&self, change: &UnitsChange, rules: &dyn Rules) -> Result<(), UnitsError> {
        let before = self.files.read(&change.units.project)?;
        let was_open = self.open_now(&before.services).await?;
        if change.units.services.is_empty() {
            // The links first: without its file a unit cannot be disabled.
            self.link(change, &before).await?;
        }
        let late = self.stop_sockets(change, &before).await?;
        self.let_go(change, &before).await?;
        let was = self.files.enabled(&change.units.project, &before);
        let undo = self.files.write(&change.units)?;
        let (project, services) = (&change.units.project, &change.units.services);
        let settled = match self.limit(project, &before.services, services).await {
            Ok(told) => {
                self.settle_files(change, &before, told || undo.changed())
                    .await
            }
            Err(error) => Err(error),
        };
        let done = match settled {
            Ok(()) => self.open_sockets(change, rules).await,
            Err(error) => Err(error),
        };
        if done.is_ok() {
            for way in &late {
                self.stop_way(way).await?;
            }
            if services.is_empty() {
                self.end_unfounded(project).await?;
            }
        }
        if done.is_err() {
            self.back(change, (&before, was), undo).await;
            self.open_again(&was_open).await;
        }
        done
    }

    async fn run(&self, project: &Name, name: &Name, job: Job) -> Result<(), UnitsError> {
        self.ways(project, name, job).await?;
        self.finish(&names::service(project, name), job).await
    }

    async fn queue<'a>(
        &'a self,
        project: &Name,
        name: &Name,
        job: Job,
    ) -> Result<Queued<'a>, UnitsError> {
        self.ways(project, name, job).await?;
        let unit = names::service(project, name);
        let told = self.asked(self.begin(&unit, job)).await?;
        Ok(async move { self.over(&unit, job, told).await }.boxed())
    }

    async fn brief(&self, project: &Name, name: &Name) -> Result<UnitState, UnitsError> {
        let services = service_names(project, [name]);
        let states = self.brief_states(services).await?;
        Ok(states.into_values().next().unwrap_or_default())
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
