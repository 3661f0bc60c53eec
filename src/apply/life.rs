//! The steps in the life of a container, those of its engine, and those that only wait.

use std::path::Path;
use std::time::Duration;

use crate::backend::{Body, End, Engine};
use crate::model::Name;
use crate::plan::{Step, StepId};

use super::act::{Worker, blocking, remove_tree};
use super::events::Event;
use super::{StepError, health};

/// How often a start that may wait for others is looked at once the run ends.
const LOOK: Duration = Duration::from_millis(100);
/// So many looks in a row: one that is just beginning must not be taken for one that waits.
const HELD: u32 = 5;

impl Worker<'_> {
    /// The steps in the life of a container.
    pub(super) async fn act_on_body(&self, step: &Step) -> Result<(), StepError> {
        let backend = &*self.host.backend;
        if let Step::RemoveWreck { container } = step {
            backend.destroy(container, Body::Present, false).await?;
        } else if let Step::BringBack { container } = step {
            backend.set_aside(container, true).await?;
        } else if let Step::SetAside { container } = step {
            backend.set_aside(container, false).await?;
        } else if let Step::Start { container } = step {
            self.start(container).await?;
        } else if let Step::Stop {
            container,
            timeout,
            aside,
        } = step
        {
            self.stop(container, body(*aside), *timeout).await?;
        } else if let Step::Freeze { container } = step {
            self.set_frozen(container, true).await?;
        } else if let Step::Unfreeze { container } = step {
            self.set_frozen(container, false).await?;
        } else if let Step::Destroy {
            container, aside, ..
        } = step
        {
            let volumes = self.volumes.destroy && !aside;
            backend.destroy(container, body(*aside), volumes).await?;
        }
        Ok(())
    }

    /// Starts it. When the run ends, a start that only waits for others is given up: what it waits for may
    /// never come.
    async fn start(&self, container: &Name) -> Result<(), StepError> {
        let backend = &*self.host.backend;
        if self.is_set_up_to_its_start(container) {
            backend.start_bare(container);
        }
        tokio::select! {
            done = backend.start(container, Body::Present) => return Ok(done?),
            () = self.held(container) => {}
        }
        let stopped = self.stop(container, Body::Present, self.grace(container));
        stopped.await?;
        Err(StepError::GivenUp)
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

    /// Returns when the run ends and the start has been seen waiting for a while.
    async fn held(&self, container: &Name) {
        health::halted(&mut self.halts.listen(Some(container))).await;
        let mut seen = 0;
        while seen < HELD {
            tokio::time::sleep(LOOK).await;
            match self.host.backend.is_held(container).await {
                true => seen += 1,
                false => seen = 0,
            }
        }
    }

    /// The steps about what the engine has beside containers.
    pub(super) async fn act_on_engine(&self, id: StepId, step: &Step) -> Result<(), StepError> {
        let engine = self.engine()?;
        let told = |line: &str| self.events.tell(Event::Output { id, step, line });
        if let Step::Pull { image, platform } = step {
            engine.pull(image, platform.as_deref(), &told).await?;
        } else if let Step::Build(build) = step {
            engine.build(build, &told).await?;
        } else if let Step::EnsureNetwork(network) = step {
            engine.ensure_network(network).await?;
        } else if let Step::RemoveNetwork(network) = step {
            let made = |step: &Step| matches!(step, Step::EnsureNetwork(new) if new.network == network.network);
            let replaced = self.plan.steps.iter().any(|planned| made(&planned.step));
            if let Some(left) = engine.remove_network(network, replaced).await? {
                self.events.tell(Event::Note(&left));
            }
        }
        Ok(())
    }

    pub(super) fn engine(&self) -> Result<&dyn Engine, StepError> {
        self.host.backend.engine().ok_or(StepError::NoEngine)
    }

    /// The steps that only wait.
    pub(super) async fn wait_for(&self, step: &Step) -> Result<(), StepError> {
        let halt = self.halts.listen(step.container());
        let watch = self.host.backend.watch();
        if let Step::AwaitHealthy {
            container,
            check,
            most,
            may_end,
            settle,
        } = step
        {
            let wanted = health::Wanted {
                check: check.as_ref(),
                most: *most,
                may_end: *may_end,
                settle: *settle,
            };
            health::await_healthy(watch, container, &wanted, halt.clone()).await?;
            // Without a check there is the system inside to ask.
            if check.is_none() {
                let inside = self.host.backend.inside();
                health::await_system(inside, container, *most, halt).await?;
            }
        } else if let Step::AwaitCompleted { container, most } = step {
            health::await_completed(watch, container, *most, halt).await?;
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
fn body(aside: bool) -> Body {
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
