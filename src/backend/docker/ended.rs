//! Waiting for the end of a container, and whose doing it was.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::EventMessage;
use bollard::query_parameters::{EventsOptions, InspectContainerOptions, WaitContainerOptions};
use futures_util::StreamExt;
use jiff::Timestamp;

use super::error::{failed, refused};
use super::images::LONG;
use crate::backend::BackendError;
use crate::model::tells_to_end;

/// Waits until it does not run and returns its exit code; at once for one that is stopped.
pub(super) async fn ended(docker: &Docker, full: &str) -> Result<i32, BackendError> {
    let options = WaitContainerOptions {
        condition: "not-running".into(),
    };
    let docker = docker.clone().with_timeout(LONG);
    let answer = docker.wait_container(full, Some(options)).next().await;
    let code = match answer {
        Some(Ok(ended)) => ended.status_code,
        // The client library takes a code other than 0 for an error of the engine.
        Some(Err(Error::DockerContainerWaitError { code, error })) if error.is_empty() => code,
        Some(Err(Error::DockerContainerWaitError { error, .. })) => {
            return Err(refused("wait for", full, error));
        }
        Some(Err(error)) => return Err(failed("wait for", full, &error)),
        None => return Err(refused("wait for", full, "the engine ended meanwhile")),
    };
    Ok(i32::try_from(code).unwrap_or(255))
}

/// How long the engine may take to tell what it remembers.
const MEMORY: Duration = Duration::from_secs(5);

/// The last run of a container.
pub(super) struct Run {
    /// When it began, in the engine's words.
    pub(super) started: String,
    /// The signal that asks it to end; none for SIGTERM.
    own: Option<String>,
}

/// The last run of the container of this id; none when the engine does not tell.
pub(super) async fn last_run(docker: &Docker, id: &str) -> Option<Run> {
    let shown = docker.inspect_container(id, None::<InspectContainerOptions>);
    let shown = tokio::time::timeout(MEMORY, shown).await.ok()?.ok()?;
    Some(Run {
        started: shown.state?.started_at?,
        own: shown.config.and_then(|config| config.stop_signal),
    })
}

/// Whether the container of this id was told to end since this run of it began, as far as the engine remembers: some
/// hundred events of all containers.
pub(super) async fn was_told_to(docker: &Docker, id: &str, run: &Run) -> bool {
    let Ok(started) = run.started.parse() else {
        return false;
    };
    let asked = async {
        let options = EventsOptions {
            since: Some(seconds(started)),
            until: Some(seconds(Timestamp::now())),
            filters: Some(HashMap::from([("container".into(), vec![id.into()])])),
        };
        let mut events = docker.events(Some(options));
        while let Some(Ok(event)) = events.next().await {
            if is_told(&event, run.own.as_deref()) {
                return true;
            }
        }
        false
    };
    let told = tokio::time::timeout(MEMORY, asked).await;
    told.unwrap_or(false)
}

/// A time as the engine takes it: seconds since 1970 with a fraction.
fn seconds(at: Timestamp) -> String {
    format!("{}.{:09}", at.as_second(), at.subsec_nanosecond())
}

fn is_told(event: &EventMessage, own: Option<&str>) -> bool {
    let attributes = event
        .actor
        .as_ref()
        .and_then(|actor| actor.attributes.as_ref());
    let signal = attributes.and_then(|all| all.get("signal"));
    let action = event.action.as_deref().unwrap_or_default();
    tells_to_end(action, signal.map(String::as_str), own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_the_engine_takes_it() {
        let at: Timestamp = "1970-01-01T00:00:01.05Z".parse().unwrap();
        assert_eq!(seconds(at), "1.050000000");
    }
}
