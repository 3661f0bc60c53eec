//! From intents to steps, container by container.
//!
//! Why a kill at any step loses nothing is told in docs/plan.md, section "Half-done work".

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::{ContainerSpec, Key, Name, Project, VolumeSource};
use crate::observed::{Mark, Observed, ObservedContainer};

use super::addresses::Net;
use super::compose::InTheWay;
use super::graph::{Draft, Slot};
use super::intent::{Intent, Power, not_made, runs};
use super::{Cause, Goal, Loss, Problem, Step, StepId, Warning, Wish, needs};

/// Why a container is restarted that runs, and will not for long.
pub const STOPPING: &str = "its service is being stopped";

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
    /// Whose new self starts beside the old one, with the old one's index.
    pub(super) beside: BTreeMap<Name, Option<u32>>,
    /// Networks that the engine must be told anew.
    pub(super) remade: BTreeSet<Name>,
    /// The containers that others wait for until they have ended.
    pub(super) awaited: BTreeSet<Name>,
    /// The step that swaps port rules.
    pub(super) published: Option<StepId>,
    pub(super) problems: Vec<Problem>,
    /// What docker compose has and the project wants.
    pub(super) in_the_way: Vec<InTheWay>,
    pub(super) warnings: Vec<Warning>,
    /// What is to be said before anything is touched.
    pub(super) notices: Vec<String>,
    pub(super) losses: Vec<Loss>,
}

