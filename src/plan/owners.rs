//! Whose data are mounted into containers whose ids are not the host's.
//!
//! A system container with an id map and an isolated application container have ids of their own. What is
//! mounted into them belongs to them, is given to them after a question, or is told to be nobody's there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::model::{ContainerSpec, EngineVolume, IdKind, IdRange, Key, Kind, Mount, Name};
use crate::observed::ObservedOwner;

use super::build::Builder;
use super::graph::Slot;
use super::{Cause, Goal, Loss, Warning};

/// The host's id of the container's root, or of the one user of an isolated container.
fn own(spec: &ContainerSpec, kind: IdKind) -> Option<u32> {
    let mut ranges = spec.idmap.iter().filter(|range| range.kind == kind);
    let root = |range: &&IdRange| spec.kind() == Kind::Application || range.container == 0;
    ranges.find(root).map(|range| range.host)
}

/// Whether an id of the host is one of the container's.
fn knows(spec: &ContainerSpec, id: u32) -> bool {
    match spec.kind() {
        Kind::Application => own(spec, IdKind::User) == Some(id),
        Kind::System => maps(&spec.idmap, id),
    }
}

/// Whether an id of the host is one of a map's.
fn maps(map: &[IdRange], id: u32) -> bool {
    let users = map.iter().filter(|range| range.kind == IdKind::User);
    let mut offsets = users.filter_map(|range| Some((id.checked_sub(range.host)?, range.count)));
    offsets.any(|(offset, count)| offset < count)
}

/// Whether a map has an id inside.
fn inside(map: &[IdRange], id: u32) -> bool {
    let users = map.iter().filter(|range| range.kind == IdKind::User);
    let mut offsets = users.filter_map(|r| Some((id.checked_sub(r.container)?, r.count)));
    offsets.any(|(offset, count)| offset < count)
}

/// Something that a container gets with all that it holds.
struct Held {
    /// As messages call it.
    name: String,
    path: PathBuf,
}

