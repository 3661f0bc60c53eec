//! What only application containers have: the settings of a process in an image.
//!
//! The words are those of the Compose Specification. A container of the file has an [`App`] when its
//! source is an image or a build; a system container has none.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{EngineMount, Granted, HealthTimes, InnerFile, Key, MountOptions, Name};

/// The settings of an application container. What is none or empty is left to the image and the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct App {
    /// When the image is fetched.
    pub pull: PullPolicy,
    /// `linux/amd64`: the platform of the image.
    pub platform: Option<String>,
    /// Arguments; an empty list takes the image's away.
    pub command: Option<Vec<String>>,
    /// The program and its first arguments; an empty list takes the image's away.
    pub entrypoint: Option<Vec<String>>,
    /// `USER[:GROUP]`, names or ids.
    pub user: Option<String>,
    /// Further groups, names or ids.
    pub group_add: Vec<String>,
    /// Working directory inside.
    pub working_dir: Option<String>,
    /// Host name inside; [`super::Container::fqdn`] wins.
    pub hostname: Option<String>,
    /// NIS domain name inside.
    pub domainname: Option<String>,
    /// A small init as process 1.
    pub init: Option<bool>,
    /// A terminal.
    pub tty: bool,
    /// Standard input stays open.
    pub stdin_open: bool,
    /// What the kernel grants it.
    #[serde(flatten)]
    pub granted: Granted,
    /// `no-new-privileges:true`, `seccomp=…`, `label=…`, `apparmor=…`.
    pub security_opt: Vec<String>,
    /// Where its output goes.
    pub logging: Option<Logging>,
    /// Further lines of its hosts file: name, and address or `host-gateway`.
    pub extra_hosts: Vec<(String, String)>,
    /// Search domains of its resolver.
    pub dns_search: Vec<String>,
    /// Options of its resolver.
    pub dns_opt: Vec<String>,
    /// The signal that asks it to end.
    pub stop_signal: Option<String>,
    /// `host`, `service:NAME`, `container:NAME`; none is its own.
    pub pid: Option<String>,
    /// `host`, `shareable`, `private`, `none`, `service:NAME`, `container:NAME`.
    pub ipc: Option<String>,
    /// `host`.
    pub uts: Option<String>,
    /// `host`.
    pub userns_mode: Option<String>,
    /// `host` or `private`: the cgroup namespace.
    pub cgroup: Option<String>,
    /// The cgroup under which its own is made.
    pub cgroup_parent: Option<String>,
    /// The OCI runtime.
    pub runtime: Option<String>,
    /// From -1000 to 1000 (proc(5), oom_score_adj).
    pub oom_score_adj: Option<i64>,
    /// The kernel does not kill it when memory runs out.
    pub oom_kill_disable: Option<bool>,
    /// Options of the storage driver.
    pub storage_opt: BTreeMap<String, String>,
    /// Resource limits.
    pub limits: AppLimits,
    /// Its place in the network.
    pub network: AppNetwork,
    /// Volumes that the engine keeps: anonymous ones, external ones, those of other drivers.
    pub engine_volumes: Vec<EngineMount>,
    /// Wishes about the mounts of [`super::Container::volumes`], by path inside.
    pub mount_options: BTreeMap<PathBuf, MountOptions>,
    /// Files of `secrets` and `configs`.
    pub files: Vec<InnerFile>,
    /// The containers whose volumes it mounts as well: full name on the host, and whether read-only.
    pub volumes_from: Vec<(String, bool)>,
    /// The health check that comes with the image is not run.
    pub no_healthcheck: bool,
    /// What the file says of the times of its check, or of the image's.
    pub health_times: HealthTimes,
    /// Ports that others use beside the published ones, `3000/tcp`.
    pub expose: Vec<String>,
    /// Devices that the engine picks by what they can do.
    pub device_requests: Vec<DeviceRequest>,
}

/// Limits of an application container in the engine's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppLimits {
    /// Most memory, bytes.
    pub memory: Option<u64>,
    /// Memory that is kept for it when memory runs short, bytes.
    pub memory_reservation: Option<u64>,
    /// Memory and swap together, bytes; -1 is no limit.
    pub memory_swap: Option<i64>,
    /// From 0 to 100.
    pub memory_swappiness: Option<u64>,
    /// Processors, in billionths.
    pub nano_cpus: Option<u64>,
    /// Relative weight, 1024 is the usual.
    pub cpu_shares: Option<u64>,
    /// Length of a scheduling period, microseconds.
    pub cpu_period: Option<u64>,
    /// Processor time in a period, microseconds.
    pub cpu_quota: Option<i64>,
    /// Microseconds of real-time scheduling in a period.
    pub cpu_rt_runtime: Option<u64>,
    /// Length of a real-time period, microseconds.
    pub cpu_rt_period: Option<u64>,
    /// Processors it may run on, `0-1,3`.
    pub cpuset: Option<String>,
    /// Memory nodes it may use.
    pub cpuset_mems: Option<String>,
    /// Most processes; -1 is no limit.
    pub pids: Option<i64>,
    /// Relative weight of its disk access, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// Throttles of devices.
    pub blkio_throttle: Vec<Throttle>,
}

