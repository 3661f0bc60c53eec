//! Making a container, and filling its volumes.

use crate::model::{ContainerSpec, EngineVolume, FileContent, Key, Kind, Mount, Name, Source};

use super::build::Builder;
use super::graph::Slot;
use super::{Cause, Step};

/// The longest name of a container: templates make it the host name (`HOST_NAME_MAX`, sethostname(2)).
const LONGEST: usize = 64;

/// Whether the engine keeps volumes for it that its one user must get.
fn has_kept(spec: &ContainerSpec) -> bool {
    let mut apps = spec.app.iter().filter(|_| !spec.idmap.is_empty());
    apps.any(|app| !app.settings.engine_volumes.is_empty())
}

impl Builder<'_> {
    /// A new container as the file has it, with its volumes.
    pub(super) fn make(&mut self, name: &Name, causes: Vec<Cause>) {
        let Some(spec) = self.desired.get(name).cloned() else {
            return;
        };
        self.check_name(name, &spec);
        self.check_origin(name, &spec.source);
        self.check_external(name, &spec);
        self.check_files(name, &spec);
        self.check_offer(name, &spec);
        let (mounts, kept) = (spec.mounts.clone(), has_kept(&spec));
        self.specs.insert(name.clone(), spec.clone());
        let create = Step::Create(Box::new(spec));
        self.draft
            .add_in(Slot::Create, name, create, causes.clone());
        if kept || !mounts.is_empty() {
            self.draft_seed(name, mounts, causes);
        }
    }

    /// The name that it gets on the host must be free and fit.
    fn check_name(&mut self, name: &Name, spec: &ContainerSpec) {
        let host_name = spec.host_name();
        if self.is_foreign(spec.kind(), &host_name) {
            self.problem(
                name,
                None,
                format!("a container `{host_name}` is on the host and is not of this project"),
                "rename the container or the project",
            );
        }
        let renamed = self.observed.engine.renamed.get(name);
        if let Some(called) = renamed.filter(|_| self.there(name).is_none()).cloned() {
            self.problem(
                name,
                None,
                format!("container `{name}` of this project is called `{called}` on the host: somebody renamed it"),
                &format!(
                    "give it its name back: `docker rename {called} {host_name}`; or remove it with all that was written inside: `docker rm -f {called}`"
                ),
            );
        }
        if spec.kind() == Kind::System && host_name.len() > LONGEST {
            let message = format!(
                "the name `{host_name}` that container `{name}` gets on the host has {} characters, and LXC takes {LONGEST}",
                host_name.len()
            );
            self.problem(
                name,
                None,
                message,
                "shorten the container's or the project's name",
            );
        }
    }

    /// Makes the host's side of `mounts`, filled with what the container has there.
    pub(super) fn seed(&mut self, name: &Name, mounts: Vec<Mount>, causes: Vec<Cause>) {
        if !mounts.is_empty() {
            self.draft_seed(name, mounts, causes);
        }
    }

    fn draft_seed(&mut self, name: &Name, mounts: Vec<Mount>, causes: Vec<Cause>) {
        let step = Step::Seed {
            container: name.clone(),
            mounts,
            copy: !self.wish.no_copy,
        };
        self.draft.add_in(Slot::Seed, name, step, causes);
    }

    /// A container cannot start without the host's side of its mounts: what was deleted by hand is
    /// made again as at creation, and what a killed run never filled is filled.
    pub(super) fn seed_missing(&mut self, name: &Name) {
        if self.has(Slot::Create, name) || self.has(Slot::Seed, name) {
            return;
        }
        let unfilled = self.mark(name).is_some_and(|mark| !mark.seeded);
        let gone = &self.observed.host.missing;
        let mounts = self.specs.get(name).map(|spec| spec.mounts.iter());
        let mounts = mounts.into_iter().flatten();
        let mounts = mounts.filter(|m| unfilled || gone.contains(&m.host));
        let mounts: Vec<Mount> = mounts.cloned().collect();
        let cause = match unfilled {
            true => Cause::Unfinished,
            false => Cause::Drifted("gone from the host"),
        };
        match unfilled && self.specs.get(name).is_some_and(has_kept) {
            true => self.draft_seed(name, mounts, vec![cause]),
            false => self.seed(name, mounts, vec![cause]),
        }
    }

    /// Whether somebody else's container of this kind is called so on the host.
    fn is_foreign(&self, kind: Kind, host_name: &str) -> bool {
        let known = self.observed.foreign.get(&kind);
        known.is_some_and(|names| names.contains(host_name))
    }

    fn check_origin(&mut self, name: &Name, source: &Source) {
        let (word, near) = match source {
            Source::CloneSibling(origin) => {
                let planned = self.intents.get(origin).is_some_and(|i| i.make);
                if planned || self.there(origin).is_some() {
                    return;
                }
                (origin.as_str(), None)
            }
            Source::CloneHost(full) => {
                if self.is_foreign(Kind::System, full) {
                    return;
                }
                let known = self.observed.foreign.get(&Kind::System);
                let near = known
                    .into_iter()
                    .flatten()
                    .map(|k| (strsim::damerau_levenshtein(k, full), k));
                let near = near.min().filter(|(far, _)| *far <= 2);
                (full.as_str(), near.map(|(_, known)| known))
            }
            Source::Template { .. }
            | Source::Download { .. }
            | Source::Rootfs(_)
            | Source::Image(_)
            | Source::Build(_) => return,
        };
        let message = format!("there is no container `{word}` to clone for `{name}`");
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`lxc-ls` lists the host's containers".into(),
        };
        self.problem(name, Some(Key::Clone), message, &help);
    }

    /// A secret or config that a variable holds is needed now, and was not before.
    fn check_files(&mut self, name: &Name, spec: &ContainerSpec) {
        let files = spec.app.iter().flat_map(|app| &app.settings.files);
        let unset = files.filter_map(|file| match &file.origin.content {
            FileContent::Variable(variable) if file.is_unset() => Some((file, variable)),
            FileContent::Variable(_) | FileContent::File(_) | FileContent::Inline => None,
        });
        for (file, variable) in unset.collect::<Vec<_>>() {
            let (key, word) = match file.origin.secret {
                true => (Key::Secrets, "secret"),
                false => (Key::Configs, "config"),
            };
            let message = format!(
                "the variable `{variable}`, which holds the {word} `{}` of container `{name}`, is not set",
                file.origin.name
            );
            self.problem(
                name,
                Some(key),
                message,
                "set it in the environment or in `.env`",
            );
        }
    }

    /// What is not of the project must be there: locker does not make it.
    fn check_external(&mut self, name: &Name, spec: &ContainerSpec) {
        let Some(app) = &spec.app else { return };
        let engine = &self.observed.engine;
        let external = app.attached.iter().filter(|at| at.nic.is_none());
        let networks: Vec<String> = external
            .map(|at| at.network.clone())
            .filter(|n| !engine.foreign_networks.contains(n))
            .collect();
        let volumes = app.settings.engine_volumes.iter();
        let volumes: Vec<String> = volumes
            .filter_map(|mount| match &mount.volume {
                EngineVolume::External(volume) => Some(volume.clone()),
                EngineVolume::Anonymous | EngineVolume::Driver { .. } => None,
            })
            .filter(|v| !engine.foreign_volumes.contains_key(v) && !engine.volumes.contains_key(v))
            .collect();
        for network in networks {
            let message =
                format!("the external network `{network}` of container `{name}` is not there");
            let help = format!("create it with `docker network create {network}`");
            self.problem(name, Some(Key::Networks), message, &help);
        }
        for volume in volumes {
            let message =
                format!("the external volume `{volume}` of container `{name}` is not there");
            let help = format!("create it with `docker volume create {volume}`");
            self.problem(name, Some(Key::Volumes), message, &help);
        }
    }
}
