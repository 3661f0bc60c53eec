//! What is: a snapshot of the host, filled by the drivers and read by the planner.
//!
//! Plain values, no driver types. State is read from the engines and from the marks on what locker
//! made; what has no mark of ours is listed as foreign and never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::SystemTime;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::{
    CgroupVersion, ContainerSpec, EngineNetwork, Held, HostsLine, IdRange, JobRecord, JobState,
    Kind, Listener, Name, NetworkRules, Port, PortRange, PortRule, Protocol, Subnets, UnitSpec,
    UnitState,
};

/// All that the planner may know about the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The host itself.
    pub host: HostFacts,
    /// What locker wrote down about this project; none before its first `up` (or when it was lost).
    pub record: Option<ProjectRecord>,
    /// What it has taken over from docker compose.
    pub adopted: Adopted,
    /// Containers that bear this project's mark, and wrecks of it, by short name.
    pub containers: BTreeMap<Name, ObservedContainer>,
    /// Full names of all other containers on the host (for clones and name collisions).
    pub foreign: BTreeMap<Kind, BTreeSet<String>>,
    /// What the engine of application containers has beside containers.
    pub engine: ObservedEngine,
    /// Engines that the project needs and that do not answer: nothing is known of their containers.
    pub down: BTreeMap<Kind, Down>,
    /// Containers that do not answer: nothing else is known of them.
    pub silent: BTreeMap<Name, Silent>,
    /// Containers that are not known so, and whose addresses stay theirs while a plan is made without them.
    pub unknown: BTreeSet<Name>,
    /// Bridge and taken subnets.
    pub network: ObservedNetwork,
    /// Port rules and network rules of every locker project.
    pub firewall: ObservedFirewall,
    /// Sockets that listen on the host.
    pub listeners: Vec<Listener>,
    /// What systemd has of the project.
    pub units: ObservedUnits,
    /// Commands that were run in containers of their own, by the short name of that container.
    pub jobs: BTreeMap<Name, ObservedJob>,
    /// This project's block in the host's /etc/hosts; none when there is no block.
    pub host_names: Option<Vec<HostsLine>>,
}

/// Who has a file or directory of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedOwner {
    /// Its user.
    pub user: u32,
    /// Its permission bits.
    pub mode: u32,
    /// A directory with nothing in it.
    pub empty: bool,
    /// Its file system can map the ids of a mount; asked for taken-over volumes only.
    pub maps_ids: bool,
}

/// Facts about the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Which cgroup version holds each controller (`memory`, `cpu`, `cpuset`, …).
    pub controllers: BTreeMap<String, CgroupVersion>,
    /// The host's own name servers, loopback ones already dropped.
    pub name_servers: Vec<IpAddr>,
    /// Addresses of the host's interfaces, loopback included.
    pub addresses: Vec<IpAddr>,
    /// The ports that the kernel gives to clients by itself; none when it does not say so.
    pub ephemeral: Option<RangeInclusive<u16>>,
    /// Blocks of ids that other containers, users or /etc/subuid hold.
    pub ids_taken: Vec<IdRange>,
    /// Where named volumes are kept.
    pub volumes_dir: PathBuf,
    /// The named volumes that are there, whoever has mounted them.
    pub volumes: BTreeSet<Name>,
    /// Who has what is mounted into containers with ids of their own, as far as it is there.
    pub owners: BTreeMap<PathBuf, ObservedOwner>,
    /// Whether the file system of the named volumes can map the ids of a mount; asked where it matters.
    pub maps_ids: bool,
    /// A directory above the system containers through which no root of an id map can pass.
    pub closed: Option<PathBuf>,
    /// The most open files that a process may be allowed (`fs.nr_open`); none when the kernel does not say so.
    pub nr_open: Option<u64>,
    /// Kernel parameters of the file that a container of the engine cannot have, with why.
    pub sysctls: BTreeMap<String, String>,
    /// Host paths of the mounts of this project's containers that are not there (any more).
    pub missing: BTreeSet<PathBuf>,
    /// Sources of mounts by container, whose file system was mounted and is not any more: the path and the
    /// mount point.
    pub unmounted: BTreeMap<Name, BTreeMap<PathBuf, PathBuf>>,
    /// Other locker projects of this host by name, with their directory.
    pub projects: BTreeMap<Name, PathBuf>,
}