/// A throttle or weight of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// What is limited.
    pub kind: ThrottleKind,
    /// The device's path on the host.
    pub path: PathBuf,
    /// Bytes or operations per second, or the weight.
    pub rate: u64,
}

/// What a [`Throttle`] limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // `blkio_config` of the Compose Specification
pub enum ThrottleKind {
    Weight,
    ReadBps,
    WriteBps,
    ReadIops,
    WriteIops,
}

/// When an image is fetched from its registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// Before every `up`.
    Always,
    /// When the host does not have it.
    #[default]
    Missing,
    /// Not by locker.
    Never,
    /// It is built before every `up`.
    Build,
    /// Before an `up`, when it was fetched so long ago.
    Refresh(Duration),
}

/// A resource limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// What counts; -1 is none.
    pub soft: i64,
    /// How far the container may raise it; -1 is none.
    pub hard: i64,
}

/// A device of the host inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Path on the host.
    pub host: PathBuf,
    /// Path inside.
    pub target: PathBuf,
    /// Some of `rwm`.
    pub permissions: String,
}

/// Devices that a driver of the engine hands out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// `nvidia`, …; none is whichever has them.
    pub driver: Option<String>,
    /// How many; -1 is all, 0 those of [`Self::ids`].
    pub count: i64,
    /// Which ones, in the driver's words.
    pub ids: Vec<String>,
    /// What they must be able to do, `gpu`.
    pub capabilities: Vec<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// Where a container's output goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// `json-file`, `journald`, …; none is the engine's own.
    pub driver: Option<String>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

impl App {
    /// The containers of the project whose network, processes or memory it shares, each with the key that
    /// says so.
    pub fn shared(&self) -> Vec<(Key, Name)> {
        let network = match &self.network {
            AppNetwork::Container(name) => Some((Key::NetworkMode, name.clone())),
            AppNetwork::Networks(_)
            | AppNetwork::Host
            | AppNetwork::Bridge
            | AppNetwork::None
            | AppNetwork::Foreign(_) => None,
        };
        let of_service = |key: Key, word: &Option<String>| {
            let name = word.as_deref()?.strip_prefix("service:")?;
            Some((key, Name::new(name).ok()?))
        };
        let others = [
            of_service(Key::Pid, &self.pid),
            of_service(Key::Ipc, &self.ipc),
        ];
        let others = others.into_iter().flatten();
        network.into_iter().chain(others).collect()
    }
}

/// Which network a container is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppNetwork {
    /// Networks of the project and external ones; the first is where its ports lead.
    Networks(Vec<Attachment>),
    /// The host's own.
    Host,
    /// Only a loopback.
    None,
    /// The engine's own bridge, where the engine gives the address.
    Bridge,
    /// That of another container of the project.
    Container(Name),
    /// That of a container of the host that is not of the project.
    Foreign(String),
}

/// The project's own network.
impl Default for AppNetwork {
    fn default() -> Self {
        Self::Networks(vec![Attachment::new(super::default_network())])
    }
}

/// A container's place on one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Key of the network in the file; `default` is the project's own.
    pub network: Name,
    /// Further names on this network.
    pub aliases: Vec<String>,
    /// A fixed address; locker picks one else.
    pub v4: Option<Ipv4Addr>,
    /// A fixed address; locker picks one else.
    pub v6: Option<Ipv6Addr>,
    /// A fixed hardware address.
    pub mac: Option<String>,
}

impl Attachment {
    /// An attachment without wishes.
    pub fn new(network: Name) -> Self {
        Self {
            network,
            aliases: Vec::new(),
            v4: None,
            v6: None,
            mac: None,
        }
    }
}

/// What happens when a container ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Nothing.
    #[default]
    No,
    /// It is started again, also after the host's or the engine's restart.
    Always,
    /// As `always`, but not when it was stopped by hand before.
    UnlessStopped,
    /// It is started again when its exit code is not 0.
    OnFailure {
        /// At most so often; none is without end.
        most: Option<u32>,
    },
    /// As `on-failure`, and also when its health check fails.
    OnUnhealthy,
}

/// How long an application container gets to end after it was asked to, when neither file nor user
/// says it; as in the Compose Specification.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// The same for a system container, whose services all have to end.
pub const SYSTEM_GRACE: Duration = Duration::from_secs(30);
