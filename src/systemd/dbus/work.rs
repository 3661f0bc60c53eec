//! Jobs: a start or a stop of a unit, asked for and waited for until it is over, through the loss of the bus.

use std::time::Duration;

use futures_util::StreamExt;
use zbus::OwnedObjectPath;

use super::proxy::JobRemovedStream;
use super::{Systemd, failed};
use crate::systemd::{Job, UnitsError};

/// How often a unit is looked at when the bus was lost while a job ran.
const LOOK: Duration = Duration::from_millis(250);
/// How long the bus may be gone before that is an error.
const BUS_GONE: Duration = Duration::from_secs(30);

impl Systemd {
    pub(super) async fn begin(&self, unit: &str, job: Job) -> Result<OwnedObjectPath, UnitsError> {
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
    pub(super) async fn finish(&self, unit: &str, job: Job) -> Result<(), UnitsError> {
        let removed = self.manager().await?.receive_job_removed().await;
        let removed = removed.map_err(failed("watch", unit))?;
        let path = self.begin(unit, job).await?;
        self.done(removed, &path, unit, job).await
    }

    /// Waits for the signal that the job `path` is over.
    pub(super) async fn done(
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
}

fn verb(job: Job) -> &'static str {
    match job {
        Job::Start | Job::StartAlone => "start",
        Job::Stop => "stop",
    }
}
