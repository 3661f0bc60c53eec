//! The steps that wait: for health checks, for ends.

use crate::model::{Condition, Container, Healthcheck, Kind, Name, Restart};
use crate::observed::Health;

use super::build::Builder;
use super::graph::Slot;
use super::{Cause, Goal, Step, needs};

/// The check that a container is waited for with; the inner none is the one of its image.
type Check = Option<Healthcheck>;

impl Builder<'_> {
    /// Adds what is waited for, before anything is ordered.
    pub(super) fn waits(&mut self) {
        let names: Vec<Name> = self.intents.keys().cloned().collect();
        for name in &names {
            self.wait_for_needs(name);
        }
        for name in &names {
            self.wait_for_new_self(name);
            self.wait_as_asked(name);
        }
    }

    /// What is waited for until it has ended runs no more when others look for it.
    pub(super) fn forget_ended(&mut self) {
        for (name, _) in self.draft.each(Slot::Completed) {
            self.running.remove(&name);
        }
    }

    fn wait_for_needs(&mut self, name: &Name) {
        let Some(file) = self.project.containers.get(name) else {
            return;
        };
        if !self.has(Slot::Start, name) {
            return;
        }
        for dependency in needs::of(file) {
            let on = &dependency.on;
            if !self.running.contains(on) || (self.wish.no_deps && !self.selected(on)) {
                continue;
            }
            let cause = Cause::For(name.clone());
            match dependency.condition {
                Condition::Started => {}
                Condition::Healthy => {
                    if let Some(check) = self.check_of(on) {
                        self.await_healthy(on, check, false, cause);
                    }
                }
                Condition::Completed => self.await_completed(on, cause),
            }
        }
    }

    /// The old self goes only when the new one is well.
    fn wait_for_new_self(&mut self, name: &Name) {
        let replaces = self.has(Slot::DestroyAside, name) || self.has(Slot::StopAside, name);
        if !replaces || !self.running.contains(name) || self.has(Slot::Completed, name) {
            return;
        }
        let settle = Some(self.wish.settle).filter(|settle| !settle.is_zero());
        let check = match (self.check_of(name), settle) {
            (Some(check), _) => check,
            // There is nothing to ask, but whether it stays.
            (None, Some(_)) => None,
            (None, None) => return,
        };
        let cause = [Slot::DestroyAside, Slot::StopAside]
            .into_iter()
            .find_map(|slot| self.draft.find(slot, name))
            .and_then(|id| self.draft.causes(id).first().cloned());
        let may_end = self.may_end(name);
        self.await_healthy(name, check, may_end, cause.unwrap_or(Cause::Unfinished));
        if let Some(Step::AwaitHealthy { settle: wait, .. }) =
            self.draft.step_in(Slot::Healthy, name)
        {
            *wait = settle;
        }
    }

    /// `--wait`: all that run and are not known to be well.
    fn wait_as_asked(&mut self, name: &Name) {
        let waits = match &self.wish.goal {
            Goal::Up | Goal::Start { .. } | Goal::Restart => self.wish.wait.is_some(),
            Goal::Create
            | Goal::Stop
            | Goal::Remove
            | Goal::Down { .. }
            | Goal::Ports
            | Goal::Unports
            | Goal::PortAdd(_)
            | Goal::PortRemove(_)
            | Goal::Links
            | Goal::Unlinks
            | Goal::Limits
            | Goal::Freeze
            | Goal::Unfreeze
            | Goal::Pull
            | Goal::Build
            | Goal::Enable(_)
            | Goal::Cleanup => false,
        };
        let Some(file) = self.project.containers.get(name).filter(|_| waits) else {
            return;
        };
        if !self.running.contains(name) || !self.selected(name) {
            return;
        }
        if self.has(Slot::Completed, name) || self.is_known_well(name, file) {
            return;
        }
        let check = self.check_of(name).unwrap_or_default();
        let may_end = self.may_end(name);
        self.await_healthy(name, check, may_end, Cause::Asked);
    }

    fn is_known_well(&self, name: &Name, file: &Container) -> bool {
        let starts = self.has(Slot::Start, name);
        let found = self.there(name).filter(|_| !starts);
        found.is_some_and(|found| match found.health {
            Some(health) => health == Health::Healthy,
            None => file.healthcheck.is_none(),
        })
    }

    /// One that is started once and never again may just as well have done its work.
    fn may_end(&self, name: &Name) -> bool {
        let file = self.project.containers.get(name);
        file.is_some_and(|c| c.restart == Restart::No)
    }

    /// None when there is nothing to wait for.
    fn check_of(&self, name: &Name) -> Option<Check> {
        let file = self.project.containers.get(name)?;
        let own = file.app.as_ref().is_some_and(|app| app.no_healthcheck);
        match (&file.healthcheck, file.kind()) {
            (Some(check), _) => Some(Some(check.clone())),
            (None, Kind::Application) if !own => Some(None),
            (None, Kind::Application | Kind::System) => None,
        }
    }

    fn await_healthy(&mut self, on: &Name, check: Check, may_end: bool, cause: Cause) {
        // One that is left to its callers is started by the service that needs it, which waits for it.
        if self.has(Slot::Healthy, on) || self.is_left_to_callers(on) {
            return;
        }
        let step = Step::AwaitHealthy {
            container: on.clone(),
            check,
            most: self.wish.wait.and_then(|wait| wait.most),
            may_end,
            settle: None,
        };
        self.draft.add_in(Slot::Healthy, on, step, vec![cause]);
    }

    fn await_completed(&mut self, on: &Name, cause: Cause) {
        if self.has(Slot::Completed, on) || self.is_left_to_callers(on) {
            return;
        }
        let step = Step::AwaitCompleted {
            container: on.clone(),
            most: self.wish.wait.and_then(|wait| wait.most),
        };
        self.draft.add_in(Slot::Completed, on, step, vec![cause]);
    }
}
