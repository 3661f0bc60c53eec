//! What each container should be: the file's words with addresses, host paths and limits worked out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{
    AppSpec, Container, ContainerSpec, Dns, EngineMount, EngineVolume, IdKind, IdRange, Idmap, Key,
    Kind, Limit, LimitError, Mount, Name, Place, Project, Subnets, VolumeSource, default_network,
    host_name_of, translate_all,
};
use crate::observed::{Observed, ObservedVolume};

use super::addresses::Net;
use super::{Problem, Warning, application, name_servers, supervision};

/// First host id of automatic blocks: above what useradd(8) gives to people and their subids.
const FIRST_ID: u32 = 1_000_000;
/// Ids in a block: what a system container expects to have.
const BLOCK: u32 = 65_536;

/// The specs of all containers of the file.
pub(super) fn specs(
    project: &Project,
    observed: &Observed,
    net: &Net,
    warnings: &mut Vec<Warning>,
) -> Result<BTreeMap<Name, ContainerSpec>, Vec<Problem>> {
    let taken = taken_ids(project, observed);
    let mut blocks = Blocks::new(&taken);
    let (mut specs, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, container) in &project.containers {
        let Some(idmap) = blocks.idmap(container, observed) else {
            let message = format!("there is no free block of {BLOCK} ids for container `{name}`");
            problems.push(refusal(container, Key::Idmap, None, message));
            continue;
        };
        let mut app =
            application::spec(project, container, (observed, net), &mut problems, warnings);
        if let Some(app) = &mut app {
            supervision::set_apart(container, &idmap, app, &mut problems);
        }
        if let Some(app) = &mut app {
            take_over(project, container, observed, app);
        }
        let nic = match &app {
            None => net.nic(&project.name, container),
            Some(app) => app.attached.iter().find_map(|a| a.nic.clone()),
        };
        if nic.is_none() {
            application::without_address(container, &mut problems, warnings);
        }
        let subnets = nic.as_ref().map_or(net.subnets, |nic| nic.subnets);
        let spec = ContainerSpec {
            project: project.name.clone(),
            name: name.clone(),
            source: container.source.clone(),
            idmap,
            identity: container.identity,
            hostname: hostname(container),
            fqdn: container.fqdn.clone(),
            nic,
            mounts: mounts(project, container, observed),
            environment: container.environment.clone(),
            config: container.config.iter().map(|(l, _)| l.clone()).collect(),
            limits: match app {
                None => limits(container, observed, &mut problems),
                Some(_) => Vec::new(),
            },
            dns: servers(project, container, observed, &subnets, warnings),
            setup: container.setup.clone(),
            hooks: container.hooks.clone(),
            labels: container.labels.clone(),
            restart: container.restart,
            stop_grace: container.stop_grace,
            supervised: supervision::is_supervised(project, container, observed),
            replica_of: container.replica_of.clone(),
            network: container
                .network
                .as_ref()
                .map(|at| at.network.clone())
                .filter(|network| *network != default_network()),
            system: container.system.clone(),
            app,
        };
        specs.insert(name.clone(), spec);
    }
    application::strangers(project, warnings);
    supervision::check(project, observed, &mut problems, warnings);
    match problems.is_empty() {
        true => Ok(specs),
        false => Err(problems),
    }
}

/// The host name inside.
fn hostname(container: &Container) -> String {
    let asked = container.app.as_ref().and_then(|app| app.hostname.clone());
    match (&container.fqdn, asked) {
        (None, Some(asked)) => asked,
        (Some(_), _) | (None, None) => container.hostname(),
    }
}

/// Ids that no automatic block may have: of the host, of the containers there are, of the file.
fn taken_ids(project: &Project, observed: &Observed) -> Vec<IdRange> {
    let mut taken = observed.host.ids_taken.clone();
    let marks = observed.containers.values().filter_map(|c| c.mark.as_ref());
    taken.extend(marks.flat_map(|mark| mark.spec.idmap.iter().copied()));
    for container in project.containers.values() {
        if let Some(Idmap::Ranges(ranges)) = &container.idmap {
            taken.extend(ranges);
        }
    }
    taken
}

/// The limits in the host's own words.
fn limits(container: &Container, observed: &Observed, problems: &mut Vec<Problem>) -> Vec<Limit> {
    let written: Vec<Limit> = container.cgroup.iter().map(|(l, _)| l.clone()).collect();
    match translate_all(&written, &observed.host.controllers) {
        Ok(limits) => limits,
        Err((index, error)) => {
            let place = container.cgroup.get(index).map(|(_, place)| place);
            let mut problem = refusal(container, Key::Cgroup, place, error.to_string());
            if let LimitError::NoController { .. } = error {
                let help = "take it out, or give the host the controller: `cat /sys/fs/cgroup/cgroup.controllers` (with cgroup v1 `/proc/cgroups`) lists those that it has";
                problem.help = Some(help.into());
            }
            problems.push(problem);
            Vec::new()
        }
    }
}

pub(super) fn refusal(
    container: &Container,
    key: Key,
    place: Option<&Place>,
    message: String,
) -> Problem {
    Problem {
        message,
        container: Some(container.name.clone()),
        key: Some(key),
        place: Some(place.unwrap_or_else(|| container.place_of(key)).clone()),
        help: None,
    }
}

