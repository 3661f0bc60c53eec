//! Fixed places on networks that cannot be had: addresses on networks of others, and hardware addresses.
//!
//! The engine says so only when it starts the container, after the older one was stopped. The addresses on the
//! project's own networks are chosen, and refused, before (`indexes.rs`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Attachment, Key, Name};
use crate::observed::ForeignPlaces;

use super::build::Builder;
use super::graph::Slot;
use super::intent::Settings;
use super::{Goal, networks};

/// A container, the key of the file that asks, what is wrong and what to do.
type Refusal = (Name, Key, String, &'static str);

impl Builder<'_> {
    /// Refuses fixed addresses that another one has, and those that a network of others has not.
    pub(super) fn check_places(&mut self) {
        if !matches!(self.wish.goal, Goal::Up | Goal::Create) {
            return;
        }
        let mut found: Vec<Refusal> = Vec::new();
        let mut ips: BTreeMap<(String, IpAddr), Name> = BTreeMap::new();
        let mut macs: BTreeMap<(String, String), Name> = BTreeMap::new();
        for (name, file) in &self.project.containers {
            for at in networks::attachments(file) {
                let network = networks::host_name(self.project, &at.network);
                let external = networks::external(self.project, &at.network).is_some();
                for ip in addresses(&at).filter(|_| external) {
                    let first = ips.entry((network.clone(), ip)).or_insert(name.clone());
                    let why = match first == name {
                        true => self.not_had(name, &network, ip),
                        false => Some(format!("container `{first}` asks for it, too")),
                    };
                    found.extend(why.map(|why| refusal(name, &network, ip, &why)));
                }
                if let Some(mac) = at.mac {
                    let place = (network.clone(), mac.clone());
                    let first = macs.entry(place).or_insert(name.clone());
                    let key = match file.places.contains_key(&Key::MacAddress) {
                        true => Key::MacAddress,
                        false => Key::Networks,
                    };
                    let message = format!(
                        "containers `{first}` and `{name}` ask for one hardware address `{mac}` on network `{network}`"
                    );
                    let help = "give each its own, or leave it out and it gets one";
                    found.extend((first != name).then(|| (name.clone(), key, message, help)));
                }
            }
        }
        for (name, key, message, help) in found {
            if self.is_placed(&name) {
                self.problem(&name, Some(key), message, help);
            }
        }
    }

    /// Whether it gets, or keeps, the places that the file gives it.
    fn is_placed(&self, name: &Name) -> bool {
        let intent = self.intents.get(name).copied().unwrap_or_default();
        intent.make || intent.settings == Settings::All || self.has(Slot::Create, name)
    }

    /// Why a container cannot have an address on a network of others.
    fn not_had(&self, name: &Name, network: &str, ip: IpAddr) -> Option<String> {
        let ForeignPlaces {
            nets,
            gateways,
            taken,
        } = self.observed.engine.foreign_places.get(network)?;
        let within = nets.iter().any(|net| net.contains(&ip));
        let edge = nets.iter().any(|net| {
            let last = ip.is_ipv4() && net.broadcast() == ip;
            net.network() == ip || last
        });
        if !nets.is_empty() && (!within || edge) {
            let nets = nets.iter().map(|net| format!("`{net}`"));
            return Some(format!(
                "that network is {}",
                nets.collect::<Vec<_>>().join(" and ")
            ));
        }
        if gateways.contains(&ip) {
            return Some("that is the host there".into());
        }
        let owner = taken.get(&ip)?;
        let renamed = self.observed.engine.renamed.get(name);
        (renamed != Some(owner)).then(|| format!("container `{owner}` has it"))
    }
}

fn addresses(at: &Attachment) -> impl Iterator<Item = IpAddr> {
    let v4 = at.v4.map(IpAddr::V4);
    v4.into_iter().chain(at.v6.map(IpAddr::V6))
}

fn refusal(name: &Name, network: &str, ip: IpAddr, why: &str) -> Refusal {
    let message =
        format!("container `{name}` cannot have the address `{ip}` on network `{network}`: {why}");
    let help = "choose another address, or leave it out and the engine picks one";
    (name.clone(), Key::Networks, message, help)
}
