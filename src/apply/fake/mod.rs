//! Drivers in memory for tests: strict about order, able to fail at any call, and comparable.

mod kernel;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use crate::backend::{AttachOptions, Backend, BackendError, BackendView, Inside, Ran};
use crate::model::{HostsLine, InnerCommand, Mount, Name, NetworkRules, PortRule, Subnets};
use crate::observed::{Mark, ObservedContainer, State};

/// A container of the fake engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) state: State,
    pub(super) mark: Mark,
    pub(super) names: Option<Vec<HostsLine>>,
    pub(super) dns: Vec<IpAddr>,
}

/// Everything that a driver can change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct World {
    pub(super) containers: BTreeMap<Name, Made>,
    pub(super) aside: BTreeMap<Name, Made>,
    pub(super) bridge: Option<Subnets>,
    pub(super) networks: BTreeMap<Name, NetworkRules>,
    pub(super) rules: BTreeSet<PortRule>,
}

/// What was called, how many calls ran at once, and which shall fail.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) calls: Vec<String>,
    pub(super) at_once: usize,
    pub(super) most_at_once: usize,
    /// Calls that fail, each as often as it stands here.
    pub(super) fail: Vec<String>,
    /// What `run` answers for a command; 0 when it is not listed.
    pub(super) codes: BTreeMap<String, i32>,
    /// Told of every call before it is done.
    pub(super) on_call: Option<OnCall>,
}

pub(super) struct OnCall(pub(super) Box<dyn FnMut(&str) + Send>);

impl std::fmt::Debug for OnCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnCall")
    }
}

/// All drivers in one.
#[derive(Clone, Debug, Default)]
pub(super) struct Fake {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) ledger: Arc<Mutex<Ledger>>,
}

impl Fake {
    pub(super) fn world(&self) -> World {
        self.world.lock().unwrap().clone()
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.ledger.lock().unwrap().calls.clone()
    }

    /// Begins a call, gives others a turn, and says whether it shall fail.
    pub(super) async fn call(&self, what: String) -> Result<(), String> {
        let fails = {
            let mut ledger = self.ledger.lock().unwrap();
            ledger.calls.push(what.clone());
            ledger.at_once += 1;
            ledger.most_at_once = ledger.most_at_once.max(ledger.at_once);
            if let Some(on_call) = &mut ledger.on_call {
                (on_call.0)(&what);
            }
            let at = ledger.fail.iter().position(|call| *call == what);
            at.map(|at| ledger.fail.remove(at)).is_some()
        };
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        self.ledger.lock().unwrap().at_once -= 1;
        if fails {
            return Err(format!("`{what}` was told to fail"));
        }
        Ok(())
    }

    async fn backend(&self, what: String) -> Result<(), BackendError> {
        self.call(what.clone()).await.map_err(|r| broken(&what, &r))
    }

    fn change(
        &self,
        name: &Name,
        allowed: &[State],
        change: impl FnOnce(&mut Made),
    ) -> Result<(), BackendError> {
        let mut world = self.world.lock().unwrap();
        match world.containers.get_mut(name) {
            Some(found) if allowed.contains(&found.state) => {
                change(found);
                Ok(())
            }
            Some(found) => Err(broken(name.as_str(), &format!("is {:?}", found.state))),
            None => Err(broken(name.as_str(), "is absent")),
        }
    }
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
    async fn observe(&self) -> Result<BackendView, BackendError> {
        let world = self.world();
        let seen = world.containers.iter().map(|(name, found)| {
            let seen = ObservedContainer {
                host_name: found.mark.spec.host_name(),
                state: found.state,
                mark: Some(found.mark.clone()),
                wreck: false,
                set_aside: world.aside.contains_key(name),
                stopping: false,
                pid: None,
                names: found.names.clone(),
                dns: found.dns.clone(),
            };
            (name.clone(), seen)
        });
        Ok(BackendView {
            containers: seen.collect(),
            ..BackendView::default()
        })
    }

