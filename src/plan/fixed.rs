//! Fixed addresses of the file: where they are in their subnets, and why one cannot be had.

use crate::model::{Attachment, Name, Project, Subnets};

use super::Problem;
use super::indexes::refusal;
use super::subnets::room4;

/// Where a fixed address is.
pub(super) enum Wish {
    At(u32),
    /// Within the subnet and beyond all indexes: nobody is in its way.
    Far,
    Outside,
}

/// Where the fixed addresses are, each with the address as it is written.
pub(super) fn wished(at: &Attachment, subnets: Subnets) -> Vec<(Wish, String)> {
    let v4 = at.v4.map(|address| {
        let index = u32::from(address).wrapping_sub(u32::from(subnets.v4.network()));
        let wish = match subnets.v4.contains(&address) {
            true => Wish::At(index),
            false => Wish::Outside,
        };
        (wish, address.to_string())
    });
    let v6 = at.v6.map(|address| {
        let net = subnets.v6.filter(|net| net.contains(&address));
        let first = net.map_or(0, |net| u128::from(net.network()));
        let index = u128::from(address).wrapping_sub(first);
        let far = u128::from(room4(subnets.v4));
        let wish = match (net.is_some(), u32::try_from(index)) {
            (false, _) => Wish::Outside,
            (true, Ok(index)) if u128::from(index) <= far + 1 => Wish::At(index),
            (true, _) => Wish::Far,
        };
        (wish, address.to_string())
    });
    v4.into_iter().chain(v6).collect()
}

/// The refusal of an address that is not in its network.
pub(super) fn outside(
    project: &Project,
    name: &Name,
    at: &Attachment,
    subnets: Subnets,
    address: &str,
) -> Problem {
    let nets = subnets.each().map(|net| format!("`{net}`"));
    let nets = nets.collect::<Vec<_>>().join(" and ");
    refusal(
        project,
        name,
        format!(
            "container `{name}` cannot have the address `{address}`: network `{}` is {nets}, where the bridge has `{}`",
            at.network,
            subnets.gateway4()
        ),
        format!(
            "choose an address within, or name the subnet of `{}`",
            at.network
        ),
    )
}

/// The refusal of an address that another container has.
pub(super) fn taken(project: &Project, name: &Name, address: &str, owner: &Name) -> Problem {
    refusal(
        project,
        name,
        format!("container `{name}` cannot have the address `{address}`: `{owner}` has it"),
        "choose another address, or leave it out and locker picks one".into(),
    )
}
