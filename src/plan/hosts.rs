//! The steps that keep hosts files true: in the containers and, once asked for, on the host.

use std::collections::BTreeMap;

use crate::model::{ContainerSpec, HostsLine, Key, Kind, Name};
use crate::observed::Touched;

use super::build::Builder;
use super::graph::Slot;
use super::{Cause, Goal, Step, name_servers, names, needs};

impl Builder<'_> {
    /// The specs of what will run.
    pub(super) fn running_specs(&self) -> BTreeMap<&Name, &ContainerSpec> {
        let all = self.specs.iter();
        all.filter(|(name, _)| self.running.contains(*name))
            .collect()
    }

    /// The hosts files of containers.
    pub(super) fn names(&mut self) {
        if !self.wish.goal.scope().names {
            return;
        }
        let running = self.running_specs();
        let specs = self.specs.iter();
        let steps: Vec<(Name, Step, Vec<Cause>)> = specs
            .filter_map(|(name, spec)| self.names_of(name, spec, &running))
            .collect();
        for (name, step, causes) in steps {
            self.draft.add_in(Slot::Names, &name, step, causes);
        }
    }

    /// The block that a container has and that this plan does not throw away with the container.
    fn old_names(&self, name: &Name) -> Option<&Vec<HostsLine>> {
        let there = self.there(name).filter(|_| !self.has(Slot::Create, name));
        there.and_then(|c| c.names.as_ref())
    }

    fn names_of(
        &self,
        name: &Name,
        spec: &ContainerSpec,
        running: &BTreeMap<&Name, &ContainerSpec>,
    ) -> Option<(Name, Step, Vec<Cause>)> {
        // Without an address of ours there is nothing to say; the engine does what it does.
        spec.nic.as_ref()?;
        let made = self.has(Slot::Create, name);
        let old = self.old_names(name);
        // Who was not asked for and has no block is left alone.
        let follows = old.is_some() || self.has(Slot::Start, name) || self.selected(name);
        let concerned = made || (running.contains_key(name) && follows);
        if !concerned {
            return None;
        }
        let hosts = self.wanted_names(name, spec, running);
        // The engine of applications is told the name servers when it makes the container.
        let servers = match spec.kind() {
            Kind::System => self.servers_to_write(spec, made),
            Kind::Application => Vec::new(),
        };
        let dns = self.there(name).filter(|_| !made).map(|c| &c.dns);
        let dns_same = servers.is_empty() || dns == Some(&servers);
        let touched = self.touched(name).is_some() && !made;
        if old == Some(&hosts) && dns_same && !touched {
            return None;
        }
        let causes = self.names_causes(name, spec, &hosts);
        let step = Step::WriteNames {
            container: name.clone(),
            hosts,
            dns: servers,
        };
        Some((name.clone(), step, causes))
    }

    /// What somebody inside changed of a container that goes on running. Each start gives it back its own.
    fn touched(&self, name: &Name) -> Option<&'static str> {
        let found = self.there(name).filter(|_| !self.has(Slot::Start, name));
        found?.touched.as_ref().map(|touched| match touched {
            Touched::HostName(_) => "its host name was changed inside",
            Touched::Resolver => "its search domains or resolver options were changed inside",
        })
    }

    fn wanted_names(
        &self,
        name: &Name,
        spec: &ContainerSpec,
        running: &BTreeMap<&Name, &ContainerSpec>,
    ) -> Vec<HostsLine> {
        let unlinks = self.wish.goal == Goal::Unlinks;
        let file = self.project.containers.get(name);
        let stays = match unlinks {
            true => !self.selected(name),
            // Nothing says any more what a leftover is linked to.
            false => file.is_none(),
        };
        if self.wish.no_links || stays {
            let old = self.old_names(name).cloned();
            old.unwrap_or_else(|| names::own(spec))
        } else if unlinks {
            names::own(spec)
        } else {
            names::block(self.project, spec, file, running)
        }
    }

    fn names_causes(&self, name: &Name, spec: &ContainerSpec, hosts: &[HostsLine]) -> Vec<Cause> {
        if let Some(create) = self.draft.find(Slot::Create, name) {
            return self.draft.causes(create).to_vec();
        }
        let changed = |key: Key| Cause::Changed {
            key,
            place: match self.project.containers.get(name) {
                Some(file) => file.place_of(key).clone(),
                None => Default::default(),
            },
        };
        let mark = self.mark(name).map(|mark| &mark.spec);
        let cause = match self.old_names(name) {
            None => Cause::Drifted("its names are not in place"),
            Some(_) if mark.is_some_and(|m| m.nic != spec.nic) => {
                Cause::Drifted("its address changed")
            }
            Some(_) if mark.is_some_and(|m| m.fqdn != spec.fqdn) => changed(Key::Fqdn),
            Some(old) if old.as_slice() == hosts && self.touched(name).is_some() => {
                Cause::Drifted(self.touched(name).unwrap_or_default())
            }
            Some(old) if old.as_slice() == hosts => match mark.is_some_and(|m| m.dns != spec.dns) {
                true if self.is_by_default(name) => Cause::Drifted(name_servers::CAUSE),
                true => changed(Key::Dns),
                false => Cause::Drifted("its name servers differ"),
            },
            Some(_) if self.wish.goal == Goal::Unlinks => Cause::Asked,
            Some(_) => match self.moved_target(name) {
                Some(target) => Cause::For(target),
                None if mark.is_some_and(|m| m.system.extra_hosts != spec.system.extra_hosts) => {
                    changed(Key::ExtraHosts)
                }
                None => changed(Key::Links),
            },
        };
        vec![cause]
    }

    /// A container that `name` is linked to and that this plan starts, stops or changes.
    fn moved_target(&self, name: &Name) -> Option<Name> {
        let file = self.project.containers.get(name)?;
        let links = file.links.iter().map(|(link, _)| &link.target);
        let mut targets = links.flat_map(|target| needs::bearers(self.project, target));
        targets.find(|target| {
            let moves = [Slot::Start, Slot::Stop, Slot::Configure];
            moves.iter().any(|slot| self.has(*slot, target))
        })
    }

    /// The host's own hosts file; once asked for, it is kept true.
    pub(super) fn host_names(&mut self) {
        let old = self.observed.host_names.as_deref();
        if !self.wish.host_names && old.is_none() {
            return;
        }
        let hosts = names::host(&self.running_specs());
        if old.unwrap_or_default() == hosts.as_slice() {
            return;
        }
        let cause = match self.wish.host_names {
            true => Cause::Asked,
            false => Cause::Drifted("who runs changes"),
        };
        let id = self.draft.add(Step::WriteHostNames { hosts }, vec![cause]);
        for slot in [Slot::Start, Slot::Stop] {
            for earlier in self.draft.all(slot) {
                self.draft.after(id, earlier);
            }
        }
    }
}
