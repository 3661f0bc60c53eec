//! Drivers in memory for tests: strict about order, able to fail at any call, and comparable.

mod engine;
mod inside;
mod kernel;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::backend::{
    Backend, BackendError, BackendView, Body, End, Engine, Happening, Inside, Progress, Sought,
    Watch, engines::Engines,
};
use crate::model::{EngineNetwork, HostsLine, Kind, Name, NetworkRules, PortRule, Subnets};
use crate::observed::{Leftover, Mark, ObservedContainer, ObservedEngine, ObservedVolume, State};

/// A container of the fake engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) state: State,
    pub(super) mark: Mark,
    pub(super) names: Option<Vec<HostsLine>>,
    pub(super) dns: Vec<IpAddr>,
    pub(super) exit: Option<i32>,
}

impl Made {
    pub(super) fn new(state: State, mark: Mark) -> Self {
        Self {
            state,
            mark,
            names: None,
            dns: Vec::new(),
            exit: None,
        }
    }

    fn kind(&self) -> Kind {
        self.mark.spec.kind()
    }
}

/// The networks of the engine as its driver shows them.
fn seen(
    mut all: BTreeMap<Name, EngineNetwork>,
    left: &BTreeSet<Name>,
) -> BTreeMap<Name, EngineNetwork> {
    all.retain(|name, _| !left.contains(name));
    all
}

/// Everything that a driver can change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct World {
    pub(super) containers: BTreeMap<Name, Made>,
    pub(super) aside: BTreeMap<Name, Made>,
    /// Creations that were killed.
    pub(super) half: BTreeMap<Name, Kind>,
    pub(super) bridges: BTreeMap<String, Subnets>,
    pub(super) networks: BTreeMap<String, NetworkRules>,
    pub(super) rules: BTreeSet<PortRule>,
    /// What another driver of rules has left.
    pub(super) old_rules: Vec<Leftover>,
    pub(super) engine_networks: BTreeMap<Name, EngineNetwork>,
    /// Those that the engine does not let go of, and those of them that were left.
    pub(super) miscounted: BTreeSet<Name>,
    pub(super) left: BTreeSet<Name>,
    pub(super) images: BTreeSet<String>,
    pub(super) volumes: BTreeSet<String>,
}

/// What was called, how many calls ran at once, and which shall fail.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) calls: Vec<String>,
    /// How long each container that was stopped had to end.
    pub(super) graces: Vec<(Name, Duration)>,
    /// Looks at the engines.
    pub(super) looks: Vec<String>,
    pub(super) at_once: usize,
    pub(super) most_at_once: usize,
    /// Calls that fail, each as often as it stands here.
    pub(super) fail: Vec<String>,
    /// What `run` answers for a command; 0 when it is not listed.
    pub(super) codes: BTreeMap<String, i32>,
    /// Containers that end by themselves as soon as they run, with this exit code.
    pub(super) ends: BTreeMap<String, i32>,
    /// The containers that end because somebody tells them to.
    pub(super) stopped: BTreeSet<String>,
    /// What each engine tells who listens, once for every time it is asked; then it breaks off.
    pub(super) news: BTreeMap<Kind, VecDeque<Vec<Happening>>>,
    /// From when on it was asked for.
    pub(super) since: Vec<Option<SystemTime>>,
    /// The call that never returns, counted from here.
    pub(super) dies_at: Option<usize>,
    /// Told when it is reached.
    pub(super) died: Arc<tokio::sync::Notify>,
    /// How many looks at the cards find the first one gone.
    pub(super) cardless: usize,
    /// Told of every call before it is done.
    pub(super) on_call: Option<OnCall>,
}

pub(super) struct OnCall(pub(super) Box<dyn FnMut(&str) + Send>);

impl std::fmt::Debug for OnCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnCall")
    }
}

