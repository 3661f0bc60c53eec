//! The start of a container by its service, watched until the container runs.

use std::time::{Duration, Instant};

use futures_util::StreamExt;

use super::hooked::{has_begun, never_ran};
use super::supervised::Supervised;
use crate::backend::{BackendError, Body, LogWish, Runs};
use crate::model::{Name, UnitState, host_name_of};
use crate::store::{self, Asking, Phase};
use crate::systemd::{Job, Queued, UnitsError};

/// How often it is looked whether the supervisor of a container that is being started has noted that it runs.
const LOOK: Duration = Duration::from_millis(15);
/// The same after the first second.
const SLOW_LOOK: Duration = Duration::from_millis(100);
/// How often systemd and the engine are asked about a start that takes long.
const ASK: Duration = Duration::from_millis(500);
/// How many of its last lines are told when it does not start.
const LAST_LINES: usize = 10;

impl Supervised {
    /// Queues the start and waits until the container runs: whether it is ready is a question of its
    /// own, and whoever needs the answer asks it. A bare start leaves out what follows it.
    pub(super) async fn start_unit(&self, name: &Name, bare: bool) -> Result<(), BackendError> {
        let (units, project) = (&self.units, &self.project);
        let told = |error| self.told("start", name, &error);
        let at_rest = self.await_rest(name).await.map_err(told)?;
        // One that says nothing of a run yet is starting this very container.
        if !at_rest && self.is_past_post_start(name).await.map_err(told)? && !self.runs(name).await
        {
            // It attends to an older self that still runs; it takes over the new one when that ends.
            self.beside().insert(name.clone());
            return self.start_here(name, Body::Present, bare).await;
        }
        units.reset(project, name).await.map_err(told)?;
        store::forget_hook_failed(&self.paths, project, name); // of an older start
        // Held until the start is over.
        let alone = self.alone;
        let asked = store::ask(&self.paths, project, name, Asking { alone, bare });
        let _asked = asked.map_err(|error| told(error.into()))?;
        let job = match self.alone {
            true => Job::StartAlone,
            false => Job::Start,
        };
        let queued = units.queue(project, name, job).await.map_err(told)?;
        self.await_start(name, queued).await
    }

    async fn is_past_post_start(&self, name: &Name) -> Result<bool, UnitsError> {
        Ok(self.state(name).await?.supervisor().is_past_post_start())
    }

    /// Waits until its supervisor has noted that the container runs, with all that comes after a start. systemd is
    /// asked only when that takes long: each of its answers costs it more than the note costs anybody.
    async fn await_start(&self, name: &Name, queued: Queued<'_>) -> Result<(), BackendError> {
        let note = self.paths.ready(&self.project, name);
        let (begun, mut asked) = (Instant::now(), Instant::now());
        let (mut queued, mut ready) = (Some(queued), false);
        loop {
            let long = begun.elapsed() > Duration::from_secs(1);
            let look = if long { SLOW_LOOK } else { LOOK };
            let over = match &mut queued {
                Some(job) => tokio::time::timeout(look, job).await.ok(),
                None => {
                    tokio::time::sleep(look).await;
                    None
                }
            };
            if let Some(over) = &over {
                (queued, ready) = (None, over.is_ok());
            }
            match store::phase(&note) {
                Phase::Running | Phase::Well | Phase::Unwell => return Ok(()),
                // The note of an older run goes before systemd calls the job done: it was started, and how it has
                // ended is told when all is looked at again.
                Phase::Over | Phase::Done if ready => return Ok(()),
                Phase::Over | Phase::Done | Phase::Never => {}
            }
            let failed = matches!(over, Some(Err(_)));
            if failed || asked.elapsed() > ASK {
                asked = Instant::now();
                if let Some(done) = self.has_started(name).await {
                    return done;
                }
            }
        }
    }

    /// Whether the start that is under way is over, by what systemd and the engine say.
    async fn has_started(&self, name: &Name) -> Option<Result<(), BackendError>> {
        let hooked = self.of(name).hooks.follow_start();
        if !hooked && self.runs(name).await {
            return Some(Ok(()));
        }
        let state = match self.state(name).await {
            Ok(state) => state,
            Err(error) => return Some(Err(self.told("start", name, &error))),
        };
        match state.active.as_str() {
            // One that ends soon may have ended between two looks: it was started.
            _ if has_begun(&state) && state.supervisor().is_past_post_start() => Some(Ok(())),
            // systemd would try for ever.
            _ if hooked && state.sub == "auto-restart" || never_ran(&state) => {
                Some(Err(self.not_started(name, &state).await))
            }
            "active" if state.sub == "exited" => Some(Ok(())),
            "failed" | "inactive" if state.sub != "auto-restart" => match state.result.as_str() {
                "success" => Some(Ok(())),
                _ => Some(Err(self.not_started(name, &state).await)),
            },
            _ => None,
        }
    }

    /// Sees to it that its service is at rest where it is on its way there, before its container is to start
    /// again or goes; false when it is active all the same. A stop that is under way, whoever asked for it, would
    /// end the new run; and the service of a container that others waited for to end counts as active for good
    /// (`RemainAfterExit=`).
    pub(super) async fn await_rest(&self, name: &Name) -> Result<bool, UnitsError> {
        let state = self.units.brief(&self.project, name).await?;
        match (state.active.as_str(), state.sub.as_str()) {
            ("deactivating", _) | (_, "exited") => {
                self.units.run(&self.project, name, Job::Stop).await?;
                Ok(true)
            }
            (active, _) => Ok(active != "active"),
        }
    }

    async fn not_started(&self, name: &Name, state: &UnitState) -> BackendError {
        let unit = crate::systemd::names::service(&self.project, name);
        let container = host_name_of(&self.project, name);
        let known = format!("cannot start container `{container}`: ");
        let said = match state.status.as_str() {
            "" => String::new(),
            status => format!(": {}", status.strip_prefix(&known).unwrap_or(status)),
        };
        BackendError::Engine {
            verb: "start",
            container,
            reason: format!("its service `{unit}` ended with `{}`{said}", state.result),
            log: match store::hook_failed(&self.paths, &self.project, name) {
                // What the command said is why; the container itself may have nothing to say to it.
                Some(failed) if !failed.said.is_empty() => failed.said,
                Some(_) | None => self.last_lines(name).await,
            },
        }
    }

    async fn last_lines(&self, name: &Name) -> Vec<String> {
        let wish = LogWish {
            lines: Some(LAST_LINES),
            runs: Runs::Last,
            ..LogWish::default()
        };
        let Ok(lines) = self.engines.watch().logs(name, &wish).await else {
            return Vec::new();
        };
        lines
            .filter_map(|line| async move { line.ok().map(|line| line.text) })
            .collect()
            .await
    }
}
