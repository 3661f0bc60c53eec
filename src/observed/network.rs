//! What the kernel has of a project: bridges and loose cards, and who has which subnet.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::model::Name;

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
    /// Those that are ours by their hardware address and bear no mark: a killed run made half of them, or somebody took the
    /// mark. They count as absent, and go with the project.
    pub half_made: BTreeSet<String>,
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
    /// What is wrong with the note from which bridges and rules are put back at boot.
    pub note_fault: Option<&'static str>,
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
