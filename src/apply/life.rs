//! The steps in the life of a container, those of its engine, and those that only wait.

use std::path::Path;
use std::time::Duration;

use crate::backend::{Body, End, Engine, StartWait};
use crate::model::{EngineNetwork, Name};
use crate::plan::Step;

use super::act::{Worker, blocking, remove_tree};
use super::events::Event;
use super::{StepError, health};

/// How often a start that may wait for others is looked at once the run ends.
const LOOK: Duration = Duration::from_millis(100);
/// So many looks in a row: one that is just beginning must not be taken for one that waits.
const HELD: u32 = 5;

impl Worker<'_> {
    /// Starts it. When the run ends, a start that only waits is given up: what it waits for may never come, and what
    /// follows it may take without end.
    pub(super) async fn start(&self, container: &Name) -> Result<(), StepError> {
        let backend = &*self.host.backend;
        if self.is_set_up_to_its_start(container) {
            backend.start_bare(container);
        }
        let wait = tokio::select! {
            done = backend.start(container, Body::Present) => return Ok(done?),
            wait = self.held(container) => wait,
        };
        match wait {
            // It ran before, and is to run on.
            StartWait::Service | StartWait::Commands if self.before.ran(container) => {
                let note = match wait {
                    StartWait::Others | StartWait::Service => "goes on in its service",
                    StartWait::Commands => "was ended",
                };
                let note = format!("`{container}` runs; what follows its start {note}");
                self.events.tell(Event::Note(&note));
            }
            StartWait::Others | StartWait::Service | StartWait::Commands => {
                let grace = self.grace(container);
                let end = backend.give_up(container, grace).await?;
                self.tell_end(end, container, Body::Present, grace);
            }
        }
        Err(StepError::GivenUp)
    }

    /// Starts again what this run has stopped. What follows the start and goes on by itself is not waited for.
    pub(super) async fn start_again(&self, name: &Name, body: Body) -> Result<(), StepError> {
        let service_goes_on = async {
            self.stays(name, |wait| wait == StartWait::Service).await;
        };
        tokio::select! {
            done = self.host.backend.start(name, body) => Ok(done?),
            () = service_goes_on, if body == Body::Present => Ok(()),
        }
    }

    /// Whether its setup does what else follows its start.
    fn is_set_up_to_its_start(&self, name: &Name) -> bool {
        let ends = |step: &Step| matches!(step, Step::Setup { container, post_start, .. } if container == name && !post_start.is_empty());
        self.plan.steps.iter().any(|planned| ends(&planned.step))
    }

    /// Stops it, and says so when it did not end in its time. Who gives no time has asked for just that.
    pub(super) async fn stop(
        &self,
        container: &Name,
        body: Body,
        grace: Duration,
    ) -> Result<(), StepError> {
        let end = self.host.backend.stop(container, body, grace).await?;
        self.tell_end(end, container, body, grace);
        Ok(())
    }

    fn tell_end(&self, end: End, container: &Name, body: Body, grace: Duration) {
        match end {
            End::Killed if !grace.is_zero() => {
                let note = killed(container, body, grace);
                self.events.tell(Event::Note(&note));
            }
            End::Killed | End::Own => {}
        }
    }

    /// Stops again what this run has started. Its `pre_stop` has no say in that, and is told where it fails.
    pub(super) async fn take_back(&self, container: &Name) -> Result<(), StepError> {
        let grace = self.grace(container);
        let (end, failed) = self.host.backend.take_back(container, grace).await?;
        self.tell_end(end, container, Body::Present, grace);
        if let Some(failed) = failed {
            let note = format!("container `{container}` is stopped all the same: {failed}");
            self.events.tell(Event::Note(&note));
        }
        Ok(())
    }

    /// Returns when the run ends and the start has been seen waiting for a while; what for.
    async fn held(&self, container: &Name) -> StartWait {
        health::halted(&mut self.halts.listen(Some(container))).await;
        let gives_up = |wait| match wait {
            StartWait::Others => true,
            StartWait::Service | StartWait::Commands => self.halts.gives_up(container),
        };
        self.stays(container, gives_up).await
    }

    /// Returns when its start has been seen waiting for a while for something that `counts`; what for.
    async fn stays(&self, name: &Name, counts: impl Fn(StartWait) -> bool) -> StartWait {
        let mut seen = 0;
        loop {
            tokio::time::sleep(LOOK).await;
            match self.host.backend.start_waits(name).await {
                Some(wait) if counts(wait) && seen + 1 >= HELD => return wait,
                Some(wait) if counts(wait) => seen += 1,
                Some(_) | None => seen = 0,
            }
        }
    }

    /// Removes it; what stays is told.
    pub(super) async fn remove_network(&self, network: &EngineNetwork) -> Result<(), StepError> {
        let made = |step: &Step| matches!(step, Step::EnsureNetwork(new) if new.network == network.network);
        let replaced = self.plan.steps.iter().any(|planned| made(&planned.step));
        if let Some(left) = self.engine()?.remove_network(network, replaced).await? {
            self.events.tell(Event::Note(&left));
        }
        Ok(())
    }

    pub(super) fn engine(&self) -> Result<&dyn Engine, StepError> {
        self.host.backend.engine().ok_or(StepError::NoEngine)
    }

    /// Waits until it is well. Without a check there is the system inside to ask.
    pub(super) async fn await_healthy(
        &self,
        container: &Name,
        wanted: &health::Wanted<'_>,
    ) -> Result<(), StepError> {
        let halt = self.halts.listen(Some(container));
        let backend = &*self.host.backend;
        health::await_healthy(backend.watch(), container, wanted, halt.clone()).await?;
        if wanted.check.is_none() {
            health::await_system(backend.inside(), container, wanted.most, halt).await?;
        }
        Ok(())
    }

    /// The engine's part goes first: it stands on the directory.
    pub(super) async fn remove_volume(
        &self,
        path: Option<&Path>,
        engine: Option<&str>,
        adopted: bool,
    ) -> Result<(), StepError> {
        if let Some(name) = engine {
            self.engine()?.remove_volume(name, adopted).await?;
            if adopted {
                self.forget_adopted(name)?;
            }
        }
        let Some(path) = path else {
            return Ok(());
        };
        let home = self.host.paths.volumes(&self.host.project);
        // A path that ends in `..` has the right parent in words and no file name.
        if path.parent() != Some(&home) || path.file_name().is_none() {
            return Err(StepError::NoVolume { path: path.into() });
        }
        let path = path.to_path_buf();
        blocking(move || remove_tree(path)).await
    }
}

