//! The inside of the fake's containers, and what they tell.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use super::{ANY, Fake, broken};
use crate::backend::{
    AttachOptions, BackendError, Body, EventStream, Inside, LogLine, LogStream, LogWish, News,
    Outer, Probe, Process, Ran, Seeded, Watch,
};
use crate::model::{Healthcheck, Hook, HostsLine, Mount, Name, Test};
use crate::observed::State;
use crate::sys::Made;

#[async_trait]
impl Inside for Fake {
    async fn write_names(
        &self,
        name: &Name,
        hosts: &[HostsLine],
        dns: &[IpAddr],
    ) -> Result<(), BackendError> {
        self.backend(format!("names {name}")).await?;
        self.change(name, Body::Present, &ANY, |found| {
            found.names = (!hosts.is_empty()).then(|| hosts.to_vec());
            if !dns.is_empty() {
                found.dns = dns.to_vec();
            }
        })
    }

    async fn seed(&self, name: &Name, mounts: &[Mount], _: bool) -> Result<Seeded, BackendError> {
        self.backend(format!("seed {name}")).await?;
        let missing = mounts.iter().filter(|mount| !mount.host.exists());
        let make = |mount: &Mount| {
            std::fs::create_dir_all(&mount.host).unwrap();
            Made::at(mount.host.clone()).unwrap()
        };
        let made = missing.map(make).collect();
        let given = Vec::new();
        Ok(Seeded { made, given })
    }

    async fn set_frozen(&self, name: &Name, frozen: bool) -> Result<(), BackendError> {
        self.backend(format!("freeze {name} {frozen}")).await?;
        let (from, to) = if frozen {
            (State::Running, State::Frozen)
        } else {
            (State::Frozen, State::Running)
        };
        self.change(name, Body::Present, &[from], |found| found.state = to)
    }

    async fn run(
        &self,
        name: &Name,
        command: &Hook,
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

    async fn copy_in(&self, name: &Name, _: Outer<'_>, _: &Path) -> Result<(), BackendError> {
        Err(broken(name.as_str(), "the fake copies nothing"))
    }

    async fn copy_out(&self, name: &Name, _: &Path, _: Outer<'_>) -> Result<(), BackendError> {
        Err(broken(name.as_str(), "the fake copies nothing"))
    }

    async fn size(&self, _: &Name) -> Result<u64, BackendError> {
        Ok(0)
    }
}

#[async_trait]
impl Watch for Fake {
    async fn probe(&self, name: &Name, check: Option<&Healthcheck>) -> Result<Probe, BackendError> {
        let found = self.world().containers.get(name).cloned();
        let Some(found) = found else {
            return Err(broken(name.as_str(), "is absent"));
        };
        if found.state == State::Stopped {
            return Ok(Probe::Ended(found.exit.unwrap_or(137)));
        }
        let Some(check) = check else {
            return Ok(Probe::Running);
        };
        let test = match &check.test {
            Test::Command(test) => test.clone(),
            // Whatever runs here takes connections.
            Test::Port { .. } => return Ok(Probe::Healthy),
        };
        let ran = self.run(name, &test.into(), Some(check.timeout)).await?;
        Ok(match ran.code {
            0 => Probe::Healthy,
            code => Probe::Failing(format!("exit code {code} {}", ran.output).into()),
        })
    }

    async fn logs(&self, name: &Name, _: &LogWish) -> Result<LogStream, BackendError> {
        let line = |text: String| {
            Ok(LogLine {
                at: None,
                error: false,
                text,
            })
        };
        let lines = [
            line("began".into()),
            line(format!("the last word of {name}")),
        ];
        Ok(stream::iter(lines).boxed())
    }

    async fn processes(&self, _: &Name) -> Result<Vec<Process>, BackendError> {
        Ok(Vec::new())
    }

    async fn was_stopped(&self, name: &Name) -> bool {
        let stopped = &self.ledger.lock().unwrap().stopped;
        stopped.contains(name.as_str())
    }

    async fn ended(&self, name: &Name) -> Result<i32, BackendError> {
        loop {
            let found = self.world().containers.get(name).cloned();
            match found {
                Some(found) if found.state == State::Stopped => {
                    return Ok(found.exit.unwrap_or(137));
                }
                Some(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                None => return Err(broken(name.as_str(), "is absent")),
            }
        }
    }

    /// What is written down for this engine, once; then it breaks off, or goes on without a word.
    async fn events(&self, since: Option<SystemTime>) -> Result<EventStream, BackendError> {
        self.look()?;
        let mut ledger = self.ledger.lock().unwrap();
        ledger.since.push(since);
        let told = ledger
            .news
            .get_mut(&self.kind)
            .and_then(VecDeque::pop_front);
        let told = told.map(|told| stream::iter(told.into_iter().map(|h| Ok(News::Happened(h)))));
        Ok(match told {
            Some(told) => told.boxed(),
            None => stream::pending().boxed(),
        })
    }
}
