//! What docker compose has of the same project: told in one piece, since one command takes it all away. A project of
//! its own name of which docker compose began the same file is told too: docker compose makes names of lower case.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Kind, Listener, Name, Place, PortRule};
use crate::observed::ObservedCompose;

use super::build::Builder;
use super::graph::Slot;
use super::{Problem, ports};

/// Something of docker compose's that is in the way.
pub(super) struct InTheWay {
    /// docker compose's name of the project, when it is not this one's.
    pub(super) of: Option<String>,
    /// ``network `shop_default` ``.
    pub(super) what: String,
    /// What is said of it where it is alone.
    pub(super) alone: Problem,
}

impl Builder<'_> {
    /// Whether a socket is that of a port which docker compose's containers have; its rules are told by
    /// [`Self::compose_ports`].
    pub(super) fn is_of_compose(&self, listener: &Listener) -> bool {
        let mut all = self.composes();
        all.any(|(_, compose)| compose.holds(listener))
    }

    /// What docker compose has of this directory, by its other name of the project.
    fn composes(&self) -> impl Iterator<Item = (Option<&String>, &ObservedCompose)> {
        let engine = &self.observed.engine;
        let others = engine.compose_else.iter();
        let others = others.map(|(name, compose)| (Some(name), compose));
        std::iter::once((None, &engine.compose)).chain(others)
    }

    /// Notes the ports that are wanted and that docker compose's containers have.
    pub(super) fn compose_ports(&mut self, wanted: &[(PortRule, Place)]) {
        let mut found = Vec::new();
        for (rule, place) in wanted {
            let theirs = self.composes().find_map(|(of, compose)| {
                let mut taken = compose.ports.iter();
                let taken = taken.find(|theirs| ports::is_taken_by(rule, theirs))?;
                Some((of.cloned(), taken.owner.clone()))
            });
            let Some((of, owner)) = theirs else {
                continue;
            };
            let owner = format!("docker compose's container `{owner}`");
            found.push(InTheWay {
                of,
                what: format!("port `{}` of container `{}`", rule.port, rule.container),
                alone: ports::in_use(rule, place, &owner),
            });
        }
        self.in_the_way.extend(found);
    }

    /// Says what of docker compose's is in the way: all of it at once where it is more than one thing.
    pub(super) fn tell_compose(&mut self) {
        let beside = std::mem::take(&mut self.in_the_way);
        let (own, others): (Vec<_>, Vec<_>) = beside.into_iter().partition(|it| it.of.is_none());
        self.tell_own(own);
        let mut by_name: BTreeMap<String, Vec<InTheWay>> = BTreeMap::new();
        for name in self.observed.engine.compose_else.keys() {
            by_name.entry(name.clone()).or_default();
        }
        for it in others {
            let name = it.of.clone().unwrap_or_default();
            by_name.entry(name).or_default().push(it);
        }
        for (name, beside) in by_name {
            self.tell_other(&name, beside);
        }
        self.tell_hidden_volumes();
    }

    fn tell_own(&mut self, beside: Vec<InTheWay>) {
        let compose = &self.observed.engine.compose;
        let twice = self.begun_twice(compose);
        if beside.len() < 2 && compose.containers.is_empty() {
            return self
                .problems
                .extend(beside.into_iter().map(|way| way.alone));
        }
        if beside.is_empty() && twice.is_none() {
            return;
        }
        let project = &self.project.name;
        let mut from = compose.containers.values().filter_map(|c| c.from.as_ref());
        let from = from.next().map_or("from this directory".into(), |from| {
            format!(
                "from `{}`, where no project file is any more,",
                from.display()
            )
        });
        let has = what_it_has(&beside, twice.as_ref());
        let all = all_of(compose, &beside);
        let place = self.place_of(beside, twice);
        self.problems.push(Problem {
            message: format!("docker compose runs project `{project}` {from} and {has}: {all}"),
            container: None,
            key: None,
            place,
            help: Some(
                "`locker adopt` takes it over with the data of its volumes: it lists all of it and asks first; or `docker compose down`, \
                 and `external: true` and `name:` for each volume that is to be used as it is"
                    .into(),
            ),
        });
    }

    /// The same of a project that docker compose calls by another name. A project that is known here already, beside
    /// which it was begun, goes on.
    fn tell_other(&mut self, other: &str, beside: Vec<InTheWay>) {
        let Some(compose) = self.observed.engine.compose_else.get(other) else {
            return;
        };
        let new = self.observed.record.is_none();
        let twice = self.begun_twice(compose).filter(|_| new);
        let project = &self.project.name;
        if beside.is_empty() && twice.is_none() {
            let mut services = compose.containers.values().map(|c| c.service.as_ref());
            if new && services.any(|service| self.begun(service).is_some()) {
                self.notices.push(format!(
                    "docker compose calls the project of this directory `{other}` and has {}; this is project `{project}`, whose volumes \
                     are its own: `locker -p {other} adopt` takes the other one over",
                    all_of(compose, &beside)
                ));
            }
            return;
        }
        let has = what_it_has(&beside, twice.as_ref());
        let all = all_of(compose, &beside);
        let mut help = format!(
            "`locker -p {other} adopt` takes it over with its data, and `name: {other}` in the file keeps that name; or `docker compose -p \
             {other} down`"
        );
        if beside.is_empty() {
            let both = format!("; where both are meant to be, say so: `locker -p {project} up`");
            help.push_str(&both);
        }
        let place = self.place_of(beside, twice);
        self.problems.push(Problem {
            message: format!(
                "docker compose runs project `{other}` from this directory and {has}: {all}; this is project `{project}`, whose volumes are \
                 its own"
            ),
            container: None,
            key: None,
            place,
            help: Some(help),
        });
    }

    /// Data that an `up` would not find, since docker compose calls the project otherwise and has no container of it.
    fn tell_hidden_volumes(&mut self) {
        let other = self.name_of_compose();
        let engine = &self.observed.engine;
        let known = other == self.project.name.as_str() || engine.compose_else.contains_key(&other);
        if known || self.observed.record.is_some() || !self.wish.goal.begins() {
            return;
        }
        let made = self.draft.each(Slot::Create);
        let mounts = made
            .iter()
            .filter_map(|(name, _)| self.desired.get(name))
            .flat_map(|spec| &spec.mounts);
        let wanted: BTreeSet<_> = mounts
            .filter(|mount| mount.named)
            .filter_map(|mount| mount.host.file_name()?.to_str())
            .collect();
        let theirs = engine.foreign_volumes.iter().filter(|(_, found)| {
            let key = found.labels.get("com.docker.compose.volume");
            found.compose_project() == Some(other.as_str())
                && key.is_some_and(|key| wanted.contains(key.as_str()))
        });
        let theirs: Vec<_> = theirs.map(|(name, _)| format!("`{name}`")).collect();
        if !theirs.is_empty() {
            let project = &self.project.name;
            self.notices.push(format!(
                "docker compose calls the project of this directory `{other}` and has volumes of it: {}; this is project `{project}`, whose \
                 volumes are its own: `locker -p {other} adopt` takes the other ones over",
                theirs.join(", ")
            ));
        }
    }

    /// What docker compose calls the project when nobody names it: in lower case, without what it does not take.
    fn name_of_compose(&self) -> String {
        let name = self.project.name.as_str();
        let last = self.project.directory.file_name().unwrap_or_default();
        let last = last.to_string_lossy();
        let by_directory = Name::of_directory(&last).is_ok_and(|fit| fit.as_str() == name);
        let word = if by_directory { &last } else { name };
        let allowed =
            |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        let lower: String = word.to_lowercase().chars().filter(allowed).collect();
        lower.trim_start_matches(['_', '-']).to_owned()
    }

    /// A container that this plan makes or starts and of whose service docker compose has one that runs: both would
    /// work on the same data.
    fn begun_twice(&self, compose: &ObservedCompose) -> Option<Name> {
        let mut running = compose.containers.values().filter(|found| found.runs);
        running.find_map(|found| self.begun(found.service.as_ref()))
    }

    /// A container of a service that this plan makes or starts.
    fn begun(&self, service: Option<&String>) -> Option<Name> {
        let service = service.filter(|_| self.wish.goal.begins())?;
        let all = self.project.containers.values();
        let mut all = all.filter(|file| file.kind() == Kind::Application);
        let found = all.find(|file| {
            let of = file.replica_of.as_ref().unwrap_or(&file.name);
            let begins = [Slot::Create, Slot::Start].map(|slot| self.has(slot, &file.name));
            of.as_str() == service && begins.contains(&true)
        });
        found.map(|file| file.name.clone())
    }

    /// The line of the file that is told.
    fn place_of(&self, mut beside: Vec<InTheWay>, twice: Option<Name>) -> Option<Place> {
        let place = match beside.is_empty() {
            false => beside.swap_remove(0).alone.place,
            true => {
                let file = twice.and_then(|name| self.project.containers.get(&name));
                file.map(|file| file.place.clone())
            }
        };
        place.filter(Place::is_somewhere)
    }
}

fn what_it_has(beside: &[InTheWay], twice: Option<&Name>) -> String {
    match twice.filter(|_| beside.is_empty()) {
        None => "has what this file needs".into(),
        Some(name) => format!(
            "has a container of the same service as `{name}`, and both would work on the same data"
        ),
    }
}

/// Its containers, and what else of it is in the way.
fn all_of(compose: &ObservedCompose, beside: &[InTheWay]) -> String {
    let containers = compose.containers.iter().map(|(name, found)| {
        let runs = if found.runs { " (runs)" } else { "" };
        format!("container `{name}`{runs}")
    });
    let things = beside.iter().map(|way| way.what.clone());
    containers.chain(things).collect::<Vec<_>>().join(", ")
}
