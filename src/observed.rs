//! What is: a snapshot of the host, filled by the drivers and read by the planner.
//!
//! Plain values, no driver types. State is read from the engines and from the marks on what locker
//! made; what has no mark of ours is listed as foreign and never changed.

mod engine;
mod firewall;
mod network;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::{
    CgroupVersion, ContainerSpec, HostsLine, IdRange, Kind, Listener, Name, Port, Provision,
    Subnets,
};

pub use engine::*;
pub use firewall::*;
pub use network::*;
pub use units::*;

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
    /// Where it is now, when it was moved since: what locker made bears the directory from before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<PathBuf>,
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
    /// Ids of the host that were picked for its containers, which no other project's may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<IdRange>,
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

impl ProjectRecord {
    /// The directory that the project is in.
    pub fn home(&self) -> &Path {
        self.moved.as_deref().unwrap_or(&self.directory)
    }
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
    /// Why the setup did not come to its end when it ran last: `setup command `x` ended with 3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_failed: Option<String>,
    /// What it was furnished with when the setup ran last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provisioned: Vec<Provision>,
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
    /// The exit code with which it ended, when it is stopped or waits to be started again and the code is known.
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
    /// Names of networks of the engine that it was made on and is not on any more: somebody took it off.
    pub unplugged: BTreeSet<String>,
    /// Its configuration file, when its engine could not start it with what is in there.
    pub broken: Option<PathBuf>,
    /// Its engine says that it runs, and has not noticed yet that its first process is no more.
    pub over: bool,
    /// Process id of its init while it runs.
    pub pid: Option<u32>,
    /// The managed lines of its hosts file; none when there is no block.
    pub names: Option<Vec<HostsLine>>,
    /// The name servers in its resolv.conf.
    pub dns: Vec<IpAddr>,
    /// What the kernel holds for it in the place of limits of its mark, by their keys, as far as that is looked at.
    pub limits: BTreeMap<String, String>,
    /// What was changed inside of the names of its mark. Of a system container that runs only.
    pub touched: Option<Touched>,
}

/// What somebody inside changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The host name that it bears, or takes at its next boot.
    HostName(String),
    /// The search domains or the options of its resolver.
    Resolver,
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

/// A container whose keeper does not answer, or whose mark cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// Who does not answer, and why; or what is wrong with its mark.
    pub reason: String,
    /// What mends it.
    pub help: String,
}

impl ObservedContainer {
    /// Whether its service attends to the older self that was set aside: that runs, and the new one does not yet.
    pub fn is_attended_aside(&self) -> bool {
        self.aside_runs && self.state == State::Stopped
    }
}
