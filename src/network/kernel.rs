//! The driver of the kernel's network: rtnetlink(7) and a few files of /proc/sys.
//!
//! No process is spawned here. A netlink socket is opened for each call and belongs to the network
//! namespace of the calling thread.

use std::collections::BTreeSet;
use std::fs;

use async_trait::async_trait;
use rtnetlink::Handle;

use super::bridge::{self, Link};
use super::settings::Settings;
use super::{BridgeRemoval, BridgeWish, Network, NetworkError, NetworkView, cards, look, loopback};
use crate::model::{FirewallChoice, Name, Seat};
use crate::observed::StrayCard;
use crate::store::{Paths, acquire_host};
use crate::sys;

/// The kernel of this host.
#[derive(Clone, Debug)]
pub struct KernelNetwork {
    paths: Paths,
    /// Rules of ours drop what comes to 127.0.0.1 from outside.
    guarded: bool,
}

impl KernelNetwork {
    /// Settings as they were before are kept under `paths`; so are the records of other projects.
    ///
    /// The way of the host's 127.0.0.1 over bridges is for published ports alone, and open only where rules of `firewall` drop
    /// what comes to it from outside: without them containers would reach what listens on the host's loopback (the
    /// class of CVE-2020-8558).
    pub fn new(paths: &Paths, firewall: FirewallChoice) -> Self {
        Self {
            paths: paths.clone(),
            guarded: match firewall {
                FirewallChoice::None => false,
                FirewallChoice::Auto | FirewallChoice::Nftables | FirewallChoice::Iptables => true,
            },
        }
    }
}

/// An open netlink socket; its worker ends with it.
pub(super) struct Netlink {
    pub(super) handle: Handle,
    worker: tokio::task::JoinHandle<()>,
}

impl Netlink {
    pub(super) fn open() -> Result<Self, NetworkError> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|error| NetworkError::Link {
                verb: "read",
                interface: "*".into(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            handle,
            worker: tokio::spawn(connection),
        })
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

/// `locker:<project>`, the alias of a bridge of ours.
pub(super) fn mark_of(project: &Name) -> String {
    format!("{}{project}", bridge::MARK)
}

fn is_ours(link: &Link, bridge: &str, project: &Name) -> bool {
    match &link.alias {
        Some(alias) => *alias == mark_of(project),
        None => bridge::is_half_made(link, bridge),
    }
}

/// What may be taken over: a bridge, and nobody's. Whatever bears a mark of somebody else never is.
fn may_be_adopted(link: &Link) -> bool {
    link.alias.is_none() && link.is_bridge
}

#[async_trait]
impl Network for KernelNetwork {
    async fn observe(
        &self,
        project: &Name,
        bridges: &BTreeSet<String>,
    ) -> Result<NetworkView, NetworkError> {
        let netlink = Netlink::open()?;
        look::observe(
            &netlink.handle,
            (project, bridges),
            &self.paths,
            self.guarded,
        )
        .await
    }

    async fn cards(&self, wishes: &[Seat]) -> Result<Vec<StrayCard>, NetworkError> {
        cards::look(wishes).map_err(|source| NetworkError::Cards { source })
    }

    async fn ensure(&self, project: &Name, wish: &BridgeWish<'_>) -> Result<bool, NetworkError> {
        let netlink = Netlink::open()?;
        let (handle, bridge) = (&netlink.handle, wish.bridge);
        let found = bridge::find(handle, bridge).await?;
        let made = found.is_none();
        let link = match found {
            Some(link) if is_ours(&link, bridge, project) => link,
            Some(link) if wish.adopt && may_be_adopted(&link) => link,
            Some(_) => {
                return Err(NetworkError::Foreign {
                    interface: bridge.into(),
                    project: project.clone(),
                });
            }
            None => bridge::make(handle, bridge).await?,
        };
        bridge::mark(handle, &link, bridge, &mark_of(project)).await?;
        own_settings(bridge, self.guarded)?;
        if let Some(mtu) = wish.mtu {
            bridge::set_mtu(handle, &link, bridge, mtu).await?;
        }
        bridge::set_addresses(handle, &link, bridge, wish.subnets).await?;
        for card in wish.cards {
            bridge::attach(handle, &link, card).await?;
        }
        let fitted = sys::fit_cables(bridge);
        fitted.map_err(|source| NetworkError::Cards { source })?;
        loopback::ensure(handle, &link, bridge).await?;
        let _lock = acquire_host(&self.paths, "set up the network").await?;
        Settings::load(&self.paths)?.forward()?;
        Ok(made)
    }

    async fn remove(&self, project: &Name, wish: &BridgeRemoval<'_>) -> Result<(), NetworkError> {
        let netlink = Netlink::open()?;
        let bridge = wish.bridge;
        if let Some(link) = bridge::find(&netlink.handle, bridge).await? {
            let adopted = wish.adopt && may_be_adopted(&link);
            if !is_ours(&link, bridge, project) && !adopted {
                return Err(NetworkError::Foreign {
                    interface: bridge.into(),
                    project: project.clone(),
                });
            }
            bridge::remove(&netlink.handle, &link, bridge).await?;
        }
        // Projects under another state directory are not on record here; their bridges show them.
        if wish.last && !bridge::any_is_marked(&netlink.handle).await? {
            let _lock = acquire_host(&self.paths, "take the network down").await?;
            Settings::load(&self.paths)?.restore()?;
        }
        Ok(())
    }
}

/// Settings of our own bridge, which go with it: no IPv6 router of a container may configure the
/// host, no waiting for duplicates of addresses that nobody else can have, and where it is guarded, packets of the
/// host's 127.0.0.1 may take this road.
fn own_settings(bridge: &str, guarded: bool) -> Result<(), NetworkError> {
    let settings = [
        ("ipv6", "disable_ipv6", "0"),
        ("ipv6", "accept_ra", "0"),
        ("ipv6", "accept_dad", "0"),
        ("ipv4", "route_localnet", if guarded { "1" } else { "0" }),
    ];
    for (family, key, value) in settings {
        let path = format!("/proc/sys/net/{family}/conf/{bridge}/{key}");
        match fs::write(&path, value) {
            Ok(()) => {}
            // A kernel without IPv6 has no such setting.
            Err(error) if family == "ipv6" && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(NetworkError::Setting {
                    verb: "write",
                    path,
                    source,
                });
            }
        }
    }
    Ok(())
}
