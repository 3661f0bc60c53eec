//! The sockets of the ports that systemd holds, and the ways from them to their containers.

use std::collections::{BTreeMap, BTreeSet};

use super::super::files::OnDisk;
use super::Systemd;
use crate::model::{Held, Name, Port, PortTaken, UnitSpec, UnitsChange};
use crate::store::{acquire_host, held_by_another};
use crate::sys::{self, Transport};
use crate::systemd::{Job, Rules, UnitsError, names};

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
        let open = self.open_of(&all).await?;
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

    /// Opens the ports that are to be open, all or none of them. Looking whether another project has one of
    /// them and opening are one thing under the host's lock, as publishing a port is: of two projects at once
    /// one is second.
    pub(super) async fn open_sockets(
        &self,
        change: &UnitsChange,
        rules: &dyn Rules,
    ) -> Result<(), UnitsError> {
        let services = change.units.services.iter();
        let open = services.filter(|(name, _)| change.open.contains(*name));
        let sockets = open.flat_map(|(name, unit)| {
            let held = names::held(unit).into_iter();
            held.map(move |(socket, held)| (socket, (name, held.port)))
        });
        let mut closed: BTreeMap<String, (&Name, Port)> = sockets.collect();
        let all: Vec<&str> = closed.keys().map(String::as_str).collect();
        let there = self.open_of(&all).await?;
        closed.retain(|socket, _| !there.contains(socket));
        if closed.is_empty() {
            return Ok(());
        }
        let _lock = acquire_host(&self.paths, "open ports").await?;
        self.refuse_taken(&change.units.project, &closed, rules)
            .await?;
        let mut opened = Vec::new();
        for (socket, (container, port)) in &closed {
            if let Err(error) = self.open_socket(socket).await {
                let error = busy(container, port, error);
                for socket in opened {
                    let _ = self.finish(socket, Job::Stop).await;
                }
                let _ = self.forget_failure(socket).await;
                return Err(error);
            }
            opened.push(socket);
        }
        Ok(())
    }

    async fn open_socket(&self, socket: &str) -> Result<(), UnitsError> {
        // One that has failed too often is not started again before that is forgotten.
        self.forget_failure(socket).await?;
        self.finish(socket, Job::Start).await
    }

    /// Those of the sockets that are open.
    async fn open_of(&self, sockets: &[&str]) -> Result<BTreeSet<String>, UnitsError> {
        if sockets.is_empty() {
            return Ok(BTreeSet::new());
        }
        let listed = self.list(sockets).await?.into_iter();
        let open = listed.filter(|listed| listed.active == "active");
        Ok(open.map(|listed| listed.unit).collect())
    }

    /// The sockets of these services that are open now.
    pub(super) async fn open_now(
        &self,
        services: &BTreeMap<Name, UnitSpec>,
    ) -> Result<BTreeSet<String>, UnitsError> {
        let all: Vec<String> = services.values().flat_map(names::sockets).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        self.open_of(&all).await
    }

    /// Opens what a change that failed has closed, as far as that goes: another error is told.
    pub(super) async fn open_again(&self, sockets: &BTreeSet<String>) {
        for socket in sockets {
            let _ = self.open_socket(socket).await;
        }
    }

    async fn refuse_taken(
        &self,
        project: &Name,
        wanted: &BTreeMap<String, (&Name, Port)>,
        rules: &dyn Rules,
    ) -> Result<(), UnitsError> {
        let taken = |(container, port): &(&Name, Port), by: Name, project: Name| {
            UnitsError::Taken(PortTaken {
                port: port.clone(),
                container: (*container).clone(),
                by,
                project,
            })
        };
        let rules = rules.in_place().await.map_err(UnitsError::Rules)?;
        let others = rules.iter().filter(|rule| rule.project != *project);
        for wants in wanted.values() {
            if let Some(other) = others.clone().find(|other| other.port.collides(&wants.1)) {
                return Err(taken(wants, other.container.clone(), other.project.clone()));
            }
        }
        let ports = wanted.values().map(|(_, port)| (project, port));
        let Some((port, other)) = held_by_another(&self.paths, ports)? else {
            return Ok(());
        };
        let mut wants = wanted.values().filter(|(_, wanted)| wanted == port);
        match wants.next() {
            None => Ok(()),
            Some(wants) => Err(taken(wants, other.container, other.project)),
        }
    }

    /// Lets go of the ports that systemd is to hold no more, for good or until the container is started
    /// again, while their units are still known. The ways to containers that stay without held ports are left, and
    /// returned: until systemd has read the new files such a container would stop with its last way.
    pub(super) async fn stop_sockets(
        &self,
        change: &UnitsChange,
        before: &OnDisk,
    ) -> Result<Vec<String>, UnitsError> {
        let had = before.services.values().flat_map(names::held).collect();
        let open = change.units.services.iter();
        let open = open.filter(|(name, _)| change.open.contains(*name));
        let has = open.flat_map(|(_, unit)| names::held(unit)).collect();
        let stays = |name: &Name| {
            let now = change.units.services.get(name);
            now.is_some_and(|unit| unit.on_demand.is_empty())
        };
        let plain = before.services.iter().filter(|(name, _)| stays(name));
        let plain: BTreeSet<String> = plain.flat_map(|(_, unit)| names::sockets(unit)).collect();
        let mut late = Vec::new();
        for socket in names::held_no_more(&had, &has) {
            self.finish(&socket, Job::Stop).await?;
            self.forget_failure(&socket).await?;
            match plain.contains(&socket) {
                true => late.push(names::way(&socket)),
                false => self.stop_way(&names::way(&socket)).await?,
            }
        }
        Ok(late)
    }

    pub(super) async fn stop_way(&self, way: &str) -> Result<(), UnitsError> {
        self.finish(way, Job::Stop).await?;
        self.forget_failure(way).await
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
        let service = self.files.service(project, name)?;
        for socket in service.as_ref().map(names::sockets).unwrap_or_default() {
            self.begin(&names::way(&socket), job).await?;
        }
        Ok(())
    }
}

/// What is told when a socket does not open: who listens there, where somebody does.
fn busy(container: &Name, port: &Port, error: UnitsError) -> UnitsError {
    let range = port.host.first..=port.host.last;
    let there = sys::listeners().unwrap_or_default();
    let there = there.into_iter().filter(|listener| {
        let meets = match port.host_ip {
            None => true,
            Some(ip) => {
                ip == listener.address || listener.address.is_unspecified() || ip.is_unspecified()
            }
        };
        meets && listener.transport == Transport::Tcp && range.contains(&listener.port)
    });
    let owner = there.filter_map(|listener| sys::owner(listener.inode));
    // What systemd itself has there is another socket of this very port.
    let Some(owner) = owner.into_iter().find(|owner| owner.pid != 1) else {
        return error;
    };
    let unit = owner.unit.map(|unit| format!(", {unit}"));
    UnitsError::Busy {
        port: port.clone(),
        container: container.clone(),
        owner: format!(
            "{} (pid {}{})",
            owner.comm,
            owner.pid,
            unit.unwrap_or_default()
        ),
    }
}
