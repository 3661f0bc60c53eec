//! A backend whose supervised containers are started and stopped by systemd.
//!
//! Everything else goes to the engines as it is. So neither a step nor its undo needs to know who runs
//! a container, and a container that is started by hand, at boot or by locker is started the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::backend::{
    Backend, BackendError, BackendView, Body, End, Engine, Inside, Probe, Progress, Sought,
    StartWait, Watch,
};
use crate::model::{Hooks, Kind, Name, UnitState, host_name_of};
use crate::observed::Mark;
use crate::store::{self, Paths};
use crate::sys;
use crate::systemd::{Job, JournalReader, Units, UnitsError};

/// The engines, with systemd in front of them.
pub struct Supervised {
    pub(super) project: Name,
    pub(super) engines: Arc<dyn Backend>,
    pub(super) journal: JournalReader,
    /// The services whose output the journal holds; asked once.
    pub(super) in_journal: OnceCell<BTreeSet<String>>,
    pub(super) units: Arc<dyn Units>,
    pub(super) paths: Paths,
    /// What a container depends on is left alone when it starts.
    pub(super) alone: bool,
    known: Mutex<BTreeMap<Name, Known>>,
    /// The containers that were there when last looked at.
    there: Mutex<BTreeSet<Name>>,
    /// Those that were started beside an older self, to which their service attends until it ends.
    beside: Mutex<BTreeSet<Name>>,
    /// Those whose next start leaves out what follows it.
    bare: Mutex<BTreeSet<Name>>,
    /// Those without a supervisor that run, and whose start goes on with what follows it.
    following: Mutex<BTreeSet<Name>>,
}

/// What is known of a container by its mark.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Which engine runs it; none while no mark is known.
    pub(super) kind: Option<Kind>,
    /// systemd runs it.
    supervised: bool,
    /// What runs around it.
    pub(super) hooks: Hooks,
    /// How long it gets to end.
    pub(super) grace: Option<Duration>,
    /// The bridges that it is on.
    bridges: BTreeSet<String>,
}