impl<'a> Builder<'a> {
    /// The container as it is, unless it is only the remains of one.
    pub(super) fn there(&self, name: &Name) -> Option<&'a ObservedContainer> {
        let found = self.observed.containers.get(name);
        found.filter(|c| !c.wreck)
    }

    pub(super) fn mark(&self, name: &Name) -> Option<&'a Mark> {
        self.there(name).and_then(|c| c.mark.as_ref())
    }

    /// Whether this plan has a step of `name` in `slot`.
    pub(super) fn has(&self, slot: Slot, name: &Name) -> bool {
        self.draft.find(slot, name).is_some()
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

    /// The steps of every container.
    pub(super) fn containers(&mut self) {
        let intents = self.intents.clone();
        for name in needs::in_order(self.project, intents.keys()) {
            let intent = intents.get(name).copied().unwrap_or_default();
            self.container(name, intent);
        }
    }

    fn container(&mut self, name: &Name, mut intent: Intent) {
        let mark = self.mark(name);
        if let Some(mark) = mark {
            self.specs.insert(name.clone(), mark.spec.clone());
        }
        if intent.destroy && self.is_job(name) {
            self.specs.remove(name);
            return self.end_job(name);
        }
        let found = self.observed.containers.get(name);
        let wreck = found.filter(|c| c.wreck);
        let back = wreck.is_some_and(|wreck| self.clear(name, intent, wreck.set_aside));
        if intent.destroy {
            self.specs.remove(name);
            self.destroy(name);
            return;
        }
        let mut changed = match self.there(name).zip(mark) {
            Some((whole, mark)) => self.settings(name, intent, whole, mark),
            None if intent.make => {
                self.make(name, vec![self.missing(name)]);
                None
            }
            None if back => {
                let spec = self.desired.get(name).cloned();
                self.specs.extend(spec.map(|spec| (name.clone(), spec)));
                None
            }
            None => return self.refuse_start(name, intent),
        };
        if let Some(cause) = self
            .is_stopping(name)
            .filter(|_| intent.power != Power::Keep)
        {
            changed.get_or_insert(vec![cause]);
        }
        if changed.is_some() && intent.power == Power::Keep && runs(self.there(name)) {
            // What others do to it, nobody asked it about.
            intent.power = Power::On;
        }
        self.refuse_unmounted(name, intent, changed.is_some());
        self.refuse_missing(name, intent, changed.is_some());
        self.power(name, intent, changed);
        self.setup(name, intent);
        self.finish_recreation(name, intent);
    }

    /// Why it will not run for long, though it still does.
    fn is_stopping(&self, name: &Name) -> Option<Cause> {
        let found = self.there(name)?;
        if self.rests_again(name) {
            return None;
        }
        match (found.stopping, self.observed.units.stops(name)) {
            // A killed run has asked it to stop.
            (true, false) => Some(Cause::Unfinished),
            (_, true) => Some(Cause::Drifted(STOPPING)),
            (false, false) => None,
        }
    }

    /// What others depend on cannot be started before it is made.
    fn refuse_start(&mut self, name: &Name, intent: Intent) {
        let starts = matches!(intent.power, Power::On | Power::Cycle);
        // Without a network there is no plan, and that is told already.
        if starts && !intent.chosen && self.net.is_some() {
            self.problems.push(not_made(name));
        }
    }

    /// A container whose data are not there does not start with an empty directory in their place. Whoever of the
    /// project has had them from there knows: another replica, or the container of which this is one more for a
    /// command.
    fn refuse_unmounted(&mut self, name: &Name, intent: Intent, changed: bool) {
        if !self.takes_mounts(name, intent, changed) {
            return;
        }
        let spec = self.specs.get(name).or_else(|| self.desired.get(name));
        let mounts = spec.map(|spec| spec.mounts.clone()).unwrap_or_default();
        for mount in mounts {
            let Some((who, point)) = self.unmounted(name, &mount.host) else {
                continue;
            };
            let (path, point) = (mount.host.display(), point.display());
            let message = format!(
                "`{path}` of container `{who}` was on the file system at `{point}`, which is not mounted"
            );
            let message = match who == name {
                true => message,
                false => format!("{message}; container `{name}` has it as well"),
            };
            let help = format!(
                "mount it: `mount {point}`; to go on without it make the container anew: `locker rm {who}`, then `locker up`"
            );
            self.problem(name, Some(Key::Volumes), message, &help);
        }
    }

    /// Whether what it mounts is mounted by this change.
    fn takes_mounts(&self, name: &Name, intent: Intent, changed: bool) -> bool {
        let found = self.there(name);
        let starts = match intent.power {
            Power::On => changed || !runs(found),
            Power::Cycle => true,
            Power::Keep | Power::Off | Power::Freeze | Power::Thaw => false,
        };
        starts || intent.make && found.is_none()
    }

    /// Who has had `path` from a file system that is not mounted, and where that was; `name` itself first.
    fn unmounted(&self, name: &Name, path: &Path) -> Option<(&Name, &Path)> {
        let all = &self.observed.host.unmounted;
        let own = all.get_key_value(name).into_iter();
        let others = all.iter().filter(|(other, _)| *other != name);
        let mut each = own.chain(others);
        each.find_map(|(who, gone)| {
            let mut gone = gone.iter();
            let point = gone.find(|(had, point)| *had == path || path.starts_with(point));
            point.map(|(_, point)| (who, point.as_path()))
        })
    }

    /// A host path that the file says is never made must be there when a container is made or started.
    fn refuse_missing(&mut self, name: &Name, intent: Intent, changed: bool) {
        if !self.takes_mounts(name, intent, changed) {
            return;
        }
        let volumes = self.project.containers.get(name).map(|file| &file.volumes);
        let gone = &self.observed.host.missing;
        let found = volumes.into_iter().flatten().filter_map(|(volume, place)| {
            let VolumeSource::Host(path) = &volume.source else {
                return None;
            };
            let missing = volume.must_exist && gone.contains(path);
            missing.then(|| Problem {
                message: format!(
                    "`{}` does not exist, and `create_host_path` is `false`",
                    path.display()
                ),
                container: Some(name.clone()),
                key: Some(Key::Volumes),
                place: Some(place.clone()),
                help: Some("make or mount it first".into()),
            })
        });
        let found: Vec<Problem> = found.collect();
        self.problems.extend(found);
    }

    /// Clears a wreck. True when an older self gets its name back.
    fn clear(&mut self, name: &Name, intent: Intent, aside: bool) -> bool {
        let defined = self.project.containers.contains_key(name);
        // What the file no longer has must not stay half made either; what is whole stays.
        let leftover = self.wish.goal == Goal::Up && intent.chosen && !defined;
        let used = intent.power != Power::Keep || leftover;
        let back = aside && used && !intent.make && !intent.destroy;
        if !(intent.make || intent.destroy || leftover || back) {
            return false;
        }
        let container = name.clone();
        let causes = vec![Cause::Unfinished];
        let step = Step::RemoveWreck { container };
        self.draft.add_in(Slot::Clear, name, step, causes.clone());
        if back {
            let container = name.clone();
            let step = Step::BringBack { container };
            self.draft.add_in(Slot::Aside, name, step, causes.clone());
            self.stop_aside(name, causes);
        }
        back
    }

    /// The cause of making what the file defines.
    pub(super) fn missing(&self, name: &Name) -> Cause {
        let file = self.project.containers.get(name);
        Cause::Missing(file.map(|c| c.place.clone()).unwrap_or_default())
    }
}
