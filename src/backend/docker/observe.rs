//! What is: containers, networks, volumes and sought images, each asked for once and side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use bollard::Docker;
use bollard::models::SystemInfoCgroupDriverEnum;
use bollard::query_parameters::{ListNetworksOptions, ListVolumesOptions};
use futures_util::future::try_join_all;

use super::beside;
use super::client::{self, Client, Link};
use super::error::{image_failed, is_missing, reason, unreachable};
use super::homes::Homes;
use super::image_files;
use super::init::Init;
use super::known::{self, All, Known};
use super::list::{self, Entry};
use super::mark;
use super::network;
use super::shares;
use super::site::Site;
use super::status;
use super::unheld;
use crate::backend::{BackendError, BackendView, Body, Meter, Sought, live};
use crate::hosts::read_block;
use crate::model::{Kind, Name};
use crate::observed::{EngineOffer, ObservedContainer, ObservedEngine, ObservedVolume, State};
use crate::sys;

/// So many containers are read faster by one thread than two are begun.
const WORTH_A_THREAD: usize = 32;

/// Everything that the engine holds.
pub(super) struct Look {
    containers: Vec<Entry>,
    homes: Homes,
    engine: ObservedEngine,
    /// The ids of the project's networks by their names.
    ids: BTreeMap<String, String>,
}

/// Asks the engine. The list of containers is by far the longest answer, so it is asked for before it is
/// known which engine this is; what is wrong with the engine is told first all the same.
pub(super) async fn look(
    site: &Site,
    client: &Client,
    sought: &Sought,
    homes: impl Future<Output = Result<Homes, BackendError>>,
) -> Result<Look, BackendError> {
    let containers = async { Ok(list::containers(&client::endpoint()?).await) };
    let rest = async { rest(site, client.link().await?, sought).await };
    let (containers, (engine, ids), homes) = tokio::try_join!(containers, rest, homes)?;
    let mut containers = containers?;
    image_files::sweep(&client.link().await?.at_work(), &containers).await;
    containers.retain(|entry| !image_files::is_one(entry));
    Ok(Look {
        containers,
        homes,
        engine,
        ids,
    })
}

/// What the engine has beside containers, and the ids of the project's networks.
async fn rest(
    site: &Site,
    link: &Link,
    sought: &Sought,
) -> Result<(ObservedEngine, BTreeMap<String, String>), BackendError> {
    let docker = &link.docker;
    let networks = docker.list_networks(None::<ListNetworksOptions>);
    let volumes = docker.list_volumes(None::<ListVolumesOptions>);
    let (networks, volumes, images, offer) = tokio::join!(
        networks,
        volumes,
        try_join_all(sought.images.iter().map(|name| image(docker, name))),
        offer(link, sought.offer),
    );
    let mut engine = ObservedEngine {
        at: Some(link.endpoint.observed()),
        offer: offer?,
        ..ObservedEngine::default()
    };
    for image in images?.into_iter().flatten() {
        let tagged = image.tagged.map(|at| (image.name.clone(), at));
        engine.tagged.extend(tagged);
        engine.images.insert(image.name, image.id);
    }
    let mut ids = BTreeMap::new();
    for found in networks.map_err(|e| unlisted(&e))? {
        let (id, places) = (found.id.clone(), network::places(&found));
        let by_compose = beside::project_of(found.labels.iter().flatten()).map(str::to_owned);
        let owner = found.labels.as_ref().and_then(mark::owner);
        match network::read(site, found) {
            network::Found::Ours(network) => {
                ids.extend(id.map(|id| (network.host_name(), id)));
                engine.networks.insert(network.network.clone(), network);
            }
            network::Found::Foreign(name) => {
                match by_compose {
                    Some(project) if project == site.project.as_str() => {
                        engine.compose.networks.insert(name.clone());
                    }
                    Some(project) => {
                        let other = engine.compose_else.entry(project).or_default();
                        other.networks.insert(name.clone());
                    }
                    None => {}
                }
                let owned = owner.map(|owner| (name.clone(), owner));
                engine.network_owners.extend(owned);
                engine.foreign_places.insert(name.clone(), places);
                engine.foreign_networks.insert(name);
            }
        }
    }
    let volumes = volumes.map_err(|e| unlisted(&e))?;
    for volume in volumes.volumes.into_iter().flatten() {
        let own = site.keeps(&volume.labels, &volume.options);
        let found = ObservedVolume {
            driver: volume.driver,
            options: volume.options.into_iter().collect(),
            labels: volume.labels.into_iter().collect(),
            path: Some(volume.mountpoint)
                .filter(|path| !path.is_empty())
                .map(Into::into),
        };
        match own {
            true => engine.volumes.insert(volume.name, found),
            false => engine.foreign_volumes.insert(volume.name, found),
        };
    }
    Ok((engine, ids))
}

