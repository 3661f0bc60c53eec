//! Both engines as one backend: each container is asked for where it lives.
//!
//! Which kind a name is of is learned from every look, and kept up as containers are made and set aside: while a
//! container changes its kind, its older self lives in the other engine. It decides nothing else.

mod ask;
mod hear;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Backend, BackendError, BackendView, Body, End, Engine, Inside, Progress, Sought, Watch,
};
use crate::model::{Kind, Name};
use crate::observed::{Down, Mark, ObservedContainer};

/// The engine of system containers and that of application containers. A clone is the same once more.
#[derive(Clone)]
pub struct Engines {
    system: Arc<dyn Backend>,
    application: Arc<dyn Backend>,
    known: Arc<Mutex<Known>>,
}

impl std::fmt::Debug for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Engines");
        shown.field("known", &self.known).finish_non_exhaustive()
    }
}

/// What the last look told, and what was done since.
#[derive(Debug, Default)]
struct Known {
    bodies: BTreeMap<Name, Bodies>,
    /// When each was changed by us, counted.
    changed: BTreeMap<Name, u64>,
    /// How many changes there were.
    count: u64,
    /// What was asked for last; none before the first look.
    sought: Option<Sought>,
    /// Engines that did not answer then: what is in neither list may be theirs.
    down: BTreeMap<Kind, Down>,
}

/// In which engine the two selves of a container are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bodies {
    present: Option<Kind>,
    aside: Option<Kind>,
}

impl Bodies {
    fn of(seen: &ObservedContainer) -> Self {
        // Without a mark it is not whole: what is left then is most often the older self alone.
        let only_aside = seen.set_aside && seen.mark.is_none();
        Self {
            present: (!only_aside).then_some(seen.kind),
            aside: seen.set_aside.then_some(seen.kind),
        }
    }

    /// What is in no engine is asked for where its other self is: there it is known to be absent.
    fn kind(self, body: Body) -> Option<Kind> {
        match body {
            Body::Present => self.present.or(self.aside),
            Body::Aside => self.aside.or(self.present),
        }
    }
}

impl Engines {
    /// Neither engine is asked for anything here.
    pub fn new(system: Arc<dyn Backend>, application: Arc<dyn Backend>) -> Self {
        Self {
            system,
            application,
            known: Arc::default(),
        }
    }

