//! What the engine of application containers has beside containers, what it offers, and what was taken over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::{EngineNetwork, Listener, Name};

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
    /// The projects of locker that have those, by name.
    pub network_owners: BTreeMap<String, Owner>,
    /// What is known of the addresses of the networks of others, by name.
    pub foreign_places: BTreeMap<String, ForeignPlaces>,
    /// Containers of this project that somebody renamed: what they are called now.
    pub renamed: BTreeMap<Name, String>,
    /// Containers that are not of this project and run on its networks, by the network's key in the file.
    pub guests: BTreeMap<Name, BTreeSet<String>>,
    /// Volumes that bear this project's mark, by name.
    pub volumes: BTreeMap<String, ObservedVolume>,
    /// Containers that are not of this project and have volumes, by the volume's name.
    pub volume_guests: BTreeMap<String, BTreeSet<String>>,
    /// All other volumes, by name.
    pub foreign_volumes: BTreeMap<String, ObservedVolume>,
    /// What docker compose has of a project of this name in this directory.
    pub compose: ObservedCompose,
    /// The same of this directory's projects of other names, by their names.
    pub compose_else: BTreeMap<String, ObservedCompose>,
    /// What it offers; none when that was not asked.
    pub offer: Option<EngineOffer>,
}

/// A container that docker compose has made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComposeContainer {
    /// The service of the file that it is of; none when it is for one command.
    pub service: Option<String>,
    /// It runs.
    pub runs: bool,
    /// The directory where it was started, when no project's file is there any more.
    pub from: Option<PathBuf>,
}

/// What docker compose has made of the project and nobody has taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedCompose {
    /// Its containers by name.
    pub containers: BTreeMap<String, ComposeContainer>,
    /// Its networks by name.
    pub networks: BTreeSet<String>,
    /// The ports of the host that those containers have.
    pub ports: Vec<Listener>,
}

impl ObservedCompose {
    /// Whether a socket is the engine's for a port of one of these containers.
    pub fn holds(&self, listener: &Listener) -> bool {
        let at = |l: &Listener| (l.protocol, l.address, l.port);
        let mut same = self.ports.iter().filter(|own| at(own) == at(listener));
        listener.owner.starts_with("docker-proxy") && same.next().is_some()
    }
}

/// The addresses of a network that is not of this project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignPlaces {
    /// Its subnets; empty when the engine does not tell them.
    pub nets: Vec<IpNet>,
    /// The addresses of the host there.
    pub gateways: BTreeSet<IpAddr>,
    /// Those of running containers that are not of this project, with their names.
    pub taken: BTreeMap<IpAddr, String>,
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

/// The project of locker that something of the engine is of, by its marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub project: String,
    /// The directory in which it was made.
    pub directory: PathBuf,
}

impl Owner {
    /// By the values of two marks; none where one of them is missing.
    pub fn of(project: Option<&String>, directory: Option<&String>) -> Option<Self> {
        Some(Self {
            project: project?.clone(),
            directory: directory?.into(),
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = self.directory.display();
        write!(f, "locker's project `{}` in `{directory}`", self.project)
    }
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

    /// The project of locker for which it was made.
    pub fn owner(&self) -> Option<Owner> {
        let mark = |key: &str| self.labels.get(key);
        Owner::of(mark("locker.project"), mark("locker.directory"))
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
    /// Why nobody knows what was taken over: what was written down cannot be read.
    #[serde(skip)]
    pub damage: Option<String>,
}

impl Adopted {
    /// Whether nothing was taken over.
    pub fn is_empty(&self) -> bool {
        self.volumes.is_empty() && self.unnamed.is_empty()
    }

    /// What is left of it after a `down --volumes` that was planned from this look of the engine: what others hold
    /// stays, and all of it where the engine was not asked.
    pub fn left_after_down(&self, engine: &ObservedEngine) -> Self {
        let mut left = self.clone();
        let all = self.unnamed.values().flat_map(BTreeMap::values);
        let all: BTreeSet<&String> = self.volumes.iter().chain(all).collect();
        let is_held = |volume: &String| {
            let there = engine.foreign_volumes.contains_key(volume);
            engine.at.is_none() || there && engine.volume_guests.contains_key(volume)
        };
        for volume in all.into_iter().filter(|volume| !is_held(volume)) {
            left.forget(volume);
        }
        left
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