/// What the engine offers. It asks other programs for it, so it is asked only where it matters.
async fn offer(link: &Link, wanted: bool) -> Result<Option<EngineOffer>, BackendError> {
    if !wanted {
        return Ok(None);
    }
    let info = link.info().await.map_err(|e| unlisted(&e))?;
    let plugins = info.plugins.as_ref();
    let logs = plugins.and_then(|plugins| plugins.log.as_ref());
    let runtimes = info.runtimes.iter().flat_map(|all| all.keys().cloned());
    Ok(Some(EngineOffer {
        runtimes: runtimes.collect(),
        log_drivers: logs.into_iter().flatten().cloned().collect(),
        by_systemd: info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::SYSTEMD),
        storage: (
            info.driver.clone().unwrap_or_default(),
            under(info.driver_status.clone().unwrap_or_default()),
        ),
        macs: link.joins_several(),
        cpus: info.ncpu.and_then(|n| n.try_into().ok()).unwrap_or(0),
        unheld: unheld::of(info),
    }))
}

/// The file system under the storage driver, as the driver tells it.
fn under(status: Vec<Vec<String>>) -> String {
    let mut pairs = status.into_iter();
    let found = pairs.find(|pair| {
        pair.first()
            .is_some_and(|word| word == "Backing Filesystem")
    });
    found
        .and_then(|pair| pair.into_iter().nth(1))
        .unwrap_or_default()
}

fn unlisted(error: &bollard::errors::Error) -> BackendError {
    unreachable(error).unwrap_or_else(|| list::unlisted(reason(error)))
}

/// An image that is there.
struct Image {
    name: String,
    id: String,
    tagged: Option<SystemTime>,
}

/// An image by its name; none when it is not there.
async fn image(docker: &Docker, name: &str) -> Result<Option<Image>, BackendError> {
    match docker.inspect_image(name).await {
        Ok(image) => Ok(image.id.map(|id| Image {
            name: name.to_owned(),
            id,
            tagged: image
                .metadata
                .and_then(|data| tag_time(&data.last_tag_time?)),
        })),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(image_failed("look at", name, &error)),
    }
}