/// What locker remembers of a project between runs. Lost, it is made again from the marks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectRecord {
    /// Version of this form, 1.
    pub version: u32,
    /// The project's name.
    pub name: Name,
    /// Its canonical directory.
    pub directory: PathBuf,
    /// Where its LXC containers are kept.
    pub lxcpath: PathBuf,
    /// Its subnets.
    pub subnets: Subnets,
    /// Subnets of its further networks by their key in the file.
    #[serde(default)]
    pub networks: BTreeMap<Name, Subnets>,
    /// Whether it ever had an application container: only then is the engine asked when the file has none.
    #[serde(default)]
    pub applications: bool,
    /// Index in the subnets of each container that ever had one (2 is the first; 1 is the bridge).
    pub addresses: BTreeMap<Name, u32>,
    /// Indexes of older selves that may still run beside a new one; only meant while they are there.
    #[serde(default)]
    pub leaving: BTreeMap<Name, u32>,
    /// Rules added by `port add`, kept until `port rm`.
    #[serde(default)]
    pub added_ports: BTreeMap<Name, Vec<Port>>,
    /// Ports of the file or added by hand that were taken out by hand, until `ports` or `up`.
    #[serde(default)]
    pub withdrawn: BTreeMap<Name, Vec<Port>>,
    /// Host ports that were picked for rules with host port 0: `(container, rule as in the file)` to port.
    #[serde(default)]
    pub picked_ports: BTreeMap<String, u16>,
}

/// The state of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Defined in the file, not on the host.
    Absent,
    /// Made and not running.
    Stopped,
    /// Between stopped and running.
    Starting,
    /// Running.
    Running,
    /// Running, all processes frozen.
    Frozen,
    /// Its engine or its keeper does not answer. Only told to people: no container is observed so.
    Unknown,
}

/// What locker writes beside a container it made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Version of this form, 1.
    pub version: u32,
    /// The directory of the project that made it.
    pub directory: PathBuf,
    /// What was asked for, in full, when it was last configured.
    pub spec: ContainerSpec,
    /// Whether the `setup` commands have all run.
    pub setup_done: bool,
    /// Whether its volumes have been filled; a run that was killed before it did so left them empty.
    #[serde(default)]
    pub seeded: bool,
}

/// A container as the engine and its mark show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedContainer {
    /// Its name on the host.
    pub host_name: String,
    /// Its kind.
    pub kind: Kind,
    /// Its state; never [`State::Absent`].
    pub state: State,
    /// The exit code with which it ended, when it is stopped and the code is known.
    pub exit: Option<i32>,
    /// What the engine's own health check says; none without one.
    pub health: Option<Health>,
    /// The id of the image that it was made from.
    pub image: Option<String>,
    /// Its writable volumes without a name, which a new self must take over and cannot share.
    pub unnamed: Vec<UnnamedVolume>,
    /// The older self that was set aside runs.
    pub aside_runs: bool,
    /// Our mark. None only together with `wreck`.
    pub mark: Option<Mark>,
    /// Half made: its creation or destruction was begun by us and never finished.
    pub wreck: bool,
    /// An older self was set aside (`<host_name>~old`) by a recreation that never finished.
    pub set_aside: bool,
    /// It still runs, and a run of ours that never finished has asked it to shut down.
    pub stopping: bool,
    /// It was joined to the network of a container that is no more.
    pub parted: bool,
    /// It runs in the network, processes or memory of an earlier run of the container with which it
    /// shares them. False when the engine does not tell where that one runs.
    pub left_behind: bool,
    /// Names of networks of the engine that it knows by the id of one that was removed.
    pub estranged: BTreeSet<String>,
    /// Process id of its init while it runs.
    pub pid: Option<u32>,
    /// The managed lines of its hosts file; none when there is no block.
    pub names: Option<Vec<HostsLine>>,
    /// The name servers in its resolv.conf.
    pub dns: Vec<IpAddr>,
}

/// What a health check of the engine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not yet known.
    Starting,
    /// The last one passed.
    Healthy,
    /// It failed too often.
    Unhealthy,
}

/// An engine that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// `LXC`, `Docker`.
    pub engine: &'static str,
    /// Why.
    pub reason: String,
    /// What mends it.
    pub help: String,
}