impl Worker<'_> {
    /// One volume goes after the other, so nobody writes the file at the same time.
    fn forget_adopted(&self, volume: &str) -> Result<(), StepError> {
        let (paths, project) = (&self.host.paths, &self.host.project);
        let Ok(mut adopted) = crate::store::load_adopted(paths, project) else {
            return Ok(()); // nothing of it goes while it cannot be read
        };
        if adopted.forget(volume) {
            crate::store::save_adopted(paths, project, &adopted)?;
        }
        Ok(())
    }
}

/// Which self a step means.
pub(super) fn body(aside: bool) -> Body {
    match aside {
        true => Body::Aside,
        false => Body::Present,
    }
}

/// What is said of one that had to be killed.
fn killed(container: &Name, body: Body, grace: Duration) -> String {
    let older = match body {
        Body::Present => "",
        Body::Aside => "the older self of ",
    };
    let grace = grace.as_secs_f64();
    format!("{older}`{container}` did not end within {grace} s and was killed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_had_to_be_killed_is_told_with_the_time_it_had() {
        let web = Name::new("web").unwrap();
        let told = |body, millis| killed(&web, body, Duration::from_millis(millis));
        assert_eq!(
            told(Body::Present, 10_000),
            "`web` did not end within 10 s and was killed"
        );
        assert_eq!(
            told(Body::Aside, 1_500),
            "the older self of `web` did not end within 1.5 s and was killed"
        );
    }
}
