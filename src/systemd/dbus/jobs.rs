//! Programs that are run once, as transient services.
//!
//! The manager keeps one that has ended: `RemainAfterExit=` where it ended with 0, else as a failure that
//! is remembered. A reboot forgets all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use zbus::{OwnedVariant, Variant};

use super::Systemd;
use super::states::{Listed, number};
use crate::model::{JobState, Name};
use crate::systemd::render::STOP_MORE;
use crate::systemd::{Job, Jobs, TransientJob, UnitsError, names};

/// Whether systemd has a unit of that name already.
fn is_there(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::MethodError(name, _, _) if name.ends_with("UnitExists"))
}

/// `CLD_EXITED` of wait(2): it ended by itself.
const EXITED: i32 = 1;

#[async_trait]
impl Jobs for Systemd {
    async fn start(&self, job: &TransientJob) -> Result<(), UnitsError> {
        let unit = names::job(&job.project, &job.id);
        let manager = self.manager().await?;
        let properties = properties(job);
        let asked = AtomicBool::new(false);
        let begun = async || {
            let again = asked.swap(true, Ordering::Relaxed);
            let begun = manager.start_transient_unit(&unit, "fail", &properties, &[]);
            match begun.await {
                // It was heard before systemd began itself anew; only the answer was lost.
                Err(error) if again && is_there(&error) => Ok(None),
                begun => begun.map(Some),
            }
        };
        self.done(&unit, Job::Start, self.within("start", &unit, &begun))
            .await
    }

    async fn states(
        &self,
        project: &Name,
        jobs: &BTreeSet<Name>,
    ) -> Result<BTreeMap<Name, JobState>, UnitsError> {
        let units: BTreeMap<String, &Name> = jobs
            .iter()
            .map(|job| (names::job(project, job), job))
            .collect();
        let wanted: Vec<&str> = units.keys().map(String::as_str).collect();
        let mut states = BTreeMap::new();
        for listed in self.list(&wanted).await?.iter().filter(|unit| unit.loaded) {
            if let Some(job) = units.get(&listed.unit) {
                states.insert((*job).clone(), self.job_state(listed).await?);
            }
        }
        Ok(states)
    }

    async fn forget(&self, project: &Name, job: &Name) -> Result<(), UnitsError> {
        let unit = names::job(project, job);
        let state = self.state_of(&unit).await?;
        if !matches!(state.active.as_str(), "" | "inactive" | "failed") {
            self.finish(&unit, Job::Stop).await?;
        }
        // It may have ended with something else than 0.
        self.forget_failure(&unit).await?;
        let disk = self.files.read(project)?;
        if disk.files.is_empty() && disk.services.is_empty() {
            self.leave_slices(project).await?;
        }
        Ok(())
    }
}

impl Systemd {
    async fn job_state(&self, listed: &Listed) -> Result<JobState, UnitsError> {
        let get = async |key| self.property(listed, "Service", key).await;
        let (how, code, ended) = tokio::try_join!(
            get("ExecMainCode"),
            get("ExecMainStatus"),
            get("ExecMainExitTimestamp"),
        )?;
        let signed = |value: &OwnedVariant| match &**value {
            Variant::I32(number) => Some(*number),
            _ => None,
        };
        let ended = Some(number(&ended)).filter(|at| *at > 0);
        let by_itself = signed(&how) == Some(EXITED) && ended.is_some();
        Ok(JobState {
            active: listed.active.clone(),
            sub: listed.sub.clone(),
            code: signed(&code).filter(|_| by_itself),
            ended,
        })
    }

    /// Lets go of slices that have no unit file and nothing in them any more: systemd made them by
    /// itself, and keeps them.
    async fn leave_slices(&self, project: &Name) -> Result<(), UnitsError> {
        let own = names::slice(project);
        self.leave_slice(&own).await?;
        let manager = self.manager().await?;
        let others = || manager.list_units_by_patterns(&["active"], &["locker-*"]);
        let others = self.within("list", "units", others).await?;
        match others.is_empty() {
            true => self.leave_slice(names::SLICE).await,
            false => Ok(()),
        }
    }

    async fn leave_slice(&self, slice: &str) -> Result<(), UnitsError> {
        if self.state_of(slice).await?.active != "active" {
            return Ok(());
        }
        let manager = self.manager().await?;
        let inside = || manager.get_unit_processes(slice);
        match self.within("look into", slice, inside).await?.is_empty() {
            true => self.finish(slice, Job::Stop).await,
            false => Ok(()),
        }
    }
}

fn properties(job: &TransientJob) -> Vec<(&'static str, Variant<'static>)> {
    let command = |argv: &[String]| {
        let program = argv.first().cloned().unwrap_or_default();
        Variant::from(vec![(program, argv.to_vec(), false)])
    };
    let stop = u64::try_from((job.grace + STOP_MORE).as_micros()).unwrap_or(u64::MAX);
    let engine = vec!["docker.service".to_owned(), "docker.socket".to_owned()];
    vec![
        ("Description", job.description.clone().into()),
        ("Type", "notify".into()),
        ("ExecStart", command(&job.argv)),
        ("ExecStop", command(&job.stop)),
        ("TimeoutStopUSec", stop.into()),
        ("Slice", names::slice(&job.project).into()),
        ("SyslogIdentifier", job.identifier.clone().into()),
        // None, as for containers: with 0 the journal's own limit would hold.
        ("LogRateLimitIntervalUSec", 1u64.into()),
        ("RemainAfterExit", true.into()),
        ("NoNewPrivileges", true.into()),
        // At shutdown it ends before the engine does.
        ("After", engine.into()),
    ]
}
