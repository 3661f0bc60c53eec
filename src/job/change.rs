//! Changing a project: the whole road.

use std::time::{Duration, Instant};

use crate::apply::{
    Aftermath, AnonymousVolumes, ApplyError, ApplyOptions, Earlier, Event, Events, SignalWatch,
    Starts, Unfinished, apply, label, remember, verify,
};
use crate::backend::lxc;
use crate::file::diagnostic::Diagnostic;
use crate::model::Name;
use crate::observed::Observed;
use crate::plan::{Goal, Loss, Plan, Recreate, Step, Wish};
use crate::store::{self, Paths, ProjectLock};

use super::blame::blame;
use super::consent::{Consent, price};
use super::images::{Older, QuietPull, join};
use super::rest::finish_the_rest;
use super::road::{self, Looked, Opened};
use super::{ChangeRequest, JobError, Setting};

/// How long what a killed run has asked for is watched at most.
const MOVES: Duration = Duration::from_secs(10);
/// How often it is looked at, and how many looks in a row must be the same until it is taken for over.
const LOOK: Duration = Duration::from_millis(250);
const STILL: u32 = 4;

/// What a change did.
#[derive(Debug)]
pub struct Changed {
    /// The project.
    pub project: Name,
    /// What was done; without steps when there was nothing to do.
    pub plan: Plan,
    /// Of the file.
    pub warnings: Vec<Diagnostic>,
}

/// Makes it so. The project's lock is held from the look to the second look, so two runs at once do
/// one after the other what is then still to be done. Images are fetched and built before all else.
pub async fn change(
    setting: &Setting,
    request: &ChangeRequest,
    events: &dyn Events,
    consent: &dyn Consent,
) -> Result<Changed, JobError> {
    let mut opened = road::open_for(setting, request.command, request.no_deps).await?;
    request.images.put_into(&mut opened.project);
    let _lock = lock(setting, request, &opened, events).await?;
    let (host, project) = (&opened.host, &opened.project);
    if let Some(moved) = &opened.moved {
        moved.agree((project, &host.paths), consent)?;
    }
    let unfinished = Unfinished::load(&host.paths, &project.name)?;
    if let Some(unfinished) = &unfinished {
        events.tell(Event::Note(&unfinished.to_string()));
    }
    if let Some(damage) = store::record_damage(&host.paths, &project.name) {
        let note = format!(
            "{damage}; it is made again from the containers, without the ports that `port add` had added"
        );
        events.tell(Event::Note(&note));
    }
    let quiet = QuietPull(events);
    let events = match request.images.quiet_pull {
        true => &quiet,
        false => events,
    };
    let mut looked = road::look(&opened, request).await?;
    if unfinished
        .as_ref()
        .is_some_and(|run| !run.during.is_empty())
    {
        looked = stood_still(&opened, request, looked).await?;
    }
    let first = road::first(&opened, &looked, request)?;
    request.images.check(&looked.plan, request)?;
    for notice in std::mem::take(&mut looked.plan.notices) {
        events.tell(Event::Note(&notice));
    }
    ask(&opened, &looked.plan.losses, consent).await?;
    trust(&looked.plan, consent)?;
    let older = Older::of(&first, &looked.observed);
    if !first.steps.is_empty() {
        let planned = (&first, looked);
        let done = images_first(setting, request, &opened, planned, (events, consent)).await;
        if done.is_err() {
            // One of two builds may have come to its end.
            older.give_back(&opened, events).await;
        }
        looked = done?;
    }
    if !looked.plan.steps.is_empty() {
        let (planned, starts) = ((looked, &older), Starts::new(events));
        let done = perform_or_yield(setting, request, &opened, planned, (&starts, consent)).await;
        if done.is_err() {
            // Of what is undone no empty directory stays.
            store::remove_empty(&host.paths, &project.name);
        }
        looked = done.map_err(|error| blame(error, project))?;
        verify(host, project, &lasting(&looked.wish), &starts).await?;
    } else if unfinished.is_some() {
        // It may have been killed before it wrote down what it had done.
        if let Err(error) = remember(host, &looked.observed).await {
            events.tell(Event::Note(&error.to_string()));
        }
        Unfinished::clear(&host.paths, &project.name)?;
    }
    if matches!(request.goal, Goal::Down { volumes: true, .. }) {
        // What was taken over and is gone, whoever removed it, would be taken for lost by the next `up`.
        let observed = &looked.observed;
        let left = observed.adopted.left_after_down(&observed.engine);
        store::save_adopted(&host.paths, &project.name, &left)?;
    }
    let brings_up = matches!(request.goal, Goal::Up | Goal::Create);
    if brings_up && host.paths.record(&project.name).exists() {
        // Without it the project is found in its directory all the same.
        let _ = store::save_origins(&host.paths, &project.name, &opened.origins);
    }
    store::remove_empty(&host.paths, &project.name);
    // They were told before anything was touched.
    looked.plan.notices.clear();
    Ok(Changed {
        project: opened.project.name,
        plan: join(first, looked.plan),
        warnings: opened.warnings,
    })
}

