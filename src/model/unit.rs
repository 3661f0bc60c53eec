//! What systemd is to know of a container: a service, and what it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Condition, Healthcheck, Hooks, Kind, Name, Port, PortRule, Restart, SupervisorStatus, hash_word,
};

/// Where the engine of application containers listens when nobody says it.
pub const ENGINE_SOCKET: &str = "/var/run/docker.sock";

/// A container as a service. Written beside the unit file it is the mark by which the unit is known as
/// ours, what `locker supervise` is told, and what the planner compares with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitSpec {
    /// The project.
    pub project: Name,
    /// The container's short name.
    pub name: Name,
    /// Which engine runs it.
    pub kind: Kind,
    /// The program that supervises: this one's own path.
    pub program: PathBuf,
    /// The project's directory, for messages and documentation.
    pub directory: PathBuf,
    /// Where locker's state is when it is not where it usually is.
    pub state_dir: Option<PathBuf>,
    /// Where LXC containers are kept.
    pub lxcpath: PathBuf,
    /// The engine's socket when it is not [`ENGINE_SOCKET`].
    #[serde(default)]
    pub engine: Option<PathBuf>,
    /// Containers that must be there first; without them it does not start.
    pub requires: BTreeSet<Name>,
    /// How far each of them must be; healthy where it is not said.
    #[serde(default)]
    pub conditions: BTreeMap<Name, Condition>,
    /// Containers that are started first where they are started at all.
    pub after: BTreeSet<Name>,
    /// Containers that it is stopped and started anew with: it shares their network or other namespaces.
    pub binds: BTreeSet<Name>,
    /// Others wait until it has ended with 0: it is ready then, and done for good.
    pub oneshot: bool,
    /// The groups that it is in.
    pub groups: BTreeSet<Name>,
    /// What happens when it ends by itself.
    pub restart: Restart,
    /// When it is ready, and how it is watched; none is as soon as it runs.
    pub healthcheck: Option<Healthcheck>,
    /// Commands after every start and before every stop.
    #[serde(default)]
    pub hooks: Hooks,
    /// How long it waits for those; none is without end.
    pub start_timeout: Option<Duration>,
    /// How long it gets to end.
    pub stop_timeout: Duration,
    /// Limits that systemd keeps, as unit properties: `MemoryMax` to `536870912`.
    pub properties: BTreeMap<String, String>,
    /// Whether it is kept apart from the host as far as that goes.
    pub isolate: bool,
    /// Ports that systemd holds: the first connection starts the container.
    pub on_demand: Vec<DemandPort>,
    /// How long such a port must be quiet until the container is stopped.
    pub idle: Option<Duration>,
    /// The port rules that are in place while it runs; none in what an older locker wrote, whose rules stay
    /// as the last change left them.
    #[serde(default)]
    pub ports: Option<Vec<PortRule>>,
    /// Paths of the host that it cannot start without: what lies below it and what is mounted into it.
    #[serde(default)]
    pub mounts: BTreeSet<PathBuf>,
    /// Whether it starts with its project at boot; none in what an older locker wrote, where only the links
    /// tell it.
    #[serde(default)]
    pub at_boot: Option<bool>,
}

impl UnitSpec {
    /// The same without what follows its start.
    pub fn bare(&self) -> Self {
        let hooks = Hooks {
            pre_stop: self.hooks.pre_stop.clone(),
            ..Hooks::default()
        };
        Self {
            hooks,
            ..self.clone()
        }
    }

    /// What is said of it when it had to be killed at the end of a stop.
    pub fn was_killed(&self) -> String {
        let grace = self.stop_timeout.as_secs_f64();
        format!(
            "`{}` did not end within {grace} s and was killed",
            self.name
        )
    }
}

/// A port that systemd holds for a container that may not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemandPort {
    /// As published.
    pub port: Port,
    /// The container's address.
    pub to: Ipv4Addr,
}

