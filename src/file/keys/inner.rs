//! The keys of the maps inside a container.

use super::{KeySpec, key, refused, warned};
use crate::file::schema;

/// The map form of a port.
#[rustfmt::skip]
pub(in crate::file) const PORT: &[KeySpec] = &[
    key("host_ip", "address of the host", schema::text),
    key("published", "port or range on the host; 0 picks one", schema::text),
    key("target", "port or range in the container", schema::text),
    key("protocol", "tcp or udp", schema::protocol),
    key("allow", "subnets that may use it", schema::texts),
    key("mode", "`host` or `ingress`; the same on one machine", schema::text),
    key("name", "a name for people", schema::text),
    key("app_protocol", "what is spoken; a remark", schema::text),
];

/// A user of a system container.
#[rustfmt::skip]
pub(in crate::file) const USER: &[KeySpec] = &[
    key("uid", "a fixed id", schema::whole),
    key("shell", "program of a login", schema::text),
    key("home", "home directory", schema::text),
    key("groups", "further groups; one that is missing is made", schema::text_or_texts),
    key("ssh_keys", "public keys: lines, or paths of files on the host", schema::text_or_texts),
];

/// The map form of a volume.
#[rustfmt::skip]
pub(in crate::file) const VOLUME: &[KeySpec] = &[
    key("type", "`bind`, `volume` or `tmpfs`; others are refused by name", schema::text),
    key("source", "path on the host, or the name of a volume", schema::text),
    key("host", "the same as `source`", schema::text),
    key("target", "path in the container", schema::text),
    key("read_only", "whether the container may only read it", schema::boolean),
    key("bind", "wishes about a path of the host", schema::bind),
    key("volume", "wishes about a volume", schema::volume_options),
    key("tmpfs", "size and permissions of a memory file system", schema::tmpfs_options),
    key("consistency", "for Docker on a Mac; says nothing on Linux", schema::text),
    refused("image", "wishes about an image", "an image cannot be mounted"),
];

/// `bind` of a volume.
#[rustfmt::skip]
pub(in crate::file) const BIND: &[KeySpec] = &[
    key("propagation", "how mounts below it travel", schema::text),
    key("create_host_path", "`false`: the path must be there; else a missing one is made as a directory", schema::boolean),
    warned("recursive", "which mounts below it come along", "all mounts below it come along"),
    warned("selinux", "marks of SELinux", "locker leaves marks of SELinux alone"),
];

/// `volume` of a volume.
#[rustfmt::skip]
pub(in crate::file) const VOLUME_OPTIONS: &[KeySpec] = &[
    key("nocopy", "the image's content is not copied to it", schema::boolean),
    refused("subpath", "a directory within it", "the engine mounts whole volumes"),
    warned("labels", "marks of the volume", "give them where the volume is defined"),
];

/// `tmpfs` of a volume.
#[rustfmt::skip]
pub(in crate::file) const TMPFS_OPTIONS: &[KeySpec] = &[
    key("size", "most bytes", schema::text),
    key("mode", "permissions: octal digits, or in a Compose file an unquoted number", schema::text),
];

/// The map form of a link in a list.
#[rustfmt::skip]
pub(in crate::file) const LINK: &[KeySpec] = &[
    key("name", "the container", schema::text),
    key("alias", "a further name for it", schema::text),
];

/// The map form of an entry of `env_file`.
#[rustfmt::skip]
pub(in crate::file) const ENV_FILE: &[KeySpec] = &[
    key("path", "the file", schema::text),
    key("required", "`false`: it may be missing", schema::boolean),
    key("format", "`raw`: values stand as they are", schema::text),
];

/// An entry of `post_start` and `pre_stop`.
#[rustfmt::skip]
pub(in crate::file) const HOOK: &[KeySpec] = &[
    key("command", "program and arguments, without a shell", schema::command),
    key("user", "who runs it", schema::text),
    key("privileged", "with all capabilities; Docker containers only", schema::boolean),
    key("working_dir", "where it runs", schema::text),
    key("environment", "variables beside the container's own", schema::pairs),
];

/// `healthcheck`.
#[rustfmt::skip]
pub(in crate::file) const HEALTHCHECK: &[KeySpec] = &[
    key("test", "command that ends with 0 when all is well; the image's when it is left out", schema::command),
    key("port", "instead: the container's TCP port that must take connections", schema::whole),
    key("interval", "time between two tries; the image's, else 30s", schema::text),
    key("timeout", "longest time of a try; the image's, else 30s", schema::text),
    key("retries", "failures in a row that mean unhealthy; the image's, else 3", schema::whole),
    key("start_period", "time after the start in which failures do not count, 0s", schema::text),
    key("start_interval", "time between two tries within it", schema::text),
    key("disable", "no check, also where `defaults` or the image has one", schema::boolean),
];