    fn engine_of(&self, kind: Kind) -> &dyn Backend {
        match kind {
            Kind::System => &*self.system,
            Kind::Application => &*self.application,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is one call, so it is whole even after a panic elsewhere.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where `body` of `name` lives. A command that needs no plan has not looked yet.
    async fn at(&self, name: &Name, body: Body) -> Result<&dyn Backend, BackendError> {
        if self.known().sought.is_none() {
            self.look_around().await?;
        }
        let known = self.known();
        let found = known.bodies.get(name).and_then(|b| b.kind(body));
        let only_applications = || {
            let kinds = known.sought.as_ref().map(|sought| &sought.kinds);
            kinds.is_some_and(|kinds| !kinds.contains(&Kind::System) && !kinds.is_empty())
        };
        let kind = match (found, known.down.values().next()) {
            (Some(kind), _) => kind,
            (None, Some(down)) => return Err(down.clone().into()),
            (None, None) if only_applications() => Kind::Application,
            (None, None) => Kind::System,
        };
        Ok(self.engine_of(kind))
    }

    /// A first look at both engines; one that is not there has no containers.
    async fn look_around(&self) -> Result<(), BackendError> {
        let since = self.known().count;
        let sought = Sought {
            offer: false,
            images: BTreeSet::new(),
            kinds: [Kind::System, Kind::Application].into(),
        };
        let (system, application) = tokio::join!(
            look(&*self.system, &sought, None),
            look(&*self.application, &sought, None),
        );
        self.learn(&sought, since, [&system?, &application?]);
        Ok(())
    }

    async fn present(&self, name: &Name) -> Result<&dyn Backend, BackendError> {
        self.at(name, Body::Present).await
    }

    fn change(&self, name: &Name, change: impl FnOnce(&mut Bodies)) {
        let mut known = self.known();
        known.count += 1;
        let count = known.count;
        known.changed.insert(name.clone(), count);
        change(known.bodies.entry(name.clone()).or_default());
    }

    /// Takes over what `views` show. They were begun after `since` changes: what was changed later, while
    /// they were looked at, is known better; and of an engine that was not asked nothing is forgotten.
    fn learn(&self, sought: &Sought, since: u64, views: [&BackendView; 2]) {
        let mut bodies: BTreeMap<Name, Bodies> = BTreeMap::new();
        for (name, seen) in views.into_iter().flat_map(|view| &view.containers) {
            let new = Bodies::of(seen);
            let known = bodies.entry(name.clone()).or_default();
            if known.present.is_none() || seen.mark.is_some() {
                known.present = new.present.or(known.present);
            }
            known.aside = known.aside.or(new.aside);
        }
        for name in views.into_iter().flat_map(|view| view.silent.keys()) {
            let silent = bodies.entry(name.clone()).or_default();
            silent.present = silent.present.or(Some(Kind::System));
        }
        let mut known = self.known();
        let down = |kind| views.iter().any(|view| view.down.contains_key(&kind));
        let asked = sought.kinds.contains(&Kind::Application) && !down(Kind::Application);
        let elsewhere = |b: &Bodies| {
            let kinds = [b.present, b.aside];
            (!asked && kinds.contains(&Some(Kind::Application)))
                || (down(Kind::System) && kinds.contains(&Some(Kind::System)))
        };
        for (name, old) in &known.bodies {
            let is_newer = known.changed.get(name).is_some_and(|at| *at > since);
            if is_newer || elsewhere(old) {
                bodies.insert(name.clone(), *old);
            }
        }
        known.bodies = bodies;
        let downs = views.iter().flat_map(|view| view.down.clone());
        known.down = downs.collect();
        known.sought = Some(sought.clone());
    }
}

/// One engine's view. One that is not there takes nothing else with it; where it was needed, the view says so.
async fn look(
    backend: &dyn Backend,
    sought: &Sought,
    needed: Option<Kind>,
) -> Result<BackendView, BackendError> {
    let down = match backend.observe(sought).await {
        Ok(view) => return Ok(view),
        Err(error) => error.into_down()?,
    };
    let down = needed.map(|kind| (kind, down));
    Ok(BackendView {
        down: down.into_iter().collect(),
        ..BackendView::default()
    })
}

/// Two views as one. Of a name in both, the whole one bears it, and the other is its older self.
fn join(mut one: BackendView, other: BackendView) -> BackendView {
    for (name, seen) in other.containers {
        let joined = match one.containers.remove(&name) {
            None => seen,
            Some(first) if first.mark.is_some() && seen.mark.is_some() => {
                // Somebody has made a second one by hand: it is in the way of nobody but himself.
                let foreign = one.foreign.entry(seen.kind).or_default();
                foreign.insert(seen.host_name);
                first
            }
            Some(first) => {
                let is_front = |c: &ObservedContainer| (c.mark.is_some(), !c.set_aside);
                let (mut front, behind) = match is_front(&seen) > is_front(&first) {
                    true => (seen, first),
                    false => (first, seen),
                };
                front.set_aside |= behind.set_aside;
                front.aside_runs |= behind.aside_runs;
                front
            }
        };
        one.containers.insert(name, joined);
    }
    for (kind, names) in other.foreign {
        one.foreign.entry(kind).or_default().extend(names);
    }
    one.ids_taken.extend(other.ids_taken);
    one.engine = other.engine;
    one.down.extend(other.down);
    one.silent.extend(other.silent);
    one
}

#[async_trait]
impl Backend for Engines {
    async fn observe(&self, sought: &Sought) -> Result<BackendView, BackendError> {
        let since = self.known().count;
        let needed = |kind| sought.kinds.contains(&kind).then_some(kind);
        // The system's side is always asked, for it wakes nobody. The other engine is a daemon, which a
        // question may wake.
        let application = async {
            match needed(Kind::Application) {
                Some(kind) => look(&*self.application, sought, Some(kind)).await,
                None => Ok(BackendView::default()),
            }
        };
        let system = look(&*self.system, sought, needed(Kind::System));
        let (system, application) = tokio::join!(system, application);
        let (system, application) = (system?, application?);
        self.learn(sought, since, [&system, &application]);
        Ok(join(system, application))
    }

    async fn create(
        &self,
        mark: &Mark,
        renew: bool,
        progress: Progress<'_>,
    ) -> Result<(), BackendError> {
        let kind = mark.spec.kind();
        let made = self.engine_of(kind).create(mark, renew, progress).await;
        if made.is_ok() {
            self.change(&mark.spec.name, |bodies| bodies.present = Some(kind));
        }
        made
    }

    fn remarks(&self) -> Vec<String> {
        let all = [Kind::System, Kind::Application].into_iter();
        all.flat_map(|kind| self.engine_of(kind).remarks())
            .collect()
    }

    async fn configure(&self, mark: &Mark) -> Result<(), BackendError> {
        self.engine_of(mark.spec.kind()).configure(mark).await
    }

    async fn start(&self, name: &Name, body: Body) -> Result<(), BackendError> {
        self.at(name, body).await?.start(name, body).await
    }

    async fn stop(&self, name: &Name, body: Body, timeout: Duration) -> Result<End, BackendError> {
        self.at(name, body).await?.stop(name, body, timeout).await
    }

    async fn destroy(&self, name: &Name, body: Body, volumes: bool) -> Result<(), BackendError> {
        let engine = self.at(name, body).await?;
        engine.destroy(name, body, volumes).await?;
        self.change(name, |bodies| match body {
            Body::Present => bodies.present = None,
            Body::Aside => bodies.aside = None,
        });
        Ok(())
    }

    async fn set_aside(&self, name: &Name, back: bool) -> Result<(), BackendError> {
        let body = if back { Body::Aside } else { Body::Present };
        let engine = self.at(name, body).await?;
        engine.set_aside(name, back).await?;
        self.change(name, |bodies| {
            let kind = bodies.kind(body);
            *bodies = match back {
                true => Bodies {
                    present: kind,
                    aside: None,
                },
                false => Bodies {
                    present: None,
                    aside: kind,
                },
            };
        });
        Ok(())
    }

    fn inside(&self) -> &dyn Inside {
        self
    }

    fn watch(&self) -> &dyn Watch {
        self
    }

    fn engine(&self) -> Option<&dyn Engine> {
        self.application.engine()
    }
}