/// All drivers in one; as a backend it runs containers of one kind.
#[derive(Clone, Debug)]
pub(super) struct Fake {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    kind: Kind,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            world: Arc::default(),
            ledger: Arc::default(),
            kind: Kind::System,
        }
    }
}

impl Fake {
    /// Both kinds of containers in one world.
    pub(super) fn engines(&self) -> Engines {
        let of = |kind| Self {
            kind,
            ..self.clone()
        };
        let (system, application) = (of(Kind::System), of(Kind::Application));
        Engines::new(Arc::new(system), Arc::new(application))
    }

    pub(super) fn world(&self) -> World {
        self.world.lock().unwrap().clone()
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.ledger.lock().unwrap().calls.clone()
    }

    /// From now on the call number `at` never returns, as if the program were killed in it. What is
    /// given back is told of it.
    pub(super) fn dies_at(&self, at: Option<usize>) -> Arc<tokio::sync::Notify> {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.dies_at = at;
        ledger.died = Arc::default();
        ledger.died.clone()
    }

    /// Begins a call, gives others a turn, and says whether it shall fail.
    pub(super) async fn call(&self, what: String) -> Result<(), String> {
        let (fails, dies) = {
            let mut ledger = self.ledger.lock().unwrap();
            ledger.calls.push(what.clone());
            ledger.at_once += 1;
            ledger.most_at_once = ledger.most_at_once.max(ledger.at_once);
            if let Some(on_call) = &mut ledger.on_call {
                (on_call.0)(&what);
            }
            let left = ledger.dies_at.map(|at| at.saturating_sub(1));
            ledger.dies_at = left;
            let at = ledger.fail.iter().position(|call| *call == what);
            let fails = at.map(|at| ledger.fail.remove(at)).is_some();
            (fails, left == Some(0))
        };
        if dies {
            self.ledger.lock().unwrap().died.notify_one();
            std::future::pending::<()>().await;
        }
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        self.ledger.lock().unwrap().at_once -= 1;
        let refused = || format!("`{what}` was told to fail");
        (!fails).then_some(()).ok_or_else(refused)
    }

    /// A look is no call that a plan counts; it is written down and may be refused all the same.
    fn look(&self) -> Result<(), BackendError> {
        let what = match self.kind {
            Kind::System => "look system",
            Kind::Application => "look application",
        };
        let mut ledger = self.ledger.lock().unwrap();
        ledger.looks.push(what.into());
        match ledger.fail.iter().any(|call| call == what) {
            true => Err(BackendError::Unavailable {
                engine: "fake",
                reason: "it was told so".into(),
                help: String::new(),
            }),
            false => Ok(()),
        }
    }

    async fn backend(&self, what: String) -> Result<(), BackendError> {
        self.call(what.clone()).await.map_err(|r| broken(&what, &r))
    }

    fn change(
        &self,
        name: &Name,
        body: Body,
        allowed: &[State],
        change: impl FnOnce(&mut Made),
    ) -> Result<(), BackendError> {
        let mut world = self.world.lock().unwrap();
        let all = match body {
            Body::Present => &mut world.containers,
            Body::Aside => &mut world.aside,
        };
        match all.get_mut(name).filter(|made| made.kind() == self.kind) {
            Some(found) if allowed.contains(&found.state) => {
                change(found);
                Ok(())
            }
            Some(found) => Err(broken(name.as_str(), &format!("is {:?}", found.state))),
            None => Err(broken(name.as_str(), "is absent")),
        }
    }

    /// What the container stands on must be there when it is made or started.
    fn needs(&self, mark: &Mark, starts: bool) -> Result<(), BackendError> {
        let world = self.world();
        let name = mark.spec.name.as_str();
        let attached = mark.spec.app.iter().flat_map(|app| &app.attached);
        for attached in attached.filter(|attached| attached.nic.is_some()) {
            let mut networks = world.engine_networks.values();
            if !networks.any(|network| network.host_name() == attached.network) {
                return Err(broken(
                    name,
                    &format!("has no network {}", attached.network),
                ));
            }
        }
        if let Some(image) = mark.spec.source.image()
            && !world.images.contains(image)
        {
            return Err(broken(name, &format!("has no image {image}")));
        }
        if let Some(nic) = &mark.spec.nic
            && starts
            && !world.bridges.contains_key(&nic.bridge)
        {
            return Err(broken(name, "has no bridge"));
        }
        Ok(())
    }

