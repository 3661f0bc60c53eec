//! Jobs: a start or a stop of a unit, asked for and waited for until it is over, through the loss of the bus.

use std::time::Duration;

use tokio::sync::oneshot::{Receiver, error::RecvError};
use tokio::time::{Instant, sleep, timeout};
use zbus::OwnedObjectPath;

use super::Systemd;
use super::states::number;
use crate::systemd::{Job, UnitsError};

/// How often a unit is looked at when the bus was lost while a job ran.
const LOOK: Duration = Duration::from_millis(250);
/// How long the bus may be gone before that is an error.
const BUS_GONE: Duration = Duration::from_secs(30);
/// Most jobs are over within this time; of others the unit is asked how long they may take.
const SOON: Duration = Duration::from_secs(10);
/// What a job may take more than the unit's own limits.
const MORE: Duration = Duration::from_secs(60);
/// What stands for a limit of a start that a unit does not have, and for those of a unit that is not known.
const ENDLESS: Duration = Duration::from_secs(3600);

impl Systemd {
    /// Asks for a job; none when there is nothing to do: what systemd does not know is stopped.
    pub(super) async fn begin(
        &self,
        unit: &str,
        job: Job,
    ) -> Result<Option<OwnedObjectPath>, UnitsError> {
        let manager = self.manager().await?;
        let _room = self.room().await;
        let begun = async || {
            match job {
                Job::Start => manager.start_unit(unit, "replace").await.map(Some),
                Job::Restart => manager.restart_unit(unit, "replace").await.map(Some),
                // Its slice is a need like any other and would be left out, too; it has none of its own.
                Job::StartAlone => {
                    let begun = manager.start_unit(unit, "ignore-dependencies").await;
                    begun.map(Some)
                }
                // It alone: what needs it is stopped by whoever decides that, not by a side effect.
                Job::Stop => match manager.stop_unit(unit, "ignore-dependencies").await {
                    Err(error) if is_unknown(&error) => Ok(None),
                    begun => begun.map(Some),
                },
            }
        };
        self.within(verb(job), unit, &begun).await
    }

    /// Does the job and waits for the signal of its end; when the bus goes away meanwhile, for the unit.
    pub(super) async fn finish(&self, unit: &str, job: Job) -> Result<(), UnitsError> {
        self.done(unit, job, self.begin(unit, job)).await
    }

    /// Asks for a job by `begun`, whose answer is its path, and waits until it is over.
    pub(super) async fn done(
        &self,
        unit: &str,
        job: Job,
        begun: impl Future<Output = Result<Option<OwnedObjectPath>, UnitsError>>,
    ) -> Result<(), UnitsError> {
        let told = self.asked(begun).await?;
        self.over(unit, job, told).await
    }

    /// Asks for a job by `begun`, whose answer is its path; who hears of its end, none when there is nothing to do.
    pub(super) async fn asked(
        &self,
        begun: impl Future<Output = Result<Option<OwnedObjectPath>, UnitsError>>,
    ) -> Result<Option<Receiver<String>>, UnitsError> {
        let ends = self.bus().await?.ends;
        let calling = ends.calling();
        let path = begun.await?;
        let told = path.map(|path| ends.of(&path));
        drop(calling);
        Ok(told)
    }

    /// Waits until a job is over.
    pub(super) async fn over(
        &self,
        unit: &str,
        job: Job,
        told: Option<Receiver<String>>,
    ) -> Result<(), UnitsError> {
        let Some(mut told) = told else {
            return Ok(());
        };
        let heard = match timeout(SOON, &mut told).await {
            Ok(heard) => heard,
            Err(_) => {
                let most = self.patience(unit, job).await?;
                self.await_end(unit, job, most, told).await?
            }
        };
        match heard.as_deref() {
            Ok("done" | "skipped") => Ok(()),
            Ok(result) => Err(self.failure(unit, job, result).await),
            Err(_) => self.settle(unit, job).await,
        }
    }