/// A container whose keeper does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// Who does not answer, and why.
    pub reason: String,
    /// What mends it.
    pub help: String,
}

/// Where the engine of application containers listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineAt {
    /// A socket.
    Socket(PathBuf),
    /// `tcp://ADDRESS:PORT`, an address of this host.
    Network(String),
}

/// What the engine of application containers has beside containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedEngine {
    /// Where it listens; none when nobody asked it.
    pub at: Option<EngineAt>,
    /// Images that were asked about and are there: id by the name that was asked with.
    pub images: BTreeMap<String, String>,
    /// When each of those was fetched, built or tagged last, where the engine knows it.
    pub tagged: BTreeMap<String, SystemTime>,
    /// Networks of this project, by their key in the file.
    pub networks: BTreeMap<Name, EngineNetwork>,
    /// Names of all other networks.
    pub foreign_networks: BTreeSet<String>,
    /// Containers that are not of this project and run on its networks, by the network's key in the file.
    pub guests: BTreeMap<Name, BTreeSet<String>>,
    /// Volumes that bear this project's mark, by name.
    pub volumes: BTreeMap<String, ObservedVolume>,
    /// Containers that are not of this project and have its volumes, by the volume's name.
    pub volume_guests: BTreeMap<String, BTreeSet<String>>,
    /// All other volumes, by name.
    pub foreign_volumes: BTreeMap<String, ObservedVolume>,
    /// What it offers; none when that was not asked.
    pub offer: Option<EngineOffer>,
}

/// What only a running engine knows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineOffer {
    /// Its OCI runtimes by name.
    pub runtimes: BTreeSet<String>,
    /// Its log drivers, plugins among them.
    pub log_drivers: BTreeSet<String>,
    /// Whether systemd makes the cgroups of its containers.
    pub by_systemd: bool,
    /// Processors that it may use; 0 when it does not say.
    pub cpus: u32,
    /// Its storage driver, and the file system that lies under it; empty when it does not say.
    pub storage: (String, String),
    /// Whether it takes a hardware address on each network, not on the first one only (API 1.44).
    pub macs: bool,
    /// Limits that its host cannot hold: it would make a container without them.
    pub unheld: BTreeSet<EngineLimit>,
}

/// A limit that an engine of application containers can hold or not, by its host's kernel and cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineLimit {
    /// Memory, and memory that is kept.
    Memory,
    /// Swap.
    Swap,
    /// The tendency to swap of one container.
    Swappiness,
    /// No killing of processes when memory runs out.
    OomKillDisable,
    /// Processor time in a period.
    CpuTime,
    /// Relative weight of processor time.
    CpuShares,
    /// Real-time scheduling.
    CpuRealtime,
    /// Which processors and memory nodes.
    Cpuset,
    /// Number of processes.
    Pids,
    /// Relative weight of disk access, of all devices or of one.
    BlockWeight,
    /// The same, of one device.
    BlockWeightDevice,
    /// Bytes or operations in a second of a device.
    BlockThrottle,
}

/// A volume that the engine keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedVolume {
    /// `local` or the name of a plugin.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Its marks.
    pub labels: BTreeMap<String, String>,
    /// Where its data are on the host.
    pub path: Option<PathBuf>,
}

impl ObservedVolume {
    /// The project for which docker compose has made it; none when somebody else did.
    pub fn compose_project(&self) -> Option<&str> {
        let project = self.labels.get("com.docker.compose.project");
        project.map(String::as_str)
    }

    /// Its marks but for those of locker and of docker compose.
    pub fn own_labels(&self) -> BTreeMap<String, String> {
        let own =
            |key: &str| !key.starts_with("locker.") && !key.starts_with("com.docker.compose.");
        let labels = self.labels.iter().filter(|(key, _)| own(key));
        labels
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

/// A volume to which nobody gave a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnnamedVolume {
    /// Absolute path inside.
    pub target: PathBuf,
    /// The engine's word for it.
    pub name: String,
    /// Where its data are on the host.
    pub path: Option<PathBuf>,
}

impl UnnamedVolume {
    /// Where its data are; some engines only say so when they list their volumes.
    pub fn path_in<'a>(&'a self, engine: &'a ObservedEngine) -> Option<&'a PathBuf> {
        let listed = engine.foreign_volumes.get(&self.name);
        let listed = listed.and_then(|found| found.path.as_ref());
        self.path.as_ref().or(listed)
    }
}

/// Volumes of docker compose that the project has taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Adopted {
    /// Form of this file.
    pub version: u32,
    /// Names of volumes in the engine.
    pub volumes: BTreeSet<String>,
    /// Those without a name: by container, the path inside and the engine's word for it.
    pub unnamed: BTreeMap<Name, BTreeMap<PathBuf, String>>,
}

