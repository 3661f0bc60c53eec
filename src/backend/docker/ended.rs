//! Waiting for the end of a container.

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::WaitContainerOptions;
use futures_util::StreamExt;

use super::error::{failed, refused};
use super::images::LONG;
use crate::backend::BackendError;

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
