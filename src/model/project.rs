//! A project: all that one file says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Container, ExtraNetwork, FirewallChoice, Name, NetworkWish, Supervisor, bridge_of};

/// A project of containers, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its name.
    pub name: Name,
    /// Canonical directory; name and directory together are the project's identity.
    pub directory: PathBuf,
    /// The file it was read from.
    pub file: PathBuf,
    /// The network that the file asks for.
    pub network: NetworkWish,
    /// Further networks by their key in the file, for application containers.
    pub networks: BTreeMap<Name, ExtraNetwork>,
    /// The firewall that the file asks for.
    pub firewall: FirewallChoice,
    /// Who keeps the containers up.
    pub supervisor: Supervisor,
    /// Groups and their members, both sorted.
    pub groups: BTreeMap<Name, Vec<Name>>,
    /// Containers of the file whose profiles are not enabled, with their profiles. They are no part
    /// of the project, and what is left of them on the host is no leftover.
    pub disabled: BTreeMap<Name, Vec<String>>,
    /// Containers of the file that are scaled to nothing: what is left of them goes.
    pub none: BTreeSet<Name>,
    /// Containers by short name.
    pub containers: BTreeMap<Name, Container>,
}

impl Project {
    /// The name of the project's bridge.
    pub fn bridge(&self) -> String {
        bridge_of(&self.name)
    }
}
