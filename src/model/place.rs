//! Where in the project file a value stands.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

/// A place in a project file. Lines and columns count from 1; a line of 0 means "not from a file"
/// (a default, a command-line argument).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, as the user would name it.
    pub file: Arc<Path>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// A place in `file`.
    pub fn new(file: Arc<Path>, line: u32, column: u32) -> Self {
        Self { file, line, column }
    }

    /// The place of what stands in no file.
    pub fn nowhere() -> Self {
        Self {
            file: Arc::from(Path::new("")),
            line: 0,
            column: 0,
        }
    }

    /// Whether this is a real place in a file.
    pub fn is_somewhere(&self) -> bool {
        self.line > 0
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::nowhere()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_somewhere() {
            write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
        } else {
            f.write_str("(not from a file)")
        }
    }
}

macro_rules! keys {
    ($($key:ident $word:literal)+) => {
        /// A key of a container in the project file, as the user writes it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs)] // each is the key of the same name; docs/file.md explains them
        pub enum Key { $($key),+ }

        impl Key {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$key),+];

            /// The key as it is written in the file.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$key => $word),+ }
            }
        }
    };
}

keys! {
    Template "template"
    Clone "clone"
    Download "download"
    Rootfs "rootfs"
    Ports "ports"
    Volumes "volumes"
    Fqdn "fqdn"
    Links "links"
    Dns "dns"
    Cgroup "cgroup"
    Environment "environment"
    EnvFile "env_file"
    Config "config"
    Idmap "idmap"
    DependsOn "depends_on"
    Healthcheck "healthcheck"
    Restart "restart"
    Labels "labels"
    Group "group"
    Setup "setup"
    Autostart "autostart"
    Image "image"
    Build "build"
    Pull "pull"
    PullPolicy "pull_policy"
    PullRefreshAfter "pull_refresh_after"
    Platform "platform"
    Command "command"
    Entrypoint "entrypoint"
    User "user"
    GroupAdd "group_add"
    WorkingDir "working_dir"
    Hostname "hostname"
    Domainname "domainname"
    ContainerName "container_name"
    Init "init"
    Tty "tty"
    StdinOpen "stdin_open"
    ReadOnly "read_only"
    Privileged "privileged"
    Ulimits "ulimits"
    Sysctls "sysctls"
    CapAdd "cap_add"
    CapDrop "cap_drop"
    Devices "devices"
    DeviceCgroupRules "device_cgroup_rules"
    Tmpfs "tmpfs"
    ShmSize "shm_size"
    SecurityOpt "security_opt"
    Logging "logging"
    ExtraHosts "extra_hosts"
    DnsSearch "dns_search"
    DnsOpt "dns_opt"
    StopSignal "stop_signal"
    StopGracePeriod "stop_grace_period"
    Pid "pid"
    Ipc "ipc"
    Uts "uts"
    UsernsMode "userns_mode"
    CgroupParent "cgroup_parent"
    Runtime "runtime"
    OomScoreAdj "oom_score_adj"
    OomKillDisable "oom_kill_disable"
    StorageOpt "storage_opt"
    MemLimit "mem_limit"
    MemReservation "mem_reservation"
    MemswapLimit "memswap_limit"
    MemSwappiness "mem_swappiness"
    Cpus "cpus"
    CpuShares "cpu_shares"
    CpuPeriod "cpu_period"
    CpuQuota "cpu_quota"
    CpuRtRuntime "cpu_rt_runtime"
    CpuRtPeriod "cpu_rt_period"
    CpuCount "cpu_count"
    CpuPercent "cpu_percent"
    Cpuset "cpuset"
    PidsLimit "pids_limit"
    BlkioConfig "blkio_config"
    Deploy "deploy"
    NetworkMode "network_mode"
    Networks "networks"
    MacAddress "mac_address"
    Expose "expose"
    Annotations "annotations"
    Secrets "secrets"
    Configs "configs"
    VolumesFrom "volumes_from"
    LabelFile "label_file"
    Profiles "profiles"
    Scale "scale"
    Extends "extends"
    Attach "attach"
    ExternalLinks "external_links"
    Develop "develop"
    Ready "ready"
    PostStart "post_start"
    PreStop "pre_stop"
    PreStart "pre_start"
    Provider "provider"
    Models "models"
    CredentialSpec "credential_spec"
    Gpus "gpus"
    Isolation "isolation"
    UseApiSocket "use_api_socket"
    Supervisor "supervisor"
    Isolate "isolate"
    Nesting "nesting"
    Packages "packages"
    Timezone "timezone"
    Locale "locale"
    Users "users"
    SshKeys "ssh_keys"
    OnDemand "on_demand"
    Idle "idle"
    Identity "identity"
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
