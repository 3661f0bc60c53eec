//! What was started and has failed since: who it is, how it has ended, and what it said last.

use std::collections::BTreeSet;

use crate::model::{Kind, Name, Project, Restart};
use crate::observed::{Observed, ObservedContainer, State};

use crate::sys::process::Stat;

use super::StepError;
use super::health::last_words;
use super::host::Host;
use super::verify::VerifyError;

/// Whether its first process has ended and its engine does not know that yet: whether a container that ends at
/// once is told must not depend on who is quicker.
pub(super) fn is_ending(found: &ObservedContainer) -> bool {
    let ended = |pid: u32| Stat::of(pid).is_none_or(|stat| stat.state == 'Z');
    found.over || found.state == State::Running && found.pid.is_some_and(ended)
}

/// Whether it has ended, and whether it waits to be started again does not matter.
pub(super) fn rests(found: &ObservedContainer) -> bool {
    matches!(found.state, State::Stopped | State::Starting)
}

/// Whether somebody starts it again when it fails: its service, or the engine.
fn is_tried(project: &Project, observed: &Observed, name: &Name) -> bool {
    let served = observed.units.services.contains_key(name);
    let file = project.containers.get(name);
    file.is_some_and(|file| {
        file.restart != Restart::No && (served || file.kind() == Kind::Application)
    })
}

/// Those of `names` that have ended and were started again, by their service or by their engine. Who does not tell
/// is passed over: what it was asked for is done.
pub(super) async fn came_back(
    host: &Host,
    names: Vec<Name>,
    (project, observed): (&Project, &Observed),
) -> Vec<Name> {
    let tried = names.into_iter();
    let tried: BTreeSet<Name> = tried
        .filter(|name| is_tried(project, observed, name))
        .collect();
    if tried.is_empty() {
        return Vec::new();
    }
    let served = |name: &Name| observed.units.services.contains_key(name);
    let (served, bare): (BTreeSet<Name>, BTreeSet<Name>) = tried.into_iter().partition(served);
    let mut again = Vec::new();
    if !served.is_empty() {
        let states = host.units.states(&project.name, &served).await;
        let states = states.unwrap_or_default().into_iter();
        again.extend(states.filter(|(_, s)| s.restarts > 0).map(|(name, _)| name));
    }
    for name in bare {
        if matches!(host.backend.watch().comebacks(&name).await, Ok(1..)) {
            again.push(name);
        }
    }
    again
}

/// Containers that were started and have failed since.
#[derive(Default)]
pub(super) struct Failed {
    ended: Vec<StepError>,
    tried: Vec<Name>,
}

impl Failed {
    /// Those of `names` that have ended in failure.
    pub(super) async fn of(
        names: &BTreeSet<Name>,
        (host, project, observed): (&Host, &Project, &Observed),
    ) -> Self {
        let mut failed = Self::default();
        let watch = host.backend.watch();
        for container in names {
            let found = observed.containers.get(container);
            let found = found.filter(|found| rests(found));
            let kind = found.map_or(Kind::Application, |found| found.kind);
            let Some(code) = found.and_then(|found| found.exit).filter(|code| *code != 0) else {
                continue;
            };
            let ended = StepError::Ended {
                container: container.clone(),
                code,
                log: last_words(watch, container, kind).await,
                unwell: watch.unwell(container),
            };
            failed.add(ended, project, observed);
        }
        failed
    }

    /// And those that run, but not for the first time.
    pub(super) async fn and_back(
        mut self,
        again: Vec<Name>,
        (host, project, observed): (&Host, &Project, &Observed),
    ) -> Self {
        for container in again {
            let found = observed.containers.get(&container);
            let kind = found.map_or(Kind::Application, |found| found.kind);
            let log = last_words(host.backend.watch(), &container, kind).await;
            self.add(StepError::CameBack { container, log }, project, observed);
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ended.is_empty()
    }

    fn add(&mut self, error: StepError, project: &Project, observed: &Observed) {
        if let StepError::Ended { container, .. } | StepError::CameBack { container, .. } = &error
            && is_tried(project, observed, container)
        {
            self.tried.push(container.clone());
        }
        self.ended.push(error);
    }

    /// What is told of it, if anything.
    pub(super) fn told(self) -> Option<VerifyError> {
        let Self { ended, tried } = self;
        (!ended.is_empty()).then_some(VerifyError::Ended { ended, tried })
    }
}