impl Adopted {
    /// Whether nothing was taken over.
    pub fn is_empty(&self) -> bool {
        self.volumes.is_empty() && self.unnamed.is_empty()
    }

    /// Forgets a volume that is gone; whether it was known.
    pub fn forget(&mut self, volume: &str) -> bool {
        let mut known = self.volumes.remove(volume);
        for volumes in self.unnamed.values_mut() {
            let before = volumes.len();
            volumes.retain(|_, name| name != volume);
            known |= volumes.len() != before;
        }
        self.unnamed.retain(|_, volumes| !volumes.is_empty());
        known
    }
}

/// What systemd has of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedUnits {
    /// Whether systemd runs this host.
    pub available: bool,
    /// The services that were written.
    pub services: BTreeMap<Name, UnitSpec>,
    /// Files on disk differ from what belongs to `services`.
    pub drifted: bool,
    /// What systemd says of the services.
    pub states: BTreeMap<Name, UnitState>,
    /// The ports that systemd holds, by the container that they start.
    pub held: BTreeMap<Name, Held>,
    /// Containers that start with the project at boot.
    pub enabled: BTreeSet<Name>,
    /// Whether the project itself starts at boot.
    pub project_enabled: bool,
    /// What is wrong with `locker-network.service`, on which all ports and bridges depend at boot.
    pub network_fault: Option<&'static str>,
    /// Something that all projects share is left (that service, the copy of the program), and no project has
    /// a unit any more.
    pub left_over: bool,
}

impl ObservedUnits {
    /// Containers whose held ports are open, at least some of them.
    pub fn open(&self) -> BTreeSet<Name> {
        let open = self.held.iter().filter(|(_, held)| **held != Held::Closed);
        open.map(|(name, _)| name.clone()).collect()
    }

    /// Whether the container has a service that does not attend to it. One that runs all the same was started
    /// past systemd, with its engine's own tools, or its service has given up.
    pub fn is_unattended(&self, name: &Name) -> bool {
        let state = self.states.get(name);
        let rests = state.is_some_and(|s| matches!(s.active.as_str(), "" | "inactive" | "failed"));
        rests && self.services.contains_key(name)
    }

    /// Whether systemd is about to start the container: it is tried again after it has ended, or waits for
    /// its turn.
    pub fn starts(&self, name: &Name) -> bool {
        let state = self.states.get(name);
        state.is_some_and(|state| state.active == "activating")
    }

    /// Whether the container's service runs.
    pub fn is_active(&self, name: &Name) -> bool {
        let state = self.states.get(name);
        state.is_some_and(|state| state.active == "active")
    }

    /// Whether the container's supervisor lives. One that rests all the same has just ended, and is about to be
    /// started again, or is about to run for the first time.
    pub fn is_attended(&self, name: &Name) -> bool {
        let state = self.states.get(name);
        state.is_some_and(|state| state.active == "active" && state.sub == "running")
    }

    /// Whether systemd is about to stop the container, or is stopping it: it may run yet, and will not for long.
    pub fn stops(&self, name: &Name) -> bool {
        let state = self.states.get(name);
        state.is_some_and(|state| state.active == "deactivating")
    }
}

/// A command in a container of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedJob {
    /// What was written down when it began.
    pub record: JobRecord,
    /// What systemd says of its service; none when it has none, or none any more.
    pub unit: Option<JobState>,
    /// The process that was to stay with it is there.
    pub attended: bool,
}

impl ObservedContainer {
    /// Whether its service attends to the older self that was set aside: that runs, and the new one does not yet.
    pub fn is_attended_aside(&self) -> bool {
        self.aside_runs && self.state == State::Stopped
    }
}

