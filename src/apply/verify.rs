//! Looking again: after a change the host is observed and planned anew, and nothing may be left.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::model::{Name, Project};
use crate::observed::{Observed, State};
use crate::plan::{Goal, Plan, Problem, Step, Wish, plan};

use super::StepError;
use super::early::Starts;
use super::failed::{Failed, came_back, is_ending, rests};
use super::host::{Host, ObserveError};

/// How often it is looked again for how a container has ended, and the time between.
const MOST_LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(50);

/// How long it is looked for the exit code of what was started again.
const CAUGHT: Duration = Duration::from_secs(5);

/// How long a busy engine may take to notice that a first process has ended.
const NOTICED: Duration = Duration::from_secs(10);

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
fn has_just_ended(container: &Name, observed: &Observed) -> bool {
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

/// Looks until nothing of what was started is about to end; what is seen then.
async fn look(
    host: &Host,
    project: &Project,
    starts: &Starts<'_>,
) -> Result<Observed, ObserveError> {
    let (begun, mut looks) = (Instant::now(), 0);
    if let Some(pause) = starts.pause() {
        tokio::time::sleep(pause).await;
    }
    loop {
        let observed = host.observe(project, None).await?;
        if let Some(rest) = starts.rest(&observed) {
            tokio::time::sleep(rest).await;
            continue;
        }
        looks += 1;
        let ending = begun.elapsed() < NOTICED && observed.containers.values().any(is_ending);
        let just_ended = |name: &Name| has_just_ended(name, &observed);
        if !ending && (looks > MOST_LOOKS || !starts.names().iter().any(just_ended)) {
            return Ok(observed);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Looks again, now that all is done that `starts` has heard of: nothing of that may have failed, and where `wish`
/// is a state nothing may be left to do.
pub async fn verify(
    host: &Host,
    project: &Project,
    wish: &Wish,
    starts: &Starts<'_>,
) -> Result<(), VerifyError> {
    let started = starts.names();
    if !is_a_state(&wish.goal) && started.is_empty() {
        return Ok(());
    }
    let (begun, mut looks, mut well) = (Instant::now(), 0, BTreeSet::new());
    loop {
        let observed = look(host, project, starts).await?;
        looks += 1;
        // One that may rest until somebody calls has not failed when it does.
        let is_at_rest =
            |name: &Name| is_on_demand(name, project, wish) && !observed.units.is_active(name);
        let mut young = starts.young(&observed);
        young.retain(|name| !is_on_demand(name, project, wish) && !well.contains(name));
        let again = came_back(host, young, (project, &observed)).await;
        well.extend(done_of(&observed, &started));
        let rest = match is_a_state(&wish.goal) {
            true => plan(project, &observed, wish)
                .map_err(|problems| VerifyError::Problems { problems })?,
            false => Plan::default(),
        };
        let steps: Vec<&Step> = rest.steps.iter().map(|planned| &planned.step).collect();
        let differs = |step: &&Step| !is_no_difference(step, &observed, (project, wish));
        let late = |step: &&Step| differs(step) && may_be_late(step, project, wish);
        if looks <= MOST_LOOKS && steps.iter().any(late) {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let mut failing = started.clone();
        failing.extend(steps.iter().filter_map(|step| started_by(step)).cloned());
        failing.retain(|name| !is_at_rest(name));
        let failed = Failed::of(&failing, (host, project, &observed)).await;
        if failed.is_empty() && !again.is_empty() && begun.elapsed() < CAUGHT {
            // How it ended is known when it ends once more, and it is well when it does not.
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let failed = failed.and_back(again, (host, project, &observed)).await;
        return match failed.told() {
            Some(failed) => Err(failed),
            None if steps.iter().any(differs) => Err(VerifyError::Differs {
                plan: Box::new(rest),
            }),
            None => Ok(()),
        };
    }
}

/// Those of `names` that have ended with 0 and may be started again.
fn done_of(observed: &Observed, names: &BTreeSet<Name>) -> Vec<Name> {
    let done = |name: &&Name| {
        let found = observed.containers.get(*name);
        found.is_some_and(|found| rests(found) && found.exit == Some(0))
    };
    names.iter().filter(done).cloned().collect()
}

fn started_by(step: &Step) -> Option<&Name> {
    let Step::Start { container } = step else {
        return None;
    };
    Some(container)
}
