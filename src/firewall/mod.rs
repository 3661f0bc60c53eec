//! Firewalls: published ports, masquerade and isolation, as kernel rules.
//!
//! Every rule of ours bears the comment `locker:<project>:<name>` (`locker:<project>` for a network)
//! and lives in a table or chain of ours; no foreign rule is ever changed. A change is one transaction.

mod elsewhere;
mod flows;
mod gate;
mod iptables;
mod mark;
mod nftables;
mod none;
#[cfg(test)]
mod testing;
mod trace;

use async_trait::async_trait;

use crate::model::{FirewallChoice, Name, NetworkRules, PortRule, PortTaken};
use crate::observed::{Leftover, ObservedFirewall};
use crate::store::{self, LockError, Paths, StoreError};
use crate::sys::ExecError;

pub use iptables::Iptables;
pub use nftables::Nftables;
pub use none::NoFirewall;
pub use trace::{Dropped, Trace};

/// The driver that was asked for; without a wish, nftables where `nft` is installed, else iptables.
///
/// Nothing is run or changed here. Fails when neither program is in `PATH`.
pub fn open(choice: FirewallChoice, paths: &Paths) -> Result<Box<dyn Firewall>, FirewallError> {
    let need = |program: &str| match is_installed(program) {
        true => Ok(()),
        false => Err(FirewallError::Missing {
            program: program.into(),
            source: std::io::ErrorKind::NotFound.into(),
        }),
    };
    match choice {
        FirewallChoice::None => Ok(Box::new(NoFirewall::new(paths))),
        FirewallChoice::Nftables => need("nft").map(|()| Box::new(Nftables::new(paths)) as _),
        FirewallChoice::Iptables => need("iptables").map(|()| Box::new(Iptables::new(paths)) as _),
        FirewallChoice::Auto if is_installed("nft") => Ok(Box::new(Nftables::new(paths))),
        FirewallChoice::Auto if is_installed("iptables") => Ok(Box::new(Iptables::new(paths))),
        FirewallChoice::Auto => need("nft").map(|()| Box::new(Nftables::new(paths)) as _),
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Whether the answers of ::1 come back: not where the kernel hands bridged packets to the firewall
/// (`br_netfilter`). There they are turned back to ::1 while they are still on the bridge, and the
/// kernel drops every packet that bears ::1 on the way from there to the host.
pub fn loopback6() -> bool {
    let value = std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-ip6tables");
    !value.is_ok_and(|value| value.trim() != "0")
}

/// The open networks once `change` is done.
fn networks_after(before: &[NetworkRules], change: &FirewallChange) -> Vec<NetworkRules> {
    let touched = |network: &&NetworkRules| {
        let same = |other: &NetworkRules| other.bridge == network.bridge;
        !change.open.iter().any(same) && !change.close.iter().any(same)
    };
    let kept = before.iter().filter(touched);
    kept.chain(&change.open).cloned().collect()
}

/// Refuses ports that another project has: looked at under the host's lock, since it may have published
/// them after this project had looked.
fn refuse_taken<'a>(
    there: impl Iterator<Item = &'a PortRule> + Clone,
    change: &FirewallChange,
) -> Result<(), FirewallError> {
    for rule in &change.add {
        let mut others = there.clone().filter(|other| other.project != rule.project);
        if let Some(other) = others.find(|other| other.port.collides(&rule.port)) {
            let (by, project) = (other.container.clone(), other.project.clone());
            return Err(taken(rule, by, project));
        }
    }
    Ok(())
}

/// Refuses ports that systemd holds open for containers on demand of other projects, under the same lock.
fn refuse_held(paths: &Paths, change: &FirewallChange) -> Result<(), FirewallError> {
    let wanted = change.add.iter().map(|rule| (&rule.project, &rule.port));
    let Some((port, other)) = store::held_by_another(paths, wanted)? else {
        return Ok(());
    };
    let mut rules = change.add.iter();
    match rules.find(|rule| rule.port == *port) {
        None => Ok(()),
        Some(rule) => Err(taken(rule, other.container, other.project)),
    }
}

fn taken(rule: &PortRule, by: Name, project: Name) -> FirewallError {
    FirewallError::Taken(PortTaken {
        port: rule.port.clone(),
        container: rule.container.clone(),
        by,
        project,
    })
}

/// The ways between networks of one project, from and to: those are always kept apart.
fn apart(networks: &[NetworkRules]) -> Vec<(&NetworkRules, &NetworkRules)> {
    let pairs = networks
        .iter()
        .flat_map(|from| networks.iter().map(move |to| (from, to)));
    let is_apart = |(from, to): &(&NetworkRules, &NetworkRules)| {
        from.project == to.project && from.bridge != to.bridge
    };
    pairs.filter(is_apart).collect()
}

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

    /// Which driver it is, for whoever puts the same rules in place later.
    fn choice(&self) -> FirewallChoice;

    /// What is in place of every locker project. Called before every plan and after every change.
    async fn observe(&self) -> Result<ObservedFirewall, FirewallError>;

    /// Does all of `change` or nothing. Also puts our own table and the way past foreign DROP policies
    /// in place, and takes both out with the last network.
    async fn apply(&self, change: &FirewallChange) -> Result<(), FirewallError>;

    /// Takes out what another driver has left, or with `back` puts it in again.
    async fn sweep(&self, left: &Leftover, back: bool) -> Result<(), FirewallError>;
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
    /// A word that must not stand in a rule: a control character, a quote, no interface name.
    #[error("`{}` cannot stand in a firewall rule", word.escape_debug())]
    Word {
        /// The word.
        word: String,
    },
    /// Somebody else has published the port since the host was looked at.
    #[error(transparent)]
    Taken(#[from] PortTaken),
    /// Another run is changing the host's network.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What locker keeps of other projects cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Connections that the kernel remembers could not be told to follow the rules.
    #[error("cannot let the kernel forget connections of changed ports (conntrack): {source}")]
    Flows {
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
}

impl From<ExecError> for FirewallError {
    fn from(error: ExecError) -> Self {
        let stderr = error.to_string();
        match error {
            ExecError::Io {
                program, source, ..
            } => Self::Missing { program, source },
            ExecError::Timeout { program, .. } => Self::Refused { program, stderr },
            ExecError::Failed {
                program, stderr, ..
            } => Self::Refused { program, stderr },
        }
    }
}
