//! Making a container anew, and what follows from it for others.
//!
//! The new self of an application container starts before the old one stops where nothing of them
//! gets in each other's way; else the old one stops first. Why a kill at any step loses nothing is
//! told in docs/plan.md, section "Half-done work".

use crate::model::{
    AppNetwork, AppSpec, Attachment, Container, ContainerSpec, Dependency, EngineVolume, Kind,
    Limit, Name, Protocol, live_limits,
};
use crate::observed::{ObservedContainer, State};

use super::build::Builder;
use super::diff::Reach;
use super::graph::Slot;
use super::intent::{Intent, Power, Settings, runs};
use super::{Cause, Problem, Recreate, Step, application, limit_keys, needs, networks};

impl Builder<'_> {
    /// Sets the container aside, makes a new one, and destroys the older self last of all.
    pub(super) fn recreate(&mut self, name: &Name, causes: Vec<Cause>) {
        let Some(found) = self.there(name) else {
            return;
        };
        if found.set_aside {
            self.replace_unfinished(name, found, causes);
            return;
        }
        let before = self.net.as_ref().and_then(|net| net.indexes.of(name));
        let first = self.may_start_first(name, found) && self.move_over(name);
        let container = name.clone();
        let aside = Step::SetAside { container };
        self.draft.add_in(Slot::Aside, name, aside, causes.clone());
        self.make(name, causes.clone());
        if first {
            self.beside.insert(name.clone(), before);
            self.stop_aside(name, causes.clone());
        }
        self.lose(name, true, found.kind, causes);
    }

    /// The new self of an interrupted run is not what the file says now. An application container
    /// that never came into its own is only the remains of that run; a root file system is more.
    fn replace_unfinished(&mut self, name: &Name, found: &ObservedContainer, causes: Vec<Cause>) {
        if found.kind == Kind::Application {
            let container = name.clone();
            let step = Step::RemoveWreck { container };
            self.draft.add_in(Slot::Clear, name, step, causes.clone());
            self.make(name, causes);
            return;
        }
        let message = format!(
            "container `{name}` must be made anew, and its older self of an interrupted run is still set aside"
        );
        let help = "undo the change in the file and run `locker up` first, or remove both with `locker rm`";
        self.problem(name, None, message, help);
    }

    /// Whether the new self can run beside the old one.
    fn may_start_first(&self, name: &Name, found: &ObservedContainer) -> bool {
        let old = found.mark.as_ref().map(|mark| &mark.spec);
        let (Some(old), Some(new)) = (old, self.desired.get(name)) else {
            return false;
        };
        let (Some(had), Some(gets)) = (&old.app, &new.app) else {
            return false;
        };
        let file = self.project.containers.get(name);
        let ports = || {
            file.iter()
                .flat_map(|c| c.ports.iter().map(|(port, _)| port))
        };
        // Without rules the old address goes on being the published one.
        let reached = ports().next().is_none() || !self.wish.no_ports;
        // The kernel leads flows that it knows on to the old address until they time out.
        let flows = ports().any(|port| port.protocol == Protocol::Udp);
        let volumes = !found.unnamed.is_empty() && !self.wish.renew_anonymous;
        let shared = self.project.containers.values();
        let mut shared = shared.flat_map(needs::shared);
        let remade = networks::keys(old).iter().any(|n| self.remade.contains(n));
        found.state == State::Running
            && !found.stopping
            && !self.observed.units.stops(name)
            // Its unit goes with the older self, before the new one starts.
            && old.supervised == new.supervised
            && reached
            && !flows
            && !file.is_some_and(|c| c.on_demand)
            // They run in the container that bears the name.
            && old.hooks.pre_stop.is_empty()
            && !volumes
            && !remade
            && !shared.any(|(_, with)| with == *name)
            && networks::keys(old) == networks::keys(new)
            && old.nic.is_some()
            && [(old, had), (new, gets)].iter().all(|(s, a)| is_free(s, a))
    }

    /// Gives the new self an address of its own; false when there is none left.
    fn move_over(&mut self, name: &Name) -> bool {
        let (Some(net), Some(file)) = (&mut self.net, self.project.containers.get(name)) else {
            return false;
        };
        if net.indexes.renew(name).is_none() {
            return false;
        }
        let attached = application::attached(self.project, file, net);
        if let Some(spec) = self.desired.get_mut(name)
            && let Some(app) = &mut spec.app
        {
            spec.nic = attached.iter().find_map(|a| a.nic.clone());
            app.attached = attached;
        }
        true
    }

    /// Networks that the engine knows otherwise than the file has them. It cannot change one, so each
    /// goes and comes again, and with it the containers on it.
    pub(super) fn find_remade(&mut self, moves: bool) {
        let Some(net) = self.net.as_ref().filter(|_| moves) else {
            return;
        };
        for (network, known) in &self.observed.engine.networks {
            let Some(subnets) = net.subnets_of(network) else {
                continue;
            };
            let wanted = networks::of_engine(self.project, network, subnets, None);
            if known.will_do_for(&wanted) {
                continue;
            }
            self.remade.insert(network.clone());
            for (name, found) in &self.observed.containers {
                let mark = found
                    .mark
                    .as_ref()
                    .filter(|_| found.kind == Kind::Application);
                let on = mark.is_some_and(|m| networks::keys(&m.spec).contains(network));
                let goes = self.intents.get(name).is_some_and(|intent| intent.destroy);
                let stays = !self.project.containers.contains_key(name) && !goes;
                if on && stays && runs(Some(found)) {
                    self.problems.push(in_the_way(name, network));
                }
            }
        }
    }

    /// What happens to a container beside what its own settings say: because of its image, its
    /// networks, others, or because the user wants it.
    pub(super) fn outer_causes(
        &self,
        name: &Name,
        found: &ObservedContainer,
        intent: Intent,
    ) -> Vec<(Reach, Cause)> {
        let Some(file) = self.project.containers.get(name) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        if intent.settings == Settings::All {
            // A recreation that a killed run has all but finished is the one that is asked for.
            let anew = found.set_aside && found.kind == Kind::System;
            if self.wish.recreate == Recreate::Force && self.selected(name) && !anew {
                all.push((Reach::Recreate, Cause::Asked));
            }
            all.extend(self.new_image(name, found));
            all.extend(self.new_networks(found));
        }
        all.extend(self.unplugged(file, found, intent.power));
        all.extend(self.parted(file, found, intent.settings));
        let limits = drifted_limits(file, found).into_iter();
        let looked = intent.settings != Settings::Keep;
        all.extend(limits.filter(|_| looked).map(|cause| (Reach::Live, cause)));
        if runs(Some(found)) {
            let on = matches!(intent.power, Power::On | Power::Cycle);
            let cut = self.cut_off(found).filter(|_| !self.rests_again(name));
            all.extend(cut.filter(|_| on));
            let behind =
                Cause::Drifted("it is in the network or processes of an earlier run of another");
            all.extend((on && found.left_behind).then_some((Reach::Restart, behind)));
            all.extend(self.follows(file));
        }
        all
    }

    fn new_image(&self, name: &Name, found: &ObservedContainer) -> Option<(Reach, Cause)> {
        let image = self.desired.get(name)?.source.image()?;
        let now = self.observed.engine.images.get(image)?;
        let differs = found.image.as_ref().is_some_and(|old| old != now);
        differs.then_some((Reach::Recreate, Cause::Drifted("its image changed")))
    }

    /// The engine never gives a container a card on a network that somebody took it off, not at a start either.
    fn unplugged(
        &self,
        file: &Container,
        found: &ObservedContainer,
        power: Power,
    ) -> Option<(Reach, Cause)> {
        let on = matches!(power, Power::On | Power::Cycle) && !self.is_done(&file.name);
        let off = on && !found.unplugged.is_empty();
        let cause = Cause::Drifted("somebody took it off a network");
        off.then_some((Reach::Live, cause))
    }

    /// The engine joins the network of a container by the id of that: a new self of it is another one, and
    /// who is joined to the older one could never be started again, so it follows whether it was asked for
    /// or not. What has done its work does not come back for that.
    fn parted(
        &self,
        file: &Container,
        found: &ObservedContainer,
        settings: Settings,
    ) -> Option<(Reach, Cause)> {
        if self.is_done(&file.name) {
            return None;
        }
        let shared = || needs::shared(file).into_iter().map(|(_, with)| with);
        // What runs goes on as it is while there is nobody to join: `create` starts nothing.
        if runs(Some(found)) && !shared().all(|with| self.running.contains(&with)) {
            return None;
        }
        let mut anew = shared().filter(|with| self.has(Slot::Create, with));
        let cause = match anew.next() {
            Some(with) => Cause::For(with),
            None if found.parted && settings == Settings::All => {
                Cause::Drifted("the network that it shares is gone")
            }
            None => return None,
        };
        Some((Reach::Recreate, cause))
    }

    /// A network of the engine cannot change while containers are on it.
    fn new_networks(&self, found: &ObservedContainer) -> Option<(Reach, Cause)> {
        let spec = &found
            .mark
            .as_ref()
            .filter(|_| found.kind == Kind::Application)?
            .spec;
        let keys = networks::keys(spec);
        let network = keys.iter().find(|network| self.remade.contains(*network))?;
        Some((Reach::Recreate, self.network_cause(network)))
    }

    /// A card that is gone is made at a start only; one that is there is put back on its bridge, and one of a
    /// network that it is not on comes with that.
    fn cut_off(&self, found: &ObservedContainer) -> Option<(Reach, Cause)> {
        let spec = &found.mark.as_ref()?.spec;
        let places = spec.app.iter().flat_map(|app| &app.attached);
        let lost = places.filter(|at| found.unplugged.contains(&at.network));
        let comes: Vec<&String> = lost
            .filter_map(|at| Some(&at.nic.as_ref()?.bridge))
            .collect();
        let mut strays = self.observed.network.strays.iter();
        let cut = strays.any(|stray| {
            stray.container == spec.name && stray.card.is_none() && !comes.contains(&&stray.bridge)
        });
        cut.then_some((Reach::Restart, Cause::Drifted("its network card is gone")))
    }

    /// What happens to those it depends on or shares with.
    fn follows(&self, file: &Container) -> Vec<(Reach, Cause)> {
        let shared = needs::shared(file);
        let moved = |dependency: &Dependency| {
            let on = &dependency.on;
            let shares = shared.iter().any(|(_, with)| with == on);
            let left_alone = self.wish.no_deps && !self.selected(&file.name);
            // Who shares with one that does not run is in what is left of its earlier run.
            let anew = self.has(Slot::Stop, on)
                || self.has(Slot::Aside, on)
                || (shares && !runs(self.there(on)));
            let again = self.has(Slot::Start, on) && anew;
            let reach = match (shares, self.has(Slot::Create, on)) {
                (true, true) => Reach::Recreate,
                (true, false) => Reach::Restart,
                (false, _) if left_alone => return None,
                (false, _) => Reach::Restart,
            };
            again.then(|| (reach, Cause::For(on.clone())))
        };
        let all = needs::of(file).into_iter();
        let all = all.filter(|dependency| dependency.restart);
        all.filter_map(|dependency| moved(&dependency)).collect()
    }
}

