//! Looking again: after a change the host is observed and planned anew, and nothing may be left.

use std::time::Duration;

use crate::model::{Kind, Name, Project, Restart};
use crate::observed::{Observed, ObservedContainer, State};
use crate::plan::{Goal, Plan, Problem, Step, Wish, plan};

use super::StepError;
use super::early::Early;
use super::health::last_words;
use super::host::{Host, ObserveError};

/// How often it is looked again for how a container has ended, and the time between.
const MOST_LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(50);

/// Why a change cannot be called done.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The host could not be looked at.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// Containers were started and have failed since. Each is a [`StepError::Ended`] or a
    /// [`StepError::CameBack`].
    #[error("all steps were done, yet {}", list(ended))]
    Ended {
        /// How each of them ended.
        ended: Vec<StepError>,
        /// Those of them that are started again by themselves.
        tried: Vec<Name>,
    },
    /// Something still differs from what was asked for.
    #[error("all steps were done, yet this still differs:\n{plan}")]
    Differs {
        /// What would still have to be done.
        plan: Box<Plan>,
    },
    /// The host has changed meanwhile so that there is no plan any more.
    #[error("all steps were done, yet: {}", texts(problems))]
    Problems {
        /// Why.
        problems: Vec<Problem>,
    },
}

fn list(ended: &[StepError]) -> String {
    let texts: Vec<String> = ended.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn texts(problems: &[Problem]) -> String {
    let texts: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
    texts.join("; ")
}

/// Whether doing `goal` twice has nothing left to do the second time.
fn is_a_state(goal: &Goal) -> bool {
    match goal {
        Goal::Up
        | Goal::Create
        | Goal::Start { restart: false }
        | Goal::Stop
        | Goal::Ports
        | Goal::Unports
        | Goal::Links
        | Goal::Unlinks
        | Goal::Limits
        | Goal::Freeze
        | Goal::Unfreeze
        | Goal::Enable(_)
        | Goal::Down { .. } => true,
        // A restart is an event. What a removal, a rule by hand or a cleanup named may be unknown
        // afterwards, and asking for it again is rightly refused.
        Goal::Start { restart: true }
        | Goal::Restart
        | Goal::Remove
        | Goal::PortAdd(_)
        | Goal::PortRemove(_)
        | Goal::Pull
        | Goal::Build
        | Goal::Cleanup => false,
    }
}

/// Whether it is a container that may rest until somebody calls, and is to be up otherwise.
fn is_on_demand(name: &Name, project: &Project, wish: &Wish) -> bool {
    let up = matches!(wish.goal, Goal::Up | Goal::Start { .. });
    let file = project.containers.get(name);
    up && file.is_some_and(|file| file.on_demand && file.idle.is_some())
}

/// Whether a step that would be done again shows no difference: to wait changes nothing, a container that has
/// ended by itself with 0 since it was started has done what it was there for, and one on demand on which
/// nobody has called since is stopped by its service.
fn is_no_difference(step: &Step, observed: &Observed, (project, wish): (&Project, &Wish)) -> bool {
    let rests = |name: &Name| is_on_demand(name, project, wish) && !observed.units.is_active(name);
    let is_done = |name: &Name| {
        let container = observed.containers.get(name);
        container.is_some_and(|c| c.state == State::Stopped && c.exit == Some(0))
    };
    match step {
        Step::AwaitHealthy { .. } | Step::AwaitCompleted { .. } => true,
        Step::WriteNames { container, .. } => is_done(container),
        Step::Start { container } => is_done(container) || rests(container),
        Step::Stop { container, .. } => rests(container),
        Step::Publish { add, remove } => {
            let mut rules = add.iter().chain(remove);
            rules.all(|rule| is_done(&rule.container))
        }
        Step::SaveRecord(_)
        | Step::ForgetProject(_)
        | Step::RemoveWreck { .. }
        | Step::BringBack { .. }
        | Step::EnsureBridge { .. }
        | Step::RemoveBridge { .. }
        | Step::OpenNetwork(_)
        | Step::CloseNetwork(_)
        | Step::Sweep(_)
        | Step::Pull { .. }
        | Step::Build(_)
        | Step::EnsureNetwork(_)
        | Step::RemoveNetwork(_)
        | Step::InstallProgram(_)
        | Step::WriteUnits(_)
        | Step::Create(_)
        | Step::Seed { .. }
        | Step::Configure(_)
        | Step::Setup { .. }
        | Step::Freeze { .. }
        | Step::Unfreeze { .. }
        | Step::WriteHostNames { .. }
        | Step::EndJob { .. }
        | Step::SetAside { .. }
        | Step::Destroy { .. }
        | Step::RemoveVolume { .. } => false,
    }
}

/// Whether a container that is to run has just ended, and how it did is not written down yet.
fn has_just_ended(step: &Step, observed: &Observed) -> bool {
    let Step::Start { container } = step else {
        return false;
    };
    let found = observed.containers.get(container);
    found.is_some_and(|c| c.state == State::Stopped && c.exit.is_none())
}

/// Whether it is about a container on demand, whose service may end it at any time: one look takes longer than
/// that, and tells of its start and of its end.
fn may_be_late(step: &Step, project: &Project, wish: &Wish) -> bool {
    let (Step::Start { container } | Step::Stop { container, .. }) = step else {
        return false;
    };
    is_on_demand(container, project, wish)
}

/// Whether its first process has ended and its engine does not know that yet: whether a container that ends at
/// once is told must not depend on who is quicker.
fn is_ending(found: &ObservedContainer) -> bool {
    let ended = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        // The state follows the name in brackets (proc_pid_stat(5)).
        stat.map_or(true, |stat| {
            stat.rsplit(") ")
                .next()
                .is_some_and(|rest| rest.starts_with('Z'))
        })
    };
    found.state == State::Running && found.pid.is_some_and(ended)
}

