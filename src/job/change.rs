//! Changing a project: the whole road.

use crate::apply::{AnonymousVolumes, ApplyOptions, Event, Events, SignalWatch, Unfinished, apply, verify};
use crate::file::diagnostic::Diagnostic;
use crate::model::Name;
use crate::plan::{Goal, Plan};
use crate::store;

use super::consent::{Consent, price};
use super::road::{self, Looked, Opened};
use super::{ChangeRequest, JobError, Setting};

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
/// one after the other what is then still to be done.
pub async fn change(
    setting: &Setting,
    request: &ChangeRequest,
    events: &dyn Events,
    consent: &dyn Consent,
) -> Result<Changed, JobError> {
    let opened = road::open(setting, request.command)?;
    let (host, project) = (&opened.host, &opened.project);
    let _lock = store::acquire(
        &host.paths,
        &project.name,
        request.command,
        setting.lock_wait,
        |holder| {
            let holder = holder.map_or("another run".into(), ToString::to_string);
            events.tell(Event::Waiting { holder: &holder });
        },
    )
    .await?;
    let unfinished = Unfinished::load(&host.paths, &project.name)?;
    if let Some(unfinished) = &unfinished {
        events.tell(Event::Note(&unfinished.to_string()));
    }
    let looked = road::look(&opened, request).await?;
    if !looked.plan.steps.is_empty() {
        ask(&opened, &looked, consent).await?;
        perform(setting, request, &opened, &looked, events).await?;
        verify(host, project, &looked.wish).await?;
    } else if unfinished.is_some() {
        Unfinished::clear(&host.paths, &project.name)?;
    }
    store::remove_empty(&host.paths, &project.name);
    Ok(Changed {
        project: opened.project.name,
        plan: looked.plan,
        warnings: opened.warnings,
    })
}

async fn ask(opened: &Opened, looked: &Looked, consent: &dyn Consent) -> Result<(), JobError> {
    if looked.plan.losses.is_empty() {
        return Ok(());
    }
    let losses = price(&opened.host, &looked.plan.losses).await;
    if consent.ask(&losses)? {
        Ok(())
    } else {
        Err(JobError::Refused)
    }
}

async fn perform(
    setting: &Setting,
    request: &ChangeRequest,
    opened: &Opened,
    looked: &Looked,
    events: &dyn Events,
) -> Result<(), JobError> {
    // Not earlier: until here a signal may simply end the process, since nothing was changed.
    let (_watch, cancel) = SignalWatch::begin().map_err(|source| JobError::Signals { source })?;
    let options = ApplyOptions {
        command: request.command.into(),
        parallel: setting.parallel,
        stop_timeout: request.timeout,
        volumes: AnonymousVolumes {
            renew: looked.wish.renew_anonymous,
            destroy: matches!(looked.wish.goal, Goal::Down { volumes: true, .. }),
        },
    };
    let (plan, observed) = (&looked.plan, &looked.observed);
    apply(plan, observed, &opened.host, &options, events, cancel).await?;
    Ok(())
}