    /// Nothing of it is whole.
    fn wreck(&self, name: &Name) -> ObservedContainer {
        ObservedContainer {
            host_name: format!("shop_{name}"),
            kind: self.kind,
            state: State::Stopped,
            exit: None,
            health: None,
            image: None,
            unnamed: Vec::new(),
            aside_runs: false,
            mark: None,
            wreck: true,
            set_aside: false,
            stopping: false,
            parted: false,
            left_behind: false,
            estranged: Default::default(),
            unplugged: Default::default(),
            limits: Default::default(),
            broken: None,
            over: false,
            pid: None,
            names: None,
            dns: Vec::new(),
            touched: None,
        }
    }

    fn seen(&self, world: &World, name: &Name, found: &Made) -> ObservedContainer {
        let older = world.aside.get(name).filter(|old| old.kind() == self.kind);
        let image = found.mark.spec.source.image();
        ObservedContainer {
            host_name: found.mark.spec.host_name(),
            kind: self.kind,
            state: found.state,
            exit: found.exit,
            health: None,
            image: image.map(id_of),
            unnamed: Vec::new(),
            aside_runs: older.is_some_and(|old| old.state == State::Running),
            mark: Some(found.mark.clone()),
            wreck: false,
            set_aside: older.is_some(),
            stopping: false,
            parted: false,
            left_behind: false,
            estranged: Default::default(),
            unplugged: Default::default(),
            limits: Default::default(),
            broken: None,
            over: false,
            pid: None,
            names: found.names.clone(),
            dns: found.dns.clone(),
            touched: None,
        }
    }
}

/// The id of an image by its name.
fn id_of(image: &str) -> String {
    format!("sha256:{image}")
}

fn broken(what: &str, reason: &str) -> BackendError {
    BackendError::Engine {
        verb: "change",
        container: what.into(),
        reason: reason.into(),
        log: Vec::new(),
    }
}

const ANY: [State; 3] = [State::Stopped, State::Running, State::Frozen];

#[async_trait]
impl Backend for Fake {
    async fn observe(&self, sought: &Sought) -> Result<BackendView, BackendError> {
        self.look()?;
        let world = self.world();
        let mut view = BackendView::default();
        let ours = |made: &&Made| made.kind() == self.kind;
        for (name, found) in world.containers.iter().filter(|(_, made)| ours(made)) {
            view.containers
                .insert(name.clone(), self.seen(&world, name, found));
        }
        for (name, _) in world.half.iter().filter(|(_, kind)| **kind == self.kind) {
            view.containers.insert(name.clone(), self.wreck(name));
        }
        for (name, found) in world.aside.iter().filter(|(_, made)| ours(made)) {
            // Alone, it is all that is left, and nothing of it is whole.
            let seen = view.containers.entry(name.clone());
            let seen = seen.or_insert_with(|| self.wreck(name));
            seen.set_aside = true;
            seen.aside_runs = found.state == State::Running;
        }
        if self.kind == Kind::Application {
            let there = sought.images.intersection(&world.images);
            view.engine = ObservedEngine {
                images: there.map(|image| (image.clone(), id_of(image))).collect(),
                networks: seen(world.engine_networks, &world.left),
                volumes: world
                    .volumes
                    .into_iter()
                    .map(|n| (n, ObservedVolume::default()))
                    .collect(),
                ..ObservedEngine::default()
            };
        }
        Ok(view)
    }