impl Builder<'_> {
    /// Checks what is mounted into containers with ids of their own, and into those that had some.
    pub(super) fn check_owners(&mut self) {
        if !matches!(self.wish.goal, Goal::Up | Goal::Create) {
            return;
        }
        self.shared_ids();
        let desired = self.desired.clone();
        for (name, spec) in &desired {
            if spec.idmap.is_empty() && self.former(name).is_empty() {
                continue;
            }
            self.no_way(name, spec);
            for held in self.held(name, spec) {
                self.given(name, spec, &held);
            }
            let hosts = spec.mounts.iter().filter(|mount| !mount.named);
            for mount in hosts.filter(|_| !spec.idmap.is_empty()) {
                let owner = self.observed.host.owners.get(&mount.host).copied();
                if let Some(owner) = owner.filter(|owner| !knows(spec, owner.user)) {
                    let host = mount.host.display().to_string();
                    self.nobodys(name, spec, (&host, &mount.host, mount.read_only), owner);
                }
            }
            self.external(name, spec);
        }
    }

    /// The id map that a system container has now.
    fn former(&self, name: &Name) -> &[IdRange] {
        let mark = self
            .mark(name)
            .filter(|mark| mark.spec.kind() == Kind::System);
        mark.map(|mark| &mark.spec.idmap[..]).unwrap_or_default()
    }

    /// The volumes that become a container's own: named ones, and those that the engine keeps for it.
    fn held(&self, name: &Name, spec: &ContainerSpec) -> Vec<Held> {
        let named = spec.mounts.iter().filter(|mount| mount.named);
        let named = named.map(|mount| Held {
            name: format!("the named volume {}", self.volume_name(&mount.host)),
            path: mount.host.clone(),
        });
        let (engine, adopted) = (&self.observed.engine, &self.observed.adopted);
        let unnamed: BTreeSet<&String> = adopted
            .unnamed
            .values()
            .flat_map(BTreeMap::values)
            .collect();
        let volumes = spec.app.iter().flat_map(|app| &app.settings.engine_volumes);
        let kept = volumes.filter_map(|mount| {
            let found = match &mount.volume {
                EngineVolume::External(volume) => {
                    let known = adopted.volumes.contains(volume) || unnamed.contains(volume);
                    let found = engine.foreign_volumes.get(volume).filter(|_| known)?;
                    (volume.clone(), found)
                }
                EngineVolume::Driver { name, .. } => (name.clone(), engine.volumes.get(name)?),
                EngineVolume::Anonymous => return None,
            };
            let (volume, found) = found;
            // What a driver mounts only while a container runs cannot be reached.
            let local = found.driver == "local" && found.options.is_empty();
            Some(Held {
                name: format!("the volume {volume}"),
                path: found.path.clone().filter(|_| local)?,
            })
        });
        let older = self.observed.containers.get(name);
        let older =
            older.filter(|_| spec.kind() == Kind::Application && !self.wish.renew_anonymous);
        let unnamed = older.into_iter().flat_map(|older| &older.unnamed);
        let unnamed = unnamed.filter_map(|volume| {
            Some(Held {
                name: format!("the volume without a name at {}", volume.target.display()),
                path: volume.path_in(engine)?.clone(),
            })
        });
        let mut all: Vec<Held> = named.chain(kept).collect();
        for held in unnamed.collect::<Vec<_>>() {
            if all.iter().all(|other| other.path != held.path) {
                all.push(held);
            }
        }
        all
    }

    /// What the file calls a volume.
    fn volume_name(&self, host: &Path) -> String {
        let engine = &self.observed.engine.foreign_volumes;
        let taken_over = engine
            .iter()
            .find(|(_, found)| found.path.as_deref() == Some(host));
        match taken_over {
            Some((name, _)) => name.clone(),
            None => host
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        }
    }

    /// Whether the kernel maps the ids of a mount of `host`.
    fn translates(&self, host: &Path) -> bool {
        let facts = &self.observed.host;
        match host.starts_with(&facts.volumes_dir) {
            true => facts.maps_ids,
            false => facts.owners.get(host).is_some_and(|owner| owner.maps_ids),
        }
    }

    /// In whose ids a container needs a volume to be; none are the ids of the host and of the data.
    fn ids_of(&self, spec: &ContainerSpec, mount: &Mount) -> Option<u32> {
        if spec.idmap.is_empty() {
            return None;
        }
        let owner = self.observed.host.owners.get(&mount.host);
        let translated = spec.kind() == Kind::System
            && self.translates(&mount.host)
            && !owner.is_some_and(|owner| knows(spec, owner.user));
        own(spec, IdKind::User).filter(|_| !translated)
    }

    fn shared_ids(&mut self) {
        let mut first: BTreeMap<_, (Name, Option<u32>)> = BTreeMap::new();
        let mut found = Vec::new();
        for (name, spec) in &self.desired {
            for mount in spec.mounts.iter().filter(|mount| mount.named) {
                let ids = self.ids_of(spec, mount);
                let (other, others) = first.entry(&mount.host).or_insert((name.clone(), ids));
                if *others != ids {
                    found.push((
                        name.clone(),
                        other.clone(),
                        mount.host.clone(),
                        *others,
                        ids,
                    ));
                }
            }
        }
        for (name, other, host, others, ids) in found {
            let volume = self.volume_name(&host);
            let word = |ids: Option<u32>| match ids {
                Some(id) => format!("ids from {id}"),
                None => "the host's ids".to_string(),
            };
            let message = format!(
                "containers `{other}` and `{name}` share the volume `{volume}` and have different ids: {} and {}; what one writes belongs to nobody in the other",
                word(others),
                word(ids)
            );
            let help = "give both the same `idmap`, or neither; `isolate` gives each container ids of its own";
            self.problem(&name, Some(Key::Volumes), message, help);
        }
    }

    /// A volume with data of other ids is led over once that is agreed to.
    fn given(&mut self, name: &Name, spec: &ContainerSpec, held: &Held) {
        let owner = self.observed.host.owners.get(&held.path).copied();
        let there = owner.filter(|owner| !owner.empty && !knows(spec, owner.user));
        let Some(owner) = there.filter(|_| self.has(Slot::Seed, name)) else {
            return;
        };
        let has = |map: &[IdRange]| maps(map, owner.user);
        let led = !self.former(name).is_empty() && has(self.former(name));
        let system = spec.kind() == Kind::System;
        if spec.idmap.is_empty() && !led {
            return; // the ids of the host
        }
        if system && !led && !inside(&spec.idmap, owner.user) {
            return self.strange(name, held, owner);
        }
        if system && !led && self.translates(&held.path) {
            return;
        }
        let what = format!(
            "the owners of all that {} holds: container {name} gets it",
            held.name
        );
        if self.losses.iter().all(|loss| loss.what != what) {
            self.losses.push(Loss {
                what,
                container: None,
                path: None,
                cause: Cause::Asked,
            });
        }
    }

    /// Data that no map leads to the container.
    fn strange(&mut self, name: &Name, held: &Held, owner: ObservedOwner) {
        let (path, user) = (held.path.display(), owner.user);
        let message = format!(
            "{} belongs to user {user}, whom the id map of container `{name}` does not have",
            held.name
        );
        let help = format!(
            "write the older ids in `idmap`, or give it to the container: `chown -R 0:0 {path}`"
        );
        self.problem(name, Some(Key::Volumes), message, &help);
    }

    /// Volumes of others are not given to a container with ids of its own.
    fn external(&mut self, name: &Name, spec: &ContainerSpec) {
        let adopted = &self.observed.adopted;
        let unnamed = adopted.unnamed.values().flat_map(BTreeMap::values);
        let taken_over: BTreeSet<&String> = adopted.volumes.iter().chain(unnamed).collect();
        let apps = spec.app.iter().filter(|_| !spec.idmap.is_empty());
        let mut found = Vec::new();
        for mount in apps.flat_map(|app| &app.settings.engine_volumes) {
            let EngineVolume::External(volume) = &mount.volume else {
                continue;
            };
            if taken_over.contains(volume) {
                continue;
            }
            let known = self.observed.engine.foreign_volumes.get(volume);
            let path = known.and_then(|known| known.path.clone());
            let owners = &self.observed.host.owners;
            let owner = path.as_ref().and_then(|path| owners.get(path)).copied();
            let owner = owner.filter(|owner| !knows(spec, owner.user));
            found.extend(
                owner
                    .zip(path)
                    .map(|o| (volume.clone(), mount.read_only, o)),
            );
        }
        for (volume, read_only, (owner, path)) in found {
            let what = volume.as_str();
            self.nobodys(name, spec, (what, &path, read_only), owner);
        }
    }

    fn nobodys(
        &mut self,
        name: &Name,
        spec: &ContainerSpec,
        (what, path, read_only): (&str, &Path, bool),
        owner: ObservedOwner,
    ) {
        const OTHERS_WRITE: u32 = 0o002;
        let open = read_only || owner.mode & OTHERS_WRITE != 0;
        if open || !self.has(Slot::Create, name) {
            return;
        }
        let (Some(user), Some(group)) = (own(spec, IdKind::User), own(spec, IdKind::Group)) else {
            return;
        };
        let (path, id) = (path.display(), owner.user);
        let file = self.project.containers.get(name);
        self.warnings.push(Warning {
            message: format!(
                "`{what}` belongs to user {id}, who is nobody in container `{name}`, which cannot write to it: `chown -R {user}:{group} {path}` gives it to the container"
            ),
            place: file.map(|file| file.place_of(Key::Volumes).clone()),
        });
    }

    /// liblxc enters the container's root file system as the container's root.
    fn no_way(&mut self, name: &Name, spec: &ContainerSpec) {
        let closed = self.observed.host.closed.clone();
        let Some(closed) = closed.filter(|_| !spec.idmap.is_empty()) else {
            return;
        };
        if spec.kind() == Kind::System && self.has(Slot::Create, name) {
            let (closed, at) = (closed.display(), self.wish.lxcpath.display());
            let message = format!(
                "the root of container `{name}`, which has an id map, cannot pass through `{closed}` to its root file system in `{at}`"
            );
            let help =
                format!("`chmod o+x {closed}`, or keep the containers elsewhere with `--lxcpath`");
            self.problem(name, Some(Key::Idmap), message, &help);
        }
    }
}
