//! The sockets of the ports that systemd holds, and the ways from them to their containers.

use std::collections::{BTreeMap, BTreeSet};

use super::super::files::OnDisk;
use super::Systemd;
use crate::model::{Held, Name, UnitSpec, UnitsChange};
use crate::systemd::{Job, UnitsError, names};

impl Systemd {
    /// How the ports of the containers on demand are held; one question for all of them.
    pub(super) async fn held(
        &self,
        services: &BTreeMap<Name, UnitSpec>,
    ) -> Result<BTreeMap<Name, Held>, UnitsError> {
        let of = |(name, unit): (&Name, &UnitSpec)| (name.clone(), names::sockets(unit));
        let sockets: Vec<(Name, Vec<String>)> = services.iter().map(of).collect();
        let all: Vec<&str> = sockets
            .iter()
            .flat_map(|(_, sockets)| sockets.iter().map(String::as_str))
            .collect();
        if all.is_empty() {
            return Ok(BTreeMap::new());
        }
        let listed = self.list(&all).await?.into_iter();
        let open = listed.filter(|listed| listed.active == "active");
        let open: BTreeSet<String> = open.map(|listed| listed.unit).collect();
        let sockets = sockets.into_iter().filter(|(_, all)| !all.is_empty());
        let held = sockets.map(|(name, all)| {
            let held = match all.iter().filter(|socket| open.contains(*socket)).count() {
                0 => Held::Closed,
                some if some < all.len() => Held::Broken,
                _ => Held::Open,
            };
            (name, held)
        });
        Ok(held.collect())
    }

    /// Opens the ports that are to be open.
    pub(super) async fn open_sockets(&self, change: &UnitsChange) -> Result<(), UnitsError> {
        let services = change.units.services.iter();
        let open = services.filter(|(name, _)| change.open.contains(*name));
        for socket in open.flat_map(|(_, unit)| names::sockets(unit)) {
            // One that has failed too often is not started again before that is forgotten.
            self.forget_failure(&socket).await?;
            self.finish(&socket, Job::Start).await?;
        }
        Ok(())
    }

    /// Lets go of the ports that systemd is to hold no more, for good or until the container is started
    /// again, while their units are still known.
    pub(super) async fn stop_sockets(
        &self,
        change: &UnitsChange,
        before: &OnDisk,
    ) -> Result<(), UnitsError> {
        let had = before.services.values().flat_map(names::held).collect();
        let open = change.units.services.iter();
        let open = open.filter(|(name, _)| change.open.contains(*name));
        let has = open.flat_map(|(_, unit)| names::held(unit)).collect();
        for socket in names::held_no_more(&had, &has) {
            self.finish(&socket, Job::Stop).await?;
            self.forget_failure(&socket).await?;
            let way = names::way(&socket);
            self.finish(&way, Job::Stop).await?;
            self.forget_failure(&way).await?;
        }
        Ok(())
    }

    /// Does the same with the ways from held ports to a container: without one that is on its way or there,
    /// a container on demand counts as needed by nobody and is stopped at once; and one that stays behind
    /// takes callers to a container that is gone.
    pub(super) async fn ways(
        &self,
        project: &Name,
        name: &Name,
        job: Job,
    ) -> Result<(), UnitsError> {
        let services = self.files.read(project)?.services;
        for socket in services.get(name).map(names::sockets).unwrap_or_default() {
            self.begin(&names::way(&socket), job).await?;
        }
        Ok(())
    }
}