impl Supervised {
    /// Puts `units` in front of `engines`. `alone` starts containers without what they depend on.
    pub fn new(
        project: Name,
        engines: Arc<dyn Backend>,
        units: Arc<dyn Units>,
        paths: Paths,
        alone: bool,
    ) -> Self {
        Self {
            project,
            engines,
            units,
            journal: JournalReader,
            in_journal: OnceCell::new(),
            alone,
            known: Mutex::default(),
            there: Mutex::default(),
            beside: Mutex::default(),
            bare: Mutex::default(),
            following: Mutex::default(),
            paths,
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Name, Known>> {
        // A map is whole whatever happened to the thread that held it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn beside(&self) -> MutexGuard<'_, BTreeSet<Name>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bare(&self) -> MutexGuard<'_, BTreeSet<Name>> {
        self.bare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn following(&self) -> MutexGuard<'_, BTreeSet<Name>> {
        let following = self.following.lock();
        following.unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, mark: &Mark) {
        let known = Known {
            kind: Some(mark.spec.kind()),
            supervised: mark.spec.supervised,
            hooks: mark.spec.hooks.clone(),
            grace: mark.spec.stop_grace,
            bridges: mark
                .spec
                .seats()
                .into_iter()
                .map(|seat| seat.bridge)
                .collect(),
        };
        self.known().insert(mark.spec.name.clone(), known);
    }

    pub(super) fn of(&self, name: &Name) -> Known {
        self.known().get(name).cloned().unwrap_or_default()
    }

    /// Whether an engine has shown it.
    pub(super) fn is_shown(&self, name: &Name) -> bool {
        self.known().contains_key(name)
    }

    pub(super) fn is_supervised(&self, name: &Name, body: Body) -> bool {
        match body {
            Body::Present => self.of(name).supervised,
            // Only the container itself has a service.
            Body::Aside => false,
        }
    }

    /// Whether it is a command that was run in a container of its own, which went with its end.
    pub(super) fn is_past(&self, name: &Name) -> bool {
        let there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        !there.contains(name) && self.paths.job(&self.project, name).exists()
    }

    pub(super) async fn runs(&self, name: &Name) -> bool {
        match self.engines.watch().probe(name, None).await {
            Ok(Probe::Running | Probe::Healthy | Probe::Failing(_) | Probe::Unhealthy(..)) => true,
            Ok(Probe::Ended(_)) | Err(_) => false,
        }
    }

    pub(super) async fn state(&self, name: &Name) -> Result<UnitState, UnitsError> {
        let asked = BTreeSet::from([name.clone()]);
        let states = self.units.states(&self.project, &asked).await?;
        Ok(states.into_values().next().unwrap_or_default())
    }

    pub(super) fn told(&self, verb: &'static str, name: &Name, error: &UnitsError) -> BackendError {
        BackendError::Engine {
            verb,
            container: host_name_of(&self.project, name),
            reason: error.to_string(),
            log: Vec::new(),
        }
    }
}

impl Supervised {
    /// Tells systemd first, so that it does not start again what ends here; the container itself is
    /// stopped within `timeout`, whatever its service would allow it.
    async fn end(&self, name: &Name, body: Body, timeout: Duration) -> Result<End, BackendError> {
        // Whichever of two selves ends first: the service goes on with the other one.
        let was_beside = self.beside().remove(name);
        if was_beside || !self.is_supervised(name, body) {
            return self.engines.stop(name, body, timeout).await;
        }
        let told = |error| self.told("stop", name, &error);
        // What comes before the stop has run, and the supervisor leaves the container to this.
        let asked = store::ask_stop(&self.paths, &self.project, name);
        let asked = asked.map_err(|error| told(error.into()))?;
        let queued = self.units.queue(&self.project, name, Job::Stop).await;
        let stopped = self.engines.stop(name, body, timeout).await;
        // One that could not be stopped is the supervisor's now.
        drop(asked);
        let done = queued.map_err(told)?.await;
        let end = stopped?;
        done.map_err(told)?;
        // It has ended because it was told to: the exit code of that is no failure to be remembered.
        let reset = self.units.reset(&self.project, name).await;
        reset.map(|()| end).map_err(told)
    }
}

#[async_trait]
impl Backend for Supervised {
    async fn observe(&self, sought: &Sought) -> Result<BackendView, BackendError> {
        let view = self.engines.observe(sought).await?;
        let marks = view.containers.values().filter_map(|c| c.mark.as_ref());
        marks.for_each(|mark| self.learn(mark));
        let there = view.containers.keys().cloned().collect();
        *self.there.lock().unwrap_or_else(PoisonError::into_inner) = there;
        Ok(view)
    }

    async fn create(
        &self,
        mark: &Mark,
        renew: bool,
        progress: Progress<'_>,
    ) -> Result<(), BackendError> {
        self.engines.create(mark, renew, progress).await?;
        self.learn(mark);
        Ok(())
    }

    fn remarks(&self) -> Vec<String> {
        self.engines.remarks()
    }

    async fn configure(&self, mark: &Mark) -> Result<(), BackendError> {
        self.engines.configure(mark).await?;
        self.learn(mark);
        Ok(())
    }

    async fn start(&self, name: &Name, body: Body) -> Result<(), BackendError> {
        let bare = self.bare().remove(name);
        match self.is_supervised(name, body) {
            true => self.start_unit(name, bare).await?,
            false => self.start_here(name, body, bare).await?,
        }
        // Of cards that an engine makes, of a network that was made before its MTU changed. What does not
        // fit is seen by the next look; the container runs.
        for bridge in &self.of(name).bridges {
            let _ = sys::fit_cables(bridge);
        }
        Ok(())
    }

    async fn stop(&self, name: &Name, body: Body, timeout: Duration) -> Result<End, BackendError> {
        self.pre_stop(name, body).await?;
        self.end(name, body, timeout).await
    }

    async fn take_back(
        &self,
        name: &Name,
        timeout: Duration,
    ) -> Result<(End, Option<BackendError>), BackendError> {
        let failed = self.pre_stop(name, Body::Present).await.err();
        let end = self.end(name, Body::Present, timeout).await?;
        Ok((end, failed))
    }

    async fn destroy(&self, name: &Name, body: Body, volumes: bool) -> Result<(), BackendError> {
        if self.is_supervised(name, body) {
            let told = |error| self.told("stop", name, &error);
            self.await_rest(name).await.map_err(told)?;
        }
        self.engines.destroy(name, body, volumes).await
    }

    async fn set_aside(&self, name: &Name, back: bool) -> Result<(), BackendError> {
        self.engines.set_aside(name, back).await
    }

    fn inside(&self) -> &dyn Inside {
        self.engines.inside()
    }

    fn watch(&self) -> &dyn Watch {
        self
    }

    fn engine(&self) -> Option<&dyn Engine> {
        self.engines.engine()
    }

    fn start_bare(&self, name: &Name) {
        self.bare().insert(name.clone());
    }

    async fn start_waits(&self, name: &Name) -> Option<StartWait> {
        // One that was started beside an older self is started without its service.
        let follows = self.following().contains(name);
        match follows {
            true => Some(StartWait::Commands),
            false if self.is_supervised(name, Body::Present) => self.service_waits(name).await,
            false => None,
        }
    }

    async fn give_up(&self, name: &Name, timeout: Duration) -> Result<End, BackendError> {
        self.end(name, Body::Present, timeout).await
    }
}
