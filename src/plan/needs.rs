//! Who needs whom: dependencies of the file, and those that sharing brings with it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Condition, Container, Dependency, Key, Name, Project};

/// The containers of the project whose network, processes or memory a container shares, each with
/// the key that says so.
pub(super) fn shared(container: &Container) -> Vec<(Key, Name)> {
    let app = container.app.iter();
    app.flat_map(|app| app.shared()).collect()
}

/// What a container needs before it starts: `depends_on`, and those with whom it shares.
pub(super) fn of(container: &Container) -> Vec<Dependency> {
    let mut all = container.depends_on.clone();
    for (_, on) in shared(container) {
        // What it shares is gone with the other, whatever else is said about the two.
        if let Some(known) = all.iter_mut().find(|dependency| dependency.on == on) {
            (known.restart, known.required) = (true, true);
        } else {
            all.push(Dependency {
                on,
                condition: Condition::Started,
                restart: true,
                required: true,
            });
        }
    }
    all
}

/// The containers that bear a name: the one itself, and the others of a service of several.
pub(super) fn bearers(project: &Project, name: &Name) -> Vec<Name> {
    // The first of several bears the service's own name and says so; most are alone.
    if let Some(one) = project.containers.get(name)
        && one.replica_of.is_none()
    {
        return vec![name.clone()];
    }
    let all = project.containers.iter();
    let bear = all.filter(|(own, c)| *own == name || c.replica_of.as_ref() == Some(name));
    bear.map(|(own, _)| own.clone()).collect()
}

/// The containers that others wait for until they have ended.
pub(super) fn awaited_ends(project: &Project) -> BTreeSet<Name> {
    let all = project.containers.values().flat_map(|c| &c.depends_on);
    let ends = all.filter(|dependency| dependency.condition == Condition::Completed);
    ends.map(|dependency| dependency.on.clone()).collect()
}

/// All `names`, those first that are made anew or restarted for nobody's sake: what happens to the
/// others follows from what happens to them.
pub(super) fn in_order<'a>(
    project: &Project,
    names: impl Iterator<Item = &'a Name>,
) -> Vec<&'a Name> {
    let names: BTreeSet<&Name> = names.collect();
    let mut missing: BTreeMap<&Name, usize> = BTreeMap::new();
    let mut followers: BTreeMap<&Name, Vec<&'a Name>> = BTreeMap::new();
    for name in &names {
        let needs = project.containers.get(*name).map(of).unwrap_or_default();
        let followed = needs.into_iter().filter(|dependency| dependency.restart);
        let on: BTreeSet<Name> = followed.map(|dependency| dependency.on).collect();
        let on = on.iter().filter_map(|on| names.get(on).copied());
        let on: Vec<&Name> = on.collect();
        missing.insert(name, on.len());
        for on in on {
            followers.entry(on).or_default().push(name);
        }
    }
    let mut order = Vec::with_capacity(names.len());
    let free = missing.iter().filter(|(_, count)| **count == 0);
    let mut next: BTreeSet<&'a Name> = free.map(|(name, _)| *name).collect();
    while !next.is_empty() {
        let mut later = BTreeSet::new();
        for name in next {
            missing.remove(name);
            order.push(name);
            for follower in followers.remove(name).unwrap_or_default() {
                if let Some(count) = missing.get_mut(follower) {
                    *count = count.saturating_sub(1);
                    later.extend((*count == 0).then_some(follower));
                }
            }
        }
        next = later;
    }
    // A circle is refused where the plan is put in order.
    order.extend(missing.into_keys());
    order
}
