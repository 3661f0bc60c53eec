//! Firewalls: published ports, masquerade and isolation, as kernel rules.
//!
//! Every rule of ours bears the comment `locker:<project>:<name>` (`locker:<project>` for a network)
//! and lives in a table or chain of ours; no foreign rule is ever changed. A change is one transaction.

use async_trait::async_trait;

use crate::model::{NetworkRules, PortRule};
use crate::observed::ObservedFirewall;

/// One transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirewallChange {
    /// Networks to open (replaced when already open).
    pub open: Vec<NetworkRules>,
    /// Networks to close.
    pub close: Vec<NetworkRules>,
    /// Port rules to put in; those already in are fine.
    pub add: Vec<PortRule>,
    /// Port rules to take out; those not in are fine.
    pub remove: Vec<PortRule>,
}

impl FirewallChange {
    /// The change that takes this one back.
    pub fn inverse(&self) -> Self {
        Self {
            open: self.close.clone(),
            close: self.open.clone(),
            add: self.remove.clone(),
            remove: self.add.clone(),
        }
    }
}

/// A firewall driver.
#[async_trait]
pub trait Firewall: Send + Sync {
    /// `nftables`, `iptables` or `none`.
    fn name(&self) -> &'static str;

    /// What is in place of every locker project. Called before every plan and after every change.
    async fn observe(&self) -> Result<ObservedFirewall, FirewallError>;

    /// Does all of `change` or nothing. Also puts our own table and the way past foreign DROP policies
    /// in place, and takes both out with the last network.
    async fn apply(&self, change: &FirewallChange) -> Result<(), FirewallError>;
}

/// Why the firewall could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    /// A program of the firewall is missing or cannot be started.
    #[error("cannot run `{program}`: {source}")]
    Missing {
        /// The program.
        program: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// The program refused the rules.
    #[error("`{program}` refused the change: {stderr}")]
    Refused {
        /// The program.
        program: String,
        /// What it said.
        stderr: String,
    },
    /// What the program printed is not understood.
    #[error("cannot understand what `{program}` printed: {reason}")]
    Unreadable {
        /// The program.
        program: String,
        /// What was unexpected.
        reason: String,
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
}
