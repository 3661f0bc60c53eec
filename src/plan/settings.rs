//! Settings that differ from the file: changed in place, or by a new container.

use std::collections::BTreeSet;

use crate::model::{AppSpec, Container, ContainerSpec, Key, Mount, Name};
use crate::observed::{Mark, ObservedContainer};

use super::build::Builder;
use super::diff::{Reach, changes};
use super::graph::Slot;
use super::intent::{Intent, Settings};
use super::recreate::drifted_limits;
use super::{Cause, Recreate, Step, Warning, name_servers};

impl Builder<'_> {
    /// Compares mark and file; the causes when it must not go on running as it is.
    pub(super) fn settings(
        &mut self,
        name: &Name,
        intent: Intent,
        found: &ObservedContainer,
        mark: &Mark,
    ) -> Option<Vec<Cause>> {
        let file = self.project.containers.get(name)?;
        let settings = intent.settings;
        let mut all = self.outer_causes(name, found, intent);
        let mut new = self.wanted_spec(name, settings, &mark.spec);
        if let Some(new) = &mut new {
            name_servers::keep(file, intent, found, mark, new);
        }
        let differences = match &new {
            Some(new) => changes(&mark.spec, new, file, self.project, mark.setup_done),
            None => Vec::new(),
        };
        let new = new.filter(|_| !differences.is_empty());
        if settings == Settings::All {
            self.warn_of_setup(file, mark);
            self.warn_of_identity(file, mark);
        }
        all.extend(differences);
        let reach = all.iter().map(|(reach, _)| *reach).max()?;
        if reach == Reach::Recreate && !self.may_recreate(name, settings) {
            return None;
        }
        let causes = causes(all);
        if reach == Reach::Recreate {
            self.recreate(name, causes.clone());
            return Some(causes);
        }
        if let Some(new) = &new {
            self.seed_fresh(name, mark, new, &causes);
        }
        let drifted = !found.unplugged.is_empty() || !drifted_limits(file, found).is_empty();
        let as_it_is = || drifted.then(|| mark.spec.clone());
        if let Some(new) = new.or_else(as_it_is) {
            if new.system.granted != mark.spec.system.granted {
                self.check_offer(name, &new);
            }
            self.specs.insert(name.clone(), new.clone());
            let step = Step::Configure(Box::new(new));
            self.draft
                .add_in(Slot::Configure, name, step, causes.clone());
        }
        (reach == Reach::Restart).then_some(causes)
    }

    /// Whether it may be made anew; when not, it stays as it is, and that is said.
    fn may_recreate(&mut self, name: &Name, settings: Settings) -> bool {
        let why = match settings {
            Settings::Limits => "`locker up` makes it anew",
            Settings::All | Settings::Keep if self.wish.recreate == Recreate::Never => {
                "it was asked not to make it anew"
            }
            Settings::All | Settings::Keep => return true,
        };
        self.warnings.push(Warning {
            message: format!("container `{name}` differs from the file and stays as it is: {why}"),
            place: None,
        });
        false
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
                app: with_limits(old.app.as_deref(), desired.app.as_deref()),
                ..old.clone()
            }),
            // What it was made is not changed by what the file says later.
            Settings::All => Some(ContainerSpec {
                identity: old.identity,
                ..desired.clone()
            }),
        }
    }

    /// What is decided when a container is made: a change of it makes none anew.
    fn warn_of_identity(&mut self, file: &Container, mark: &Mark) {
        if file.identity != mark.spec.identity {
            let name = &file.name;
            self.warnings.push(Warning {
                message: format!(
                    "`identity` of container `{name}` changed; it stays the machine that it was made"
                ),
                place: Some(file.place_of(Key::Identity).clone()),
            });
        }
    }

    fn warn_of_setup(&mut self, file: &Container, mark: &Mark) {
        if mark.setup_done && file.setup != mark.spec.setup {
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
}

/// The application's part as it is, but for its limits.
fn with_limits(old: Option<&AppSpec>, new: Option<&AppSpec>) -> Option<Box<AppSpec>> {
    let mut app = old?.clone();
    if let Some(new) = new {
        app.settings.limits = new.settings.limits.clone();
    }
    Some(Box::new(app))
}

fn causes(all: Vec<(Reach, Cause)>) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (_, cause) in all {
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}
