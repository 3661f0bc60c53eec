//! Runs the graph of a plan side by side.
//!
//! A step begins when all that it comes after is done and there is room. Steps that destroy wait
//! for everything else. After a failure what does not need the failed container goes on, where that is
//! allowed, and the failed one's part is undone. Otherwise, and after a signal, nothing new begins, what
//! runs is waited for, except what only waits, fetches, or runs commands of the file, and what was done is undone;
//! once something has been destroyed, nothing is undone any more. A second signal leaves at once.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::backend::owners;
use crate::model::Kind;
use crate::observed::Observed;
use crate::plan::{Plan, Step, StepId};
use crate::store;

use super::act::{Outcome, Worker, blocking};
use super::back::may_be_half_done;
use super::cancel::Cancel;
use super::earlier::Earlier;
use super::error::{Aftermath, ApplyError, StepError, StepFailure};
use super::events::{Event, Events};
use super::journal::Journal;
use super::kept::{keep, let_go};
use super::lanes::Lanes;
use super::partly::{Parts, partly, wholly};
use super::progress::Progress;
use super::signal::{Then, signal_words};
use super::sources::remember_sources;
use super::{Host, label};

/// How to run a plan.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// The verb as typed, for the journal.
    pub command: String,
    /// At most so many steps at once; none chooses by what a step costs.
    pub parallel: Option<usize>,
    /// How long a container that this run started gets to stop cleanly when it is undone; its own grace where
    /// the user does not say it.
    pub stop_timeout: Option<Duration>,
    /// What becomes of volumes without a name.
    pub volumes: AnonymousVolumes,
    /// A container that fails takes only what needs it along; the others are finished and stay.
    pub independent: bool,
    /// A container whose making or setup failed stays, so that somebody can look at it; only where the run is
    /// `independent`.
    pub keep_failed: bool,
}

/// What becomes of the volumes without a name of application containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnonymousVolumes {
    /// A new self begins with empty ones instead of those of its older self.
    pub renew: bool,
    /// A container that is destroyed takes its own with it (`down --volumes`).
    pub destroy: bool,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Steps done by this run.
    pub done: Vec<StepId>,
    /// Steps whose end was there before.
    pub already: Vec<StepId>,
}

/// Does `plan`, which was made from `observed`; what earlier runs of the same command have done goes back with what fails.
pub async fn apply(
    plan: &Plan,
    observed: &Observed,
    host: &Host,
    options: &ApplyOptions,
    events: &dyn Events,
    mut cancel: Cancel,
    earlier: Earlier,
) -> Result<Applied, ApplyError> {
    let journal = begin(plan, host, options, events)?;
    let worker = Worker::new(plan, observed, host, events, options);
    let mut progress = Progress::new(plan, observed, earlier, options.independent);
    note(let_go(host, plan, observed).await, events);
    note(take_back_halves(&worker).await, events);
    let lanes = Lanes::here(options.parallel);
    let mut finished = run(&worker, &journal, &mut progress, &mut cancel, lanes.clone()).await;
    let signal = cancel.by().filter(|_| !progress.is_complete());
    if progress.failures.is_empty() && signal.is_none() {
        note(keep(host, plan, observed).await, events);
        note(remember_sources(host, plan, &worker).await, events);
        let program = host.paths.program();
        note(blocking(move || store::settle(&program)).await, events);
        end(&worker, journal).await;
        return Ok(progress.applied);
    }
    if signal.is_none() && progress.is_only_unwell() {
        note(keep(host, plan, observed).await, events);
        end(&worker, journal).await;
        let (finished, open) = progress.finished_and_open();
        return Err(ApplyError::Unwell {
            failures: failures_of(progress),
            finished,
            open,
        });
    }
    if let (None, Some(parts)) = (signal, Parts::of(&progress, options.keep_failed)) {
        let (done, way) = ((progress, parts), (&mut cancel, lanes));
        return Err(partly(&worker, (journal, options), done, way).await);
    }
    let mut aftermath = if progress.final_begun {
        note(keep(host, plan, observed).await, events);
        Aftermath {
            kept: labels(plan, &progress.applied.done),
            ..Aftermath::default()
        }
    } else {
        let (written, way) = ((&journal, options), (&mut cancel, lanes));
        let earlier = std::mem::take(&mut progress.earlier);
        wholly(&worker, written, &progress.ways, way, earlier).await
    };
    if cancel.is_urgent() {
        // Nobody has waited for them.
        let halfway = labels(plan, &std::mem::take(&mut finished));
        aftermath.left.splice(0..0, halfway);
    }
    if aftermath.is_clean() {
        end(&worker, journal).await;
    }
    Err(failure(progress, signal, finished, aftermath))
}

