//! One bridge over netlink: find, make, mark, address, remove. Whose it is is decided elsewhere.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::{AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::{
    BridgeStpState, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec};

use super::{NetworkError, look};
use crate::model::{Subnets, USUAL_MTU, stable_hash};

/// An interface as the kernel has it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) alias: Option<String>,
    pub(super) mac: Vec<u8>,
    pub(super) up: bool,
    pub(super) is_bridge: bool,
    pub(super) mtu: u32,
}

impl Link {
    pub(super) fn from_message(message: LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            alias: None,
            mac: Vec::new(),
            up: message.header.flags.contains(LinkFlags::Up),
            is_bridge: false,
            mtu: USUAL_MTU,
        };
        for attribute in message.attributes {
            // The attributes are a foreign, open enum.
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
                LinkAttribute::Address(mac) => link.mac = mac,
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                LinkAttribute::LinkInfo(infos) => {
                    link.is_bridge = infos.contains(&LinkInfo::Kind(InfoKind::Bridge));
                }
                _ => {}
            }
        }
        link
    }
}

/// For `map_err`: what was tried on which interface.
pub(super) fn refused(
    verb: &'static str,
    interface: &str,
) -> impl FnOnce(rtnetlink::Error) -> NetworkError {
    let interface = interface.to_string();
    move |error| NetworkError::Link {
        verb,
        interface,
        reason: match &error {
            rtnetlink::Error::NetlinkError(message) => message.to_io().to_string(),
            other => other.to_string(),
        },
    }
}

/// How the alias of every interface of ours begins.
pub(super) const MARK: &str = "locker:";

/// The bridge's own address, stable and locally administered: without one of its own a bridge takes
/// that of its first port, and every container's ARP entry of the gateway goes stale.
fn mac_of(bridge: &str) -> Vec<u8> {
    let hash = stable_hash(bridge).to_be_bytes();
    [&[0x02], &hash[3..8]].concat()
}

/// The kernel takes the alias only in a second message. What an interrupted run left between the two
/// is known by the address that only we would give it.
pub(super) fn is_half_made(link: &Link, bridge: &str) -> bool {
    link.alias.is_none() && link.mac == mac_of(bridge)
}

/// The interface `name`; none when there is none.
pub(super) async fn find(handle: &Handle, name: &str) -> Result<Option<Link>, NetworkError> {
    let mut found = handle.link().get().match_name(name).execute();
    match found.try_next().await {
        Ok(message) => Ok(message.map(Link::from_message)),
        Err(rtnetlink::Error::NetlinkError(error))
            if error.to_io().raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) =>
        {
            Ok(None)
        }
        Err(error) => Err(refused("read", name)(error)),
    }
}

