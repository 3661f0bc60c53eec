//! From intents to steps: what each container needs, in which order.
//!
//! Why a kill at any step loses nothing is told in docs/plan.md, section "Half-done work".

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Condition, ContainerSpec, Key, Name, Project, Source};
use crate::observed::{Mark, Observed, ObservedContainer, State};

use super::addresses::Net;
use super::diff::{Reach, changes};
use super::graph::{Draft, Slot};
use super::intent::{Intent, Power, Settings, not_made, runs};
use super::{Cause, Goal, Loss, Problem, Step, Warning, Wish};

/// The planner at work.
pub(super) struct Builder<'a> {
    pub(super) project: &'a Project,
    pub(super) observed: &'a Observed,
    pub(super) wish: &'a Wish,
    pub(super) net: Option<Net>,
    pub(super) desired: BTreeMap<Name, ContainerSpec>,
    pub(super) intents: BTreeMap<Name, Intent>,
    pub(super) draft: Draft,
    /// What each container will be at the end.
    pub(super) specs: BTreeMap<Name, ContainerSpec>,
    /// Who will run at the end.
    pub(super) running: BTreeSet<Name>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
    pub(super) losses: Vec<Loss>,
}

impl Builder<'_> {
    pub(super) fn there(&self, name: &Name) -> Option<&ObservedContainer> {
        let found = self.observed.containers.get(name);
        found.filter(|c| !c.wreck)
    }

    fn mark(&self, name: &Name) -> Option<Mark> {
        self.there(name).and_then(|c| c.mark.clone())
    }

    /// The steps of every container.
    pub(super) fn containers(&mut self) {
        for (name, intent) in self.intents.clone() {
            self.container(&name, intent);
        }
        self.order();
    }

    fn container(&mut self, name: &Name, intent: Intent) {
        let mark = self.mark(name);
        if let Some(mark) = &mark {
            self.specs.insert(name.clone(), mark.spec.clone());
        }
        let mut back = false;
        if let Some(wreck) = self.observed.containers.get(name).filter(|c| c.wreck) {
            back = self.clear(name, intent, wreck.set_aside);
        }
        if intent.destroy {
            self.destroy(name);
            return;
        }
        let mut restart = None;
        match mark {
            None if intent.make => self.create(name),
            None if back => {
                if let Some(spec) = self.desired.get(name) {
                    self.specs.insert(name.clone(), spec.clone());
                }
            }
            None => return,
            Some(mark) => {
                restart = self.settings(name, intent.settings, &mark);
                self.seed_again(name, intent, &mark);
            }
        }
        if self.there(name).is_some_and(|c| c.stopping) {
            restart.get_or_insert(vec![Cause::Unfinished]);
        }
        self.power(name, intent, restart);
        self.setup(name, intent);
        self.finish_recreation(name, intent);
    }

    /// Clears a wreck. True when an older self gets its name back.
    fn clear(&mut self, name: &Name, intent: Intent, aside: bool) -> bool {
        let back = aside && !intent.make && !intent.destroy && intent.power != Power::Keep;
        if !(intent.make || intent.destroy || back) {
            return false;
        }
        let container = name.clone();
        let wreck = Step::RemoveWreck {
            container: container.clone(),
        };
        self.draft
            .add_in(Slot::Clear, name, wreck, vec![Cause::Unfinished]);
        if back {
            let step = Step::BringBack { container };
            self.draft
                .add_in(Slot::Aside, name, step, vec![Cause::Unfinished]);
        }
        back
    }

    fn place_of_container(&self, name: &Name) -> Cause {
        let file = self.project.containers.get(name);
        Cause::Missing(file.map(|c| c.place.clone()).unwrap_or_default())
    }

    fn create(&mut self, name: &Name) {
        let cause = self.place_of_container(name);
        self.make(name, vec![cause]);
    }

    fn make(&mut self, name: &Name, causes: Vec<Cause>) {
        let Some(spec) = self.desired.get(name).cloned() else {
            return;
        };
        let host_name = spec.host_name();
        if self.observed.foreign.contains(&host_name) {
            self.problem(
                name,
                None,
                format!("a container `{host_name}` is on the host and is not of this project"),
                "rename the container or the project",
            );
        }
        self.check_origin(name, &spec.source);
        let mounts = spec.mounts.clone();
        self.specs.insert(name.clone(), spec.clone());
        let create = Step::Create(Box::new(spec));
        self.draft
            .add_in(Slot::Create, name, create, causes.clone());
        self.seed(name, mounts, causes);
    }

    fn seed(&mut self, name: &Name, mounts: Vec<crate::model::Mount>, causes: Vec<Cause>) {
        if mounts.is_empty() {
            return;
        }
        let step = Step::Seed {
            container: name.clone(),
            mounts,
            copy: !self.wish.no_copy,
        };
        self.draft.add_in(Slot::Seed, name, step, causes);
    }

    /// Volumes that a killed run made a container for and never filled.
    fn seed_again(&mut self, name: &Name, intent: Intent, mark: &Mark) {
        let used = intent.make || matches!(intent.power, Power::On | Power::Cycle);
        if mark.seeded || !used || self.draft.find(Slot::Seed, name).is_some() {
            return;
        }
        if let Some(spec) = self.specs.get(name) {
            self.seed(name, spec.mounts.clone(), vec![Cause::Unfinished]);
        }
    }

    fn check_origin(&mut self, name: &Name, source: &Source) {
        let (word, found, near) = match source {
            Source::CloneSibling(origin) => {
                let planned = self.intents.get(origin).is_some_and(|i| i.make);
                let found = planned || self.there(origin).is_some();
                (origin.as_str(), found, None)
            }
            Source::CloneHost(full) => {
                let names = self.observed.foreign.iter();
                let near = names
                    .map(|known| (strsim::damerau_levenshtein(known, full), known))
                    .min()
                    .filter(|(far, _)| *far <= 2)
                    .map(|(_, known)| format!("did you mean `{known}`?"));
                (full.as_str(), self.observed.foreign.contains(full), near)
            }
            Source::Template { .. } | Source::Download { .. } | Source::Rootfs(_) => return,
        };
        if !found {
            let message = format!("there is no container `{word}` to clone for `{name}`");
            let help = near.unwrap_or_else(|| "`lxc-ls` lists the host's containers".into());
            self.problem(name, Some(Key::Clone), message, &help);
        }
    }

    pub(super) fn problem(&mut self, name: &Name, key: Option<Key>, message: String, help: &str) {
        let file = self.project.containers.get(name);
        let place = file.map(|c| key.map_or(&c.place, |k| c.place_of(k)).clone());
        self.problems.push(Problem {
            message,
            container: Some(name.clone()),
            key,
            place,
            help: Some(help.into()),
        });
    }

    /// Compares mark and file; the causes of a restart when one is needed.
    fn settings(&mut self, name: &Name, settings: Settings, mark: &Mark) -> Option<Vec<Cause>> {
        let file = self.project.containers.get(name)?;
        let mut new = self.desired.get(name)?.clone();
        match settings {
            Settings::Keep => return None,
            Settings::Limits => {
                let limits = std::mem::take(&mut new.limits);
                new = mark.spec.clone();
                new.limits = limits;
            }
            Settings::All => {}
        }
        if mark.setup_done && new.setup != mark.spec.setup {
            self.warnings.push(Warning {
                message: format!("`setup` of container `{name}` changed; it has run and runs once"),
                place: Some(file.place_of(Key::Setup).clone()),
            });
        }
        let found = changes(&mark.spec, &new, file, mark.setup_done);
        let reach = found.iter().map(|(reach, _)| *reach).max()?;
        let causes: Vec<Cause> = found.into_iter().map(|(_, cause)| cause).collect();
        if reach == Reach::Recreate {
            self.recreate(name, causes.clone());
            return Some(causes);
        }
        let mounts = new.mounts.iter();
        let fresh = mounts.filter(|m| !mark.seeded || !mark.spec.mounts.contains(m));
        let fresh: Vec<_> = fresh.cloned().collect();
        self.seed(name, fresh, causes.clone());
        self.specs.insert(name.clone(), new.clone());
        let step = Step::Configure(Box::new(new));
        self.draft
            .add_in(Slot::Configure, name, step, causes.clone());
        (reach == Reach::Restart).then_some(causes)
    }

    fn recreate(&mut self, name: &Name, causes: Vec<Cause>) {
        if self.there(name).is_some_and(|c| c.set_aside) {
            self.problem(
                name,
                None,
                format!("container `{name}` must be made anew, and its older self of an interrupted run is still set aside"),
                "undo the change in the file and run `locker up` first, or remove both with `locker rm`",
            );
        }
        let container = name.clone();
        let aside = Step::SetAside {
            container: container.clone(),
        };
        self.draft.add_in(Slot::Aside, name, aside, causes.clone());
        self.make(name, causes.clone());
        self.lose(name, true, causes);
    }

    fn lose(&mut self, name: &Name, aside: bool, causes: Vec<Cause>) {
        let what = if aside {
            "the older root file system"
        } else {
            "the root file system"
        };
        self.losses.push(Loss {
            what: format!("{what} of container {name}"),
            container: Some(name.clone()),
            path: None,
            cause: causes.first().cloned().unwrap_or(Cause::Asked),
        });
        let step = Step::Destroy {
            container: name.clone(),
            aside,
        };
        let id = self.draft.add(step, causes);
        for slot in [Slot::Clear, Slot::Create, Slot::Start, Slot::Stop] {
            if let Some(earlier) = self.draft.find(slot, name) {
                self.draft.after(id, earlier);
            }
        }
    }

    /// A whole new self beside one that was set aside has replaced it: only a recreation sets aside.
    fn finish_recreation(&mut self, name: &Name, intent: Intent) {
        let Some(found) = self.observed.containers.get(name) else {
            return;
        };
        let made_anew = self.draft.find(Slot::Aside, name).is_some();
        if found.set_aside && !made_anew && self.wish.goal == Goal::Up && intent.make {
            self.lose(name, true, vec![Cause::Unfinished]);
        }
    }

    fn destroy(&mut self, name: &Name) {
        let Some(found) = self.observed.containers.get(name) else {
            return;
        };
        let (wreck, aside) = (found.wreck, found.set_aside);
        let defined = self.project.containers.contains_key(name);
        let cause = match defined {
            true => Cause::Asked,
            false => Cause::NotInFile,
        };
        if !wreck {
            self.stop(name, vec![cause.clone()]);
            self.lose(name, false, vec![cause.clone()]);
        }
        if aside {
            self.lose(name, true, vec![cause]);
        }
    }

    fn stop(&mut self, name: &Name, causes: Vec<Cause>) {
        if !runs(self.there(name)) {
            return;
        }
        let step = Step::Stop {
            container: name.clone(),
            timeout: self.wish.timeout,
        };
        self.draft.add_in(Slot::Stop, name, step, causes);
    }

    fn start(&mut self, name: &Name, causes: Vec<Cause>) {
        let step = Step::Start {
            container: name.clone(),
        };
        self.draft.add_in(Slot::Start, name, step, causes);
        self.running.insert(name.clone());
    }

    fn power(&mut self, name: &Name, intent: Intent, restart: Option<Vec<Cause>>) {
        let state = self.there(name).map_or(State::Absent, |c| c.state);
        let up = runs(self.there(name));
        let asked = vec![Cause::Asked];
        let container = name.clone();
        match (intent.power, restart) {
            (Power::On | Power::Cycle, Some(causes)) if up => {
                self.stop(name, causes.clone());
                self.start(name, causes);
            }
            (Power::On, _) if up => {
                if state == State::Frozen {
                    let step = Step::Unfreeze { container };
                    let causes = vec![Cause::Drifted("frozen")];
                    self.draft.add_in(Slot::Thaw, name, step, causes);
                }
                self.running.insert(name.clone());
            }
            (Power::Cycle, None) if up => {
                self.stop(name, asked.clone());
                self.start(name, asked);
            }
            (Power::On | Power::Cycle, _) => {
                let causes = match self.draft.find(Slot::Create, name) {
                    Some(_) => vec![self.place_of_container(name)],
                    None => vec![Cause::NotRunning],
                };
                self.start(name, causes);
            }
            (Power::Off, _) => self.stop(name, asked),
            (Power::Keep | Power::Freeze | Power::Thaw, _) => {
                if up {
                    self.running.insert(name.clone());
                }
                if intent.power == Power::Freeze && state == State::Running {
                    self.draft.add(Step::Freeze { container }, asked);
                } else if intent.power == Power::Thaw && state == State::Frozen {
                    let step = Step::Unfreeze { container };
                    self.draft.add_in(Slot::Thaw, name, step, asked);
                }
            }
        }
    }

    /// Setup waits for the first start, whichever command does it.
    fn setup(&mut self, name: &Name, intent: Intent) {
        let on = matches!(intent.power, Power::On | Power::Cycle);
        let made = self.draft.find(Slot::Create, name).is_some();
        let done = !made && self.mark(name).is_none_or(|mark| mark.setup_done);
        let Some(spec) = self.specs.get(name).filter(|_| on && !done) else {
            return;
        };
        if spec.setup.is_empty() {
            return;
        }
        let step = Step::Setup {
            container: name.clone(),
            commands: spec.setup.clone(),
        };
        let causes = vec![Cause::Drifted("setup has not run")];
        self.draft.add_in(Slot::Setup, name, step, causes);
    }

    fn order(&mut self) {
        let names: Vec<Name> = self.intents.keys().cloned().collect();
        for name in &names {
            self.wait_for_dependencies(name);
        }
    }

    /// A clone is copied when its origin is made and nothing else happens to it: what is written
    /// into a tree while it is copied would be copied in halves.
    pub(super) fn origin_before_clone(&mut self, name: &Name) {
        let Some(create) = self.draft.find(Slot::Create, name) else {
            return;
        };
        let source = self.desired.get(name).map(|spec| spec.source.clone());
        let Some(Source::CloneSibling(origin)) = source else {
            return;
        };
        for slot in [Slot::Create, Slot::Stop] {
            if let Some(earlier) = self.draft.find(slot, &origin) {
                self.draft.after(create, earlier);
            }
        }
        for slot in [
            Slot::Seed,
            Slot::Configure,
            Slot::Thaw,
            Slot::Names,
            Slot::Start,
            Slot::Setup,
        ] {
            if let Some(later) = self.draft.find(slot, &origin) {
                self.draft.after(later, create);
            }
        }
    }

    fn wait_for_dependencies(&mut self, name: &Name) {
        let Some(file) = self.project.containers.get(name) else {
            return;
        };
        for dependency in &file.depends_on {
            let on = &dependency.on;
            let stops = (
                self.draft.find(Slot::Stop, on),
                self.draft.find(Slot::Stop, name),
            );
            if let (Some(theirs), Some(mine)) = stops {
                self.draft.after(theirs, mine);
            }
            let Some(start) = self.draft.find(Slot::Start, name) else {
                continue;
            };
            if dependency.condition == Condition::Healthy {
                self.await_healthy(on, name);
            }
            for slot in [Slot::Start, Slot::Healthy] {
                if let Some(earlier) = self.draft.find(slot, on) {
                    self.draft.after(start, earlier);
                }
            }
        }
    }

    fn await_healthy(&mut self, on: &Name, by: &Name) {
        let check = self.project.containers.get(on);
        let check = check.and_then(|c| c.healthcheck.clone());
        let Some(check) = check.filter(|_| self.draft.find(Slot::Healthy, on).is_none()) else {
            return;
        };
        let step = Step::AwaitHealthy {
            container: on.clone(),
            check,
        };
        let causes = vec![Cause::For(by.clone())];
        self.draft.add_in(Slot::Healthy, on, step, causes);
    }

    /// A dependency that is not made cannot be started.
    pub(super) fn check_starts(&mut self) {
        if self.net.is_none() {
            return; // without a network there is no plan, and that is told already
        }
        let starts: Vec<Name> = self.running.iter().cloned().collect();
        for name in starts {
            let made = self.draft.find(Slot::Create, &name).is_some();
            let back = self.draft.find(Slot::Aside, &name).is_some();
            if self.there(&name).is_none() && !made && !back {
                self.problems.push(not_made(&name));
            }
        }
    }
}
