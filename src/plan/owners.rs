//! Whose data are mounted into containers whose ids are not the host's.
//!
//! A system container with an id map and an isolated application container have ids of their own. What is
//! mounted into them belongs to them, is given to them after a question, or is told to be nobody's there.

use std::collections::BTreeMap;

use crate::model::{ContainerSpec, IdKind, IdRange, Key, Kind, Mount, Name};
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
        Kind::System => spec.idmap.iter().any(|range| {
            let offset = id.checked_sub(range.host);
            range.kind == IdKind::User && offset.is_some_and(|offset| offset < range.count)
        }),
    }
}

impl Builder<'_> {
    /// Checks what is mounted into containers with ids of their own.
    pub(super) fn check_owners(&mut self) {
        if !matches!(self.wish.goal, Goal::Up | Goal::Create) {
            return;
        }
        self.shared_ids();
        let desired = self.desired.clone();
        for (name, spec) in desired.iter().filter(|(_, spec)| !spec.idmap.is_empty()) {
            self.no_way(name, spec);
            for mount in &spec.mounts {
                let owner = self.observed.host.owners.get(&mount.host).copied();
                let Some(owner) = owner.filter(|owner| !knows(spec, owner.user)) else {
                    continue;
                };
                match mount.named {
                    true => self.given(name, spec, mount, owner),
                    false => self.nobodys(name, spec, mount, owner),
                }
            }
        }
    }

    /// In whose ids a container needs a volume to be; none are the ids of the host and of the data.
    fn ids_of(&self, spec: &ContainerSpec, mount: &Mount) -> Option<u32> {
        if spec.idmap.is_empty() {
            return None;
        }
        let owner = self.observed.host.owners.get(&mount.host);
        let translated = spec.kind() == Kind::System
            && self.observed.host.maps_ids
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
            let volume = host.file_name().unwrap_or_default().to_string_lossy();
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
    fn given(&mut self, name: &Name, spec: &ContainerSpec, mount: &Mount, owner: ObservedOwner) {
        let translated = spec.kind() == Kind::System && self.observed.host.maps_ids;
        if translated || owner.empty || !self.has(Slot::Seed, name) {
            return;
        }
        let volume = mount.host.file_name().unwrap_or_default().to_string_lossy();
        let what = format!(
            "the owners of all that the named volume {volume} holds: container {name} gets it"
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

    fn nobodys(&mut self, name: &Name, spec: &ContainerSpec, mount: &Mount, owner: ObservedOwner) {
        const OTHERS_WRITE: u32 = 0o002;
        let open = mount.read_only || owner.mode & OTHERS_WRITE != 0;
        if open || !self.has(Slot::Create, name) {
            return;
        }
        let (Some(user), Some(group)) = (own(spec, IdKind::User), own(spec, IdKind::Group)) else {
            return;
        };
        let (host, id) = (mount.host.display(), owner.user);
        let file = self.project.containers.get(name);
        self.warnings.push(Warning {
            message: format!(
                "`{host}` belongs to user {id}, who is nobody in container `{name}`, which cannot write to it: `chown -R {user}:{group} {host}` gives it to the container"
            ),
            place: file.map(|file| file.place_of(Key::Volumes).clone()),
        });
    }

    /// liblxc enters the container's root file system as the container's root.
    fn no_way(&mut self, name: &Name, spec: &ContainerSpec) {
        let Some(closed) = self.observed.host.closed.clone() else {
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