/// The engine shows an image that nobody tagged as tagged in the year 1.
fn tag_time(text: &str) -> Option<SystemTime> {
    let at: jiff::Timestamp = text.parse().ok()?;
    let seconds = u64::try_from(at.as_second()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// The containers of the project among those of a list, as verbs need them.
pub(super) fn known(site: &Site, containers: &[Entry]) -> All {
    let (mut all, homes) = (All::new(), Homes::read(site));
    let ours = containers
        .iter()
        .filter_map(|entry| known::ours(site, &homes, entry, containers));
    for (name, body, known) in ours {
        *all.entry(name).or_default().slot(body) = Some(known);
    }
    all
}

/// A container of ours, and what the planner sees of it; an older self is none to it.
type Ours = Option<(Name, Known, Option<ObservedContainer>)>;

/// Reads all entries, shared out over the processors: there are files to read for each.
fn read_all(site: &Site, homes: &Homes, entries: &[Entry]) -> Vec<Ours> {
    let meter = OnceLock::new();
    let read = |entry: &Entry| {
        let (name, body, known) = known::ours(site, homes, entry, entries)?;
        let seen = match body {
            Body::Present => Some(present(site, (homes, &meter), &known, (entry, entries))),
            Body::Aside => None,
        };
        Some((name, known, seen))
    };
    let share = entries.len().div_ceil(sys::cores()).max(WORTH_A_THREAD);
    std::thread::scope(|scope| {
        let parts = entries.chunks(share);
        let parts: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(read).collect::<Vec<_>>()))
            .collect();
        let whole = |part: std::thread::Result<Vec<Ours>>| {
            // What it has read must not be missing: it would be taken for gone.
            part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        parts
            .into_iter()
            .flat_map(|part| whole(part.join()))
            .collect()
    })
}

/// Puts a look into the planner's words. Reads the files beside the containers, so it blocks.
pub(super) fn view(site: &Site, mut look: Look) -> (BackendView, All) {
    let mut containers: BTreeMap<Name, ObservedContainer> = BTreeMap::new();
    let (mut all, mut foreign, mut aside) = (All::new(), BTreeSet::new(), Vec::new());
    let (mut ids_taken, mut elsewhere) = (Vec::new(), false);
    let read = read_all(site, &look.homes, &look.containers);
    for (entry, ours) in look.containers.iter().zip(read) {
        let Some((name, known, seen)) = ours else {
            foreign.extend(known::name_of(entry).map(str::to_owned));
            guest(&mut look.engine, entry);
            stranger(&mut look.engine, entry);
            beside::container(site, &mut look.engine, entry);
            elsewhere |= beside::is_elsewhere(site, entry);
            ids_taken.extend(mark::ids_of(&entry.labels.0));
            let renamed = known::renamed(site, entry);
            look.engine.renamed.extend(renamed);
            continue;
        };
        let body = match seen {
            Some(mut seen) => {
                seen.parted = is_parted(&look.containers, entry, &known);
                seen.left_behind = shares::is_left_behind(&look.containers, &known, seen.pid);
                seen.estranged = estranged(&look.ids, entry);
                seen.unplugged = known.unplugged.clone();
                containers.insert(name.clone(), seen);
                Body::Present
            }
            None => {
                aside.push((name.clone(), runs(entry), known.mark.clone()));
                Body::Aside
            }
        };
        *all.entry(name).or_default().slot(body) = Some(known);
    }
    // Networks bear no directory: those of projects that have no container here are others' business.
    let others = &mut look.engine.compose_else;
    others.retain(|_, other| !other.containers.is_empty());
    if elsewhere {
        // Its networks bear no directory.
        look.engine.compose.networks.clear();
    }
    for (name, runs, mark) in aside {
        let full = site.full(&name);
        // Alone it is nothing whole: its name must be given back first.
        let entry = containers.entry(name).or_insert_with(|| ObservedContainer {
            mark: Some(mark),
            ..wreck(full)
        });
        (entry.set_aside, entry.aside_runs) = (true, runs);
    }
    let view = BackendView {
        containers,
        foreign: BTreeMap::from([(Kind::Application, foreign)]),
        ids_taken,
        engine: look.engine,
        ..BackendView::default()
    };
    (view, all)
}

pub(super) fn runs(entry: &Entry) -> bool {
    let state = status::state(entry.state);
    matches!(
        state,
        Some(State::Running | State::Frozen | State::Starting)
    )
}

/// Whom else the project's networks and volumes serve: a container that is not of this project. On a network
/// is who runs; a volume is held by whoever has been made with it. Which volumes are the project's is not known
/// here: those that were taken over bear no mark of it.
fn guest(engine: &mut ObservedEngine, entry: &Entry) {
    let Some(name) = known::name_of(entry) else {
        return;
    };
    let settings = entry.network_settings.iter();
    let on = settings.flat_map(|settings| settings.networks.iter().flatten());
    let on: BTreeSet<&String> = on.map(|(network, _)| network).collect();
    for network in engine.networks.values().filter(|_| runs(entry)) {
        if on.contains(&network.host_name()) {
            let guests = engine.guests.entry(network.network.clone());
            guests.or_default().insert(name.to_owned());
        }
    }
    let mounts = entry.mounts.iter().flatten();
    for volume in mounts.filter_map(|mount| mount.name.as_ref()) {
        let guests = engine.volume_guests.entry(volume.clone());
        guests.or_default().insert(name.to_owned());
    }
}

/// The addresses of a container that is not of this project, on networks that are not.
fn stranger(engine: &mut ObservedEngine, entry: &Entry) {
    let Some(name) = known::name_of(entry) else {
        return;
    };
    let settings = entry.network_settings.iter().filter(|_| runs(entry));
    for (network, place) in settings.flat_map(|settings| settings.networks.iter().flatten()) {
        let Some(places) = engine.foreign_places.get_mut(network) else {
            continue;
        };
        let addresses = [&place.v4, &place.v6].into_iter().flatten();
        let addresses = addresses.filter_map(|text| text.parse().ok());
        places
            .taken
            .extend(addresses.map(|address| (address, name.to_owned())));
    }
}

/// The networks of the project that a resting container knows by the id of one that is no more: the engine
/// would not start it.
fn estranged(ids: &BTreeMap<String, String>, entry: &Entry) -> BTreeSet<String> {
    let settings = entry.network_settings.iter().filter(|_| !runs(entry));
    let places = settings.flat_map(|settings| settings.networks.iter().flatten());
    let differs = |(name, place): &(&String, &list::Place)| {
        let id = place.network.as_deref().filter(|id| !id.is_empty());
        id.is_some_and(|id| ids.get(*name).is_some_and(|now| now != id))
    };
    let lost = places.filter(differs);
    lost.map(|(name, _)| name.clone()).collect()
}

/// Whether the container whose network it joined is not the one that bears the name now: the engine joins
/// by the id and holds on to it.
fn is_parted(all: &[Entry], entry: &Entry, known: &Known) -> bool {
    let app = known.mark.spec.app.as_ref();
    let with = app.and_then(|app| app.network_of.as_deref());
    let config = entry.host_config.as_ref();
    let mode = config.and_then(|config| config.network_mode.as_deref());
    let joined = mode.and_then(|mode| mode.strip_prefix("container:"));
    let (Some(with), Some(joined)) = (with, joined) else {
        return false;
    };
    let bears = |other: &&Entry| known::name_of(other) == Some(with);
    let now = all.iter().find(bears).and_then(|other| other.id.as_deref());
    joined != with && now != Some(joined)
}

fn wreck(host_name: String) -> ObservedContainer {
    ObservedContainer {
        host_name,
        kind: Kind::Application,
        state: State::Stopped,
        exit: None,
        health: None,
        image: None,
        unnamed: Vec::new(),
        aside_runs: false,
        mark: None,
        wreck: true,
        set_aside: false,
        stopping: false,
        parted: false,
        left_behind: false,
        estranged: BTreeSet::new(),
        unplugged: BTreeSet::new(),
        limits: BTreeMap::new(),
        broken: None,
        over: false,
        pid: None,
        names: None,
        dns: Vec::new(),
        touched: None,
    }
}

fn present(
    site: &Site,
    (homes, meter): (&Homes, &OnceLock<Meter>),
    known: &Known,
    (entry, all): (&Entry, &[Entry]),
) -> ObservedContainer {
    let sentence = entry.status.as_deref().unwrap_or_default();
    let state = status::state(entry.state).unwrap_or(State::Stopped);
    let running = matches!(state, State::Running | State::Frozen);
    let spec = &known.mark.spec;
    let home = homes.of(site, &spec.name, &known.token);
    let names = home.hosts.as_deref();
    let dns: Vec<IpAddr> = spec.dns.clone();
    let init = running.then(|| Init::of(&known.id)).flatten();
    let pid = match init {
        Some(Init::Runs(pid)) => Some(pid),
        Some(Init::Over) | None => None,
    };
    let limits = match pid {
        Some(pid) => live::read(spec, pid, || meter.get_or_init(Meter::here)),
        None => BTreeMap::new(),
    };
    ObservedContainer {
        state,
        limits,
        // One that was told to end may end with 0 as well, which is not the end of its work and is not told as one.
        exit: status::exit(sentence)
            .filter(|code| *code != 0 || !homes.was_stopped(&spec.name, &known.id)),
        health: status::health(sentence),
        image: entry.image_id.clone(),
        unnamed: known::unnamed(entry, &known.mark, all),
        mark: (!known.wreck).then(|| known.mark.clone()),
        wreck: known.wreck,
        stopping: running && mark::is_stopping(home.stopping.as_deref(), pid),
        over: init == Some(Init::Over),
        pid,
        names: names.and_then(|text| read_block(text, site.project.as_str())),
        // Given to the engine when it was made, and kept true by it.
        dns,
        ..wreck(spec.host_name())
    }
}