/// Begins the journal. A full disk is no reason not to stop what fills it: a change that makes nothing goes on without.
fn begin(
    plan: &Plan,
    host: &Host,
    options: &ApplyOptions,
    events: &dyn Events,
) -> Result<Journal, ApplyError> {
    match Journal::begin(&host.paths, &host.project, &options.command) {
        Ok(journal) => Ok(journal),
        Err(error) if error.is_no_room() && !plan.steps.iter().any(|it| it.step.makes()) => {
            let text = format!("{error}; what is under way is not written down");
            events.tell(Event::Note(&text));
            Ok(Journal::none(&host.paths, &host.project))
        }
        Err(source) => Err(ApplyError::Journal { source }),
    }
}

/// Gives the old owners back where a killed run has changed a part of them and this plan does not go on with it.
async fn take_back_halves(worker: &Worker<'_>) -> Result<(), StepError> {
    let seeds = worker.plan.steps.iter().filter_map(|planned| {
        let Step::Seed { mounts, .. } = &planned.step else {
            return None;
        };
        Some(mounts.iter().map(|mount| mount.host.clone()))
    });
    let goes_on: BTreeSet<PathBuf> = seeds.flatten().collect();
    let (paths, project) = (worker.host.paths.clone(), worker.host.project.clone());
    blocking(move || {
        let halves = owners::under_way(&paths, &project).into_iter();
        let mut notes = halves.filter(|(_, root)| !goes_on.contains(root));
        notes.try_for_each(|(note, _)| owners::give_back(&note))
    })
    .await
}

fn failure(
    progress: Progress<'_>,
    signal: Option<&'static str>,
    finished: Vec<StepId>,
    aftermath: Aftermath,
) -> ApplyError {
    let aftermath = Box::new(aftermath);
    let (plan, final_begun) = (progress.plan, progress.final_begun);
    let not_done = progress.not_done();
    let failures = failures_of(progress);
    match signal {
        Some(signal) => ApplyError::Interrupted {
            signal,
            finished: labels(plan, &finished),
            failures,
            aftermath,
        },
        None if final_begun => ApplyError::Final { failures, not_done },
        None => ApplyError::Failed {
            failures,
            aftermath,
        },
    }
}

/// Giving up is what a signal or another failure made them do, no reason of its own.
pub(super) fn failures_of(progress: Progress<'_>) -> Vec<StepFailure> {
    let mut failures = progress.failures;
    failures.retain(|failure| !matches!(failure.error, StepError::GivenUp));
    failures
}

pub(super) fn labels(plan: &Plan, ids: &[StepId]) -> Vec<String> {
    ids.iter().map(|id| label(&plan.steps[*id].step)).collect()
}

/// What could not be written down for the service that keeps the network is told; the change goes on.
pub(super) fn note(written: Result<(), StepError>, events: &dyn Events) {
    if let Err(error) = written {
        events.tell(Event::Note(&error.to_string()));
    }
}

pub(super) async fn end(worker: &Worker<'_>, journal: Journal) {
    let (paths, project) = (worker.host.paths.clone(), worker.host.project.clone());
    let settled = blocking(move || owners::settle(&paths, &project)).await;
    note(settled, worker.events);
    if let Err(error) = journal.finish() {
        worker.events.tell(Event::Note(&error.to_string()));
    }
}