/// Whether any interface bears locker's mark, of whichever project and state directory.
pub(super) async fn any_is_marked(handle: &Handle) -> Result<bool, NetworkError> {
    let mut links = handle.link().get().execute();
    while let Some(message) = links.try_next().await.map_err(refused("read", "*"))? {
        let alias = Link::from_message(message).alias;
        if alias.is_some_and(|alias| alias.starts_with(MARK)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes the bridge, down and without a mark.
pub(super) async fn make(handle: &Handle, name: &str) -> Result<Link, NetworkError> {
    let message = LinkMessageBuilder::<LinkBridge>::new(name)
        .address(mac_of(name))
        .stp_state(BridgeStpState::Disabled)
        .build();
    let added = handle.link().add(message).execute().await;
    added.map_err(refused("make", name))?;
    find(handle, name).await?.ok_or(NetworkError::Link {
        verb: "make",
        interface: name.into(),
        reason: "it is gone again".into(),
    })
}

/// Gives it its alias and sets it up; both are no news to a bridge that has them.
pub(super) async fn mark(
    handle: &Handle,
    link: &Link,
    name: &str,
    alias: &str,
) -> Result<(), NetworkError> {
    if link.up && link.alias.as_deref() == Some(alias) {
        return Ok(());
    }
    let message = LinkMessageBuilder::<LinkUnspec>::new()
        .index(link.index)
        .alias(alias)
        .up()
        .build();
    let set = handle.link().change(message).execute().await;
    set.map_err(refused("set up", name))
}

/// Gives it its MTU and, with that, all cables that are plugged into it.
pub(super) async fn set_mtu(
    handle: &Handle,
    link: &Link,
    name: &str,
    mtu: u32,
) -> Result<(), NetworkError> {
    if link.mtu != mtu {
        let message = LinkMessageBuilder::<LinkUnspec>::new()
            .index(link.index)
            .mtu(mtu)
            .build();
        let set = handle.link().change(message).execute().await;
        set.map_err(refused("set the MTU of", name))?;
    }
    Ok(())
}

/// Gives it the first address of each subnet and takes all other addresses from it, link-local ones
/// aside.
pub(super) async fn set_addresses(
    handle: &Handle,
    link: &Link,
    name: &str,
    subnets: &Subnets,
) -> Result<(), NetworkError> {
    let gateways = subnets.gateways();
    let mut wanted: BTreeSet<(IpAddr, u8)> =
        gateways.map(|net| (net.addr(), net.prefix_len())).collect();
    if !look::has_ipv6() {
        wanted.retain(|(address, _)| address.is_ipv4());
    }
    for message in addresses_of(handle, link.index, name).await? {
        let Some(net) = look::address_of(&message) else {
            continue;
        };
        if look::is_link_local(net.addr()) || wanted.remove(&(net.addr(), net.prefix_len())) {
            continue;
        }
        let removed = handle.address().del(message).execute().await;
        removed.map_err(refused("take an address from", name))?;
    }
    for (address, length) in wanted {
        let mut request = handle.address().add(link.index, address, length).replace();
        if address.is_ipv6() {
            // A bridge without ports has no carrier, so duplicate detection would never end.
            request.message_mut().header.flags |= NODAD;
        }
        let added = request.execute().await;
        added.map_err(refused("set the address of", name))?;
    }
    Ok(())
}

/// `IFA_F_NODAD` in the header's eight bits (linux/if_addr.h).
pub(super) const NODAD: AddressHeaderFlags = AddressHeaderFlags::Nodad;

async fn addresses_of(
    handle: &Handle,
    index: u32,
    name: &str,
) -> Result<Vec<AddressMessage>, NetworkError> {
    let found = handle.address().get().set_link_index_filter(index);
    found
        .execute()
        .try_collect()
        .await
        .map_err(refused("read the addresses of", name))
}

/// Puts the interface `card` on the bridge, and up; one that is gone is passed over.
pub(super) async fn attach(handle: &Handle, bridge: &Link, card: &str) -> Result<(), NetworkError> {
    let Some(link) = find(handle, card).await? else {
        return Ok(());
    };
    let message = LinkMessageBuilder::<LinkUnspec>::new()
        .index(link.index)
        .controller(bridge.index)
        .up()
        .build();
    let set = handle.link().change(message).execute().await;
    set.map_err(refused("attach", card))?;
    // As at every start of a container: with br_netfilter it reaches its own published ports only so.
    crate::sys::let_reach_itself(card);
    Ok(())
}

/// Removes it with everything on it.
pub(super) async fn remove(handle: &Handle, link: &Link, name: &str) -> Result<(), NetworkError> {
    let removed = handle.link().del(link.index).execute().await;
    removed.map_err(refused("remove", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_of_a_bridge_is_its_own_stable_and_locally_administered() {
        let (one, two) = (mac_of("lk-shop"), mac_of("lk-stop"));
        assert_eq!((one.len(), one[0]), (6, 2));
        assert_eq!(one, mac_of("lk-shop"));
        assert_ne!(one, two);
    }
}
