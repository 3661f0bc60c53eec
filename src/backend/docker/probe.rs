//! One look at whether a container is ready.
//!
//! The engine runs a check by command and the one of an image; a check by port it does not know, and
//! locker asks itself.

use std::num::NonZeroU16;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{
    ContainerInspectResponse, ContainerState, HealthStatusEnum, HealthcheckResult,
};
use bollard::query_parameters::InspectContainerOptions;

use super::attach;
use super::error::{failed, is_missing};
use super::reach::{LONGEST, Reach, reach};
use crate::backend::{BackendError, FailedCheck, Probe};
use crate::model::{Healthcheck, InnerCommand, Test};
use crate::sys;

/// What is known of it now, with the file's check where that has to be done here.
pub(super) async fn probe(
    docker: &Docker,
    full: &str,
    id: &str,
    check: Option<&Healthcheck>,
) -> Result<Probe, BackendError> {
    let found = inspect(docker, full, id).await?;
    let seen = read(found.state.clone().unwrap_or_default());
    let Some(check) = check else {
        return Ok(seen);
    };
    match (&seen, &check.test) {
        (Probe::Failing(_) | Probe::Unhealthy(..), Test::Command(test)) => {
            let now = command(docker, full, test, check.timeout).await?;
            Ok(newest(&seen, now))
        }
        (Probe::Running, Test::Port { port }) => {
            knock(docker, full, found, *port, check.timeout).await
        }
        (
            Probe::Running
            | Probe::Healthy
            | Probe::Failing(_)
            | Probe::Unhealthy(..)
            | Probe::Ended(_),
            Test::Command(_) | Test::Port { .. },
        ) => Ok(seen),
    }
}

/// How often the engine has started it again by its restart policy.
pub(super) async fn comebacks(docker: &Docker, full: &str, id: &str) -> Result<u64, BackendError> {
    let count = inspect(docker, full, id).await?.restart_count;
    Ok(count
        .and_then(|count| u64::try_from(count).ok())
        .unwrap_or_default())
}

/// What is known after a check that was run here: one that fails as the engine's did is no news.
fn newest(engine: &Probe, now: Probe) -> Probe {
    match (engine, now) {
        (Probe::Unhealthy(_, streak), Probe::Failing(said)) => Probe::Unhealthy(said, *streak),
        (
            Probe::Running
            | Probe::Healthy
            | Probe::Failing(_)
            | Probe::Unhealthy(..)
            | Probe::Ended(_),
            now,
        ) => now,
    }
}

/// The engine repeats a check only after its interval, which may be half a minute; one that has not
/// passed yet is run here as well, so that who waits need not.
async fn command(
    docker: &Docker,
    full: &str,
    test: &InnerCommand,
    most: Duration,
) -> Result<Probe, BackendError> {
    let ran = attach::run(docker, full, &test.clone().into(), Some(most)).await?;
    Ok(match ran.code {
        0 => Probe::Healthy,
        code => Probe::Failing(FailedCheck::new(Some(code), &ran.output)),
    })
}

async fn knock(
    docker: &Docker,
    full: &str,
    mut found: ContainerInspectResponse,
    port: NonZeroU16,
    most: Duration,
) -> Result<Probe, BackendError> {
    for _ in 0..LONGEST {
        match place(&found) {
            Reach::At(at) => {
                // Longer than `most` it does not take, and it holds no thread of the runtime's.
                let asked = tokio::task::spawn_blocking(move || sys::knock(at, port.get(), most));
                let asked = asked.await.unwrap_or_else(|error| Err(error.to_string()));
                return Ok(asked.map_or_else(|why| Probe::Failing(why.into()), |()| Probe::Healthy));
            }
            Reach::Like(other) => found = inspect(docker, full, &other).await?,
            Reach::Nowhere => break,
        }
    }
    Ok(Probe::Failing("it has no address to be asked at".into()))
}