/// Runs until nothing is left or nothing may begin any more. Returns the steps that were running
/// when the run was told to end.
async fn run(
    worker: &Worker<'_>,
    journal: &Journal,
    progress: &mut Progress<'_>,
    cancel: &mut Cancel,
    mut lanes: Lanes,
) -> Vec<StepId> {
    let mut running = FuturesUnordered::new();
    let mut active = BTreeSet::new();
    let mut waited_for = Vec::new();
    loop {
        while cancel.by().is_none() && progress.goes_on() {
            let Some(id) = progress.next(&mut lanes) else {
                break;
            };
            active.insert(id);
            running.push(one(worker, journal, id));
        }
        let (id, took, result) = tokio::select! {
            ended = running.next() => match ended {
                Some(ended) => ended,
                None => return waited_for,
            },
            signal = cancel.next() => {
                worker.halts.by_signal();
                if cancel.is_urgent() {
                    return active.into_iter().collect();
                }
                if waited_for.is_empty() {
                    waited_for = active.iter().copied().collect();
                }
                tell_of_signal(worker, signal, progress, &active);
                continue;
            }
        };
        active.remove(&id);
        lanes.leave(&worker.plan.steps[id].step);
        let result = match cancel.by() {
            Some(_) => as_told(&worker.plan.steps[id].step, result),
            None => result,
        };
        settle(worker, journal, progress, (id, took, result));
    }
}

fn tell_of_signal(
    worker: &Worker<'_>,
    signal: &str,
    progress: &Progress<'_>,
    active: &BTreeSet<StepId>,
) {
    let given_up = |id: &&StepId| worker.may_give_up(&worker.plan.steps[**id].step);
    let finishing: Vec<StepId> = active.iter().filter(|id| !given_up(id)).copied().collect();
    let over = progress.applied.done.len() + progress.applied.already.len();
    let then = if over + finishing.len() == worker.plan.steps.len() && progress.failures.is_empty()
    {
        Then::AllDone
    } else if progress.final_begun {
        Then::Stop
    } else {
        Then::Undo
    };
    let note = signal_words(signal, &labels(worker.plan, &finishing), then);
    worker.events.tell(Event::Note(&note));
}

type Ended = (StepId, Duration, Result<Outcome, StepError>);

async fn one(worker: &Worker<'_>, journal: &Journal, id: StepId) -> Ended {
    let step = &worker.plan.steps[id].step;
    let began = Instant::now();
    worker.events.tell(Event::Begin { id, step });
    let lasting = matches!(step, Step::Create(_)) || step.is_final();
    let result = match journal.begun(id, label(step), lasting).await {
        Ok(()) => worker.act_until_halted(id, step).await,
        Err(error) => Err(error.into()),
    };
    (id, began.elapsed(), result)
}

/// The end of a step after the run was told to end. A terminal tells the programs as well that make a container:
/// they were stopped, and have not failed.
fn as_told(step: &Step, result: Result<Outcome, StepError>) -> Result<Outcome, StepError> {
    match (step, result) {
        (Step::Create(spec), Err(_)) if spec.kind() == Kind::System => Err(StepError::GivenUp),
        (_, result) => result,
    }
}

fn settle(worker: &Worker<'_>, journal: &Journal, progress: &mut Progress<'_>, ended: Ended) {
    let (id, took, result) = ended;
    let step = &worker.plan.steps[id].step;
    let written = match result {
        Ok(outcome) => {
            let already = progress.succeeded(id, outcome);
            worker.events.tell(Event::Done {
                id,
                step,
                took,
                already,
            });
            journal.done(id)
        }
        Err(error) => {
            // Others that only wait need not wait for their own end.
            match progress.lose(id) {
                Some(lost) => lost.iter().for_each(|name| worker.halts.only(name)),
                None => worker.halts.all(),
            }
            let text = error.to_string();
            // A lost race is no end yet: the host is looked at again, and that tells who has it.
            if !matches!(error, StepError::GivenUp) && !error.is_lost_race() {
                let error = &text;
                worker.events.tell(Event::Failed { id, step, error });
            }
            if may_be_half_done(step) {
                progress.ways.insert(id, worker.before.back(step));
            }
            let what = label(step);
            progress.failures.push(StepFailure { id, what, error });
            journal.failed(id)
        }
    };
    if let Err(error) = written {
        worker.events.tell(Event::Note(&error.to_string()));
    }
}
