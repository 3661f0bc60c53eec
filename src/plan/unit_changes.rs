//! Which keys of the file make services others than they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Key, Name, Port, UnitSpec};

use super::Cause;
use super::build::Builder;
use super::diff::changed;
use super::limit_keys;
use super::unit_limits::limits_behind;

impl Builder<'_> {
    /// The keys that make one of `services` another one than systemd has, each with its place. Nothing for what comes and
    /// goes with a container, and for what follows from the host.
    pub(super) fn changed_services(&self, services: &BTreeMap<Name, UnitSpec>) -> Vec<Cause> {
        let had = &self.observed.units.services;
        let mut causes = Vec::new();
        for (name, new) in services {
            let old = had
                .get(name)
                .filter(|_| !self.observed.units.lost.contains(name));
            let (Some(old), Some(file)) = (old, self.project.containers.get(name)) else {
                continue;
            };
            let stays = |other: &Name| had.contains_key(other) && services.contains_key(other);
            let (before, after) = (&old.properties, &new.properties);
            let limits = limit_keys::differing(file, &limits_behind(before), &limits_behind(after));
            for keys in keys(old, new, &stays).into_iter().chain(limits) {
                let cause = changed(file, keys);
                if !causes.contains(&cause) {
                    causes.push(cause);
                }
            }
        }
        causes
    }
}

/// The keys behind each difference; `stays` tells who is a service before and after.
fn keys(old: &UnitSpec, new: &UnitSpec, stays: &dyn Fn(&Name) -> bool) -> Vec<&'static [Key]> {
    let others =
        |one: &BTreeSet<Name>, two: &BTreeSet<Name>| one.symmetric_difference(two).any(stays);
    let binds = others(&old.binds, &new.binds);
    let terms = |(name, condition): &(&Name, &_)| {
        stays(name)
            && old
                .conditions
                .get(*name)
                .is_some_and(|had| had != *condition)
    };
    let needs = others(&old.requires, &new.requires) || new.conditions.iter().any(|c| terms(&c));
    let all: [(bool, &'static [Key]); 15] = [
        (
            binds,
            &[Key::NetworkMode, Key::Ipc, Key::Pid, Key::VolumesFrom],
        ),
        (needs && !binds, &[Key::DependsOn]),
        (
            others(&old.after, &new.after) && !needs && !binds,
            &[Key::Links, Key::DependsOn],
        ),
        (old.groups != new.groups, &[Key::Group]),
        (old.restart != new.restart, &[Key::Restart, Key::Deploy]),
        (old.healthcheck != new.healthcheck, &[Key::Healthcheck]),
        (old.hooks.ready != new.hooks.ready, &[Key::Ready]),
        (
            old.hooks.post_start != new.hooks.post_start,
            &[Key::PostStart],
        ),
        (old.hooks.pre_stop != new.hooks.pre_stop, &[Key::PreStop]),
        (
            old.stop_timeout != new.stop_timeout,
            &[Key::StopGracePeriod],
        ),
        (old.isolate != new.isolate, &[Key::Isolate]),
        (
            old.on_demand.is_empty() != new.on_demand.is_empty(),
            &[Key::OnDemand],
        ),
        (old.idle != new.idle, &[Key::Idle]),
        (
            held(old) != held(new) && !held(old).is_empty() && !held(new).is_empty(),
            &[Key::Ports],
        ),
        (old.mounts != new.mounts, &[Key::Volumes]),
    ];
    let differing = all.into_iter().filter(|(differs, _)| *differs);
    differing.map(|(_, keys)| keys).collect()
}

/// The ports that systemd holds where it holds any: where they lead to is not the file's.
fn held(unit: &UnitSpec) -> Vec<&Port> {
    unit.on_demand.iter().map(|held| &held.port).collect()
}
