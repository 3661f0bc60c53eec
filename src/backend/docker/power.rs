//! Starting, stopping, freezing, and one look at whether a container is ready.

use std::pin::pin;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerState, HealthStatusEnum};
use bollard::query_parameters::{InspectContainerOptions, StopContainerOptions};

use tokio::sync::Semaphore;

use super::attach;
use super::body::seconds;
use super::client::Link;
use super::error::{failed, is_missing, reason};
use super::known::Known;
use crate::backend::{BackendError, Probe};
use crate::model::{ENGINE_STARTS_PER_CORE, Healthcheck};
use crate::sys;

/// How many containers the engine takes down at once, for each core. With thirty at once on two cores
/// it needs twice the time that it needs with eight.
const STOPS_PER_CORE: usize = 4;
/// How many places a container with IPv6 takes: the engine runs itself once more for it, and those
/// processes spin while others hold the kernel's lock on the network.
const PLACES_WITH_IPV6: u32 = 2;
/// How long a stop may hold its place. What takes longer waits for the container, not for the engine.
const HOLDS: Duration = Duration::from_secs(1);

/// Places for stops, so that the engine is not asked for more at once than it does well.
#[derive(Debug)]
pub(super) struct Stops {
    places: Semaphore,
    holds: Duration,
}

impl Default for Stops {
    fn default() -> Self {
        Self {
            places: Semaphore::new(sys::cores() * STOPS_PER_CORE),
            holds: HOLDS,
        }
    }
}

/// Places for starts.
#[derive(Debug)]
pub(super) struct Starts(Semaphore);

impl Default for Starts {
    fn default() -> Self {
        Self(Semaphore::new(sys::cores() * ENGINE_STARTS_PER_CORE))
    }
}

impl Stops {
    /// Does `stop` when there is a place for it; with IPv6 it takes more of them. Containers that ignore the signal let others begin,
    /// so that their time limits run side by side.
    pub(super) async fn in_turn<T>(&self, has_ipv6: bool, stop: impl Future<Output = T>) -> T {
        let places = if has_ipv6 { PLACES_WITH_IPV6 } else { 1 };
        // Never closed; without a place it would only be slower.
        let place = self.places.acquire_many(places).await.ok();
        let mut stop = pin!(stop);
        let done = tokio::time::timeout(self.holds, stop.as_mut()).await;
        drop(place);
        match done {
            Ok(done) => done,
            Err(_) => stop.await,
        }
    }
}

/// Starts a container when it is its turn; the engine answers when it runs.
pub(super) async fn start(
    starts: &Starts,
    link: &Link,
    full: &str,
    known: &Known,
) -> Result<(), BackendError> {
    // Never closed; without a place it would only be slower.
    let _place = starts.0.acquire().await.ok();
    let started = link.docker.start_container(&known.id, None).await;
    started.map_err(|e| failed("start", full, &e))
}

