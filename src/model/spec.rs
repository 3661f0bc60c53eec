//! What a driver is asked to make: a container with everything worked out.
//!
//! The file says what the user wants; a [`ContainerSpec`] says it in full, with addresses, host
//! paths and translated limits. It is also the mark: the driver writes it beside the container, and
//! the planner compares it with what it would write today.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    App, ConfigLine, Fqdn, Healthcheck, Hooks, IdRange, Identity, InnerCommand, Kind, Limit, Name,
    Port, Protocol, Restart, Source, Subnets, System, host_name_of,
};

/// The addresses of one container on the project's bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Addresses {
    /// IPv4 address.
    pub v4: Ipv4Addr,
    /// IPv6 address, where the network has IPv6.
    pub v6: Option<Ipv6Addr>,
}

impl Addresses {
    /// All of them, IPv4 first.
    pub fn each(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let v6 = self.v6.map(IpAddr::from);
        std::iter::once(IpAddr::from(self.v4)).chain(v6)
    }
}

/// The network card of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The bridge on the host.
    pub bridge: String,
    /// The host end of the veth pair.
    pub veth: String,
    /// `02:…`: locally administered, stable.
    pub mac: String,
    /// The container's addresses.
    pub addresses: Addresses,
    /// The network's subnets; the gateways are the bridge's addresses.
    pub subnets: Subnets,
}

/// The card of a container, and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seat {
    /// Whose it is.
    pub container: Name,
    /// The bridge.
    pub bridge: String,
    /// Its name on the host where locker gives it one, else empty.
    pub veth: String,
    /// The hardware addresses that it may have inside.
    pub hardware: BTreeSet<String>,
}

impl Nic {
    /// The hardware addresses that it may have inside: engines of application containers before 25 give it
    /// one that they make of its IPv4 address (`02:42:` and its four bytes).
    pub fn hardware(&self) -> BTreeSet<String> {
        let [a, b, c, d] = self.addresses.v4.octets();
        let made = format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}");
        [self.mac.to_lowercase(), made].into()
    }
}

/// One mount of a container, its host path worked out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path on the host.
    pub host: PathBuf,
    /// Absolute path in the container.
    pub target: PathBuf,
    /// Whether the container may only read it.
    pub read_only: bool,
    /// Whether the host path is a named volume of ours (else the user's own path).
    pub named: bool,
}

/// A container in full, as the planner asks a driver to make or change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The project.
    pub project: Name,
    /// The short name.
    pub name: Name,
    /// What it is made from.
    pub source: Source,
    /// Unprivileged when not empty; `auto` already worked out.
    pub idmap: Vec<IdRange>,
    /// Whether it was, or is to be, made a machine of its own.
    #[serde(default, skip_serializing_if = "Identity::is_new")]
    pub identity: Identity,
    /// Host name inside.
    pub hostname: String,
    /// Host name with domain.
    pub fqdn: Option<Fqdn>,
    /// Its network card; the first of several. None for one without a network of its own.
    pub nic: Option<Nic>,
    /// Directories and files.
    pub mounts: Vec<Mount>,
    /// Variables of its init.
    pub environment: BTreeMap<String, String>,
    /// Raw LXC lines.
    pub config: Vec<ConfigLine>,
    /// Limits in the host's own words.
    pub limits: Vec<Limit>,
    /// Name servers; empty leaves the container's own file alone.
    pub dns: Vec<IpAddr>,
    /// Run once, inside, after the first start.
    pub setup: Vec<InnerCommand>,
    /// Commands after every start and before every stop.
    #[serde(default)]
    pub hooks: Hooks,
    /// The user's own marks.
    pub labels: BTreeMap<String, String>,
    /// What happens when it ends by itself.
    #[serde(default)]
    pub restart: Restart,
    /// How long it gets to end after it was asked to; none is the usual.
    #[serde(default)]
    pub stop_grace: Option<Duration>,
    /// Whether systemd starts, watches and stops it.
    #[serde(default)]
    pub supervised: bool,
    /// The container of the file of which it is one of several; none when it is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_of: Option<Name>,
    /// The key of the network that a system container is on; none is the project's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Name>,
    /// Settings of a system container; the usual ones for an application container.
    #[serde(default, skip_serializing_if = "System::is_usual")]
    pub system: System,
    /// Settings of an application container; none for a system container.
    #[serde(default)]
    pub app: Option<Box<AppSpec>>,
}