/// The map form of `ready`.
#[rustfmt::skip]
pub(in crate::file) const READY: &[KeySpec] = &[
    key("test", "command that ends with 0 once the system inside has come up", schema::command),
    key("within", "longest time from the start, 2m", schema::text),
];

/// One entry of the map form of `depends_on`.
#[rustfmt::skip]
pub(in crate::file) const DEPENDENCY: &[KeySpec] = &[
    key("condition", "`started`, `healthy` or `completed_successfully`", schema::condition),
    key("restart", "restarted when the other one is made anew or restarted", schema::boolean),
    key("required", "`false`: it may be missing", schema::boolean),
];

/// One entry of the map form of `idmap`.
#[rustfmt::skip]
pub(in crate::file) const IDMAP: &[KeySpec] = &[
    key("kind", "`user`, `group` or `both`", schema::id_kind),
    key("container", "first id inside", schema::whole),
    key("host", "first id on the host", schema::whole),
    key("count", "how many", schema::whole),
];

/// `build`.
#[rustfmt::skip]
pub(in crate::file) const BUILD: &[KeySpec] = &[
    key("context", "the directory; addresses of repositories are refused", schema::text),
    key("dockerfile", "the Dockerfile, below the context", schema::text),
    key("dockerfile_inline", "the Dockerfile itself", schema::text),
    key("args", "arguments; one without a value has the environment's", schema::pairs),
    key("target", "the stage to build", schema::text),
    key("labels", "marks of the image", schema::pairs),
    key("tags", "further names of the image", schema::texts),
    key("cache_from", "images whose layers may be used again", schema::texts),
    warned("cache_to", "where layers are kept", "the engine keeps them"),
    key("no_cache", "no layer is used again", schema::boolean),
    key("pull", "base images are fetched anew", schema::boolean),
    key("network", "`host`, `none` or `default`", schema::text),
    key("extra_hosts", "further lines of the hosts file", schema::extra_hosts),
    key("shm_size", "size of /dev/shm", schema::text),
    key("platforms", "one platform; several are refused", schema::texts),
    key("isolation", "`default`; others are for Windows", schema::text),
    warned("ulimits", "limits of setrlimit(2) while it is built", "those of the engine count"),
    warned("privileged", "all capabilities while it is built", "the engine builds without them"),
    warned("provenance", "attestation of the build", "the classic builder makes none"),
    warned("sbom", "list of parts", "the classic builder makes none"),
    refused("additional_contexts", "further directories", "the classic builder knows one directory"),
    refused("entitlements", "further rights of the build", "the classic builder has none"),
    refused("secrets", "secrets of the build", "the classic builder would leave them in the image"),
    refused("ssh", "keys for the build", "the classic builder cannot pass them on"),
];

/// `deploy`.
#[rustfmt::skip]
pub(in crate::file) const DEPLOY: &[KeySpec] = &[
    key("mode", "`replicated`; `global` is one container", schema::text),
    key("replicas", "how many containers, as `scale`", schema::whole),
    key("resources", "limits and reservations", schema::resources),
    key("restart_policy", "what happens when it ends; wins over `restart`", schema::restart_policy),
    warned("endpoint_mode", "how a swarm finds it", "there is no swarm here"),
    warned("labels", "marks of a service of a swarm", "there is no swarm here; see the service's `labels`"),
    warned("placement", "where a swarm runs it", "there is one machine"),
    warned("rollback_config", "how a swarm goes back", "there is no swarm here; `up` goes back by itself"),
    warned("update_config", "how a swarm makes it anew", "there is no swarm here"),
];

/// `deploy.resources`.
#[rustfmt::skip]
pub(in crate::file) const RESOURCES: &[KeySpec] = &[
    key("limits", "most that it gets", schema::limits),
    key("reservations", "what is kept for it", schema::reservations),
];

/// `deploy.resources.limits`.
#[rustfmt::skip]
pub(in crate::file) const LIMITS: &[KeySpec] = &[
    key("cpus", "processors; the same as `cpus`", schema::text),
    key("memory", "most memory; the same as `mem_limit`", schema::text),
    key("pids", "most processes; the same as `pids_limit`", schema::whole),
];

