//! Settings that differ from the file: changed in place, or by a new container.

use std::collections::BTreeSet;

use crate::model::{Container, ContainerSpec, Key, Mount, Name};
use crate::observed::Mark;

use super::build::Builder;
use super::diff::{Reach, changes};
use super::graph::Slot;
use super::intent::Settings;
use super::{Cause, Step, Warning};

impl Builder<'_> {
    /// Compares mark and file; the causes when it must not go on running as it is.
    pub(super) fn settings(
        &mut self,
        name: &Name,
        settings: Settings,
        mark: &Mark,
    ) -> Option<Vec<Cause>> {
        let file = self.project.containers.get(name)?;
        let new = self.wanted_spec(name, settings, &mark.spec)?;
        self.warn_of_setup(file, &new, mark);
        let found = changes(
            &mark.spec,
            &new,
            file,
            &self.project.network,
            mark.setup_done,
        );
        let reach = found.iter().map(|(reach, _)| *reach).max()?;
        let causes: Vec<Cause> = found.into_iter().map(|(_, cause)| cause).collect();
        if reach == Reach::Recreate {
            self.recreate(name, causes.clone());
            return Some(causes);
        }
        self.seed_fresh(name, mark, &new, &causes);
        self.specs.insert(name.clone(), new.clone());
        let step = Step::Configure(Box::new(new));
        self.draft
            .add_in(Slot::Configure, name, step, causes.clone());
        (reach == Reach::Restart).then_some(causes)
    }

    /// The spec that the mark is compared with; none when nothing is compared.
    fn wanted_spec(
        &self,
        name: &Name,
        settings: Settings,
        old: &ContainerSpec,
    ) -> Option<ContainerSpec> {
        let desired = self.desired.get(name)?;
        match settings {
            Settings::Keep => None,
            Settings::Limits => Some(ContainerSpec {
                limits: desired.limits.clone(),
                ..old.clone()
            }),
            Settings::All => Some(desired.clone()),
        }
    }

    fn warn_of_setup(&mut self, file: &Container, new: &ContainerSpec, mark: &Mark) {
        if mark.setup_done && new.setup != mark.spec.setup {
            self.warnings.push(Warning {
                message: format!(
                    "`setup` of container `{}` changed; it has run and runs once",
                    file.name
                ),
                place: Some(file.place_of(Key::Setup).clone()),
            });
        }
    }

    /// Mounts that are new, and host directories that were deleted by hand.
    fn seed_fresh(&mut self, name: &Name, mark: &Mark, new: &ContainerSpec, causes: &[Cause]) {
        let filled = mark.spec.mounts.iter().filter(|_| mark.seeded);
        let known: BTreeSet<&Mount> = filled.collect();
        let gone = &self.observed.host.missing;
        let fresh = |mount: &&Mount| !known.contains(mount) || gone.contains(&mount.host);
        let mounts: Vec<Mount> = new.mounts.iter().filter(fresh).cloned().collect();
        self.seed(name, mounts, causes.to_vec());
    }

    /// Sets the container aside, makes a new one, and destroys the older self last of all.
    fn recreate(&mut self, name: &Name, causes: Vec<Cause>) {
        if self.there(name).is_some_and(|c| c.set_aside) {
            let message = format!(
                "container `{name}` must be made anew, and its older self of an interrupted run is still set aside"
            );
            let help = "undo the change in the file and run `locker up` first, or remove both with `locker rm`";
            self.problem(name, None, message, help);
        }
        let container = name.clone();
        let aside = Step::SetAside { container };
        self.draft.add_in(Slot::Aside, name, aside, causes.clone());
        self.make(name, causes.clone());
        self.lose(name, true, causes);
    }
}
