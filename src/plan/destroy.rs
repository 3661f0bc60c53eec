//! What is destroyed: containers, older selves, volumes. All of it is listed as a loss.

use crate::model::Name;

use super::build::Builder;
use super::graph::Slot;
use super::intent::Intent;
use super::{Cause, Goal, Loss, Problem, Step};

impl Builder<'_> {
    /// Destroys a container, or its older self, after all else; a loss.
    pub(super) fn lose(&mut self, name: &Name, aside: bool, causes: Vec<Cause>) {
        let what = match aside {
            true => "the older root file system",
            false => "the root file system",
        };
        // The size of an older self beside a new one is not the container's.
        let beside = aside && !self.has(Slot::Aside, name);
        self.losses.push(Loss {
            what: format!("{what} of container {name}"),
            container: (!beside).then(|| name.clone()),
            path: None,
            cause: causes.first().cloned().unwrap_or(Cause::Asked),
        });
        let step = Step::Destroy {
            container: name.clone(),
            aside,
        };
        let slot = match aside {
            true => Slot::DestroyAside,
            false => Slot::Destroy,
        };
        self.draft.add_in(slot, name, step, causes);
    }

    /// A whole new self beside one that was set aside has replaced it: only a recreation sets aside.
    pub(super) fn finish_recreation(&mut self, name: &Name, intent: Intent) {
        let Some(found) = self.observed.containers.get(name) else {
            return;
        };
        let made_anew = self.has(Slot::Aside, name);
        if found.set_aside && !made_anew && self.wish.goal == Goal::Up && intent.make {
            self.lose(name, true, vec![Cause::Unfinished]);
        }
    }

    /// Stops and destroys all of a container that is there.
    pub(super) fn destroy(&mut self, name: &Name) {
        let Some(found) = self.observed.containers.get(name) else {
            return;
        };
        let cause = match self.project.containers.contains_key(name) {
            true => Cause::Asked,
            false => Cause::NotInFile,
        };
        if !found.wreck {
            self.stop(name, vec![cause.clone()]);
            self.lose(name, false, vec![cause.clone()]);
        }
        if found.set_aside {
            self.lose(name, true, vec![cause]);
        }
    }

    /// The named volumes of the project, whether a container of today has them or not.
    pub(super) fn volumes(&mut self) {
        let Goal::Down {
            keep,
            volumes: true,
        } = self.wish.goal
        else {
            return;
        };
        if keep {
            self.problems.push(Problem {
                message: "containers that are kept need their volumes".into(),
                container: None,
                key: None,
                place: None,
                help: Some("leave out `--keep` or `--volumes`".into()),
            });
        }
        let host = &self.observed.host;
        for volume in &host.volumes {
            let path = host.volumes_dir.join(volume.as_str());
            self.losses.push(Loss {
                what: format!("the named volume {volume}"),
                container: None,
                path: Some(path.clone()),
                cause: Cause::Asked,
            });
            let step = Step::RemoveVolume {
                path: Some(path),
                engine: None,
            };
            let id = self.draft.add(step, vec![Cause::Asked]);
            for earlier in 0..id {
                self.draft.after(id, earlier);
            }
        }
    }
}
