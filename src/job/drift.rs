//! What differs from the file, told for each container: what `up` would do to what runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{Name, PortRule};
use crate::observed::{Down, Observed, ObservedContainer, Silent, State};
use crate::plan::{self, Cause, Goal, Plan, Recreate, Step, Wish};

use super::road::Opened;

/// What `up` would do now, as far as it touches what runs.
pub(super) struct Drift {
    plan: Plan,
    /// Commands in containers of their own, and whether nobody is left who sees to them.
    jobs: BTreeMap<Name, bool>,
    /// What others do that makes published ports, or their own rules for them, useless.
    useless: BTreeMap<Name, Vec<String>>,
    /// Why nothing is known of a container, and what mends it.
    silent: BTreeMap<Name, String>,
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
            settle: Duration::ZERO,
            moved: None,
        };
        let plan = plan::plan(&opened.project, observed, &wish).unwrap_or_default();
        let jobs = observed.jobs.iter();
        let jobs = jobs.map(|(name, job)| (name.clone(), job.is_lost(true)));
        let mut useless: BTreeMap<Name, Vec<String>> = BTreeMap::new();
        let marked = observed.containers.iter();
        let marked = marked.filter_map(|(name, found)| Some((name, &found.mark.as_ref()?.spec)));
        // All of them share what drops what they send: it is told once.
        let mut senders = marked.filter(|(_, spec)| plan::goes_out(&opened.project, spec));
        if let Some((name, _)) = senders.next() {
            useless.insert(name.clone(), plan::closed(observed, false).collect());
        }
        let rules = observed.firewall.rules.iter();
        for rule in rules.filter(|rule| rule.project == opened.project.name) {
            let said = plan::closed(observed, true).chain(plan::denied(observed, rule));
            let notes = useless.entry(rule.container.clone()).or_default();
            for text in said {
                if !notes.contains(&text) {
                    notes.push(text);
                }
            }
        }
        Self {
            plan,
            jobs: jobs.collect(),
            useless,
            silent: silent(opened, observed),
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
            notes.push(match self.goes(name) {
                true => "is one too many of its service; `up` removes it".into(),
                false => "is not in the file; `up --remove-orphans` removes it".into(),
            });
        }
        if found.is_some_and(|found| found.wreck) {
            notes.push("half made by an interrupted run".into());
        }
        notes.extend(self.of_units(name));
        if self.is_closed(name) {
            notes
                .push("no caller starts it: the ports that systemd holds for it are closed".into());
        }
        if state == State::Unknown {
            notes.extend(self.silent.get(name).cloned());
            return notes;
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
        notes.extend(self.useless.get(name).into_iter().flatten().cloned());
        notes.extend(self.notes(name));
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

    /// What the steps of `up` say about the running container `name`. One that is made anew is as it was
    /// made until then: that its new self is to be reached elsewhere is nothing that differs now.
    fn notes(&self, name: &Name) -> Vec<String> {
        if self.goes(name) {
            return Vec::new();
        }
        let anew = |step: &Step| matches!(step, Step::SetAside { container } if container == name);
        let mut steps = self.plan.steps.iter();
        if let Some(planned) = steps.find(|planned| anew(&planned.step)) {
            return vec![format!("would be made anew{}", why(planned.causes.first()))];
        }
        let mut notes: Vec<String> = Vec::new();
        for planned in &self.plan.steps {
            let cause = planned.causes.first();
            for note in note(&planned.step, cause, name) {
                // The start after a stop has the same reason.
                if !notes.iter().any(|known| known.contains(&note)) {
                    notes.push(note);
                }
            }
        }
        notes
    }

    /// Whether `up` destroys it, whatever else it is told.
    fn goes(&self, name: &Name) -> bool {
        let mut steps = self.plan.steps.iter();
        steps.any(
            |planned| matches!(&planned.step, Step::Destroy { container, .. } if container == name),
        )
    }

    /// Whether `up` would open the ports that systemd holds for it.
    fn is_closed(&self, name: &Name) -> bool {
        let mut causes = self.plan.steps.iter().flat_map(|planned| &planned.causes);
        causes.any(|cause| matches!(cause, Cause::PortsClosed(closed) if closed == name))
    }
}

fn why(cause: Option<&Cause>) -> String {
    cause.map_or(String::new(), |cause| format!(" ({cause})"))
}

