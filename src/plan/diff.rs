//! What differs between a mark and what would be written today, and how far the change reaches.
//!
//! One table for each kind: here what both have, and what is a system container's alone; what is an
//! application's alone is in `diff_app.rs`.

use crate::model::{
    Container, ContainerSpec, Key, Kind, Limit, Project, Provision, System, built_image,
    default_network, is_former_image,
};

use super::{Cause, diff_app, limit_keys, name_servers, networks};

/// How far a change reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// The kernel, the engine or a file takes it while the container runs.
    Live,
    /// It is taken at the next start.
    Restart,
    /// It means a new container.
    Recreate,
}

/// A row of the table: whether a part differs, how far a change of it reaches, and the keys of the
/// file that may say so.
pub(super) type Row = (bool, Reach, &'static [Key]);

/// Every difference with its cause.
pub(super) fn changes(
    old: &ContainerSpec,
    new: &ContainerSpec,
    file: &Container,
    project: &Project,
    setup_done: bool,
) -> Vec<(Reach, Cause)> {
    if old.kind() != new.kind() {
        let cause = changed(file, &[new.source.key()]);
        return vec![(Reach::Recreate, cause)];
    }
    let mut table = both(old, new, setup_done);
    if new.kind() == Kind::Application && old.idmap.is_empty() != new.idmap.is_empty() {
        table.insert(0, (true, Reach::Recreate, &[Key::Isolate]));
    }
    match new.kind() {
        Kind::System => table.extend(system(old, new, file)),
        Kind::Application => table.extend(diff_app::rows(old, new)),
    }
    let differing = table.into_iter().filter(|(differs, _, _)| *differs);
    let mut found: Vec<(Reach, Cause)> = differing
        .map(|(_, reach, keys)| (reach, changed(file, keys)))
        .collect();
    if !same_source(old, new) {
        let cause = changed(file, &[new.source.key()]);
        found.insert(0, (Reach::Recreate, cause));
    }
    found.extend(address(old, new, file, project));
    found
}

/// The cause, with the place of the first of `keys` that the file has.
pub(super) fn changed(file: &Container, keys: &[Key]) -> Cause {
    if keys == [Key::Dns] && name_servers::by_default(file) {
        return Cause::Drifted(name_servers::CAUSE);
    }
    let written = keys.iter().find(|key| file.places.contains_key(key));
    let key = written.or(keys.first()).copied().unwrap_or(Key::Image);
    let place = file.place_of(key).clone();
    Cause::Changed { key, place }
}

/// An image is known by its name; how it is built shows in its id once it is built. One that is built
/// keeps a name that an older locker gave it.
fn same_source(old: &ContainerSpec, new: &ContainerSpec) -> bool {
    let former = |image: &str| {
        let ours = new.source.image() == Some(&built_image(&new.project, &new.name));
        ours && is_former_image(image, &new.project, &new.name)
    };
    match (old.source.image(), new.source.image()) {
        (Some(old), Some(new)) => old == new || former(old),
        (Some(_), None) | (None, Some(_) | None) => old.source == new.source,
    }
}

/// What both kinds have. The engine of applications cannot change what it made a container with.
fn both(old: &ContainerSpec, new: &ContainerSpec, setup_done: bool) -> Vec<Row> {
    // An application container is made in the project's slice or outside of it, and only a start by its
    // service has a supervisor: one left running would be kept up by nobody.
    let (live, restart, supervised) = match new.kind() {
        Kind::System => (Reach::Live, Reach::Restart, Reach::Restart),
        Kind::Application => (Reach::Recreate, Reach::Recreate, Reach::Recreate),
    };
    vec![
        (old.mounts != new.mounts, restart, &[Key::Volumes]),
        (
            old.environment != new.environment,
            restart,
            &[Key::Environment, Key::EnvFile],
        ),
        (
            old.hostname != new.hostname || old.fqdn != new.fqdn,
            live,
            &[Key::Fqdn, Key::Hostname],
        ),
        (old.dns != new.dns, live, &[Key::Dns]),
        (
            old.labels != new.labels,
            live,
            &[Key::Labels, Key::LabelFile, Key::Annotations],
        ),
        (
            old.restart != new.restart,
            Reach::Live,
            &[Key::Restart, Key::Deploy],
        ),
        (
            old.stop_grace != new.stop_grace,
            live,
            &[Key::StopGracePeriod],
        ),
        (
            old.supervised != new.supervised,
            supervised,
            &[Key::Supervisor],
        ),
        // They are the next start's and stop's, and locker's or the supervisor's business.
        (
            old.hooks.ready != new.hooks.ready,
            Reach::Live,
            &[Key::Ready],
        ),
        (
            old.hooks.post_start != new.hooks.post_start,
            Reach::Live,
            &[Key::PostStart],
        ),
        (
            old.hooks.pre_stop != new.hooks.pre_stop,
            Reach::Live,
            &[Key::PreStop],
        ),
        // The setup runs once; a change after that must not make a plan that never gets empty.
        (
            !setup_done && old.setup != new.setup,
            Reach::Live,
            &[Key::Setup],
        ),
    ]
}

/// How far a change of limits reaches: one that goes is lifted at once where the kernel has a word for none, and by a new
/// cgroup where it has not (a set of processors, the bandwidth of a device).
fn lifting(old: &ContainerSpec, new: &ContainerSpec) -> Reach {
    let stays = |limit: &Limit| {
        let mut now = new.limits.iter();
        now.any(|now| now.key == limit.key && now.device() == limit.device())
    };
    let mut gone = old.limits.iter().filter(|limit| !stays(limit));
    match gone.all(|limit| limit.device().is_none() && limit.lifted().is_some()) {
        true => Reach::Live,
        false => Reach::Restart,
    }
}

/// What only a system container has.
fn system(old: &ContainerSpec, new: &ContainerSpec, file: &Container) -> Vec<Row> {
    let (had, gets) = (&old.system, &new.system);
    let mut rows: Vec<Row> = vec![
        (old.idmap != new.idmap, Reach::Recreate, &[Key::Idmap]),
        (old.config != new.config, Reach::Restart, &[Key::Config]),
        (old.network != new.network, Reach::Restart, &[Key::Networks]),
        // They stand in its hosts file, which is written anew at once.
        (
            had.extra_hosts != gets.extra_hosts,
            Reach::Live,
            &[Key::ExtraHosts],
        ),
        // They stand in its resolv.conf, which is written anew at once.
        (
            had.dns_search != gets.dns_search,
            Reach::Live,
            &[Key::DnsSearch],
        ),
        (had.dns_opt != gets.dns_opt, Reach::Live, &[Key::DnsOpt]),
        // What runs inside has it from its init.
        (
            had.oom_score_adj != gets.oom_score_adj,
            Reach::Restart,
            &[Key::OomScoreAdj],
        ),
        (
            had.stop_signal != gets.stop_signal,
            Reach::Restart,
            &[Key::StopSignal],
        ),
    ];
    let reach = lifting(old, new);
    let limits = limit_keys::differing(file, &old.limits, &new.limits);
    rows.extend(limits.into_iter().map(|keys| (true, reach, keys)));
    rows.extend(granted(had, gets));
    rows.extend(furnished(&had.provisions, &gets.provisions));
    rows
}

/// What it is furnished with from inside, by the keys that ask for it.
fn furnished(had: &[Provision], gets: &[Provision]) -> impl Iterator<Item = Row> {
    const KEYS: &[Key] = &[
        Key::Packages,
        Key::Timezone,
        Key::Locale,
        Key::Users,
        Key::SshKeys,
    ];
    KEYS.chunks(1).map(|key| {
        let by = |all: &[Provision]| {
            let of = all.iter().filter(|wish| [wish.key()] == *key);
            of.cloned().collect::<Vec<Provision>>()
        };
        (by(had) != by(gets), Reach::Live, key)
    })
}

/// What a start grants and mounts.
fn granted(had: &System, gets: &System) -> impl Iterator<Item = Row> {
    let rows = had.granted.differences(&gets.granted);
    let nesting: (bool, &[Key]) = (had.nesting != gets.nesting, &[Key::Nesting]);
    let rows = rows.into_iter().chain([nesting]);
    rows.map(|(differs, keys)| (differs, Reach::Restart, keys))
}

/// Other subnets are the file's doing; another address within them is not.
fn address(
    old: &ContainerSpec,
    new: &ContainerSpec,
    file: &Container,
    project: &Project,
) -> Option<(Reach, Cause)> {
    let reach = match new.kind() {
        Kind::System => Reach::Restart,
        Kind::Application => Reach::Recreate,
    };
    let (had, gets) = (networks::cards(old), networks::cards(new));
    let meets = |key: &_| had.iter().find(|(network, _)| network == key);
    let moved = gets.iter().find(|(key, nic)| {
        let before = meets(key);
        before.is_some_and(|(_, before)| before.subnets != nic.subnets)
    });
    let other = gets.iter().any(|(key, nic)| {
        let before = meets(key);
        before.is_some_and(|(_, before)| before != nic)
    });
    match moved {
        Some((key, _)) => {
            let place = networks::place(project, key).clone();
            let cause = match *key == default_network() {
                true => Cause::Network(place),
                false => Cause::Networks(place),
            };
            Some((reach, cause))
        }
        // Without a word of the file locker gives a system container no other address.
        None if new.kind() == Kind::System && file.places.contains_key(&Key::Networks) => {
            other.then(|| (reach, changed(file, &[Key::Networks])))
        }
        None => other.then_some((reach, Cause::Drifted("its address changed"))),
    }
}