    async fn create(
        &self,
        mark: &Mark,
        _: bool,
        progress: Progress<'_>,
    ) -> Result<(), BackendError> {
        progress("made by the fake");
        let name = mark.spec.name.clone();
        let half = self
            .world
            .lock()
            .unwrap()
            .half
            .insert(name.clone(), self.kind);
        assert_eq!(half, None, "what was half made is removed first");
        let done = self.backend(format!("create {name}")).await;
        self.world.lock().unwrap().half.remove(&name);
        done?;
        self.needs(mark, false)?;
        let made = Made::new(State::Stopped, mark.clone());
        let mut world = self.world.lock().unwrap();
        match world.containers.insert(name.clone(), made) {
            None => Ok(()),
            Some(_) => Err(broken(name.as_str(), "was there")),
        }
    }

    async fn configure(&self, mark: &Mark) -> Result<(), BackendError> {
        let name = &mark.spec.name;
        self.backend(format!("configure {name}")).await?;
        self.change(name, Body::Present, &ANY, |found| found.mark = mark.clone())
    }

    async fn start(&self, name: &Name, body: Body) -> Result<(), BackendError> {
        self.backend(format!("start {name}{}", sign(body))).await?;
        let ends = self.ledger.lock().unwrap().ends.get(name.as_str()).copied();
        let mut mark = None;
        self.change(name, body, &[State::Stopped], |found| {
            mark = Some(found.mark.clone());
        })?;
        if let Some(mark) = mark {
            self.needs(&mark, true)?;
        }
        self.change(name, body, &[State::Stopped], |found| {
            found.exit = ends;
            if ends.is_none() {
                found.state = State::Running;
            }
        })
    }

    async fn stop(&self, name: &Name, body: Body, grace: Duration) -> Result<End, BackendError> {
        self.backend(format!("stop {name}{}", sign(body))).await?;
        let mut ledger = self.ledger.lock().unwrap();
        ledger.graces.push((name.clone(), grace));
        drop(ledger);
        self.change(name, body, &ANY, |c| c.state = State::Stopped)?;
        Ok(End::Own)
    }

    async fn destroy(&self, name: &Name, body: Body, _: bool) -> Result<(), BackendError> {
        self.backend(format!("destroy {name}{}", sign(body)))
            .await?;
        let mut world = self.world.lock().unwrap();
        if body == Body::Present && world.half.get(name) == Some(&self.kind) {
            world.half.remove(name);
        }
        let all = match body {
            Body::Present => &mut world.containers,
            Body::Aside => &mut world.aside,
        };
        match all.get(name) {
            Some(found) if found.kind() != self.kind => Ok(()),
            Some(found) if found.state != State::Stopped => Err(broken(name.as_str(), "runs")),
            Some(_) | None => {
                all.remove(name);
                Ok(())
            }
        }
    }

    async fn set_aside(&self, name: &Name, back: bool) -> Result<(), BackendError> {
        self.backend(format!("set aside {name} {back}")).await?;
        let mut world = self.world.lock().unwrap();
        let World {
            containers, aside, ..
        } = &mut *world;
        let (from, to) = if back {
            (aside, containers)
        } else {
            (containers, aside)
        };
        let may = |made: &Made| self.kind == Kind::Application || made.state == State::Stopped;
        match from.remove(name) {
            Some(moved) if may(&moved) && moved.kind() == self.kind && !to.contains_key(name) => {
                to.insert(name.clone(), moved);
                Ok(())
            }
            Some(_) | None => Err(broken(name.as_str(), "cannot be renamed")),
        }
    }

    fn inside(&self) -> &dyn Inside {
        self
    }

    fn watch(&self) -> &dyn Watch {
        self
    }

    fn engine(&self) -> Option<&dyn Engine> {
        (self.kind == Kind::Application).then_some(self)
    }
}

fn sign(body: Body) -> &'static str {
    match body {
        Body::Present => "",
        Body::Aside => "~old",
    }
}
