//! The marks as they change during a run: settings written anew, and setup commands that have run.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use crate::backend::BackendError;
use crate::model::{ContainerSpec, Hook, HookAt, Name, Provision, host_name_of};
use crate::observed::Mark;
use crate::plan::{Step, StepId};

use super::StepError;
use super::act::Worker;
use super::events::Event;
use super::provision;

/// The form of the mark that this program writes.
const MARK_VERSION: u32 = 1;

impl Worker<'_> {
    /// Writes settings; whether the setup has run is kept as it is now.
    pub(super) async fn configure(&self, spec: &ContainerSpec) -> Result<(), StepError> {
        let now = self.mark_now(&spec.name).await?;
        let mark = Mark {
            seeded: now.seeded,
            provisioned: now.provisioned,
            setup_failed: now.setup_failed,
            ..self.mark_of(spec, now.setup_done)
        };
        self.write_mark(mark).await
    }

    /// Writes in the mark whether the volumes are filled. False when it says so already.
    pub(super) async fn mark_seeded(&self, name: &Name, seeded: bool) -> Result<bool, StepError> {
        let mark = self.mark_now(name).await?;
        let news = mark.seeded != seeded;
        if news {
            self.write_mark(Mark { seeded, ..mark }).await?;
        }
        Ok(news)
    }

    /// Writes an older mark again; whether the setup has run and the volumes were filled meanwhile is
    /// not forgotten.
    pub(super) async fn configure_back(&self, mark: &Mark) -> Result<(), StepError> {
        let mut mark = mark.clone();
        if let Some(now) = self.marks().get(&mark.spec.name) {
            mark.setup_done |= now.setup_done;
            mark.seeded |= now.seeded;
            mark.provisioned.clone_from(&now.provisioned);
            mark.setup_failed.clone_from(&now.setup_failed);
        }
        self.write_mark(mark).await
    }

    async fn write_mark(&self, mark: Mark) -> Result<(), StepError> {
        self.host.backend.configure(&mark).await?;
        self.marks().insert(mark.spec.name.clone(), mark);
        Ok(())
    }

    pub(super) fn mark_of(&self, spec: &ContainerSpec, setup_done: bool) -> Mark {
        Mark {
            version: MARK_VERSION,
            directory: self.host.directory.clone(),
            spec: spec.clone(),
            setup_done,
            setup_failed: None,
            provisioned: Vec::new(),
            seeded: false,
        }
    }

    /// The mark as it is now. One that was brought back in this run is in no snapshot yet.
    async fn mark_now(&self, name: &Name) -> Result<Mark, StepError> {
        let known = self.marks().get(name).cloned();
        if let Some(mark) = known {
            return Ok(mark);
        }
        let mut view = self.host.backend.observe(&self.before.sought()).await?;
        let found = view.containers.remove(name).and_then(|c| c.mark);
        found.ok_or_else(|| StepError::NoMark {
            container: name.clone(),
        })
    }

    pub(super) fn marks(&self) -> MutexGuard<'_, BTreeMap<Name, Mark>> {
        // Every change of the map is one call, so it is whole even after a panic elsewhere.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until its system has come up.
    pub(super) async fn settle(&self, container: &Name) -> Result<(), StepError> {
        let inside = self.host.backend.inside();
        let Some(state) = inside.settle(container, None).await? else {
            return Ok(());
        };
        let ready = self.mark_now(container).await?.spec.hooks.ready;
        let Some(ready) = ready else {
            // It is met as it is: its commands tell what they lack.
            self.events
                .tell(Event::Note(&still_starting(container, &state)));
            return Ok(());
        };
        let reason = ready.failure(&state);
        self.mark_failed(container, reason.clone()).await?;
        let unready = BackendError::Engine {
            verb: "set up",
            container: host_name_of(&self.host.project, container),
            reason,
            log: Vec::new(),
        };
        Err(unready.into())
    }

    /// All that a setup runs, in its order, each with what it is.
    async fn commands_of(
        &self,
        container: &Name,
        step: &Step,
    ) -> Result<Vec<SetupCommand>, StepError> {
        let mut all = Vec::new();
        let once = |(command, what)| SetupCommand {
            command,
            what,
            follows: false,
        };
        let Step::Setup {
            provisions,
            commands,
            post_start,
            ..
        } = step
        else {
            return Ok(all);
        };
        for wish in provisions {
            if self.is_needed(container, wish).await? {
                let commands = provision::commands(wish).into_iter();
                all.extend(commands.map(|command| once((command, format!("`{wish}`")))));
            }
        }
        all.extend(commands.iter().map(|command| {
            let what = format!("setup command `{command}`");
            once((command.clone().into(), what))
        }));
        all.extend(post_start.iter().map(|command| {
            let what = format!("{} command `{command}`", HookAt::PostStart);
            SetupCommand {
                command: command.clone(),
                what,
                follows: true,
            }
        }));
        Ok(all)
    }

    async fn is_needed(&self, container: &Name, wish: &Provision) -> Result<bool, StepError> {
        let Some(command) = provision::needed(wish) else {
            return Ok(true);
        };
        let inside = self.host.backend.inside();
        Ok(inside.run(container, &command, None).await?.code == 0)
    }

    /// Runs all of a setup and writes in the mark what has passed: what runs once is not run again because something
    /// after it has failed.
    pub(super) async fn set_up(
        &self,
        id: StepId,
        step: &Step,
        container: &Name,
    ) -> Result<(), StepError> {
        let all = self.commands_of(container, step).await?;
        let (follow, once): (Vec<_>, Vec<_>) = all.into_iter().partition(|ran| ran.follows);
        self.run_all(id, step, container, once).await?;
        if !follow.is_empty() {
            let owed = format!("its {} commands have not run", HookAt::PostStart);
            self.mark_set_up(container, Some(owed)).await?;
            self.run_all(id, step, container, follow).await?;
        }
        self.mark_set_up(container, None).await
    }

    /// Runs commands inside, up to the first that fails.
    async fn run_all(
        &self,
        id: StepId,
        step: &Step,
        container: &Name,
        all: Vec<SetupCommand>,
    ) -> Result<(), StepError> {
        let inside = self.host.backend.inside();
        for SetupCommand { command, what, .. } in all {
            let ran = inside.run(container, &command, None).await?;
            for line in ran.output.lines() {
                self.events.tell(Event::Output { id, step, line });
            }
            if ran.code != 0 {
                self.mark_failed(container, format!("{what} ended with {}", ran.code))
                    .await?;
                return Err(StepError::Setup {
                    container: container.clone(),
                    what,
                    code: ran.code,
                    output: last_lines(&ran.output),
                });
            }
        }
        Ok(())
    }

    /// Writes in the mark that all that runs once has run; `owed` is what of this start has not.
    async fn mark_set_up(&self, container: &Name, owed: Option<String>) -> Result<(), StepError> {
        let mut mark = self.mark_now(container).await?;
        mark.setup_done = true;
        mark.setup_failed = owed;
        mark.provisioned.clone_from(&mark.spec.system.provisions);
        self.write_mark(mark).await
    }

    /// Writes in the mark why the setup did not come to its end: for a look at it, should it stay.
    async fn mark_failed(&self, name: &Name, why: String) -> Result<(), StepError> {
        let mark = self.mark_now(name).await?;
        let setup_failed = Some(why);
        self.write_mark(Mark {
            setup_failed,
            ..mark
        })
        .await
    }
}

/// A command of a setup.
struct SetupCommand {
    command: Hook,
    /// What it is, for people.
    what: String,
    /// It follows every start; else it runs once.
    follows: bool,
}

fn last_lines(output: &str) -> String {
    const LAST: usize = 5;
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(LAST)..].join("\n")
}

/// What is said of a system that did not come up in time.
fn still_starting(container: &Name, state: &str) -> String {
    format!(
        "the system in `{container}` has not come up in time ({state}); its setup runs all the same; \
         `locker exec {container} -- systemctl list-jobs` shows what it waits for"
    )
}