/// Looks until nothing moves any more. An engine goes on with what a killed run has asked it for, and what it is
/// about to make, start or remove does not show before that is done.
async fn stood_still(
    opened: &Opened,
    request: &ChangeRequest,
    mut looked: Looked,
) -> Result<Looked, JobError> {
    let (begun, mut same) = (Instant::now(), 0);
    while begun.elapsed() < MOVES && same < STILL {
        tokio::time::sleep(LOOK).await;
        let now = road::look(opened, request).await?;
        same = match now.observed == looked.observed {
            true => same + 1,
            false => 0,
        };
        looked = now;
    }
    Ok(looked)
}

/// How often a run that lost a race with another project looks again.
const RACES: usize = 8;

/// Carries out the plan. When another project was faster with a subnet or a port, it is looked at again: what
/// locker picks is picked anew, and what the file names is refused with the line that names it.
async fn perform_or_yield(
    setting: &Setting,
    request: &ChangeRequest,
    opened: &Opened,
    (mut looked, older): (Looked, &Older),
    (events, consent): (&dyn Events, &dyn Consent),
) -> Result<Looked, JobError> {
    let agreed = looked.plan.losses.clone();
    for race in 0.. {
        match carry_out(setting, request, opened, &looked, events).await {
            Err(JobError::Apply(error)) if error.is_lost_race() && race < RACES => {}
            Err(error) => {
                older.give_back(opened, events).await;
                return Err(error);
            }
            Ok(()) => return Ok(looked),
        }
        // What it had begun is undone.
        store::remove_empty(&opened.host.paths, &opened.project.name);
        looked = road::look(opened, request).await?;
        let more = looked.plan.losses.iter();
        let more = more.filter(|loss| !agreed.contains(loss));
        ask(opened, &more.cloned().collect::<Vec<_>>(), consent).await?;
    }
    Ok(looked)
}

/// Carries out the plan of a look; where containers fail, all that does not need them is done as well.
async fn carry_out(
    setting: &Setting,
    request: &ChangeRequest,
    opened: &Opened,
    looked: &Looked,
    events: &dyn Events,
) -> Result<(), JobError> {
    let planned = (&looked.plan, &looked.observed);
    match perform(setting, request, opened, planned, events).await {
        Err(JobError::Apply(error @ ApplyError::Partly { .. })) => {
            let rest = (opened, &looked.wish, &looked.plan.losses[..]);
            Err(finish_the_rest(setting, request, rest, error, events).await)
        }
        done => done.map(drop),
    }
}

/// Fetches and builds, and looks again.
async fn images_first(
    setting: &Setting,
    request: &ChangeRequest,
    opened: &Opened,
    (first, looked): (&Plan, Looked),
    (events, consent): (&dyn Events, &dyn Consent),
) -> Result<Looked, JobError> {
    let planned = (first, &looked.observed);
    let told = perform(setting, request, opened, planned, events).await?;
    end_if_told(told, first)?;
    let agreed = looked.plan.losses;
    let looked = road::look(opened, request).await?;
    // A fetched image may mean more than was known before; what was agreed to is not asked again.
    let more = looked.plan.losses.iter();
    let more = more.filter(|loss| !agreed.contains(loss));
    ask(opened, &more.cloned().collect::<Vec<_>>(), consent).await?;
    Ok(looked)
}

/// Takes the project's lock, and says for whom it waits.
pub(super) async fn lock(
    setting: &Setting,
    request: &ChangeRequest,
    opened: &Opened,
    events: &dyn Events,
) -> Result<ProjectLock, JobError> {
    let (paths, project) = (&opened.host.paths, &opened.project.name);
    let waiting = |holder: Option<&store::Holder>| {
        let holder = holder.map_or("another run".into(), ToString::to_string);
        events.tell(Event::Waiting { holder: &holder });
    };
    let wait = setting.lock_wait;
    let lock = store::acquire(paths, project, request.command, wait, waiting).await?;
    for thawed in thaw_left(paths, project).await {
        events.tell(Event::Note(&thawed));
    }
    Ok(lock)
}

