//! Starting, stopping, freezing, and the setup that waits for the first start.

use std::time::Duration;

use crate::model::{
    InnerCommand, Key, Kind, Name, Place, Provision, STOP_GRACE, SYSTEM_GRACE, still_to_do,
};
use crate::observed::{ObservedContainer, State};

use super::build::Builder;
use super::graph::Slot;
use super::intent::{Intent, Power, runs};
use super::{Cause, Goal, Step, units};

impl Builder<'_> {
    /// What becomes of the container's processes; `changed` are the causes when those that run must
    /// not go on as they are.
    pub(super) fn power(&mut self, name: &Name, intent: Intent, changed: Option<Vec<Cause>>) {
        let state = self.there(name).map_or(State::Absent, |c| c.state);
        let up = runs(self.there(name));
        match (intent.power, changed) {
            (Power::On | Power::Cycle, Some(causes)) if up || self.has(Slot::Create, name) => {
                if !self.beside.contains_key(name) {
                    self.stop(name, causes.clone());
                }
                match self.waits_for_callers(name) {
                    true => self.await_callers(name),
                    false => self.start(name, causes),
                }
            }
            (Power::Cycle, None) if up => {
                self.stop(name, vec![Cause::Asked]);
                self.start(name, vec![Cause::Asked]);
            }
            (Power::On, None) if self.runs_unattended(name) => self.attend_again(name),
            (Power::On, None) if up => {
                if state == State::Frozen {
                    self.thaw(name, Cause::Drifted("frozen"));
                }
                self.running.insert(name.clone());
            }
            (Power::On | Power::Cycle, None) if self.is_done(name) => {}
            (Power::On, _) if self.waits_for_callers(name) => self.await_callers(name),
            (Power::On | Power::Cycle, _) => {
                let cause = match self.has(Slot::Create, name) {
                    true => self.missing(name),
                    false => Cause::NotRunning,
                };
                self.start(name, vec![cause]);
            }
            (Power::Off, _) => {
                self.stop(name, vec![Cause::Asked]);
                self.stop_aside(name, vec![Cause::Asked]);
            }
            (Power::Keep | Power::Freeze | Power::Thaw, _) => {
                if up {
                    self.running.insert(name.clone());
                }
                self.freezing(name, intent.power, state);
            }
        }
    }

    /// Whether it runs, and the service that should attend to it does not.
    fn runs_unattended(&self, name: &Name) -> bool {
        let found = self
            .there(name)
            .filter(|found| found.state == State::Running);
        let supervised = found
            .and_then(|found| found.mark.as_ref())
            .is_some_and(|mark| mark.spec.supervised);
        supervised && self.observed.units.is_unattended(name)
    }

    /// A service takes over an application container that runs; a system container has its monitor as its
    /// parent, which nobody can become later.
    fn attend_again(&mut self, name: &Name) {
        let causes = vec![Cause::Drifted("its service does not attend to it")];
        match self.kind(name) {
            Kind::Application => {}
            Kind::System => self.stop(name, causes.clone()),
        }
        self.start(name, causes);
    }

    /// What it is, or what it is to be.
    fn kind(&self, name: &Name) -> Kind {
        match (
            self.observed.containers.get(name),
            self.project.containers.get(name),
        ) {
            (Some(found), _) => found.kind,
            (None, Some(container)) => container.kind(),
            (None, None) if self.is_job(name) => Kind::Application,
            (None, None) => Kind::System,
        }
    }

    /// Everything that it needs to run must be there before somebody calls: its network most of all.
    fn await_callers(&mut self, name: &Name) {
        self.seed_missing(name);
        self.running.insert(name.clone());
    }

    /// Whether `up` leaves its start to the first who calls. What is to be set up first runs at once.
    fn waits_for_callers(&self, name: &Name) -> bool {
        let file = self.project.containers.get(name);
        let waits = self.wish.goal == Goal::Up && file.is_some_and(units::waits_for_callers);
        let (provisions, commands) = self.awaited_setup(name);
        waits && provisions.is_empty() && commands.is_empty()
    }

    /// What it is still to be furnished with, and the commands that are still to run once.
    fn awaited_setup(&self, name: &Name) -> (Vec<Provision>, Vec<InnerCommand>) {
        let made = self.has(Slot::Create, name);
        let mark = self.mark(name).filter(|_| !made);
        let Some(spec) = self.specs.get(name).filter(|_| made || mark.is_some()) else {
            return (Vec::new(), Vec::new());
        };
        let had = mark.map_or(&[][..], |mark| &mark.provisioned);
        let commands = match mark.is_some_and(|mark| mark.setup_done) {
            true => Vec::new(),
            false => spec.setup.clone(),
        };
        (still_to_do(&spec.system.provisions, had), commands)
    }

    /// Whether a setup that did not come to its end has left out what follows every start.
    fn owes_post_start(&self, name: &Name) -> bool {
        let mark = self.mark(name).filter(|_| !self.has(Slot::Create, name));
        let spec = self.specs.get(name);
        mark.is_some_and(|mark| mark.setup_failed.is_some())
            && spec.is_some_and(|spec| !spec.hooks.post_start.is_empty())
    }

    /// Whether its service has come to its end, or is about to, and the next start is left to the first who
    /// calls: nobody has called for a while, and to rest is how it is to be.
    pub(super) fn rests_again(&self, name: &Name) -> bool {
        let units = &self.observed.units;
        let asked = self.there(name).is_some_and(|found| found.stopping);
        let ends = units.stops(name) || (asked && !units.is_active(name));
        ends && self.waits_for_callers(name)
    }

    /// Whether it does not run when all is done, since nobody has called yet.
    pub(super) fn is_left_to_callers(&self, name: &Name) -> bool {
        let ends = self.observed.units.stops(name);
        let goes_on = runs(self.there(name)) && !ends && !self.has(Slot::Stop, name);
        self.waits_for_callers(name) && !goes_on && !self.has(Slot::Start, name)
    }

    /// Whether it was to end and has ended well: it is not started again unless it is named.
    pub(super) fn is_done(&self, name: &Name) -> bool {
        let named = match &self.wish.selection {
            Some(names) => names.contains(name) && self.wish.goal != Goal::Up,
            None => false,
        };
        let found = self.there(name).filter(|_| !named);
        let ended = found.is_some_and(|c| c.state == State::Stopped && c.exit == Some(0));
        ended && self.awaited.contains(name)
    }

    fn freezing(&mut self, name: &Name, power: Power, state: State) {
        if power == Power::Freeze && state == State::Running {
            let container = name.clone();
            self.draft
                .add(Step::Freeze { container }, vec![Cause::Asked]);
        } else if power == Power::Thaw && state == State::Frozen {
            self.thaw(name, Cause::Asked);
        }
    }

    fn thaw(&mut self, name: &Name, cause: Cause) {
        let container = name.clone();
        let step = Step::Unfreeze { container };
        self.draft.add_in(Slot::Thaw, name, step, vec![cause]);
    }

    /// Stops it if it runs, if it would be started again in a moment, or if its service is not at rest yet.
    pub(super) fn stop(&mut self, name: &Name, causes: Vec<Cause>) {
        let found = self.there(name);
        let units = &self.observed.units;
        let aside = |found: &ObservedContainer| found.is_attended_aside() && units.is_active(name);
        let moves = found.is_some_and(|c| {
            units.starts(name) || units.stops(name) || units.is_attended(name) || aside(c)
        });
        if !runs(found) && !moves {
            return;
        }
        let step = Step::Stop {
            container: name.clone(),
            timeout: self.grace(name),
            aside: false,
        };
        self.draft.add_in(Slot::Stop, name, step, causes);
    }

    /// Stops the older self that was set aside, or will be, if it runs.
    pub(super) fn stop_aside(&mut self, name: &Name, causes: Vec<Cause>) {
        let found = self.observed.containers.get(name);
        let runs = found.is_some_and(|c| c.aside_runs) || self.beside.contains_key(name);
        if !runs || self.has(Slot::StopAside, name) {
            return;
        }
        let step = Step::Stop {
            container: name.clone(),
            timeout: self.grace(name),
            aside: true,
        };
        self.draft.add_in(Slot::StopAside, name, step, causes);
        if !self.has(Slot::Start, name) {
            // A service that attends to it must not take its end for a reason to start the new one.
            self.draft.row(name, &[Slot::Stop, Slot::StopAside]);
        }
    }

    /// How long it gets to end: what the user says, else the file, else what is usual for its kind.
    pub(super) fn grace(&self, name: &Name) -> Duration {
        let asked = self.wish.timeout;
        asked.unwrap_or_else(|| self.lasting_grace(name))
    }

    /// How long it gets to end when the user does not say it.
    fn lasting_grace(&self, name: &Name) -> Duration {
        let file = self.project.containers.get(name).map(|c| c.stop_grace);
        let mark = || self.mark(name).map(|mark| mark.spec.stop_grace);
        let grace = file.or_else(mark).flatten();
        grace.unwrap_or_else(|| usual_grace(self.kind(name)))
    }

    fn start(&mut self, name: &Name, causes: Vec<Cause>) {
        self.refuse_parted(name);
        self.refuse_broken(name);
        self.seed_missing(name);
        let container = name.clone();
        let step = Step::Start { container };
        self.draft.add_in(Slot::Start, name, step, causes);
        self.running.insert(name.clone());
    }

    /// The engine starts no container whose network is that of one that is gone.
    fn refuse_parted(&mut self, name: &Name) {
        let parted = self.there(name).is_some_and(|found| found.parted);
        if !parted || self.has(Slot::Create, name) {
            return;
        }
        let message =
            format!("container `{name}` shares the network of a container that is gone by now");
        let help = format!("make it anew: locker up {name}");
        self.problem(name, None, message, &help);
    }

    /// What could not start again is not stopped for that.
    fn refuse_broken(&mut self, name: &Name) {
        let config = self.there(name).and_then(|found| found.broken.as_ref());
        let Some(config) = config.filter(|_| !self.has(Slot::Create, name)) else {
            return;
        };
        let message = format!(
            "container `{name}` could not be started: its configuration `{}` is damaged",
            config.display()
        );
        let help = format!(
            "bring that file back from a backup, or make the container anew: `locker rm {name}`, then `locker up`"
        );
        self.problem(name, None, message, &help);
    }

    /// Setup waits for the first start, whichever command does it.
    pub(super) fn setup(&mut self, name: &Name, intent: Intent) {
        let on = matches!(intent.power, Power::On | Power::Cycle);
        let (provisions, commands) = self.awaited_setup(name);
        let owed = self.owes_post_start(name);
        let furnished = provisions.is_empty() && commands.is_empty();
        let nothing = furnished && !owed;
        // One that has done its work is not started for it.
        if !on || nothing || !self.running.contains(name) {
            return;
        }
        let causes = match self.draft.find(Slot::Create, name) {
            Some(create) => self.draft.causes(create).to_vec(),
            None if furnished => vec![Cause::Drifted("`post_start` has not run")],
            None if commands.is_empty() => self.provision_causes(name, &provisions),
            None => vec![Cause::Drifted("setup has not run")],
        };
        // The setup that never came to its end has left them out, too.
        let starts = self.has(Slot::Start, name) || !commands.is_empty() || owed;
        let spec = self.specs.get(name).filter(|_| starts);
        let step = Step::Setup {
            container: name.clone(),
            provisions,
            commands,
            post_start: spec.map_or_else(Vec::new, |spec| spec.hooks.post_start.clone()),
        };
        self.draft.add_in(Slot::Setup, name, step, causes);
    }

    /// The keys that ask for it, where the file has them still.
    fn provision_causes(&self, name: &Name, provisions: &[Provision]) -> Vec<Cause> {
        let file = self.project.containers.get(name);
        let mut keys: Vec<Key> = provisions.iter().map(Provision::key).collect();
        keys.dedup();
        let place = |key: Key| file.map_or_else(Place::nowhere, |file| file.place_of(key).clone());
        let changed = keys.into_iter().map(|key| Cause::Changed {
            key,
            place: place(key),
        });
        changed.collect()
    }
}

/// How long a container of this kind gets to end when nobody says it.
pub fn usual_grace(kind: Kind) -> Duration {
    match kind {
        Kind::System => SYSTEM_GRACE,
        Kind::Application => STOP_GRACE,
    }
}
