//! What `status` says of a container's health, and of the check that did not pass.

use std::time::Duration;

use crate::backend::{FailedCheck, Probe};
use crate::model::{Healthcheck, Kind, Name, Test};
use crate::observed::{Health, Observed, ObservedContainer, State};
use crate::store::{Phase, phase};

use super::road::Opened;

/// A health check is asked once for the table and must not hold it up longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

/// How healthy it is.
pub(super) struct Condition {
    /// `starting`, `healthy` or `unhealthy`.
    pub(super) word: &'static str,
    /// The last check that did not pass; none of one that is healthy.
    pub(super) failed: Option<FailedCheck>,
}

impl Condition {
    const HEALTHY: Self = Self {
        word: "healthy",
        failed: None,
    };

    /// What is not healthy, with what was seen last.
    fn of(word: &'static str, seen: Probe) -> Option<Self> {
        let failed = match seen {
            // One that has not been asked yet has said nothing.
            Probe::Failing(failed) | Probe::Unhealthy(failed, _) => {
                (failed != FailedCheck::default()).then_some(failed)
            }
            Probe::Healthy | Probe::Running => None,
            // It ended between the look and the check.
            Probe::Ended(_) => return None,
        };
        Some(Self { word, failed })
    }
}

/// The engine of an application container has watched it, but looks for the first time an interval after
/// the start only, and the supervisor or `up --wait` may know better by then. Nobody watches a system
/// container between two commands, nor one whose check the engine does not know, so that check is run now.
pub(super) async fn health(
    opened: &Opened,
    observed: &Observed,
    name: &Name,
    found: Option<&ObservedContainer>,
) -> Option<Condition> {
    let found = found.filter(|found| found.state == State::Running)?;
    let phase = match observed.units.services.contains_key(name) {
        true => phase(&opened.host.paths.ready(&opened.project.name, name)),
        false => Phase::Over,
    };
    let unwatched = found.kind == Kind::System || is_asked_by_port(opened, name);
    let (word, seen) = match (unwatched, found.health) {
        (_, Some(Health::Healthy)) => return Some(Condition::HEALTHY),
        (_, Some(Health::Unhealthy)) => {
            return Condition::of("unhealthy", asked_by_engine(opened, name).await);
        }
        // Its supervisor asks as well, and sooner.
        (_, Some(Health::Starting)) if phase == Phase::Well => return Some(Condition::HEALTHY),
        (false, None) => return None,
        (false, Some(Health::Starting)) => match check_now(opened, name).await {
            Some(seen) => ("starting", seen),
            None => return Condition::of("starting", asked_by_engine(opened, name).await),
        },
        (true, Some(Health::Starting) | None) => {
            let seen = check_now(opened, name).await?;
            let word = match phase == Phase::Running {
                true => "starting",
                false => "unhealthy",
            };
            (word, seen)
        }
    };
    match seen {
        Probe::Healthy | Probe::Running => Some(Condition::HEALTHY),
        Probe::Failing(_) | Probe::Unhealthy(..) | Probe::Ended(_) => Condition::of(word, seen),
    }
}

/// What the engine's own log of the check says.
async fn asked_by_engine(opened: &Opened, name: &Name) -> Probe {
    let seen = opened.host.backend.watch().probe(name, None).await;
    seen.unwrap_or_else(|error| Probe::Failing(error.to_string().into()))
}

fn is_asked_by_port(opened: &Opened, name: &Name) -> bool {
    let wanted = opened.project.containers.get(name);
    let check = wanted.and_then(|wanted| wanted.healthcheck.as_ref());
    check.is_some_and(|check| matches!(check.test, Test::Port { .. }))
}

/// Runs the check of the file; none where the file has none.
async fn check_now(opened: &Opened, name: &Name) -> Option<Probe> {
    let wanted = opened.project.containers.get(name)?;
    let check = wanted.healthcheck.as_ref()?;
    let quick = Healthcheck {
        timeout: check.timeout.min(PATIENCE),
        ..check.clone()
    };
    let seen = opened.host.backend.watch().probe(name, Some(&quick)).await;
    Some(seen.unwrap_or_else(|error| Probe::Failing(error.to_string().into())))
}