fn place(found: &ContainerInspectResponse) -> Reach {
    let mode = found
        .host_config
        .as_ref()
        .and_then(|c| c.network_mode.as_deref());
    let networks = found.network_settings.iter().flat_map(|all| &all.networks);
    let cards = networks.flat_map(|all| all.values());
    let addresses = cards.flat_map(|card| [&card.ip_address, &card.global_ipv6_address]);
    reach(
        mode.unwrap_or_default(),
        addresses.flatten().map(String::as_str),
    )
}

async fn inspect(
    docker: &Docker,
    full: &str,
    id: &str,
) -> Result<ContainerInspectResponse, BackendError> {
    let options = None::<InspectContainerOptions>;
    let found = docker.inspect_container(id, options).await;
    found.map_err(|error| match is_missing(&error) {
        true => BackendError::Gone {
            verb: "look at",
            container: full.into(),
        },
        false => failed("look at", full, &error),
    })
}

/// What the engine's look says.
fn read(state: ContainerState) -> Probe {
    if state.restarting == Some(true) {
        let code = state.exit_code.unwrap_or_default();
        return Probe::Failing(format!("it ended with {code} and is started again").into());
    }
    if state.running != Some(true) {
        let code = state.exit_code.unwrap_or_default();
        return Probe::Ended(i32::try_from(code).unwrap_or(i32::MAX));
    }
    let Some(health) = state.health else {
        return Probe::Running;
    };
    let streak = health.failing_streak.unwrap_or_default();
    let said = last_failure(health.log.into_iter().flatten());
    match health.status {
        Some(HealthStatusEnum::HEALTHY) => Probe::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => {
            Probe::Unhealthy(said, u64::try_from(streak).unwrap_or_default())
        }
        Some(HealthStatusEnum::STARTING) => Probe::Failing(said),
        Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => Probe::Running,
    }
}

/// The last check of the engine's log that did not pass.
fn last_failure(log: impl Iterator<Item = HealthcheckResult>) -> FailedCheck {
    let failed = log.filter(|result| result.exit_code != Some(0));
    let failed = failed.last().unwrap_or_default();
    let code = failed.exit_code.and_then(|code| i32::try_from(code).ok());
    // A check that takes too long has no code of its own.
    let code = code.filter(|code| *code >= 0);
    FailedCheck::new(code, failed.output.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use bollard::models::Health;

    use super::*;

    fn running(status: HealthStatusEnum) -> ContainerState {
        let result = |code: i64, text: &str| HealthcheckResult {
            exit_code: Some(code),
            output: Some(text.into()),
            ..HealthcheckResult::default()
        };
        ContainerState {
            running: Some(true),
            health: Some(Health {
                status: Some(status),
                failing_streak: Some(57),
                log: Some(vec![
                    result(2, "old"),
                    result(7, "no answer\n"),
                    result(0, "fine"),
                ]),
            }),
            ..ContainerState::default()
        }
    }

    #[test]
    fn a_look_tells_the_last_words_of_a_check_that_does_not_pass() {
        let said = || FailedCheck::new(Some(7), "no answer");
        assert_eq!(read(running(HealthStatusEnum::HEALTHY)), Probe::Healthy);
        assert_eq!(
            read(running(HealthStatusEnum::STARTING)),
            Probe::Failing(said())
        );
        assert_eq!(
            read(running(HealthStatusEnum::UNHEALTHY)),
            Probe::Unhealthy(said(), 57)
        );
        assert_eq!(read(running(HealthStatusEnum::NONE)), Probe::Running);
    }

    #[test]
    fn one_that_was_unhealthy_is_healthy_as_soon_as_its_check_passes() {
        let engine = Probe::Unhealthy(FailedCheck::new(Some(7), "old"), 57);
        let failing = || FailedCheck::new(Some(1), "now");
        assert_eq!(newest(&engine, Probe::Healthy), Probe::Healthy);
        let still = newest(&engine, Probe::Failing(failing()));
        assert_eq!(still, Probe::Unhealthy(failing(), 57));
        let starts = Probe::Failing(FailedCheck::default());
        let first = newest(&starts, Probe::Failing(failing()));
        assert_eq!(first, Probe::Failing(failing()));
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
        assert!(matches!(read(again), Probe::Failing(said) if said.output.contains('3')));
    }
}
