//! The interfaces of the host that matter, out of the many that containers bring.
//!
//! Each container has a card on a bridge, and the kernel's entry of a card is long. What is on no other
//! interface is asked for alone (linux/if_link.h, `IFLA_MASTER`); the few others that matter are asked for
//! by name or number. What they look like is [`Link`]'s business, and nothing is changed here.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt;
use rtnetlink::Handle;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::{LinkAttribute, LinkExtentMask};

use super::NetworkError;
use super::bridge::{self, Link, refused};

/// "Below none", which kernels know since 5.15.
const NONE: u32 = u32::MAX;

/// Interfaces by their numbers.
pub(super) type Links = BTreeMap<u32, Link>;

/// Those that are below no other one, and `bridges` in any case.
pub(super) async fn read(
    handle: &Handle,
    bridges: &BTreeSet<String>,
) -> Result<Links, NetworkError> {
    let mut links = list(handle, Some(NONE)).await?;
    if links.is_empty() {
        // An older kernel, on which nothing is below an interface of that number.
        return list(handle, None).await;
    }
    for name in bridges {
        if !links.values().any(|link| link.name == *name) {
            // Somebody may have put it below another one.
            let found = bridge::find(handle, name).await?;
            links.extend(found.map(|link| (link.index, link)));
        }
    }
    Ok(links)
}

async fn list(handle: &Handle, below: Option<u32>) -> Result<Links, NetworkError> {
    // Counters are most of an entry.
    let wanted = vec![LinkExtentMask::SkipStats];
    let mut request = handle
        .link()
        .get()
        .set_filter_mask(AddressFamily::Unspec, wanted);
    let below = below.map(LinkAttribute::Controller);
    request.message_mut().attributes.extend(below);
    let links = request
        .execute()
        .map_ok(Link::from_message)
        .map_ok(|link| (link.index, link));
    links.try_collect().await.map_err(refused("read", "*"))
}

/// Adds the interfaces `wanted` that are not among `links`; one that is gone by now is left out.
pub(super) async fn complete(
    handle: &Handle,
    links: &mut Links,
    wanted: impl Iterator<Item = u32>,
) -> Result<(), NetworkError> {
    let missing: BTreeSet<u32> = wanted.filter(|index| !links.contains_key(index)).collect();
    for index in missing {
        let mut found = handle.link().get().match_index(index).execute();
        let gone = rustix::io::Errno::NODEV.raw_os_error();
        match found.try_next().await {
            Ok(message) => links.extend(message.map(|message| {
                let link = Link::from_message(message);
                (link.index, link)
            })),
            Err(rtnetlink::Error::NetlinkError(error))
                if error.to_io().raw_os_error() == Some(gone) => {}
            Err(error) => return Err(refused("read", &format!("number {index}"))(error)),
        }
    }
    Ok(())
}
