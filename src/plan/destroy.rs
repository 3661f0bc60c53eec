//! What is destroyed: containers, older selves, volumes. All of it is listed as a loss.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::model::{Kind, Name, host_name_of};

use super::build::Builder;
use super::graph::Slot;
use super::intent::Intent;
use super::network_up::words;
use super::{Cause, Goal, Loss, Problem, Step};

impl Builder<'_> {
    /// Destroys a container, or its older self, after all else. A root file system is a loss; what is
    /// made from an image is made again from it.
    pub(super) fn lose(&mut self, name: &Name, aside: bool, kind: Kind, causes: Vec<Cause>) {
        if kind == Kind::System {
            self.tell_loss(name, aside, &causes);
        }
        let step = Step::Destroy {
            container: name.clone(),
            kind,
            aside,
        };
        let slot = match aside {
            true => Slot::DestroyAside,
            false => Slot::Destroy,
        };
        self.draft.add_in(slot, name, step, causes);
    }

    fn tell_loss(&mut self, name: &Name, aside: bool, causes: &[Cause]) {
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
    }

    /// A whole new self beside one that was set aside has replaced it: only a recreation sets aside.
    pub(super) fn finish_recreation(&mut self, name: &Name, intent: Intent) {
        let Some(found) = self.observed.containers.get(name) else {
            return;
        };
        let made_anew = self.has(Slot::Aside, name);
        if found.set_aside && !made_anew && self.wish.goal == Goal::Up && intent.make {
            self.lose(name, true, found.kind, vec![Cause::Unfinished]);
            self.stop_aside(name, vec![Cause::Unfinished]);
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
        self.tell_unnamed(name);
        if !found.wreck {
            self.stop(name, vec![cause.clone()]);
            self.lose(name, false, found.kind, vec![cause.clone()]);
        }
        if found.set_aside {
            self.stop_aside(name, vec![cause.clone()]);
            self.lose(name, true, found.kind, vec![cause]);
        }
    }

    /// Whether it is a command in a container of its own.
    pub(super) fn is_job(&self, name: &Name) -> bool {
        !self.project.containers.contains_key(name) && self.observed.jobs.contains_key(name)
    }

    /// Ends such a command, whether it runs or is over.
    pub(super) fn end_job(&mut self, name: &Name) {
        self.tell_unnamed(name);
        let cause = match self.wish.goal == Goal::Up {
            true => Cause::Unfinished,
            false => Cause::Asked,
        };
        let step = Step::EndJob {
            job: name.clone(),
            timeout: self.grace(name),
        };
        self.draft.add_in(Slot::Stop, name, step, vec![cause]);
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
        let mut left: BTreeSet<String> = self.observed.engine.volumes.keys().cloned().collect();
        for volume in &host.volumes {
            let path = host.volumes_dir.join(volume.as_str());
            let full = host_name_of(&self.project.name, volume);
            if self.is_held(&full) {
                left.remove(&full);
                continue;
            }
            self.losses.push(Loss {
                what: format!("the named volume {volume}"),
                container: None,
                path: Some(path.clone()),
                cause: Cause::Asked,
            });
            // The engine knows it when an application container has mounted it.
            let known = host_name_of(&self.project.name, volume);
            let engine = left.take(&known);
            self.remove_volume(Some(path), engine, false);
        }
        for name in left {
            if self.is_held(&name) {
                continue;
            }
            self.losses.push(Loss {
                what: format!("the volume {name}"),
                container: None,
                path: None,
                cause: Cause::Asked,
            });
            self.remove_volume(None, Some(name), false);
        }
        self.adopted_volumes();
    }

    /// Whether containers of others have the volume, which the engine keeps then; says so.
    pub(super) fn is_held(&mut self, volume: &str) -> bool {
        let Some(guests) = self.observed.engine.volume_guests.get(volume) else {
            return false;
        };
        let guests = words(guests);
        self.notices.push(format!(
            "volume `{volume}` stays: {guests}, not of this project, has it"
        ));
        true
    }

    pub(super) fn remove_volume(
        &mut self,
        path: Option<PathBuf>,
        engine: Option<String>,
        adopted: bool,
    ) {
        let step = Step::RemoveVolume {
            path,
            engine,
            adopted,
        };
        let id = self.draft.add(step, vec![Cause::Asked]);
        for earlier in 0..id {
            // One that stays, since something is mounted in it, keeps no other.
            if !self.draft.is_volume(earlier) {
                self.draft.after(id, earlier);
            }
        }
    }
}
