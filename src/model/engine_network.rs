//! A network as the engine of application containers must know it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Name, Subnets};

/// A network of the engine on top of a bridge of locker's own: the engine hands out names and puts its
/// containers on the bridge; addresses, rules and the bridge itself are locker's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EngineNetwork {
    /// The project that owns it.
    pub project: Name,
    /// Its key in the file; `default` is the project's own.
    pub network: Name,
    /// The bridge.
    pub bridge: String,
    /// Its name in the engine where the file gives it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its subnets; the bridge holds an address of each.
    pub subnets: Subnets,
    /// Whether there is no way out.
    pub internal: bool,
    /// The user's marks.
    pub labels: BTreeMap<String, String>,
    /// The longest packet of a card on it when it was made, bytes; none is the usual. What changes later is
    /// given to the cards themselves, so a network is not made anew for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

impl EngineNetwork {
    /// Whether this one, which is there, will do for `wanted`.
    pub fn will_do_for(&self, wanted: &Self) -> bool {
        let mtu = self.mtu;
        *self
            == Self {
                mtu,
                ..wanted.clone()
            }
    }

    /// Its name in the engine: the file's, else `<project>_<network>`.
    pub fn host_name(&self) -> String {
        let own = || super::host_name_of(&self.project, &self.network);
        self.name.clone().unwrap_or_else(own)
    }
}