/// What a step of `up` says about the running container `name`.
fn note(step: &Step, cause: Option<&Cause>, name: &Name) -> Vec<String> {
    let why = why(cause);
    match step {
        Step::Publish { add, remove } => rule_notes(add, remove, name),
        Step::Configure(spec) if &spec.name == name => vec![format!("settings differ{why}")],
        Step::WriteNames { container, .. } if container == name => match cause {
            // They follow what becomes of another, and are right until then.
            Some(Cause::For(_)) => Vec::new(),
            Some(_) | None => vec![format!("names are stale{why}")],
        },
        Step::Stop {
            container,
            aside: false,
            ..
        } if container == name => match cause {
            // Whoever stops it knows that; its state tells it.
            Some(Cause::Drifted(plan::STOPPING)) => Vec::new(),
            Some(_) | None => vec![format!("must be restarted{why}")],
        },
        Step::Start { container } if container == name => match cause {
            Some(Cause::Drifted(what)) if *what != plan::STOPPING => vec![(*what).to_string()],
            Some(_) | None => Vec::new(),
        },
        Step::EnsureBridge { bridge, .. } => {
            vec![format!("bridge {bridge} is not as it should be{why}")]
        }
        Step::OpenNetwork(_) => vec!["network rules are not in place".into()],
        Step::Sweep(left) => {
            vec![format!(
                "rules of the firewall driver `{}` are left",
                left.driver
            )]
        }
        Step::SaveRecord(_) => match cause {
            Some(Cause::Drifted(what)) => vec![(*what).to_string()],
            Some(_) | None => Vec::new(),
        },
        Step::ForgetProject(_)
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
    let (add, remove): (Vec<_>, Vec<_>) = (
        add.iter().filter(mine).collect(),
        remove.iter().filter(mine).collect(),
    );
    let has = |all: &[&PortRule], rule: &PortRule| all.iter().any(|other| other.port == rule.port);
    let missing = add.iter().map(|rule| match has(&remove, rule) {
        true => format!("port {} leads elsewhere", rule.port),
        false => format!("port {} is not in place", rule.port),
    });
    let stale = remove.iter().filter(|rule| !has(&add, rule));
    let stale = stale.map(|rule| format!("port {} is not in the file", rule.port));
    missing.chain(stale).collect()
}

/// Why nothing is known of some containers.
fn silent(opened: &Opened, observed: &Observed) -> BTreeMap<Name, String> {
    let file = opened.project.containers.iter();
    let of_down = file.filter_map(|(name, container)| {
        let Down {
            engine,
            reason,
            help,
        } = observed.down.get(&container.kind())?;
        let text = format!("{engine} is not available: {reason}; {help}");
        Some((name.clone(), text))
    });
    let of_silent = observed.silent.iter();
    let of_silent = of_silent.map(|(name, Silent { reason, help })| {
        let text = format!("nothing is known of it: {reason}; {help}");
        (name.clone(), text)
    });
    of_down.chain(of_silent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PlannedStep;

    fn name(word: &str) -> Name {
        Name::new(word).unwrap()
    }

    fn rule(port: &str, to: u8) -> PortRule {
        PortRule {
            project: name("shop"),
            container: name("web"),
            port: port.parse().unwrap(),
            to4: [10, 77, 0, to].into(),
            to6: None,
        }
    }

    fn drift(steps: Vec<(Step, Cause)>) -> Drift {
        let planned = |(step, cause)| PlannedStep {
            step,
            causes: vec![cause],
            after: Vec::new(),
        };
        Drift {
            plan: Plan {
                steps: steps.into_iter().map(planned).collect(),
                ..Plan::default()
            },
            silent: BTreeMap::new(),
            jobs: BTreeMap::new(),
            useless: BTreeMap::new(),
        }
    }

    #[test]
    fn of_one_that_is_to_be_made_anew_nothing_else_is_said_and_nothing_of_who_follows() {
        let image = Cause::Drifted("its image changed");
        let stop = |aside: bool| Step::Stop {
            container: name("web"),
            timeout: std::time::Duration::ZERO,
            aside,
        };
        let drift = drift(vec![
            (
                Step::SetAside {
                    container: name("web"),
                },
                image.clone(),
            ),
            (stop(false), image.clone()),
            (
                Step::Publish {
                    add: vec![rule("80:80", 3)],
                    remove: vec![rule("80:80", 2)],
                },
                Cause::For(name("web")),
            ),
            (
                Step::WriteNames {
                    container: name("db"),
                    hosts: Vec::new(),
                    dns: Vec::new(),
                },
                Cause::For(name("web")),
            ),
            (stop(true), image),
        ]);
        assert_eq!(
            drift.notes(&name("web")),
            ["would be made anew (its image changed)"]
        );
        assert_eq!(drift.notes(&name("db")), [""; 0]);
        let goes = self::drift(vec![
            (
                Step::Stop {
                    container: name("web-2"),
                    timeout: std::time::Duration::ZERO,
                    aside: false,
                },
                Cause::NotInFile,
            ),
            (
                Step::Destroy {
                    container: name("web-2"),
                    kind: crate::model::Kind::Application,
                    aside: false,
                },
                Cause::NotInFile,
            ),
        ]);
        assert!(goes.goes(&name("web-2")));
        assert_eq!(goes.notes(&name("web-2")), [""; 0]);
    }

    #[test]
    fn a_rule_that_leads_elsewhere_is_neither_missing_nor_unknown() {
        let (add, remove) = (
            [rule("80:80", 3), rule("81:81", 3)],
            [rule("80:80", 2), rule("82:82", 2)],
        );
        assert_eq!(
            rule_notes(&add, &remove, &name("web")),
            [
                "port 80:80/tcp leads elsewhere",
                "port 81:81/tcp is not in place",
                "port 82:82/tcp is not in the file"
            ]
        );
    }
}
