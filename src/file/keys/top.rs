//! The keys of the top level, and of what is defined there beside containers.

use super::{KeySpec, key, refused, warned};
use crate::file::schema;

/// The top level.
#[rustfmt::skip]
pub(in crate::file) const TOP: &[KeySpec] = &[
    key("name", "name of the project; the directory's name when left out", schema::text),
    key("backend", "what a container without a source is: `lxc` or `docker`", schema::backend),
    key("supervisor", "who keeps the containers up", schema::supervisor),
    key("network", "the project's network", schema::network),
    key("firewall", "who publishes ports", schema::firewall),
    key("defaults", "keys of containers that do not have their own", schema::defaults),
    key("groups", "groups and their members", schema::groups),
    key("containers", "containers by name", schema::containers),
    key("services", "Docker containers by name, as in Compose", schema::containers),
    key("networks", "further networks of Docker containers", schema::networks),
    key("volumes", "volumes by name", schema::store_volumes),
    key("secrets", "files that are not shown, by name", schema::store_files),
    key("configs", "files by name", schema::store_files),
    key("include", "further Compose files", schema::include),
    key("version", "version of the Compose format; a warning says that it has no meaning any more", schema::text),
    refused("models", "language models", "there is no model runner here"),
];

/// `network`.
#[rustfmt::skip]
pub(in crate::file) const NETWORK: &[KeySpec] = &[
    key("subnet", "IPv4 subnet; picked when left out", schema::text),
    key("subnet6", "IPv6 subnet; picked when left out", schema::text),
    key("gateway", "the bridge's address in `subnet`; the first when it is left out", schema::text),
    key("gateway6", "the bridge's address in `subnet6`; the first when it is left out", schema::text),
    key("enable_ipv6", "whether it has IPv6; `true` when left out", schema::boolean),
    key("isolate", "whether other projects are kept out", schema::boolean),
    key("mtu", "longest packet in bytes; that of the host's default route when left out", schema::whole),
];

/// One entry of `networks`.
#[rustfmt::skip]
pub(in crate::file) const NETWORKS: &[KeySpec] = &[
    key("subnet", "IPv4 subnet; picked when left out", schema::text),
    key("subnet6", "IPv6 subnet; picked when left out", schema::text),
    key("gateway", "the bridge's address in `subnet`; the first when it is left out", schema::text),
    key("gateway6", "the bridge's address in `subnet6`; the first when it is left out", schema::text),
    key("isolate", "whether other projects are kept out", schema::boolean),
    key("mtu", "longest packet in bytes; that of the host's default route when left out", schema::whole),
    key("driver", "`bridge`; others are refused by name", schema::text),
    key("driver_opts", "the MTU as `com.docker.network.driver.mtu`; a warning says that others have no meaning", schema::pairs),
    key("ipam", "subnets in `config`, as in Compose", schema::ipam),
    key("external", "a network that is there already", schema::external),
    key("internal", "no way out", schema::boolean),
    key("name", "its name on the host; else `PROJECT_NAME`", schema::text),
    key("labels", "marks of your own", schema::pairs),
    key("attachable", "for swarm; every network here is", schema::boolean),
    key("enable_ipv4", "`true`: every network here has IPv4", schema::boolean),
    key("enable_ipv6", "whether it has IPv6; in a Compose file only with `true`, an IPv6 subnet, or a container that asks for an IPv6 address", schema::boolean),
];

/// `ipam` of a network.
#[rustfmt::skip]
pub(in crate::file) const IPAM: &[KeySpec] = &[
    key("driver", "`default`", schema::text),
    key("config", "at most one IPv4 and one IPv6 subnet", schema::ipam_config),
    warned("options", "options of the driver", "addresses are handed out by locker"),
];

/// One entry of `ipam.config`.
#[rustfmt::skip]
pub(in crate::file) const IPAM_CONFIG: &[KeySpec] = &[
    key("subnet", "the subnet", schema::text),
    key("gateway", "the bridge's address in it; the first when it is left out", schema::text),
    warned("ip_range", "addresses to hand out", "addresses are handed out by locker, from the whole subnet"),
    warned("aux_addresses", "addresses to leave out", "addresses are handed out by locker; give `ipv4_address` to the containers"),
];

/// The map form of `external`.
#[rustfmt::skip]
pub(in crate::file) const EXTERNAL: &[KeySpec] = &[
    key("name", "its name on the host", schema::text),
];

/// One entry of the top level's `volumes`.
#[rustfmt::skip]
pub(in crate::file) const STORE_VOLUME: &[KeySpec] = &[
    key("driver", "`local`, or a plugin of the engine", schema::text),
    key("driver_opts", "options of the driver", schema::pairs),
    key("external", "a volume that is there already", schema::external),
    key("name", "its name on the host", schema::text),
    key("labels", "marks of your own", schema::pairs),
];

/// One entry of `secrets` or `configs`.
#[rustfmt::skip]
pub(in crate::file) const STORE_FILE: &[KeySpec] = &[
    key("file", "path of a file of at most 512 KiB", schema::text),
    key("environment", "the variable that has the content", schema::text),
    key("content", "the content itself (`configs` only)", schema::text),
    refused("external", "kept by a swarm", "there is no swarm here; give `file` or `environment`"),
    key("name", "its name in a swarm; says nothing here", schema::text),
    refused("driver", "driver of a swarm", "there is no swarm here"),
    refused("driver_opts", "options of a swarm's driver", "there is no swarm here"),
    refused("template_driver", "template driver of a swarm", "there is no swarm here"),
    key("labels", "marks; says nothing here", schema::pairs),
];