/// `deploy.resources.reservations`.
#[rustfmt::skip]
pub(in crate::file) const RESERVATIONS: &[KeySpec] = &[
    key("memory", "memory that is kept for it; the same as `mem_reservation`", schema::text),
    warned("cpus", "processors that are kept for it", "the kernel keeps no processors for containers"),
    key("devices", "devices that a driver of the engine hands out, as `gpus`", schema::device_requests),
    refused("generic_resources", "resources of a swarm", "there is no swarm here"),
];

/// `deploy.restart_policy`.
#[rustfmt::skip]
pub(in crate::file) const RESTART_POLICY: &[KeySpec] = &[
    key("condition", "`none`, `on-failure`, `unless-stopped` or `any`; `no` and `always` are taken, too", schema::text),
    key("max_attempts", "how often, with `on-failure`", schema::whole),
    warned("delay", "time between two starts", "the engine waits longer from time to time"),
    warned("window", "time after which a start counts as well", "the engine takes ten seconds"),
];

/// One entry of the map form of a container's `networks`.
#[rustfmt::skip]
pub(in crate::file) const ATTACHMENT: &[KeySpec] = &[
    key("aliases", "further names on this network", schema::texts),
    key("ipv4_address", "a fixed address", schema::text),
    key("ipv6_address", "a fixed address", schema::text),
    key("mac_address", "a fixed hardware address", schema::text),
    key("priority", "as `gw_priority`, where that is the same", schema::whole),
    key("gw_priority", "the network with the highest is the way out, and where ports lead", schema::whole),
    warned("interface_name", "name of the card inside", "the engine names the cards"),
    warned("link_local_ips", "further addresses", "the kernel picks them"),
    warned("driver_opts", "options of the driver", "the bridge is locker's own"),
];

/// The map form of an entry of a container's `secrets` or `configs`.
#[rustfmt::skip]
pub(in crate::file) const INNER_FILE: &[KeySpec] = &[
    key("source", "its name at the top level", schema::text),
    key("target", "path inside", schema::text),
    key("uid", "owner inside, a number", schema::whole),
    key("gid", "group inside, a number", schema::whole),
    key("mode", "permissions: octal digits, or in a Compose file an unquoted number; 0444", schema::text),
];

/// The map form of a device.
#[rustfmt::skip]
pub(in crate::file) const DEVICE: &[KeySpec] = &[
    key("source", "path on the host", schema::text),
    key("target", "path inside", schema::text),
    key("permissions", "some of `rwm`", schema::text),
];

/// One entry of `gpus`, and of `devices` of reservations.
#[rustfmt::skip]
pub(in crate::file) const DEVICE_REQUEST: &[KeySpec] = &[
    key("driver", "whose devices, as in `nvidia`", schema::text),
    key("count", "how many, or `all`", schema::text),
    key("device_ids", "which ones, in the driver's words; instead of `count`", schema::texts),
    key("capabilities", "what they can do, as in `[gpu]`", schema::texts),
    key("options", "options of the driver", schema::pairs),
];

/// The map form of a resource limit.
#[rustfmt::skip]
pub(in crate::file) const ULIMIT: &[KeySpec] = &[
    key("soft", "what counts", schema::text),
    key("hard", "how far it may be raised", schema::text),
];

/// `logging`.
#[rustfmt::skip]
pub(in crate::file) const LOGGING: &[KeySpec] = &[
    key("driver", "`json-file`, `journald`, …; the engine's own when it is left out", schema::text),
    key("options", "options of the driver", schema::pairs),
];

/// `blkio_config`.
#[rustfmt::skip]
pub(in crate::file) const BLKIO: &[KeySpec] = &[
    key("weight", "relative weight, 10 to 1000", schema::whole),
    key("weight_device", "weights of single devices", schema::throttles),
    key("device_read_bps", "bytes read in a second", schema::throttles),
    key("device_write_bps", "bytes written in a second", schema::throttles),
    key("device_read_iops", "reads in a second", schema::throttles),
    key("device_write_iops", "writes in a second", schema::throttles),
];

/// One entry of the lists of `blkio_config`.
#[rustfmt::skip]
pub(in crate::file) const THROTTLE: &[KeySpec] = &[
    key("path", "the device", schema::text),
    key("rate", "how much in a second", schema::text),
    key("weight", "relative weight, 10 to 1000", schema::whole),
];
