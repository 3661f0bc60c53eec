//! Containers that run beside their bridge: a bridge that was removed by hand took no container down,
//! but let go of all of them.
//!
//! Whose an interface is tells its name, which is worked out from project and container
//! ([`veth_of`]); no other interface is ever attached.

use std::collections::BTreeSet;
use std::fs;

use futures_util::TryStreamExt;
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec};

use super::NetworkError;
use super::bridge::{Link, refused};
use crate::model::{Name, veth_of};
use crate::observed::ProjectRecord;
use crate::store::{Paths, load_record};

/// Every interface of this network namespace.
pub(super) async fn all_links(handle: &Handle) -> Result<Vec<Link>, NetworkError> {
    let found = handle.link().get().execute();
    let found: Vec<_> = found.try_collect().await.map_err(refused("read", "*"))?;
    Ok(found.into_iter().map(Link::from_message).collect())
}

/// The host ends of the recorded containers that are not attached to the bridge `index`.
pub(super) fn loose<'l>(
    record: &ProjectRecord,
    index: u32,
    links: impl IntoIterator<Item = &'l Link>,
) -> impl Iterator<Item = &'l Link> {
    let names = record.addresses.keys();
    let ours: BTreeSet<String> = names.map(|name| veth_of(&record.name, name)).collect();
    let links = links.into_iter();
    links.filter(move |link| ours.contains(&link.name) && link.bridge != Some(index))
}

/// Attaches the project's containers that run to its bridge.
pub(super) async fn attach_loose(
    handle: &Handle,
    paths: &Paths,
    project: &Name,
    bridge: &Link,
) -> Result<(), NetworkError> {
    let Some(record) = load_record(paths, project)? else {
        return Ok(());
    };
    let links = all_links(handle).await?;
    for link in loose(&record, bridge.index, &links) {
        let message = LinkMessageBuilder::<LinkUnspec>::new()
            .index(link.index)
            .controller(bridge.index)
            .up()
            .build();
        match handle.link().change(message).execute().await {
            Ok(()) => reflect(&link.name),
            // The container stopped meanwhile.
            Err(rtnetlink::Error::NetlinkError(error))
                if error.to_io().raw_os_error()
                    == Some(rustix::io::Errno::NODEV.raw_os_error()) => {}
            Err(error) => return Err(refused("attach", &link.name)(error)),
        }
    }
    Ok(())
}

/// Lets the bridge send packets back to where they came from, without which a container does not
/// reach its own published port where the bridge hands packets to netfilter.
fn reflect(interface: &str) {
    let path = format!("/sys/class/net/{interface}/brport/hairpin_mode");
    let _ = fs::write(path, "1"); // /sys may show another network namespace or be read-only
}