fn mounts(project: &Project, container: &Container, observed: &Observed) -> Vec<Mount> {
    let volumes = container.volumes.iter().map(|(volume, _)| volume);
    volumes
        .filter_map(|volume| {
            let (host, named) = match &volume.source {
                VolumeSource::Host(path) => (path.clone(), false),
                VolumeSource::Named(name) => match adopted(project, name, observed) {
                    None => (observed.host.volumes_dir.join(name.as_str()), true),
                    // The engine mounts it by its name.
                    Some(_) if container.kind() == Kind::Application => return None,
                    Some((_, found)) => (found.path.clone()?, true),
                },
            };
            Some(Mount {
                host,
                target: volume.target.clone(),
                read_only: volume.read_only,
                named,
            })
        })
        .collect()
}

/// The volume of docker compose that was taken over for a named one, as the engine knows it.
fn adopted<'a>(
    project: &Project,
    name: &Name,
    observed: &'a Observed,
) -> Option<(String, &'a ObservedVolume)> {
    let full = host_name_of(&project.name, name);
    let known = observed.adopted.volumes.contains(&full);
    let found = observed.engine.foreign_volumes.get(&full)?;
    known.then_some((full, found))
}

/// Mounts what was taken over from docker compose: it is the engine's, and stays so.
fn take_over(project: &Project, container: &Container, observed: &Observed, app: &mut AppSpec) {
    let settings = &mut app.settings;
    for (volume, _) in &container.volumes {
        let VolumeSource::Named(name) = &volume.source else {
            continue;
        };
        if let Some((full, _)) = adopted(project, name, observed) {
            let options = settings.mount_options.get(&volume.target);
            settings.engine_volumes.push(EngineMount {
                volume: EngineVolume::External(full),
                target: volume.target.clone(),
                read_only: volume.read_only,
                no_copy: options.is_some_and(|options| options.no_copy),
            });
        }
    }
    let unnamed = observed.adopted.unnamed.get(&container.name);
    for (target, volume) in unnamed.into_iter().flatten() {
        if !observed.engine.foreign_volumes.contains_key(volume) {
            continue;
        }
        let volume = EngineVolume::External(volume.clone());
        let mounts = &mut settings.engine_volumes;
        match mounts.iter_mut().find(|mount| mount.target == *target) {
            Some(mount) if mount.volume == EngineVolume::Anonymous => mount.volume = volume,
            Some(_) => {}
            None if settings.granted.tmpfs.contains_key(target) => {}
            None if container.volumes.iter().any(|(v, _)| v.target == *target) => {}
            None => mounts.push(EngineMount {
                volume,
                target: target.clone(),
                read_only: false,
                no_copy: false,
            }),
        }
    }
}

fn servers(
    project: &Project,
    container: &Container,
    observed: &Observed,
    subnets: &Subnets,
    warnings: &mut Vec<Warning>,
) -> Vec<IpAddr> {
    if name_servers::by_default(container) {
        return name_servers::of_host(project, container, observed);
    }
    let mut servers: Vec<IpAddr> = Vec::new();
    let mut put = |address: IpAddr| {
        if !servers.contains(&address) {
            servers.push(address);
        }
    };
    for entry in &container.dns {
        match entry {
            Dns::Address(address) => put(*address),
            Dns::Bridge => put(subnets.gateway4().into()),
            Dns::None => {}
            Dns::Copy if observed.host.name_servers.is_empty() => warnings.push(Warning {
                message: format!(
                    "container `{}` asks for the host's name servers and the host has none but loopback ones",
                    container.name
                ),
                place: Some(container.place_of(Key::Dns).clone()),
            }),
            Dns::Copy => observed.host.name_servers.iter().copied().for_each(&mut put),
        }
    }
    servers
}

/// Automatic blocks of ids, as they are given out.
struct Blocks<'a> {
    taken: &'a [IdRange],
    first: u32,
    /// Given out in this plan, so that a copy of a container gets the same.
    given: BTreeMap<Name, Vec<IdRange>>,
}

impl<'a> Blocks<'a> {
    fn new(taken: &'a [IdRange]) -> Self {
        Self {
            taken,
            first: FIRST_ID,
            given: BTreeMap::new(),
        }
    }

    /// The ranges of a container; `auto` keeps what it has, else takes the next free block.
    fn idmap(&mut self, container: &Container, observed: &Observed) -> Option<Vec<IdRange>> {
        let owner = container.ids_of.as_ref();
        match &container.idmap {
            None if !container.isolate && owner.is_none() => Some(Vec::new()),
            Some(Idmap::Ranges(ranges)) => Some(ranges.clone()),
            None | Some(Idmap::Auto) => {
                let owner = owner.unwrap_or(&container.name);
                let found = observed.containers.get(owner);
                let mark = found.and_then(|found| found.mark.as_ref());
                if let Some(mark) = mark.filter(|mark| !mark.spec.idmap.is_empty()) {
                    return Some(mark.spec.idmap.clone());
                }
                if let Some(given) = self.given.get(owner) {
                    return Some(given.clone());
                }
                let block = self.next()?;
                self.given.insert(owner.clone(), block.clone());
                Some(block)
            }
        }
    }

    fn next(&mut self) -> Option<Vec<IdRange>> {
        let host = free_block(self.taken, self.first)?;
        self.first = host.checked_add(BLOCK)?;
        let range = |kind| IdRange {
            kind,
            container: 0,
            host,
            count: BLOCK,
        };
        Some(vec![range(IdKind::User), range(IdKind::Group)])
    }
}

/// The first id of a free block, from `host` on.
fn free_block(taken: &[IdRange], mut host: u32) -> Option<u32> {
    // Each overlap moves the block behind the range that is in the way, so this ends.
    while let Some(other) = taken.iter().find(|range| {
        range.host < host.saturating_add(BLOCK) && host < range.host.saturating_add(range.count)
    }) {
        host = other.host.checked_add(other.count)?;
    }
    host.checked_add(BLOCK).map(|_| host)
}
