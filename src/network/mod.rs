//! The project's network: one bridge for each project, made over netlink.
//!
//! Which subnet and which address is the planner's business ([`crate::plan::addresses`]); this room
//! looks at the kernel and does what it is told. It never touches an interface without our mark, the
//! interface alias `locker:<project>`.

mod bridge;
mod guest;
mod kernel;
mod look;
mod loopback;
mod probe;
mod settings;
mod space;

use std::collections::BTreeSet;
use std::net::IpAddr;

use async_trait::async_trait;

use crate::model::{Name, Subnets};
use crate::observed::ObservedNetwork;
use crate::store::{LockError, StoreError};

pub use guest::Guest;
pub use kernel::KernelNetwork;
pub use probe::{Answer, Probe, Watch};
pub use space::Space;

/// What the kernel's network looks like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkView {
    /// Bridge, taken subnets, forwarding.
    pub network: ObservedNetwork,
    /// Addresses of the host's interfaces.
    pub addresses: Vec<IpAddr>,
}

/// The driver of the kernel's network.
#[async_trait]
pub trait Network: Send + Sync {
    /// What is there; `bridges` themselves are not counted among the taken subnets.
    async fn observe(&self, bridges: &BTreeSet<String>) -> Result<NetworkView, NetworkError>;

    /// Makes or mends the bridge: alias, addresses, up, forwarding; then puts `cards`, interfaces of
    /// the host, on it. A card that is gone is passed over: its container has just ended. True when
    /// the bridge was made.
    async fn ensure(
        &self,
        project: &Name,
        bridge: &str,
        subnets: &Subnets,
        cards: &[String],
    ) -> Result<bool, NetworkError>;

    /// Removes the bridge if it is ours; an absent one is fine. `last` also takes back the kernel
    /// settings that were changed for the first project.
    async fn remove(&self, project: &Name, bridge: &str, last: bool) -> Result<(), NetworkError>;
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