/// A copy that is to be made of this program for the units that run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProgramCopy {
    /// Where this program is.
    pub source: PathBuf,
    /// Where the copy belongs.
    pub path: PathBuf,
    /// The SHA-256 of the copy that is there, in hexadecimal digits; none when there is none.
    pub before: Option<String>,
    /// The same of this program.
    pub digest: String,
    /// Who else than root could have changed it: ``user 1000 owns `/home/me` ``.
    pub doubt: Option<String>,
    /// Why systemd cannot run the copy there.
    pub obstacle: Option<String>,
}

/// What systemd says of a container's service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// `active`, `activating`, `deactivating`, `inactive`, `failed`.
    pub active: String,
    /// `running`, `start`, `auto-restart`, `dead`, …
    pub sub: String,
    /// `success`, `exit-code`, `start-limit-hit`, `timeout`, …
    pub result: String,
    /// How often systemd has started it again by itself.
    pub restarts: u32,
    /// Since when it is in this state, microseconds since 1970; 0 is never.
    pub since: u64,
    /// What its supervisor says about it.
    pub status: String,
}

impl UnitState {
    /// How far its supervisor is by what it says.
    pub fn supervisor(&self) -> SupervisorStatus {
        let Ok(said) = self.status.parse();
        said
    }
}

/// How the ports are that systemd holds for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// All of them are open: who calls has the container started.
    Open,
    /// Some of them are not: closed by somebody, or failed.
    Broken,
    /// None of them is open.
    Closed,
}

/// The search path of a system container's monitor, whose hooks want the host's programs. First comes a
/// directory in which `newuidmap` is nothing: liblxc would ask a real one, which wants each range of ids in
/// /etc/subuid, while root may write id maps itself.
pub const MONITOR_PATH: &str =
    "/run/locker/path:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The first directory of [`MONITOR_PATH`].
pub const MONITOR_PATH_DIR: &str = "/run/locker/path";

/// All units of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectUnits {
    /// The project.
    pub project: Name,
    /// Its directory.
    pub directory: PathBuf,
    /// The services of its containers.
    pub services: BTreeMap<Name, UnitSpec>,
}

/// A change of unit files and boot links, one reload for all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitsChange {
    /// What the project's units are to be; without services all files of the project go.
    pub units: ProjectUnits,
    /// Containers that start with the project at boot.
    pub enabled: BTreeSet<Name>,
    /// Containers whose held ports are open; those of all others are closed.
    pub open: BTreeSet<Name>,
    /// Whether the project itself starts at boot.
    pub project_enabled: bool,
    /// The program of the units was replaced: the network service, which runs the one before, begins anew.
    #[serde(default)]
    pub renewed: bool,
}

/// A name as part of a unit's name (systemd.unit(5), "String Escaping for Inclusion in Unit Names"). A
/// `-` is escaped too: it parts project and container, and in a slice's name it would make one slice
/// the child of another. A long one is cut and told apart by a hash behind a `:`, which no name has: a
/// unit's name has at most 255 characters, with two such words.
pub fn escaped_in_unit(name: &Name) -> String {
    const MOST: usize = 100;
    let escaped = |text: &str| text.replace('-', "\\x2d");
    let whole = escaped(name.as_str());
    if whole.len() <= MOST {
        return whole;
    }
    // So many characters fit, whatever they are.
    let head: String = name.as_str().chars().take(MOST / 5).collect();
    format!("{}:{}", escaped(&head), hash_word(name.as_str()))
}

/// The service of a container.
pub fn service_of(project: &Name, container: &Name) -> String {
    let (project, container) = (escaped_in_unit(project), escaped_in_unit(container));
    format!("locker-{project}-{container}.service")
}

/// The slice of a project's containers, a child of `locker.slice`.
pub fn slice_of(project: &Name) -> String {
    format!("locker-{}.slice", escaped_in_unit(project))
}
