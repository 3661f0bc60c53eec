//! Waiting for containers: until one is healthy, or until one has ended.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::sync::watch;

use crate::backend::{BackendError, Inside, LogWish, Probe, Runs, Watch};
use crate::model::{Healthcheck, Kind, Name};

use super::error::{StepError, Tried};

/// Most containers are ready in a blink: the first look is repeated after this time, each later one
/// after twice as long.
const FIRST: Duration = Duration::from_millis(50);

/// A check is repeated at least this often, so that what waits for it starts early.
const EAGER: Duration = Duration::from_millis(500);

/// How many of its last lines an error about a container shows.
const LOG_LINES: usize = 10;

/// How long its log may take: what is wrong is known without it.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// How long its engine may fail to tell anything of one whose wait has no limit of its own.
const DEAF: Duration = Duration::from_secs(30);

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The file's check; none asks the engine for the image's own.
    pub(super) check: Option<&'a Healthcheck>,
    /// At most so long; none is as long as the check may take.
    pub(super) most: Option<Duration>,
    /// Whether having ended with 0 is as good.
    pub(super) may_end: bool,
    /// Without a check, how long it must have run; none is that it runs.
    pub(super) settle: Option<Duration>,
}

impl Wanted<'_> {
    /// Whether it has failed after so many tries: not within `start_period` and `retries` intervals
    /// more, but never before `retries` tries. The end of an image's own check is the engine's to tell.
    fn is_over(&self, tries: u32, took: Duration) -> bool {
        match (self.most, self.check) {
            (Some(most), _) => took >= most,
            (None, Some(check)) => {
                let patience = check.start_period + check.interval * check.retries.max(1);
                tries >= check.retries && took >= patience
            }
            (None, None) => false,
        }
    }

    /// Whether the engine's word, after so many failures in a row, is about this wait. One that said so at the `first`
    /// look speaks of a time before: it is given as long as one that starts, or its image's check once more.
    fn is_news(&self, checks: u64, first: Option<u64>) -> bool {
        match (first, self.most.is_some() || self.check.is_some()) {
            (None, _) => true,
            (Some(_), true) => false,
            (Some(first), false) => checks != first,
        }
    }

    /// Whether a look that has failed, as all since `since`, ends the wait.
    fn is_deaf(&self, error: &BackendError, since: Duration) -> bool {
        let limited = self.most.is_some() || self.check.is_some();
        matches!(error, BackendError::Gone { .. }) || (!limited && since >= DEAF)
    }

    /// How much longer it must run, when there is nothing but that to go by.
    fn rest(&self, ran: Duration) -> Option<Duration> {
        let rest = self.settle?.saturating_sub(ran);
        (!rest.is_zero()).then_some(rest)
    }

    fn pause(&self, tries: u32) -> Duration {
        let growing = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(8));
        let interval = self.check.map_or(EAGER, |check| check.interval);
        growing.min(EAGER).min(interval)
    }
}

/// Looks until the check passes. A container that ends meanwhile has failed at once, unless it may.
pub(super) async fn await_healthy(
    watch: &dyn Watch,
    name: &Name,
    wanted: &Wanted<'_>,
    mut halt: watch::Receiver<bool>,
) -> Result<(), StepError> {
    let began = Instant::now();
    let (mut tries, mut first, mut told) = (0, None, began);
    loop {
        tries += 1;
        let seen = tokio::select! {
            biased;
            () = halted(&mut halt) => return Err(StepError::GivenUp),
            seen = watch.probe(name, wanted.check) => seen,
        };
        if wanted.settle.is_some() && came_back(watch, name, &seen).await {
            return Err(StepError::CameBack {
                container: name.clone(),
                log: last_lines(watch, name, Runs::Ended).await,
            });
        }
        if let (Ok(Probe::Running), Some(rest)) = (&seen, wanted.rest(began.elapsed())) {
            tokio::select! {
                () = halted(&mut halt) => return Err(StepError::GivenUp),
                () = tokio::time::sleep(wanted.pause(tries).min(rest)) => {}
            }
            continue;
        }
        if seen.is_ok() {
            told = Instant::now();
        }
        let (said, checks) = match seen {
            Ok(Probe::Running | Probe::Healthy) => return Ok(()),
            Ok(Probe::Ended(0)) if wanted.may_end => return done(watch, name, 0).await,
            Ok(Probe::Ended(code)) => {
                let (container, log) = (name.clone(), last_lines(watch, name, Runs::Ended).await);
                return Err(StepError::Ended {
                    container,
                    code,
                    log,
                    unwell: watch.unwell(name),
                });
            }
            Ok(Probe::Failing(said)) => (said.to_string(), None),
            Ok(Probe::Unhealthy(said, checks)) => (said.to_string(), Some(checks)),
            Err(error) if wanted.is_deaf(&error, told.elapsed()) => return Err(error.into()),
            // It may just be on its way up.
            Err(error) => (error.to_string(), None),
        };
        let took = began.elapsed();
        if tries == 1 {
            first = checks;
        }
        let is_told = checks.is_some_and(|checks| wanted.is_news(checks, first));
        if is_told || wanted.is_over(tries, took) {
            let (container, log) = (name.clone(), last_lines(watch, name, Runs::Last).await);
            return Err(StepError::Unhealthy {
                container,
                tried: checks.map_or(Tried::For(took), Tried::Checks),
                said,
                log,
            });
        }
        tokio::select! {
            () = halted(&mut halt) => return Err(StepError::GivenUp),
            () = tokio::time::sleep(wanted.pause(tries)) => {}
        }
    }
}

