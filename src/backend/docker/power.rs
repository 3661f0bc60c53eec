//! Starting, stopping and freezing.

use std::pin::pin;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::query_parameters::{InspectContainerOptions, StopContainerOptions};

use tokio::sync::Semaphore;

use super::body::seconds;
use super::client::Link;
use super::error::{failed, is_missing, reason};
use super::init::Init;
use super::known::Known;
use crate::backend::{BackendError, End};
use crate::sys;

/// How many containers the engine takes down at once, for each core. With thirty at once on two cores
/// it needs twice the time that it needs with eight.
const STOPS_PER_CORE: usize = 4;
/// How many places a container with IPv6 takes: the engine runs itself once more for it, and those
/// processes spin while others hold the kernel's lock on the network.
const PLACES_WITH_IPV6: u32 = 2;
/// How long a stop may hold its place. What takes longer waits for the container, not for the engine.
const HOLDS: Duration = Duration::from_secs(1);

/// The shortest time after which an end may be one by force.
const SHORT: Duration = Duration::from_millis(500);
/// The exit code of what SIGKILL has ended.
const KILLED: i64 = 128 + 9;

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

/// Starts a container; the engine answers when it runs.
pub(super) async fn start(link: &Link, full: &str, known: &Known) -> Result<(), BackendError> {
    let started = link.docker.start_container(&known.id, None).await;
    started.map_err(|e| failed("start", full, &e))
}

/// Whether it runs: what has ended by itself was not told to.
pub(super) async fn runs(link: &Link, known: &Known) -> bool {
    if Init::of(&known.id).is_some_and(|init| matches!(init, Init::Runs(_))) {
        return true;
    }
    let shown = link
        .docker
        .inspect_container(&known.id, None::<InspectContainerOptions>)
        .await;
    let state = shown.ok().and_then(|shown| shown.state);
    state.and_then(|state| state.running).unwrap_or(false)
}

/// Stops a container: asks it to end, after `timeout` by force; says which. One that is gone is fine.
pub(super) async fn stop(
    link: &Link,
    full: &str,
    known: &Known,
    timeout: Duration,
) -> Result<End, BackendError> {
    let docker = link.patient(timeout);
    if known.frozen {
        thaw(&docker, full, &known.id).await?;
    }
    let begun = Instant::now();
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
        // One that rests is answered for at once.
        Ok(()) if begun.elapsed() >= timeout.max(SHORT) => Ok(end_of(&docker, &known.id).await),
        Ok(()) | Err(_) => Ok(End::Own),
    }
}

/// How a container ended that had all its time. The engine tells its exit code only; what ends by itself when it is
/// asked to has that of another signal, or its own.
async fn end_of(docker: &Docker, id: &str) -> End {
    let shown = docker
        .inspect_container(id, None::<InspectContainerOptions>)
        .await;
    let code = shown.ok().and_then(|shown| shown.state?.exit_code);
    match code {
        Some(KILLED) => End::Killed,
        Some(_) | None => End::Own,
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

pub(super) async fn thaw(docker: &Docker, full: &str, id: &str) -> Result<(), BackendError> {
    match docker.unpause_container(id).await {
        // The engine says `is not paused`, also of one that does not run.
        Err(error) if !reason(&error).contains("not paused") => Err(failed("thaw", full, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
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
}