impl ObservedJob {
    /// Whether its container should have gone with its end, and nobody is left who would see to that;
    /// `there` says whether the container is there.
    pub fn is_lost(&self, there: bool) -> bool {
        let unit = self.unit.as_ref().is_some_and(JobState::runs);
        // Of a service the exit code is kept when all went well; otherwise the engine sees to it.
        let left = self.record.runner.is_some() || (self.record.unit && there);
        self.record.remove && !self.attended && !unit && left
    }
}

/// A subnet that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenNet {
    /// The subnet.
    pub net: IpNet,
    /// By whom: `interface eth0`, `route via tun0`, `locker project shop`.
    pub by: String,
}

/// The project's bridge as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedBridge {
    /// Our mark, the interface alias `locker:<project>`. A bridge without it is foreign.
    pub mark: Option<String>,
    /// Whether it is up.
    pub up: bool,
    /// Its addresses, link-local ones left out.
    pub addresses: Vec<IpNet>,
    /// The longest packet that it takes, bytes.
    pub mtu: u32,
}

/// The kernel's network as far as this project is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedNetwork {
    /// The project's bridges that are there, by the name of the interface.
    pub bridges: BTreeMap<String, ObservedBridge>,
    /// Subnets of every other interface, route and locker project.
    pub taken: Vec<TakenNet>,
    /// The longest packet, in bytes, that the interface of the default route takes; the least of both
    /// families. None when no route leads everywhere.
    pub uplink_mtu: Option<u32>,
    /// Whether the kernel forwards between interfaces as published ports need.
    pub forwarding: bool,
    /// Cards of running containers that are not on their bridges, not up there or do not fit them: somebody
    /// took them off, or deleted the bridge.
    pub strays: Vec<StrayCard>,
}

/// A card of a running container that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrayCard {
    /// Whose it is.
    pub container: Name,
    /// The bridge that it should be on.
    pub bridge: String,
    /// The interface of the host that leads to it; none when there is none any more.
    pub card: Option<String>,
    /// It is on its bridge, but takes packets of another length.
    pub misfit: bool,
}

/// What the firewall holds of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedFirewall {
    /// The driver that is in use: `nftables`, `iptables` or `none`.
    pub driver: String,
    /// Network rules of every project by bridge, only where they are complete.
    pub networks: BTreeMap<String, NetworkRules>,
    /// Port rules of every project, only those that are complete.
    pub rules: BTreeSet<PortRule>,
    /// What is there of every project and does not work as it is.
    pub torn: TornRules,
    /// What other drivers have left, of every project.
    pub left: Vec<Leftover>,
    /// What others do that makes rules of ours or theirs useless.
    pub foreign: ForeignRules,
}

/// Rules of ours of which a part is gone, or that somebody's new rules keep from working: Docker closes the
/// forward chain when it starts. What is wanted of it is made anew, and all of it is ours to take out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TornRules {
    /// Network rules by bridge.
    pub networks: BTreeMap<String, NetworkRules>,
    /// Port rules.
    pub rules: BTreeSet<PortRule>,
}

impl ObservedFirewall {
    /// The network rules that are there, whole or torn.
    pub fn all_networks(&self) -> impl Iterator<Item = &NetworkRules> {
        self.networks.values().chain(self.torn.networks.values())
    }

    /// Those of a bridge, whole or torn.
    pub fn any_network(&self, bridge: &str) -> Option<&NetworkRules> {
        let torn = || self.torn.networks.get(bridge);
        self.networks.get(bridge).or_else(torn)
    }
}

/// Rules of others that meet published ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignRules {
    /// Chains that drop forwarded packets and have no rule that lets locker's bridges pass: `inet filter forward`.
    pub closed: Vec<String>,
    /// Ports that `ufw deny` is to close. It sees what is for the host itself, not what is led on.
    pub denied: Vec<DeniedPort>,
    /// Docker's chain for the rules of others is there, before the rules of ufw.
    pub has_docker: bool,
}

/// A port that the host's administrator denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedPort {
    /// Its protocol.
    pub protocol: Protocol,
    /// The ports.
    pub ports: PortRange,
}

/// Rules that another firewall driver than the present one has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// `nftables`, `iptables-nft` or `iptables-legacy`.
    pub driver: String,
    /// Network rules.
    pub networks: Vec<NetworkRules>,
    /// Port rules.
    pub rules: Vec<PortRule>,
}
