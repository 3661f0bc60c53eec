//! What tells about containers while time goes on: readiness and ends; logs, processes and happenings
//! have files of their own.
//!
//! Nothing here needs a daemon: the kernel tells of ends (pidfd) and of files (inotify), and the notes
//! in a container's directory tell the rest ([`super::ended`]).

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;

use super::ffi::readable;
use super::site::{Site, failed, io};
use super::stop::{open, parent_of};
use super::{LxcBackend, attach, ended, events, logs, mark, processes, view};
use crate::backend::{
    BackendError, EventStream, FailedCheck, LogStream, LogWish, Probe, Process, Watch,
};
use crate::model::{Healthcheck, Name, Test};
use crate::observed::{Mark, State};
use crate::sys;

/// How long what the kernel cannot tell is left alone between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// How long the end of a container may take to be written down.
const WRITES: Duration = Duration::from_secs(1);

#[async_trait]
impl Watch for LxcBackend {
    async fn probe(&self, name: &Name, check: Option<&Healthcheck>) -> Result<Probe, BackendError> {
        let (name, check) = (name.clone(), check.cloned());
        self.blocking("check", move |site| probe(site, &name, check.as_ref()))
            .await
    }

    async fn logs(&self, name: &Name, wish: &LogWish) -> Result<LogStream, BackendError> {
        logs::logs(self, name, wish).await
    }

    async fn processes(&self, name: &Name) -> Result<Vec<Process>, BackendError> {
        let name = name.clone();
        self.blocking("list the processes of", move |site| {
            let (_, pid) = view::state(site, &site.full(&name))?;
            match (mark::ours(site, "list the processes of", &name)?, pid) {
                (_, Some(init)) => processes::of(init),
                (_, None) => Ok(Vec::new()),
            }
        })
        .await
    }

    async fn ended(&self, name: &Name) -> Result<i32, BackendError> {
        loop {
            let name = name.clone();
            let seen = self
                .blocking("wait for", move |site| look(site, &name))
                .await?;
            match seen {
                Seen::Ended(code) => return Ok(code),
                Seen::Runs(monitor) => {
                    let monitor =
                        readable(monitor).map_err(io("watch", "a container's monitor"))?;
                    // Readable when it has gone; whatever else woke us is found by looking again.
                    let _ = monitor.readable().await;
                }
                Seen::Between => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn was_stopped(&self, name: &Name) -> bool {
        let dir = self.site.dir(name);
        ended::ended(&dir).is_some_and(|ended| ended.asked)
    }

    /// Nobody keeps what has happened: it is told from now on.
    async fn events(&self, _since: Option<SystemTime>) -> Result<EventStream, BackendError> {
        events::events(&self.site).await
    }
}

/// Where a container is on its way to its end.
enum Seen {
    Ended(i32),
    /// With a pidfd of its monitor.
    Runs(OwnedFd),
    /// It is just starting or ending.
    Between,
}

fn look(site: &Site, name: &Name) -> Result<Seen, BackendError> {
    mark::ours(site, "wait for", name)?;
    match view::state(site, &site.full(name))? {
        (State::Stopped | State::Absent | State::Unknown, _) => {
            // Of the shortest run not even the begin may be written down yet.
            await_end(site, name, |_| true);
            code(site, name).map(Seen::Ended)
        }
        (State::Starting | State::Running | State::Frozen, init) => {
            let monitor = init
                .and_then(parent_of)
                .and_then(|monitor| open(monitor).ok());
            Ok(monitor.map_or(Seen::Between, Seen::Runs))
        }
    }
}

/// The exit code of a container that does not run.
fn code(site: &Site, name: &Name) -> Result<i32, BackendError> {
    await_end(site, name, |dir| ended::started(dir).is_some());
    ended::code(&site.dir(name)).ok_or_else(|| {
        let reason = "it has not run yet, so it has no exit code";
        failed("wait for", &site.full(name), reason)
    })
}

/// Waits until its end is written down, as long as that may be under way: liblxc calls a container stopped a
/// moment before its monitor writes. One that was killed writes nothing.
fn await_end(site: &Site, name: &Name, under_way: impl Fn(&Path) -> bool) {
    let dir = site.dir(name);
    let begun = Instant::now();
    while ended::ended(&dir).is_none() && under_way(&dir) && begun.elapsed() < WRITES {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn probe(site: &Site, name: &Name, check: Option<&Healthcheck>) -> Result<Probe, BackendError> {
    let mark = mark::ours(site, "check", name)?;
    match (view::state(site, &site.full(name))?.0, check) {
        (State::Stopped | State::Absent | State::Unknown, _) => {
            return code(site, name).map(Probe::Ended);
        }
        (State::Starting, _) => return Ok(Probe::Failing("it is starting".into())),
        (State::Running | State::Frozen, None) => return Ok(Probe::Running),
        (State::Frozen, Some(_)) => return Ok(Probe::Failing("it is frozen".into())),
        (State::Running, Some(_)) => {}
    }
    let Some(check) = check else {
        return Ok(Probe::Running);
    };
    let test = match &check.test {
        Test::Command(test) => test,
        Test::Port { port } => {
            let asked = knock(&mark, port.get(), check.timeout);
            return Ok(asked.map_or_else(|why| Probe::Failing(why.into()), |()| Probe::Healthy));
        }
    };
    let leash = attach::Leash::default();
    match attach::run(
        site,
        name,
        &test.clone().into(),
        Some(check.timeout),
        &leash,
    ) {
        Ok(ran) if ran.code == 0 => Ok(Probe::Healthy),
        // It may have ended meanwhile, and the check with it.
        Ok(_) | Err(_) if view::state(site, &site.full(name))?.0 == State::Stopped => {
            code(site, name).map(Probe::Ended)
        }
        Ok(ran) => Ok(Probe::Failing(FailedCheck::new(
            Some(ran.code),
            &ran.output,
        ))),
        Err(BackendError::Engine { reason, .. }) => Ok(Probe::Failing(reason.into())),
        Err(error) => Err(error),
    }
}

fn knock(mark: &Mark, port: u16, most: Duration) -> Result<(), String> {
    let nic = mark.spec.nic.as_ref();
    let nic = nic.ok_or("it has no address to be asked at")?;
    sys::knock(nic.addresses.v4.into(), port, most)
}
