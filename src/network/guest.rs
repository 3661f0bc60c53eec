//! A throwaway machine beside the host: an empty network namespace on a cable of its own.
//!
//! It plays the client of another machine. Its addresses are from the ranges for documentation
//! (RFC 5737, RFC 3849), which nobody has. The kernel takes cable and namespace away when the last
//! handle is closed, also when the program is killed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::bridge::{self, NODAD, refused};
use super::kernel::Netlink;
use super::{NetworkError, Space, look};

/// The host's end of the cable, and the guest's.
const V4: [Ipv4Addr; 2] = [Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(203, 0, 113, 2)];
const V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0x2001, 0xdb8, 0x6c6b, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0x6c6b, 0, 0, 0, 0, 2),
];

/// The guest.
#[derive(Debug)]
pub struct Guest {
    /// Where it asks from.
    pub space: Space,
    /// The host's addresses on the cable.
    pub host: Vec<IpAddr>,
    /// The host's end.
    interface: String,
}

impl Guest {
    /// Lays the cable and sends all the guest's packets over it to the host.
    pub async fn arrive() -> Result<Self, NetworkError> {
        let space = Space::fresh()?;
        let netlink = Netlink::open()?;
        // Two checks at once must not share a name; a process id has at most seven digits.
        let (mine, theirs) = (
            format!("lkc{}", std::process::id()),
            format!("lkd{}", std::process::id()),
        );
        let guest = Self {
            host: addresses(0),
            space,
            interface: mine.clone(),
        };
        let cable = LinkMessageBuilder::<LinkVeth>::new(&mine, &theirs).build();
        let added = netlink.handle.link().add(cable).execute().await;
        added.map_err(refused("make", &mine))?;
        let done = guest.connect(&netlink.handle, &mine, theirs).await;
        match done {
            Ok(()) => Ok(guest),
            Err(error) => {
                guest.leave().await?;
                Err(error)
            }
        }
    }

    async fn connect(
        &self,
        handle: &Handle,
        mine: &str,
        theirs: String,
    ) -> Result<(), NetworkError> {
        if let Some(file) = self.space.file() {
            let message = LinkMessageBuilder::<LinkUnspec>::new()
                .name(&theirs)
                .setns_by_fd(file.as_raw_fd())
                .build();
            let moved = handle.link().change(message).execute().await;
            moved.map_err(refused("move", &theirs))?;
        }
        plug(handle, mine, 0).await?;
        let inside = move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build()?;
            Ok(runtime.block_on(async {
                let netlink = Netlink::open()?;
                plug(&netlink.handle, &theirs, 1).await?;
                lead_all_to_the_host(&netlink.handle, &theirs).await
            }))
        };
        self.space.run(inside)?
    }

    /// A guest without a cable, for tests of what it would be asked.
    #[cfg(test)]
    pub(crate) fn of_host(host: &[&str]) -> Self {
        Self {
            space: Space::host(),
            host: host.iter().filter_map(|ip| ip.parse().ok()).collect(),
            interface: String::new(),
        }
    }

    /// Takes the cable away; the kernel does the same a little later when the guest is only dropped.
    pub async fn leave(self) -> Result<(), NetworkError> {
        let netlink = Netlink::open()?;
        match bridge::find(&netlink.handle, &self.interface).await? {
            Some(link) => bridge::remove(&netlink.handle, &link, &self.interface).await,
            None => Ok(()),
        }
    }
}

/// The addresses of one end: 0 is the host's.
fn addresses(end: usize) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = vec![V4[end].into()];
    if look::has_ipv6() {
        found.push(V6[end].into());
    }
    found
}

async fn plug(handle: &Handle, name: &str, end: usize) -> Result<(), NetworkError> {
    let index = index_of(handle, name).await?;
    let up = LinkMessageBuilder::<LinkUnspec>::new()
        .index(index)
        .up()
        .build();
    let set = handle.link().change(up).execute().await;
    set.map_err(refused("set up", name))?;
    for address in addresses(end) {
        let length = if address.is_ipv4() { 30 } else { 64 };
        let mut request = handle.address().add(index, address, length);
        if address.is_ipv6() {
            request.message_mut().header.flags |= NODAD;
        }
        let added = request.execute().await;
        added.map_err(refused("set the address of", name))?;
    }
    Ok(())
}

async fn lead_all_to_the_host(handle: &Handle, name: &str) -> Result<(), NetworkError> {
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().gateway(V4[0]);
    let mut routes = vec![v4.build()];
    if look::has_ipv6() {
        let v6 = RouteMessageBuilder::<Ipv6Addr>::new().gateway(V6[0]);
        routes.push(v6.build());
    }
    for route in routes {
        let added = handle.route().add(route).execute().await;
        added.map_err(refused("set the way out of", name))?;
    }
    Ok(())
}

async fn index_of(handle: &Handle, name: &str) -> Result<u32, NetworkError> {
    let link = bridge::find(handle, name).await?;
    let link = link.ok_or_else(|| NetworkError::Link {
        verb: "find",
        interface: name.into(),
        reason: "it is gone".into(),
    })?;
    Ok(link.index)
}
