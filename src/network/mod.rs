//! The project's network: one bridge for each of its networks, made over netlink.
//!
//! Which subnet and which address is the planner's business ([`crate::plan::addresses`]); this room
//! looks at the kernel and does what it is told. It never touches an interface without our mark, the
//! interface alias `locker:<project>`.

mod bridge;
mod cards;
mod changes;
mod guest;
mod kernel;
mod links;
mod look;
mod loopback;
mod probe;
mod settings;
mod space;
mod uplink;

use std::collections::BTreeSet;
use std::net::IpAddr;

use async_trait::async_trait;

use crate::model::{Name, Seat, Subnets};
use crate::observed::{ObservedNetwork, StrayCard};
use crate::store::{LockError, StoreError};

pub use changes::LinkChanges;
pub use guest::Guest;
pub use kernel::KernelNetwork;
pub use probe::{Answer, Probe, Watch};
pub use space::Space;

/// What the kernel's network looks like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkView {
    /// Bridges, taken subnets, forwarding.
    pub network: ObservedNetwork,
    /// Addresses of the host's interfaces.
    pub addresses: Vec<IpAddr>,
}

/// A bridge as it shall be.
#[derive(Clone, Copy, Debug)]
pub struct BridgeWish<'a> {
    /// Its name.
    pub bridge: &'a str,
    /// Its subnets; it holds the first address of each.
    pub subnets: &'a Subnets,
    /// Interfaces of the host that are put on it. One that is gone is passed over: its container has
    /// just ended.
    pub cards: &'a [String],
    /// Take one over that has no mark: the caller knows that it is the project's.
    pub adopt: bool,
    /// The longest packet that it takes, bytes; none leaves it as it is.
    pub mtu: Option<u32>,
}

impl<'a> BridgeWish<'a> {
    /// One without cards that is nobody else's, with the longest packet that it has.
    pub fn plain(bridge: &'a str, subnets: &'a Subnets) -> Self {
        Self {
            bridge,
            subnets,
            cards: &[],
            adopt: false,
            mtu: None,
        }
    }
}

/// A bridge that shall be no more.
#[derive(Clone, Copy, Debug)]
pub struct BridgeRemoval<'a> {
    /// Its name.
    pub bridge: &'a str,
    /// It is the last one: the kernel settings that were changed for the first project are taken back.
    pub last: bool,
    /// Remove also one that has no mark: the caller knows that it is the project's.
    pub adopt: bool,
}

/// The driver of the kernel's network.
#[async_trait]
pub trait Network: Send + Sync {
    /// What is there: the project's bridges are `bridges` and all that bear its mark. Their subnets are
    /// not counted among the taken ones.
    async fn observe(
        &self,
        project: &Name,
        bridges: &BTreeSet<String>,
    ) -> Result<NetworkView, NetworkError>;

    /// Which of the cards of running containers are not on their bridges, or do not fit them.
    async fn cards(&self, wishes: &[Seat]) -> Result<Vec<StrayCard>, NetworkError>;

    /// Makes or mends the bridge: alias, MTU, addresses, up, forwarding; then puts the cards on it and makes
    /// all that are on it fit. True when the bridge was made.
    async fn ensure(&self, project: &Name, wish: &BridgeWish<'_>) -> Result<bool, NetworkError>;

    /// Removes the bridge if it is ours; an absent one is fine.
    async fn remove(&self, project: &Name, wish: &BridgeRemoval<'_>) -> Result<(), NetworkError>;
}

/// Why the network could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Netlink refused.
    #[error("cannot {verb} interface `{interface}`: {reason}")]
    Link {
        /// `read`, `make`, `remove`, `set the address of`, …
        verb: &'static str,
        /// The interface, or `*` for all.
        interface: String,
        /// The kernel's word.
        reason: String,
    },
    /// An interface of that name is there and is not ours.
    #[error("interface `{interface}` is not locker's: its alias is not `locker:{project}`")]
    Foreign {
        /// The interface.
        interface: String,
        /// The project that wants it.
        project: Name,
    },
    /// The kernel does not tell who is plugged into a bridge.
    #[error("cannot look at the cards of the containers: {source}")]
    Cards {
        /// The kernel's word.
        source: std::io::Error,
    },
    /// A kernel setting could not be read or written.
    #[error("cannot {verb} `{path}`: {source}")]
    Setting {
        /// `read` or `write`.
        verb: &'static str,
        /// The file under /proc/sys.
        path: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// What is kept of projects or settings could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another run is changing the host's network.
    #[error(transparent)]
    Lock(#[from] LockError),
}
