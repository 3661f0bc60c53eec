//! The steps that fetch and build images: those that are missing, or those that are asked for.

use std::collections::BTreeMap;

use crate::model::{Build, Key, Name, PullPolicy, Source};

use super::build::Builder;
use super::graph::Slot;
use super::{Cause, Goal, Step, StepId};

impl Builder<'_> {
    /// Images that containers to be made need and the host does not have; each once.
    pub(super) fn images(&mut self) {
        match self.wish.goal {
            Goal::Pull => return self.pull_chosen(),
            Goal::Build => return self.build_chosen(),
            Goal::Up
            | Goal::Create
            | Goal::Start { .. }
            | Goal::Stop
            | Goal::Restart
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
            | Goal::Enable(_)
            | Goal::Cleanup => {}
        }
        let mut made: BTreeMap<String, StepId> = BTreeMap::new();
        let names: Vec<Name> = self.specs.keys().cloned().collect();
        for name in names {
            let Some(create) = self.draft.find(Slot::Create, &name) else {
                continue;
            };
            let image = self.specs.get(&name).and_then(|spec| spec.source.image());
            let Some(image) = image.map(str::to_owned) else {
                continue;
            };
            if self.observed.engine.images.contains_key(&image) {
                continue;
            }
            let known = made.get(&image).copied();
            let Some(id) = known.or_else(|| self.bring(&name, &image)) else {
                continue;
            };
            made.insert(image, id);
            // Nothing is stopped while an image is on its way.
            let others = [Slot::Stop, Slot::Aside, Slot::Clear];
            let others = others
                .iter()
                .filter_map(|slot| self.draft.find(*slot, &name));
            for later in others.chain([create]).collect::<Vec<_>>() {
                self.draft.after(later, id);
            }
        }
    }

    /// How the file builds an image of this name.
    fn build_of(&self, image: &str) -> Option<&Build> {
        let all = self.project.containers.values();
        let mut builds = all.filter_map(|c| match &c.source {
            Source::Build(build) => Some(&**build),
            Source::Image(_)
            | Source::Template { .. }
            | Source::CloneSibling(_)
            | Source::CloneHost(_)
            | Source::Download { .. }
            | Source::Rootfs(_) => None,
        });
        builds.find(|build| build.image == image)
    }

    fn bring(&mut self, name: &Name, image: &str) -> Option<StepId> {
        let causes = vec![Cause::For(name.clone())];
        if let Some(build) = self.build_of(image) {
            let step = Step::Build(Box::new(build.clone()));
            return Some(self.draft.add(step, causes));
        }
        let app = self.project.containers.get(name)?.app.as_ref();
        if app.is_some_and(|app| app.pull == PullPolicy::Never) {
            let message = format!(
                "the image `{image}` of container `{name}` is not on the host, and `pull_policy` is `never`"
            );
            let help = format!("fetch it with `locker pull {name}`, or take `pull_policy` out");
            self.problem(name, Some(Key::PullPolicy), message, &help);
            return None;
        }
        let step = self.pull_of(name, image);
        Some(self.draft.add(step, causes))
    }

    fn pull_of(&self, name: &Name, image: &str) -> Step {
        let file = self.project.containers.get(name);
        let app = file.and_then(|c| c.app.as_ref());
        Step::Pull {
            image: image.to_owned(),
            platform: app.and_then(|app| app.platform.clone()),
        }
    }

    /// What is fetched is not built: such an image may be in no registry at all.
    fn pull_chosen(&mut self) {
        let mut seen: BTreeMap<String, Name> = BTreeMap::new();
        for (name, container) in &self.project.containers {
            if let Source::Image(image) = &container.source
                && self.selected(name)
                && self.build_of(image).is_none()
            {
                seen.entry(image.clone()).or_insert_with(|| name.clone());
            }
        }
        for (image, name) in seen {
            let step = self.pull_of(&name, &image);
            self.draft.add(step, vec![Cause::Asked]);
        }
    }

    fn build_chosen(&mut self) {
        let mut seen: BTreeMap<String, Build> = BTreeMap::new();
        for (name, container) in &self.project.containers {
            if let Source::Build(build) = &container.source
                && self.selected(name)
            {
                let first = || (**build).clone();
                seen.entry(build.image.clone()).or_insert_with(first);
            }
        }
        for build in seen.into_values() {
            let step = Step::Build(Box::new(build));
            self.draft.add(step, vec![Cause::Asked]);
        }
    }
}