    async fn create(
        &self,
        mark: &Mark,
        progress: &(dyn for<'a> Fn(&'a str) + Send + Sync),
    ) -> Result<(), BackendError> {
        progress("made by the fake");
        let name = mark.spec.name.clone();
        self.backend(format!("create {name}")).await?;
        let made = Made {
            state: State::Stopped,
            mark: mark.clone(),
            names: None,
            dns: Vec::new(),
        };
        match self
            .world
            .lock()
            .unwrap()
            .containers
            .insert(name.clone(), made)
        {
            None => Ok(()),
            Some(_) => Err(broken(name.as_str(), "was there")),
        }
    }

    async fn configure(&self, mark: &Mark) -> Result<(), BackendError> {
        let name = &mark.spec.name;
        self.backend(format!("configure {name}")).await?;
        self.change(name, &ANY, |found| found.mark = mark.clone())
    }

    async fn start(&self, name: &Name) -> Result<(), BackendError> {
        self.backend(format!("start {name}")).await?;
        if self.world.lock().unwrap().bridge.is_none() {
            return Err(broken(name.as_str(), "has no bridge"));
        }
        self.change(name, &[State::Stopped], |c| c.state = State::Running)
    }

    async fn stop(&self, name: &Name, _: Duration) -> Result<(), BackendError> {
        self.backend(format!("stop {name}")).await?;
        self.change(name, &ANY, |c| c.state = State::Stopped)
    }

    async fn destroy(&self, name: &Name, aside: bool) -> Result<(), BackendError> {
        self.backend(format!("destroy {name}{}", if aside { "~old" } else { "" }))
            .await?;
        let mut world = self.world.lock().unwrap();
        if aside {
            world.aside.remove(name);
            return Ok(());
        }
        match world.containers.remove(name) {
            Some(gone) if gone.state != State::Stopped => Err(broken(name.as_str(), "runs")),
            Some(_) | None => Ok(()),
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
        match from.remove(name) {
            Some(moved) if moved.state == State::Stopped && !to.contains_key(name) => {
                to.insert(name.clone(), moved);
                Ok(())
            }
            Some(_) | None => Err(broken(name.as_str(), "cannot be renamed")),
        }
    }

    fn inside(&self) -> &dyn Inside {
        self
    }
}

#[async_trait]
impl Inside for Fake {
    async fn write_names(
        &self,
        name: &Name,
        hosts: &[HostsLine],
        dns: &[IpAddr],
    ) -> Result<(), BackendError> {
        self.backend(format!("names {name}")).await?;
        self.change(name, &ANY, |found| {
            found.names = (!hosts.is_empty()).then(|| hosts.to_vec());
            if !dns.is_empty() {
                found.dns = dns.to_vec();
            }
        })
    }

    async fn seed(
        &self,
        name: &Name,
        mounts: &[Mount],
        _: bool,
    ) -> Result<Vec<PathBuf>, BackendError> {
        self.backend(format!("seed {name}")).await?;
        let missing = mounts.iter().filter(|mount| !mount.host.exists());
        let made: Vec<PathBuf> = missing.map(|mount| mount.host.clone()).collect();
        for path in &made {
            std::fs::create_dir_all(path).unwrap();
        }
        Ok(made)
    }

    async fn set_frozen(&self, name: &Name, frozen: bool) -> Result<(), BackendError> {
        self.backend(format!("freeze {name} {frozen}")).await?;
        let (from, to) = if frozen {
            (State::Running, State::Frozen)
        } else {
            (State::Frozen, State::Running)
        };
        self.change(name, &[from], |found| found.state = to)
    }

    async fn run(
        &self,
        name: &Name,
        command: &InnerCommand,
        _: Option<Duration>,
    ) -> Result<Ran, BackendError> {
        self.backend(format!("run {name} {command}")).await?;
        let codes = &self.ledger.lock().unwrap().codes;
        Ok(Ran {
            code: codes.get(&command.to_string()).copied().unwrap_or(0),
            output: "said".into(),
        })
    }

    async fn attach(
        &self,
        name: &Name,
        _: &[String],
        _: &AttachOptions,
    ) -> Result<i32, BackendError> {
        Err(broken(name.as_str(), "the fake has no terminal"))
    }

    fn console_log(&self, name: &Name) -> PathBuf {
        PathBuf::from(format!("/nonexistent/{name}"))
    }

    async fn size(&self, _: &Name) -> Result<u64, BackendError> {
        Ok(0)
    }
}