/// What only application containers have, worked out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSpec {
    /// As in the file, the limits of `cgroup` among its limits.
    pub settings: App,
    /// The networks it is on; the first is that of [`ContainerSpec::nic`].
    pub attached: Vec<Attached>,
    /// The full name of the container whose network it shares.
    pub network_of: Option<String>,
    /// How to tell that it is healthy: the engine asks too.
    pub healthcheck: Option<Healthcheck>,
    /// Ports that its settings tell, `80/tcp`; nothing comes of a difference.
    #[serde(default)]
    pub exposed: Vec<String>,
}

/// A network that an application container is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The engine's name of the network.
    pub network: String,
    /// Its card; none on an external network, whose addresses the engine gives.
    pub nic: Option<Nic>,
    /// Further names on it.
    pub aliases: Vec<String>,
    /// Its key in the file; none in marks of older versions, where [`Self::network`] tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Name>,
    /// What the file asks for on an external network.
    #[serde(default)]
    pub fixed: Fixed,
}

/// Addresses that the file asks for on a network whose addresses the engine gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fixed {
    /// IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// IPv6 address.
    pub v6: Option<Ipv6Addr>,
    /// Hardware address.
    pub mac: Option<String>,
}

impl ContainerSpec {
    /// Which kind of container it is.
    pub fn kind(&self) -> Kind {
        self.source.kind()
    }

    /// Its cards, and where each belongs.
    pub fn seats(&self) -> Vec<Seat> {
        let nics = self.nics().filter(|nic| !nic.bridge.is_empty());
        nics.map(|nic| Seat {
            container: self.name.clone(),
            bridge: nic.bridge.clone(),
            veth: nic.veth.clone(),
            hardware: nic.hardware(),
        })
        .collect()
    }

    /// Its cards on networks of the project.
    pub fn nics(&self) -> impl Iterator<Item = &Nic> {
        let own = self.nic.iter().filter(|_| self.app.is_none());
        let attached = self.app.iter().flat_map(|app| &app.attached);
        own.chain(attached.filter_map(|attached| attached.nic.as_ref()))
    }

    /// The name on the host: `<project>_<name>`.
    pub fn host_name(&self) -> String {
        host_name_of(&self.project, &self.name)
    }
}

/// A port rule as the firewall holds it: a published port and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PortRule {
    /// The project that owns it.
    pub project: Name,
    /// The container that it leads to.
    pub container: Name,
    /// What is published. `host.first` is never 0 here.
    pub port: Port,
    /// Where it leads for IPv4 clients.
    pub to4: Ipv4Addr,
    /// Where it leads for IPv6 clients; none on a network without IPv6, where they find nothing.
    pub to6: Option<Ipv6Addr>,
}

/// Another project has got a port since the host was looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "port `{port}` of container `{container}` is in use by container `{by}` of project `{project}`"
)]
pub struct PortTaken {
    /// The port that is wanted.
    pub port: Port,
    /// Who wants it.
    pub container: Name,
    /// Who has it.
    pub by: Name,
    /// Of which project.
    pub project: Name,
}

/// A network as the firewall must know it: what may go out and who is kept apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRules {
    /// The project that owns it.
    pub project: Name,
    /// The bridge.
    pub bridge: String,
    /// Its subnets, masqueraded outwards.
    pub subnets: Subnets,
    /// Whether other projects are kept out.
    pub isolate: bool,
    /// Whether there is no way out.
    #[serde(default)]
    pub internal: bool,
}

/// A socket that listens on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its protocol.
    pub protocol: Protocol,
    /// The address it is bound to.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Who has it: `nginx (pid 812)`, ``container `web` of project `shop` ``.
    pub owner: String,
    /// Project and container for which systemd holds it.
    pub held_for: Option<(Name, Name)>,
}