/// Stops a container: asks it to end, after `timeout` by force. One that is gone is fine.
pub(super) async fn stop(
    link: &Link,
    full: &str,
    known: &Known,
    timeout: Duration,
) -> Result<(), BackendError> {
    let docker = link.patient(timeout);
    if known.frozen {
        thaw(&docker, full, &known.id).await?;
    }
    let options = || StopContainerOptions {
        signal: None,
        t: Some(i32::try_from(seconds(timeout)).unwrap_or(i32::MAX)),
    };
    let stopped = match docker.stop_container(&known.id, Some(options())).await {
        // Somebody froze it after the last look.
        Err(error) if reason(&error).contains("paused") => {
            thaw(&docker, full, &known.id).await?;
            docker.stop_container(&known.id, Some(options())).await
        }
        stopped => stopped,
    };
    match stopped {
        Err(error) if !is_missing(&error) => Err(failed("stop", full, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Freezes or thaws a container; one that is so already is fine.
pub(super) async fn set_frozen(
    docker: &Docker,
    full: &str,
    id: &str,
    frozen: bool,
) -> Result<(), BackendError> {
    if !frozen {
        return thaw(docker, full, id).await;
    }
    match docker.pause_container(id).await {
        Err(error) if !reason(&error).contains("already paused") => {
            Err(failed("freeze", full, &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn thaw(docker: &Docker, full: &str, id: &str) -> Result<(), BackendError> {
    match docker.unpause_container(id).await {
        // The engine says `is not paused`, also of one that does not run.
        Err(error) if !reason(&error).contains("not paused") => Err(failed("thaw", full, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// One look at whether it is ready. The engine repeats a check only after its interval, which may be
/// half a minute; a check that has not passed yet is run here as well, so that who waits need not.
pub(super) async fn probe(
    docker: &Docker,
    full: &str,
    id: &str,
    check: Option<&Healthcheck>,
) -> Result<Probe, BackendError> {
    let options = None::<InspectContainerOptions>;
    let found = docker.inspect_container(id, options).await;
    let state = found.map_err(|e| failed("look at", full, &e))?.state;
    let seen = read(state.unwrap_or_default());
    let (Probe::Failing(_), Some(check)) = (&seen, check) else {
        return Ok(seen);
    };
    let ran = attach::run(
        docker,
        full,
        &check.test.clone().into(),
        Some(check.timeout),
    )
    .await?;
    Ok(match ran.code {
        0 => Probe::Healthy,
        _ => Probe::Failing(ran.output),
    })
}

/// What the engine's look says.
fn read(state: ContainerState) -> Probe {
    if state.restarting == Some(true) {
        let code = state.exit_code.unwrap_or_default();
        return Probe::Failing(format!("it ended with {code} and is started again"));
    }
    if state.running != Some(true) {
        let code = state.exit_code.unwrap_or_default();
        return Probe::Ended(i32::try_from(code).unwrap_or(i32::MAX));
    }
    let Some(health) = state.health else {
        return Probe::Running;
    };
    let last = health.log.into_iter().flatten().next_back();
    let said = last.and_then(|last| last.output).unwrap_or_default();
    let said = said.trim_end().to_owned();
    match health.status {
        Some(HealthStatusEnum::HEALTHY) => Probe::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Probe::Unhealthy(said),
        Some(HealthStatusEnum::STARTING) => Probe::Failing(said),
        Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => Probe::Running,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use bollard::models::{Health, HealthcheckResult};
    use futures_util::future::join_all;
    use tokio::sync::Barrier;

    fn two_at_once(holds: Duration) -> Stops {
        Stops {
            places: Semaphore::new(2),
            holds,
        }
    }

    #[tokio::test]
    async fn stops_that_the_engine_works_on_take_turns() {
        let stops = two_at_once(Duration::from_secs(60));
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let stop = || async {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(2)).await;
            now.fetch_sub(1, Ordering::SeqCst);
        };
        join_all((0..6).map(|_| stops.in_turn(false, stop()))).await;
        assert_eq!(most.swap(0, Ordering::SeqCst), 2);
        join_all((0..6).map(|_| stops.in_turn(true, stop()))).await;
        assert_eq!(
            most.load(Ordering::SeqCst),
            1,
            "with IPv6 each counts twice"
        );
    }

    #[tokio::test]
    async fn containers_that_do_not_hear_the_signal_wait_side_by_side() {
        let stops = two_at_once(Duration::from_millis(2));
        let all = Barrier::new(6);
        // Each ends only when all have begun.
        let stop = || all.wait();
        let together = join_all((0..6).map(|_| stops.in_turn(false, stop())));
        let done = tokio::time::timeout(Duration::from_secs(60), together).await;
        assert_eq!(done.map(|done| done.len()), Ok(6));
    }

    fn running(status: HealthStatusEnum) -> ContainerState {
        let result = |text: &str| HealthcheckResult {
            output: Some(text.into()),
            ..HealthcheckResult::default()
        };
        ContainerState {
            running: Some(true),
            health: Some(Health {
                status: Some(status),
                log: Some(vec![result("old"), result("no answer\n")]),
                ..Health::default()
            }),
            ..ContainerState::default()
        }
    }

    #[test]
    fn a_look_tells_the_last_words_of_a_check_that_does_not_pass() {
        let said = || "no answer".to_owned();
        assert_eq!(read(running(HealthStatusEnum::HEALTHY)), Probe::Healthy);
        assert_eq!(
            read(running(HealthStatusEnum::STARTING)),
            Probe::Failing(said())
        );
        assert_eq!(
            read(running(HealthStatusEnum::UNHEALTHY)),
            Probe::Unhealthy(said())
        );
        assert_eq!(read(running(HealthStatusEnum::NONE)), Probe::Running);
    }

    #[test]
    fn one_that_ended_is_told_by_its_code_unless_it_is_started_again() {
        let ended = ContainerState {
            running: Some(false),
            exit_code: Some(3),
            ..ContainerState::default()
        };
        assert_eq!(read(ended.clone()), Probe::Ended(3));
        let again = ContainerState {
            running: Some(true),
            restarting: Some(true),
            ..ended
        };
        assert!(matches!(read(again), Probe::Failing(said) if said.contains('3')));
    }
}