/// The limits of its mark that the kernel does not hold for one that runs: others have changed them.
pub(super) fn drifted_limits(file: &Container, found: &ObservedContainer) -> Vec<Cause> {
    let Some(mark) = found.mark.as_ref().filter(|_| runs(Some(found))) else {
        return Vec::new();
    };
    let wanted = live_limits(&mark.spec);
    let lost = |limit: &&Limit| {
        let live = found.limits.get(&limit.key);
        live.is_some_and(|live| !limit.is_held_by(live))
    };
    let lost = wanted.iter().filter(lost).map(|limit| {
        let key = limit_keys::behind(file, limit, &wanted);
        let place = file.place_of(key).clone();
        Cause::NotInPlace { key, place }
    });
    lost.collect()
}

fn in_the_way(name: &Name, network: &Name) -> Problem {
    Problem {
        message: format!(
            "network `{network}` changed, and container `{name}`, which is not in the file, runs on it"
        ),
        container: Some(name.clone()),
        key: None,
        place: None,
        help: Some("stop it, or remove it with `--remove-orphans`".into()),
    }
}

/// Whether nothing of a container is in the way of a second self.
fn is_free(spec: &ContainerSpec, app: &AppSpec) -> bool {
    let settings = &app.settings;
    let fixed = |at: &Attachment| at.v4.is_some() || at.v6.is_some() || at.mac.is_some();
    let networks = match &settings.network {
        AppNetwork::Networks(list) => !list.iter().any(fixed),
        AppNetwork::Host
        | AppNetwork::Bridge
        | AppNetwork::None
        | AppNetwork::Container(_)
        | AppNetwork::Foreign(_) => false,
    };
    let kept = |volume: &EngineVolume| match volume {
        // Whether it has one that is written to shows in the container itself.
        EngineVolume::Anonymous => false,
        EngineVolume::External(_) | EngineVolume::Driver { .. } => true,
    };
    let mut volumes = settings.engine_volumes.iter();
    networks
        && spec.mounts.iter().all(|mount| mount.read_only)
        && !volumes.any(|mount| kept(&mount.volume) && !mount.read_only)
        && settings
            .volumes_from
            .iter()
            .all(|(_, read_only)| *read_only)
}