    /// Waits for the signal of an end for at most `most`, none is without end, and looks meanwhile whether the bus can still bring it.
    async fn await_end(
        &self,
        unit: &str,
        job: Job,
        most: Option<Duration>,
        mut told: Receiver<String>,
    ) -> Result<Result<String, RecvError>, UnitsError> {
        let begun = Instant::now();
        loop {
            let left = most.map(|most| most.saturating_sub(begun.elapsed()));
            match timeout(left.unwrap_or(SOON).min(SOON), &mut told).await {
                Ok(heard) => return Ok(heard),
                Err(_) => match most.filter(|most| begun.elapsed() >= *most) {
                    Some(most) => return Err(late(unit, job, most)),
                    None => self.alive(verb(job), unit).await?,
                },
            }
        }
    }

    /// Looks at the unit until its job is over.
    async fn settle(&self, unit: &str, job: Job) -> Result<(), UnitsError> {
        let begun = Instant::now();
        let mut most = None;
        loop {
            sleep(LOOK).await;
            if most.is_none() {
                // The bus may not be back yet.
                most = self.patience(unit, job).await.ok();
            }
            match self.state_of(unit).await {
                Ok(state) => match (state.active.as_str(), job) {
                    ("activating" | "deactivating" | "reloading", _) => {}
                    ("active", Job::Start | Job::StartAlone | Job::Restart)
                    | ("inactive" | "failed", Job::Stop) => return Ok(()),
                    (_, _) => return Err(self.failure(unit, job, &state.active).await),
                },
                Err(error) if begun.elapsed() > BUS_GONE => return Err(error),
                Err(_) => {}
            }
            let most = most.unwrap_or(Some(ENDLESS));
            if let Some(most) = most.filter(|most| begun.elapsed() > *most) {
                return Err(late(unit, job, most));
            }
        }
    }

    /// How long a job of a unit may take by the unit's own limits: a stop asks once, then kills, and a start
    /// that fails is a stop, too. None is without end.
    async fn patience(&self, unit: &str, job: Job) -> Result<Option<Duration>, UnitsError> {
        if !unit.ends_with(".service") {
            return Ok(Some(MORE));
        }
        let listed = self.list(&[unit]).await?;
        let Some(listed) = listed.first() else {
            return Ok(Some(ENDLESS));
        };
        let limit = async |key| {
            let limit = number(&self.property(listed, "Service", key).await?);
            Ok::<_, UnitsError>(Some(limit).filter(|limit| *limit != u64::MAX))
        };
        let stop = limit("TimeoutStopUSec").await?;
        let start = match job {
            Job::Stop => Some(0),
            Job::Start | Job::StartAlone | Job::Restart => limit("TimeoutStartUSec").await?,
        };
        Ok(longest(start, stop))
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

/// How long a job takes at most by its unit's limits for a start and a stop, microseconds; none is no limit. A stop
/// that the file gives hours, or all the time there is, is waited for as long; a start has limits of its supervisor's.
fn longest(start: Option<u64>, stop: Option<u64>) -> Option<Duration> {
    let stop = Duration::from_micros(stop?).saturating_mul(2);
    let start = start.map_or(ENDLESS, Duration::from_micros);
    Some(start.saturating_add(stop).saturating_add(MORE))
}

/// Whether systemd has no unit of this name, so that there is nothing to be stopped or forgotten.
pub(super) fn is_unknown(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::MethodError(name, _, _) if name.ends_with("NoSuchUnit"))
}

fn late(unit: &str, job: Job, most: Duration) -> UnitsError {
    UnitsError::Late {
        verb: verb(job),
        unit: unit.into(),
        seconds: most.as_secs(),
    }
}

fn verb(job: Job) -> &'static str {
    match job {
        Job::Start | Job::StartAlone | Job::Restart => "start",
        Job::Stop => "stop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_waited_for_as_long_as_its_container_may_take() {
        let hours = |n: u64| Duration::from_secs(n * 3600);
        let micros = |n: u64| Some(n * 3_600_000_000);
        assert_eq!(longest(Some(0), micros(5)), Some(hours(10) + MORE));
        assert_eq!(longest(micros(3), micros(5)), Some(hours(13) + MORE));
        assert_eq!(longest(None, micros(5)), Some(ENDLESS + hours(10) + MORE));
        assert_eq!(longest(Some(0), None), None);
        assert_eq!(longest(None, None), None);
    }
}