/// Thaws what killed runs of any project had frozen to copy it; what is to be said of it.
async fn thaw_left(paths: &Paths, project: &Name) -> Vec<String> {
    if !store::may_be_frozen(paths) {
        return Vec::new();
    }
    let (paths, project) = (paths.clone(), project.clone());
    let thawed = tokio::task::spawn_blocking(move || lxc::thaw_left(&project, &paths));
    // A thread that broke has thawed nothing: the notes stay.
    thawed.await.unwrap_or_default()
}

/// The part of a wish that holds when it is asked again: what is done once is done.
pub(super) fn lasting(wish: &Wish) -> Wish {
    let recreate = match wish.recreate {
        Recreate::Force | Recreate::Changed => Recreate::Changed,
        Recreate::Never => Recreate::Never,
    };
    Wish {
        recreate,
        wait: None,
        renew_anonymous: false,
        copy: None,
        ..wish.clone()
    }
}

/// Asks whether `losses` may go.
pub(super) async fn ask(
    opened: &Opened,
    losses: &[Loss],
    consent: &dyn Consent,
) -> Result<(), JobError> {
    if losses.is_empty() {
        return Ok(());
    }
    let losses = price(&opened.host, losses).await;
    if consent.ask(&losses)? {
        Ok(())
    } else {
        Err(JobError::Refused)
    }
}

/// Asks whether services may run this program, when others than root could have changed it.
pub(super) fn trust(plan: &Plan, consent: &dyn Consent) -> Result<(), JobError> {
    let doubt = plan.steps.iter().find_map(|planned| {
        let Step::InstallProgram(copy) = &planned.step else {
            return None;
        };
        copy.doubt.as_ref()
    });
    match doubt.map(|doubt| consent.trust(doubt)).transpose()? {
        Some(false) => Err(JobError::Refused),
        Some(true) | None => Ok(()),
    }
}

/// The end of a run that was told to end too late for what `plan` does, and not for what that was for.
pub(super) fn end_if_told(by: Option<&'static str>, plan: &Plan) -> Result<(), ApplyError> {
    let stays = |step: &Step| step.container().is_some();
    let kept = plan.steps.iter().map(|planned| &planned.step);
    let kept = kept.filter(|step| stays(step)).map(label).collect();
    match by {
        None => Ok(()),
        Some(signal) => Err(ApplyError::Interrupted {
            signal,
            finished: Vec::new(),
            failures: Vec::new(),
            aftermath: Box::new(Aftermath {
                kept,
                ..Aftermath::default()
            }),
        }),
    }
}

/// Carries out a plan that was made from what was observed; gives the signal that came too late to end it.
pub(super) async fn perform(
    setting: &Setting,
    request: &ChangeRequest,
    opened: &Opened,
    (plan, observed): (&Plan, &Observed),
    events: &dyn Events,
) -> Result<Option<&'static str>, JobError> {
    go_on(
        setting,
        request,
        opened,
        (plan, observed),
        events,
        Earlier::default(),
    )
    .await
}

/// The same, after runs of the same command of which a part has come to its end: what they did goes back with what fails.
pub(super) async fn go_on(
    setting: &Setting,
    request: &ChangeRequest,
    opened: &Opened,
    (plan, observed): (&Plan, &Observed),
    events: &dyn Events,
    earlier: Earlier,
) -> Result<Option<&'static str>, JobError> {
    // Not earlier: until here a signal may simply end the process, since nothing was changed.
    let (_watch, cancel) = SignalWatch::begin().map_err(|source| JobError::Signals { source })?;
    let options = ApplyOptions {
        command: request.command.into(),
        parallel: setting.parallel,
        stop_timeout: request.timeout,
        volumes: AnonymousVolumes {
            renew: request.renew_anonymous,
            destroy: matches!(request.goal, Goal::Down { volumes: true, .. }),
        },
        independent: request.independent(),
        keep_failed: request.keep_failed,
    };
    let told = cancel.clone();
    let host = &opened.host;
    apply(plan, observed, host, &options, events, cancel, earlier).await?;
    Ok(told.by())
}