/// Whether somebody starts it again when it fails: its service, or the engine.
fn is_tried(project: &Project, observed: &Observed, name: &Name) -> bool {
    let served = observed.units.services.contains_key(name);
    let file = project.containers.get(name);
    file.is_some_and(|file| {
        file.restart != Restart::No && (served || file.kind() == Kind::Application)
    })
}

/// The containers that would be started again, since they have failed, with what they said last. That they
/// would be started says nothing about why.
async fn ended(
    host: &Host,
    project: &Project,
    plan: &Plan,
    observed: &Observed,
) -> Option<VerifyError> {
    let (mut ended, mut tried) = (Vec::new(), Vec::new());
    let watch = host.backend.watch();
    for planned in &plan.steps {
        let Step::Start { container } = &planned.step else {
            continue;
        };
        let found = observed.containers.get(container);
        let found = found.filter(|found| found.state == State::Stopped);
        let kind = found.map_or(Kind::Application, |found| found.kind);
        let Some(code) = found.and_then(|found| found.exit).filter(|code| *code != 0) else {
            continue;
        };
        if is_tried(project, observed, container) {
            tried.push(container.clone());
        }
        ended.push(StepError::Ended {
            container: container.clone(),
            code,
            log: last_words(watch, container, kind).await,
            unwell: watch.unwell(container),
        });
    }
    (!ended.is_empty()).then_some(VerifyError::Ended { ended, tried })
}

/// Those of `names` that run, but not for the first time.
async fn come_back(
    host: &Host,
    names: Vec<Name>,
    (project, observed): (&Project, &Observed),
) -> VerifyError {
    let (mut ended, mut tried) = (Vec::new(), Vec::new());
    for container in names {
        let found = observed.containers.get(&container);
        let kind = found.map_or(Kind::Application, |found| found.kind);
        if is_tried(project, observed, &container) {
            tried.push(container.clone());
        }
        let log = last_words(host.backend.watch(), &container, kind).await;
        ended.push(StepError::CameBack { container, log });
    }
    VerifyError::Ended { ended, tried }
}

/// Observes and plans `wish` again, now that `done` has been done, and expects nothing to do.
pub async fn verify(
    host: &Host,
    project: &Project,
    wish: &Wish,
    done: &Plan,
) -> Result<(), VerifyError> {
    if !is_a_state(&wish.goal) {
        return Ok(());
    }
    let (early, mut looks) = (Early::of(done), 0);
    loop {
        let observed = host.observe(project, None).await?;
        if let Some(rest) = early.rest(&observed) {
            tokio::time::sleep(rest).await;
            continue;
        }
        looks += 1;
        if looks <= MOST_LOOKS && observed.containers.values().any(is_ending) {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let mut again = early.came_back(&observed);
        again.retain(|name| !is_on_demand(name, project, wish));
        if !again.is_empty() {
            return Err(come_back(host, again, (project, &observed)).await);
        }
        let rest = plan(project, &observed, wish);
        let rest = rest.map_err(|problems| VerifyError::Problems { problems })?;
        let mut steps = rest.steps.iter().map(|planned| &planned.step);
        let asked = (project, wish);
        if steps
            .clone()
            .all(|step| is_no_difference(step, &observed, asked))
        {
            return Ok(());
        }
        let moves = |step| has_just_ended(step, &observed) || may_be_late(step, project, wish);
        if looks > MOST_LOOKS || !steps.any(moves) {
            return Err(match ended(host, project, &rest, &observed).await {
                Some(ended) => ended,
                None => VerifyError::Differs {
                    plan: Box::new(rest),
                },
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}
