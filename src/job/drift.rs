//! What differs from the file, told for each container: what `up` would do to what runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::model::{Name, PortRule};
use crate::observed::{Observed, ObservedContainer, State};
use crate::plan::{self, Cause, Goal, Plan, Recreate, Step, Wish};

use super::road::Opened;

/// What `up` would do now, as far as it touches what runs.
pub(super) struct Drift {
    plan: Plan,
    /// Commands in containers of their own, and whether nobody is left who sees to them.
    jobs: BTreeMap<Name, bool>,
}

impl Drift {
    /// Where there can be no plan there is no drift to speak of; `plan` says why.
    pub(super) fn find(opened: &Opened, observed: &Observed) -> Self {
        let wish = Wish {
            goal: Goal::Up,
            selection: None,
            no_ports: false,
            no_links: false,
            host_names: false,
            no_copy: false,
            timeout: None,
            lxcpath: PathBuf::clone(&opened.lxcpath),
            remove_orphans: false,
            recreate: Recreate::Changed,
            no_deps: false,
            wait: None,
            program: opened.program.clone(),
            copy: opened.copy.clone(),
            state_dir: opened.state_dir.clone(),
            renew_anonymous: false,
        };
        let plan = plan::plan(&opened.project, observed, &wish).unwrap_or_default();
        let jobs = observed.jobs.iter();
        let jobs = jobs.map(|(name, job)| (name.clone(), job.is_lost(true)));
        Self {
            plan,
            jobs: jobs.collect(),
        }
    }

    /// What is to be said of the container `name`.
    pub(super) fn of(
        &self,
        name: &Name,
        defined: bool,
        state: State,
        found: Option<&ObservedContainer>,
        ports: &[String],
    ) -> Vec<String> {
        let mut notes = Vec::new();
        if self.jobs.get(name).is_some_and(|lost| *lost) {
            notes.push("is left of a `run --rm` that was killed; the next `up` removes it".into());
        } else if found.is_some() && !defined && !self.jobs.contains_key(name) {
            notes.push("is not in the file; `up --remove-orphans` removes it".into());
        }
        if found.is_some_and(|found| found.wreck) {
            notes.push("half made by an interrupted run".into());
        }
        notes.extend(self.of_units(name));
        if self.is_closed(name) {
            notes
                .push("no caller starts it: the ports that systemd holds for it are closed".into());
        }
        if !matches!(state, State::Running | State::Frozen) {
            // It ended by itself, or somebody stopped it without locker.
            notes.extend(
                ports
                    .iter()
                    .map(|port| format!("port {port} leads to it still")),
            );
            return notes;
        }
        for planned in &self.plan.steps {
            let cause = planned.causes.first();
            notes.extend(note(&planned.step, cause, name));
        }
        notes
    }

    /// What is wrong with the service of the container and with what starts it at boot.
    fn of_units(&self, name: &Name) -> Vec<String> {
        let mut notes = Vec::new();
        for planned in &self.plan.steps {
            let Step::WriteUnits(change) = &planned.step else {
                continue;
            };
            if !change.units.services.contains_key(name) {
                continue;
            }
            for cause in &planned.causes {
                if let Cause::Drifted(what) = cause {
                    notes.push((*what).to_string());
                }
            }
        }
        notes
    }

    /// Whether `up` would open the ports that systemd holds for it.
    fn is_closed(&self, name: &Name) -> bool {
        let mut causes = self.plan.steps.iter().flat_map(|planned| &planned.causes);
        causes.any(|cause| matches!(cause, Cause::PortsClosed(closed) if closed == name))
    }
}

/// What a step of `up` says about the running container `name`.
fn note(step: &Step, cause: Option<&Cause>, name: &Name) -> Vec<String> {
    let why = cause.map_or(String::new(), |cause| format!(" ({cause})"));
    match step {
        Step::Publish { add, remove } => rule_notes(add, remove, name),
        Step::Configure(spec) if &spec.name == name => vec![format!("settings differ{why}")],
        Step::SetAside { container } if container == name => {
            vec![format!("would be made anew{why}")]
        }
        Step::WriteNames { container, .. } if container == name => {
            vec![format!("names are stale{why}")]
        }
        Step::Stop { container, .. } if container == name => {
            vec![format!("must be restarted{why}")]
        }
        Step::Start { container } if container == name => match cause {
            Some(Cause::Drifted(what)) => vec![(*what).to_string()],
            Some(_) | None => Vec::new(),
        },
        Step::EnsureBridge { bridge, .. } => {
            vec![format!("bridge {bridge} is not as it should be{why}")]
        }
        Step::OpenNetwork(_) => vec!["network rules are not in place".into()],
        Step::SaveRecord(_)
        | Step::ForgetProject(_)
        | Step::RemoveWreck { .. }
        | Step::BringBack { .. }
        | Step::RemoveBridge { .. }
        | Step::CloseNetwork(_)
        | Step::Create(_)
        | Step::Seed { .. }
        | Step::Configure(_)
        | Step::WriteNames { .. }
        | Step::Start { .. }
        | Step::AwaitHealthy { .. }
        | Step::AwaitCompleted { .. }
        | Step::Pull { .. }
        | Step::Build(_)
        | Step::EnsureNetwork(_)
        | Step::RemoveNetwork(_)
        | Step::InstallProgram(_)
        | Step::WriteUnits(_)
        | Step::Setup { .. }
        | Step::Stop { .. }
        | Step::Freeze { .. }
        | Step::Unfreeze { .. }
        | Step::WriteHostNames { .. }
        | Step::SetAside { .. }
        | Step::EndJob { .. }
        | Step::Destroy { .. }
        | Step::RemoveVolume { .. } => Vec::new(),
    }
}

fn rule_notes(add: &[PortRule], remove: &[PortRule], name: &Name) -> Vec<String> {
    let mine = |rule: &&PortRule| &rule.container == name;
    let missing = add.iter().filter(mine);
    let missing = missing.map(|rule| format!("port {} is not in place", rule.port));
    let stale = remove.iter().filter(mine);
    let stale = stale.map(|rule| format!("port {} is not in the file", rule.port));
    missing.chain(stale).collect()
}
