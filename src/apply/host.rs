//! The drivers of one machine for one project, and one look at all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::backend::{self, Backend, BackendError, BackendView, Sought};
use crate::firewall::{Firewall, FirewallError};
use crate::hosts::{HostsError, HostsFile};
use crate::model::{
    App, AppLimits, AppNetwork, Container, ContainerSpec, IdKind, IdRange, Kind, Listener, Logging,
    Name, Port, PortRule, Project, Protocol, Seat, VolumeSource, bridge_of_network,
};
use crate::network::{Network, NetworkError};
use crate::observed::{
    Adopted, HostFacts, Observed, ObservedContainer, ProjectRecord, State, StrayCard,
};
use crate::store::{self, Paths, StoreError};
use crate::sys::{self, ListenError, RawListener, Transport};
use crate::systemd::{Rules, Units, UnitsError};

use super::kept::note_fault;
use super::{facts, jobs};

/// The drivers, passed in: a test passes its own.
#[derive(Clone)]
pub struct Host {
    /// The project whose containers the backend knows.
    pub project: Name,
    /// Its canonical directory.
    pub directory: PathBuf,
    /// The engine.
    pub backend: Arc<dyn Backend>,
    /// The kernel's network.
    pub network: Arc<dyn Network>,
    /// The kernel's rules.
    pub firewall: Arc<dyn Firewall>,
    /// The manager of units.
    pub units: Arc<dyn Units>,
    /// The host's hosts file.
    pub hosts: HostsFile,
    /// What locker keeps on disk.
    pub paths: Paths,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("project", &self.project)
            .field("directory", &self.directory)
            .field("firewall", &self.firewall.name())
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

/// Why the host could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The engine.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The bridge.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The rules.
    #[error(transparent)]
    Firewall(#[from] FirewallError),
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host's hosts file.
    #[error(transparent)]
    Hosts(#[from] HostsError),
    /// The sockets.
    #[error(transparent)]
    Listeners(#[from] ListenError),
    /// A file of the host.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The units.
    #[error(transparent)]
    Units(#[from] UnitsError),
    /// A thread for blocking work broke.
    #[error("a worker thread ended: {source}")]
    Thread {
        /// Why.
        source: tokio::task::JoinError,
    },
}

/// How often a container without its network card is looked at again.
const LOOKS: usize = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What files and /proc tell.
struct OnDisk {
    facts: HostFacts,
    record: Option<ProjectRecord>,
    adopted: Adopted,
    listeners: Vec<Listener>,
}

impl Host {
    /// Looks at everything, side by side. `asked` is a port that the user names beside the file's;
    /// who listens is found out for those ports only, since it costs a walk over all processes.
    pub async fn observe(
        &self,
        project: &Project,
        asked: Option<&Port>,
    ) -> Result<Observed, ObserveError> {
        let wanted = wanted_ports(project, asked);
        // One small file: what it says decides which engines and bridges are looked at.
        let record = store::load_record(&self.paths, &self.project)?;
        let sought = sought(project, record.as_ref());
        let bridges = bridges(project, record.as_ref());
        let (paths, name) = (self.paths.clone(), self.project.clone());
        let of_ids = facts::OfIds::of(project);
        let of_engine = of_ids.clone();
        let asked = sysctls(project);
        let sysctls = tokio::task::spawn_blocking(move || sys::sysctls::lacking_sysctls(&asked));
        let on_disk =
            tokio::task::spawn_blocking(move || look_at_files(&paths, &name, wanted, &of_ids));
        let backend = Arc::clone(&self.backend);
        // The longest of all, so it goes first and on a thread of its own where there is one.
        let engines = {
            let sought = sought.clone();
            tokio::spawn(async move { backend.observe(&sought).await })
        };
        let (backend, network, firewall, host_names, units, jobs, on_disk) = tokio::join!(
            engines,
            self.network.observe(&self.project, &bridges),
            self.firewall.observe(),
            self.hosts.read(self.project.as_str()),
            self.units.observe(&self.project),
            jobs::observe(self),
            on_disk,
        );
        let on_disk = on_disk.map_err(|source| ObserveError::Thread { source })??;
        let backend = backend.map_err(|source| ObserveError::Thread { source })?;
        let (mut backend, network) = (backend?, network?);
        let mut host = on_disk.facts;
        let mut network = network;
        (backend, network.network.strays) = self.until_cards_agree(backend, &sought).await?;
        host.addresses = network.addresses;
        host.ids_taken.extend(backend.ids_taken);
        host.missing = missing(&backend.containers, project).await?;
        let (engine, adopted) = (&backend.engine, &on_disk.adopted);
        let kept = of_engine.owners_of_engine(engine, adopted, &backend.containers);
        host.owners.extend(kept);
        host.sysctls = sysctls
            .await
            .map_err(|source| ObserveError::Thread { source })?;
        let mut observed = Observed {
            host,
            record: on_disk.record,
            adopted: on_disk.adopted,
            containers: backend.containers,
            foreign: backend.foreign,
            engine: backend.engine,
            down: backend.down,
            silent: backend.silent,
            unknown: BTreeSet::new(),
            network: network.network,
            firewall: firewall?,
            listeners: on_disk.listeners,
            units: units?,
            jobs: jobs?,
            host_names: host_names?,
        };
        observed.network.note_fault = note_fault(self, &observed);
        Ok(observed)
    }
}

#[async_trait]
impl Rules for Host {
    async fn in_place(&self) -> Result<Vec<PortRule>, String> {
        let seen = self.firewall.observe().await;
        seen.map(|seen| seen.rules.into_iter().collect())
            .map_err(|error| error.to_string())
    }
}

impl Host {
    /// The containers, and the cards of those that run which are not on their bridges. A card goes with its
    /// container, which may have ended between the two looks; a busy engine says so late. So one whose card is
    /// gone is looked at again before that is believed.
    async fn until_cards_agree(
        &self,
        mut backend: BackendView,
        sought: &Sought,
    ) -> Result<(BackendView, Vec<StrayCard>), ObserveError> {
        let mut strays = self.strays(&backend.containers).await?;
        for _ in 0..LOOKS {
            if strays.iter().all(|stray| stray.card.is_some()) {
                break;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
            backend = self.backend.observe(sought).await?;
            strays = self.strays(&backend.containers).await?;
        }
        Ok((backend, strays))
    }

    /// The cards of running containers that are not on their bridges.
    async fn strays(
        &self,
        containers: &BTreeMap<Name, ObservedContainer>,
    ) -> Result<Vec<StrayCard>, ObserveError> {
        let runs = |c: &&ObservedContainer| matches!(c.state, State::Running | State::Frozen);
        let running = containers.values().filter(runs);
        let specs = running.filter_map(|c| Some(&c.mark.as_ref()?.spec));
        // Whoever writes `lxc.net` lines himself may have changed what the card is.
        let own = |spec: &&ContainerSpec| !spec.config.iter().any(|l| l.key.starts_with("lxc.net"));
        let wishes: Vec<Seat> = specs.filter(own).flat_map(ContainerSpec::seats).collect();
        Ok(self.network.cards(&wishes).await?)
    }
}

/// Kernel parameters that containers ask for, but those of another runtime, which may have a kernel of its own.
fn sysctls(project: &Project) -> Vec<String> {
    let apps = project.containers.values().filter_map(|c| c.app.as_ref());
    let apps = apps.filter(|app| app.runtime.is_none());
    let apps = apps.map(|app| &app.granted);
    let systems = project.containers.values().map(|c| &c.system.granted);
    let names = apps
        .chain(systems)
        .flat_map(|granted| granted.sysctls.keys().cloned());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether it has several networks and asks for a hardware address.
fn several_with_mac(app: &App) -> bool {
    match &app.network {
        AppNetwork::Networks(all) => all.len() > 1 && all.iter().any(|at| at.mac.is_some()),
        AppNetwork::Host
        | AppNetwork::None
        | AppNetwork::Bridge
        | AppNetwork::Container(_)
        | AppNetwork::Foreign(_) => false,
    }
}

/// What the backends are asked about: the engine of application containers only where the file has
/// such containers, or an earlier one had.
fn sought(project: &Project, record: Option<&ProjectRecord>) -> Sought {
    let containers = project.containers.values();
    let mut kinds: BTreeSet<Kind> = containers.clone().map(|c| c.kind()).collect();
    if record.is_some_and(|record| record.applications) {
        kinds.insert(Kind::Application);
    }
    let images = containers.clone().filter_map(|c| c.source.image());
    let asks = |container: &Container| {
        let limits = !container.cgroup.is_empty();
        let app = container.app.as_deref();
        app.is_some_and(|app| limits || asks_engine(app))
    };
    Sought {
        offer: containers.into_iter().any(asks),
        images: images.map(str::to_string).collect(),
        kinds,
    }
}

/// Whether only the running engine knows that it can do what the settings ask for.
fn asks_engine(app: &App) -> bool {
    let driver = |logging: &Logging| logging.driver.is_some();
    app.logging.as_ref().is_some_and(driver)
        || app.runtime.is_some()
        || app.cgroup_parent.is_some()
        || app.oom_kill_disable.is_some()
        || !app.storage_opt.is_empty()
        || several_with_mac(app)
        || app.limits != AppLimits::default()
}

/// The bridges that the project has by its file or its record; others show themselves by their mark.
fn bridges(project: &Project, record: Option<&ProjectRecord>) -> BTreeSet<String> {
    let recorded = record.iter().flat_map(|record| record.networks.keys());
    let networks = project.networks.keys().chain(recorded);
    let mut bridges: BTreeSet<String> = networks
        .map(|network| bridge_of_network(&project.name, network))
        .collect();
    bridges.insert(project.bridge());
    bridges
}

/// The host paths of mounts, of the containers that are there and of the file, that are not there.
async fn missing(
    containers: &BTreeMap<Name, ObservedContainer>,
    project: &Project,
) -> Result<BTreeSet<PathBuf>, ObserveError> {
    let marks = containers.values().filter_map(|c| c.mark.as_ref());
    let mounts = marks.flat_map(|mark| &mark.spec.mounts);
    let mut paths: BTreeSet<PathBuf> = mounts.map(|mount| mount.host.clone()).collect();
    let file = project.containers.values().flat_map(|c| &c.volumes);
    paths.extend(file.filter_map(|(volume, _)| match &volume.source {
        VolumeSource::Host(path) => Some(path.clone()),
        VolumeSource::Named(_) => None,
    }));
    if paths.is_empty() {
        return Ok(paths);
    }
    // A path may be on a disk or a network that takes its time.
    tokio::task::spawn_blocking(move || facts::missing(paths))
        .await
        .map_err(|source| ObserveError::Thread { source })
}

/// First and last port of everything the project publishes.
fn wanted_ports(project: &Project, asked: Option<&Port>) -> Vec<(Protocol, u16, u16)> {
    project
        .containers
        .values()
        .flat_map(|container| container.ports.iter().map(|(port, _)| port))
        .chain(asked)
        .map(|port| (port.protocol, port.host.first, port.host.last))
        .collect()
}

fn look_at_files(
    paths: &Paths,
    project: &Name,
    mut wanted: Vec<(Protocol, u16, u16)>,
    of_ids: &facts::OfIds,
) -> Result<OnDisk, ObserveError> {
    let records = store::load_records(paths)?;
    let record = records.iter().find(|r| &r.name == project).cloned();
    let added = record.iter().flat_map(|r| r.added_ports.values().flatten());
    wanted.extend(added.map(|port| (port.protocol, port.host.first, port.host.last)));
    let mut resolv = read_or_empty(&paths.resolv())?;
    if sys::is_stub(&resolv) {
        // systemd-resolved answers on a loopback address; whom it asks stands in a file beside its own.
        resolv.push('\n');
        resolv.push_str(&read_or_empty(&paths.resolved())?);
    }
    let mut ids_taken = subordinate(&paths.subuid(), IdKind::User)?;
    ids_taken.extend(subordinate(&paths.subgid(), IdKind::Group)?);
    let others = records.iter().filter(|r| &r.name != project);
    ids_taken.extend(others.flat_map(|other| other.ids.iter().copied()));
    Ok(OnDisk {
        facts: HostFacts {
            controllers: backend::controllers(),
            name_servers: sys::name_servers(&resolv),
            addresses: Vec::new(),
            ephemeral: facts::ephemeral(&read_or_empty(Path::new(
                "/proc/sys/net/ipv4/ip_local_port_range",
            ))?),
            ids_taken,
            volumes_dir: paths.volumes(project),
            volumes: facts::volumes(&paths.volumes(project))?,
            owners: of_ids.owners(&paths.volumes(project)),
            maps_ids: of_ids.maps_ids(paths.state()),
            closed: None,
            nr_open: facts::nr_open(),
            sysctls: BTreeMap::new(),
            missing: BTreeSet::new(),
            unmounted: unmounted(paths, project)?,
            projects: records
                .into_iter()
                .filter(|r| &r.name != project)
                .map(|r| (r.name.clone(), r.home().to_path_buf()))
                .collect(),
        },
        record,
        adopted: adopted(paths, project),
        listeners: listeners(paths, &wanted)?,
    })
}

/// What was taken over; whoever would need it and cannot have it says why.
fn adopted(paths: &Paths, project: &Name) -> Adopted {
    store::load_adopted(paths, project).unwrap_or_else(|error| Adopted {
        damage: Some(error.to_string()),
        ..Adopted::default()
    })
}

/// Sources of mounts whose file system is not mounted; a kernel that does not tell says nothing against it.
fn unmounted(paths: &Paths, project: &Name) -> Result<store::Sources, ObserveError> {
    // What is damaged is written anew by the next change, and must not stop what takes a project down.
    let sources = store::load_sources(paths, project).unwrap_or_default();
    if sources.is_empty() {
        return Ok(sources);
    }
    let points = sys::mount_points();
    Ok(points.map_or_else(
        |_| store::Sources::new(),
        |points| store::unmounted(&sources, &points),
    ))
}

fn subordinate(path: &Path, kind: IdKind) -> Result<Vec<IdRange>, ObserveError> {
    Ok(facts::subordinate_ids(&read_or_empty(path)?, kind))
}

fn read_or_empty(path: &Path) -> Result<String, ObserveError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(ObserveError::Io {
            path: path.into(),
            source,
        }),
    }
}

fn listeners(
    paths: &Paths,
    wanted: &[(Protocol, u16, u16)],
) -> Result<Vec<Listener>, ObserveError> {
    // Read for the first of the file's ports on which somebody listens.
    let mut held = None;
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for raw in sys::listeners()? {
        let protocol = match raw.transport {
            Transport::Tcp => Protocol::Tcp,
            Transport::Udp => Protocol::Udp,
        };
        // Several sockets may share a port (SO_REUSEPORT); one line tells as much.
        if !seen.insert((protocol.as_str(), raw.address, raw.port)) {
            continue;
        }
        let is_wanted = wanted
            .iter()
            .any(|(p, first, last)| *p == protocol && (*first..=*last).contains(&raw.port));
        if is_wanted && held.is_none() {
            held = Some(store::demand_ports(paths)?);
        }
        let held = held.iter().flatten().filter(|_| is_wanted);
        let holder = store::holder(held, &raw);
        let owner = match holder {
            Some(held) => format!(
                "container `{}` of project `{}`",
                held.container, held.project
            ),
            None if is_wanted => owner_of(&raw),
            None => "a process".into(),
        };
        found.push(Listener {
            protocol,
            address: raw.address,
            port: raw.port,
            owner,
            held_for: holder.map(|held| (held.project.clone(), held.container.clone())),
        });
    }
    Ok(found)
}

fn owner_of(raw: &RawListener) -> String {
    match sys::owner(raw.inode) {
        Some(owner) => match owner.unit {
            Some(unit) => format!("{} (pid {}, {unit})", owner.comm, owner.pid),
            None => format!("{} (pid {})", owner.comm, owner.pid),
        },
        None => "a process that cannot be seen".into(),
    }
}
