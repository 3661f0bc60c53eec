//! Waiting until a container is healthy.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::backend::Backend;
use crate::model::{Healthcheck, Name};

use super::StepError;

/// While it starts, a check is repeated at least this often, so that what waits for it starts early.
const EAGER: Duration = Duration::from_millis(500);

/// Tries until the check passes. It has failed when it did not pass within `start_period` and
/// `retries` intervals more, but never before `retries` tries.
pub(super) async fn await_healthy(
    backend: &dyn Backend,
    name: &Name,
    check: &Healthcheck,
    mut halt: watch::Receiver<bool>,
) -> Result<(), StepError> {
    let patience = check.start_period + check.interval * check.retries.max(1);
    let began = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let said = tokio::select! {
            biased;
            () = halted(&mut halt) => return Err(StepError::GivenUp),
            said = probe(backend, name, check) => match said {
                None => return Ok(()),
                Some(said) => said,
            },
        };
        if tries >= check.retries && began.elapsed() >= patience {
            let container = name.clone();
            return Err(StepError::Unhealthy {
                container,
                tries,
                said,
            });
        }
        tokio::select! {
            () = halted(&mut halt) => return Err(StepError::GivenUp),
            () = tokio::time::sleep(check.interval.min(EAGER)) => {}
        }
    }
}

/// One try: none when it passed, else what was wrong.
async fn probe(backend: &dyn Backend, name: &Name, check: &Healthcheck) -> Option<String> {
    let ran = backend
        .inside()
        .run(name, &check.test, Some(check.timeout))
        .await;
    match ran {
        Ok(ran) if ran.code == 0 => None,
        Ok(ran) => {
            let last = ran.output.lines().next_back().unwrap_or_default();
            Some(format!("exit code {} {last}", ran.code).trim_end().into())
        }
        Err(error) => Some(error.to_string()),
    }
}

async fn halted(halt: &mut watch::Receiver<bool>) {
    if halt.wait_for(|halted| *halted).await.is_err() {
        std::future::pending().await
    }
}