/// Whether one that has nothing to go by but that it runs has ended and runs again: its engine may be quicker with
/// that than any look.
async fn came_back(watch: &dyn Watch, name: &Name, seen: &Result<Probe, BackendError>) -> bool {
    // Where the engine does not answer, the next look tells what is wrong.
    matches!(seen, Ok(Probe::Running)) && matches!(watch.comebacks(name).await, Ok(1..))
}

/// Waits until the system inside has come up, where it can tell; at most `most`.
pub(super) async fn await_system(
    inside: &dyn Inside,
    name: &Name,
    most: Option<Duration>,
    mut halt: watch::Receiver<bool>,
) -> Result<(), StepError> {
    let (container, log) = (name.clone(), Vec::new());
    let began = Instant::now();
    let state = tokio::select! {
        biased;
        () = halted(&mut halt) => return Err(StepError::GivenUp),
        state = inside.settle(name, most) => state?,
        _ = over(most) => Some("it is still starting".into()),
    };
    match state {
        None => Ok(()),
        Some(state) => Err(StepError::Unhealthy {
            container,
            tried: Tried::For(began.elapsed()),
            said: format!("its system has not come up in time: {state}"),
            log,
        }),
    }
}

/// Waits until it has ended, with exit code 0.
pub(super) async fn await_completed(
    watch: &dyn Watch,
    name: &Name,
    most: Option<Duration>,
    mut halt: watch::Receiver<bool>,
) -> Result<(), StepError> {
    let container = name.clone();
    let code = tokio::select! {
        biased;
        () = halted(&mut halt) => return Err(StepError::GivenUp),
        code = watch.ended(name) => code?,
        waited = over(most) => return Err(StepError::StillRuns { container, waited }),
    };
    let unwell = watch.unwell(name);
    // One that its supervisor has ended was told to stop as well, and why is the better word.
    if unwell.is_none() || code == 0 {
        done(watch, name, code).await?;
    }
    if code == 0 {
        return Ok(());
    }
    let log = last_lines(watch, name, Runs::Ended).await;
    Err(StepError::Ended {
        container,
        code,
        log,
        unwell,
    })
}

/// Nothing of one that has ended with `code` by itself: who was told to stop is not through with its work.
async fn done(watch: &dyn Watch, name: &Name, code: i32) -> Result<(), StepError> {
    match watch.was_stopped(name).await {
        true => Err(StepError::Stopped {
            container: name.clone(),
            code,
        }),
        false => Ok(()),
    }
}

/// After `most`; never without one.
async fn over(most: Option<Duration>) -> Duration {
    match most {
        Some(most) => {
            tokio::time::sleep(most).await;
            most
        }
        None => std::future::pending().await,
    }
}

/// The last lines of one that has ended and may be on its way up again. Of an application container what an
/// earlier run said is better than nothing; a system container's console keeps its runs apart.
pub(super) async fn last_words(watch: &dyn Watch, name: &Name, kind: Kind) -> Vec<String> {
    match (last_lines(watch, name, Runs::Ended).await, kind) {
        (none, Kind::Application) if none.is_empty() => last_lines(watch, name, Runs::All).await,
        (lines, Kind::Application | Kind::System) => lines,
    }
}

/// The last lines of its output, as far as they can be read.
async fn last_lines(watch: &dyn Watch, name: &Name, runs: Runs) -> Vec<String> {
    let wish = LogWish {
        lines: Some(LOG_LINES),
        runs,
        ..LogWish::default()
    };
    let read = async {
        let lines = watch.logs(name, &wish).await.ok()?;
        let lines = lines.filter_map(|line| async move { line.ok() });
        let mut texts: Vec<String> = lines.map(|line| line.text).collect().await;
        Some(texts.split_off(texts.len().saturating_sub(LOG_LINES)))
    };
    let read = tokio::time::timeout(LOG_PATIENCE, read).await;
    read.ok().flatten().unwrap_or_default()
}

pub(super) async fn halted(halt: &mut watch::Receiver<bool>) {
    if halt.wait_for(|halted| *halted).await.is_err() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_without_a_limit_ends_when_nothing_can_be_told_and_any_when_the_container_is_gone() {
        let wanted = |most| Wanted {
            check: None,
            most,
            may_end: false,
            settle: None,
        };
        let gone = BackendError::Gone {
            verb: "look at",
            container: "shop_web".into(),
        };
        let deaf = BackendError::Unavailable {
            engine: "Docker",
            reason: "x".into(),
            help: "y".into(),
        };
        let (short, long) = (DEAF - FIRST, DEAF);
        for most in [None, Some(2 * DEAF)] {
            assert!(wanted(most).is_deaf(&gone, Duration::ZERO));
            assert!(!wanted(most).is_deaf(&deaf, short));
            assert_eq!(wanted(most).is_deaf(&deaf, long), most.is_none());
        }
    }
}
