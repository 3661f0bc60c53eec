//! Commands in containers of their own: what is known of them, and how they are ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::backend::Body;
use crate::model::{JobRecord, Name};
use crate::observed::ObservedJob;
use crate::store;
use crate::sys::process::Stat;

use super::act::{Worker, blocking};
use super::{Host, ObserveError, StepError};

/// The jobs of the host's project. systemd is asked only where there are any that it runs.
pub(super) async fn observe(host: &Host) -> Result<BTreeMap<Name, ObservedJob>, ObserveError> {
    let (paths, project) = (host.paths.clone(), host.project.clone());
    let read = tokio::task::spawn_blocking(move || store::load_jobs(&paths, &project)).await;
    let records = read.map_err(|source| ObserveError::Thread { source })??;
    let with_unit = records.iter().filter(|job| job.unit);
    let with_unit: BTreeSet<Name> = with_unit.map(|job| job.name.clone()).collect();
    let mut states = match with_unit.is_empty() {
        true => BTreeMap::new(),
        false => host.units.jobs().states(&host.project, &with_unit).await?,
    };
    let observed = |record: JobRecord| {
        let job = ObservedJob {
            unit: states.remove(&record.name),
            attended: is_attended(&record),
            record,
        };
        (job.record.name.clone(), job)
    };
    Ok(records.into_iter().map(observed).collect())
}

fn is_attended(record: &JobRecord) -> bool {
    record.runner.is_some_and(|runner| {
        Stat::of(runner.pid).is_some_and(|stat| stat.started == runner.started)
    })
}

impl Worker<'_> {
    /// Ends a job. What is known of it goes last, so that a run that is killed here is finished by the
    /// next one.
    pub(super) async fn end_job(&self, job: &Name, timeout: Duration) -> Result<(), StepError> {
        let host = self.host;
        let known = self.before.job(job).map(|job| &job.record);
        let is_there = self.before.is_there(job);
        if is_there {
            self.stop(job, Body::Present, timeout).await?;
        }
        // Its process is gone before its container is removed, which it may do itself.
        if known.is_some_and(|job| job.unit) {
            host.units.jobs().forget(&host.project, job).await?;
        }
        let volumes = self.volumes.destroy || known.is_some_and(|job| job.remove);
        if let Some(engine) = host.backend.engine() {
            engine.once().remove(job, volumes).await?;
        }
        let (paths, project, job) = (host.paths.clone(), host.project.clone(), job.clone());
        blocking(move || store::remove_job(&paths, &project, &job)).await
    }
}
