//! What is: one row for each container of the project, leftovers too.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::model::{Container, Name, PortRule, Project, host_name_of};
use crate::observed::{Observed, ObservedContainer, State};
use crate::plan::{self, Cause, Goal, Plan, Recreate, Step, Wish};

use super::road::{self, Opened};
use super::select::select;
use super::usage;
use super::{JobError, Setting, Usage};

/// A health check is asked once for the table and must not hold it up longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

/// One container. Its JSON form is the published one; the names of its keys are a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusRow {
    /// The project.
    pub project: Name,
    /// Short name.
    pub name: Name,
    /// Name on the host.
    pub container: String,
    /// `lxc`.
    pub r#type: &'static str,
    /// Whether the file defines it; a leftover is not defined.
    pub defined: bool,
    /// Its groups, separated by `, `.
    pub group: Option<String>,
    /// Host name with domain.
    pub fqdn: Option<String>,
    /// Its state.
    pub state: State,
    /// `healthy` or `unhealthy`; none without a health check or while it does not run.
    pub health: Option<String>,
    /// Its addresses while it runs.
    pub ips: Vec<IpAddr>,
    /// Its rules that are in place.
    pub ports: Vec<String>,
    /// Its links as in the file.
    pub links: Vec<String>,
    /// What differs from the file, in words.
    pub drift: Vec<String>,
    /// Processors it may use.
    pub cpus: Option<String>,
    /// Its share of the processors: `cpu.shares` (v1) or `cpu.weight` (v2).
    pub shares: Option<String>,
    /// Most memory it ever had, in bytes.
    pub memory_peak: Option<u64>,
    /// Most memory it may have, in bytes; none is no limit.
    pub memory_limit: Option<u64>,
}

/// The rows of the selected containers, by name.
pub async fn status(setting: &Setting, names: &[String]) -> Result<Vec<StatusRow>, JobError> {
    let opened = road::open(setting, "status")?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, names)?;
    let drift = Drift::find(&opened, &observed);
    let mut all: Vec<&Name> = opened.project.containers.keys().collect();
    all.extend(observed.containers.keys());
    all.sort();
    all.dedup();
    let rows = all
        .into_iter()
        .filter(|name| selection.as_ref().is_none_or(|some| some.contains(*name)))
        .map(|name| row(&opened, &observed, &drift, name));
    Ok(futures_util::future::join_all(rows).await)
}

async fn row(opened: &Opened, observed: &Observed, drift: &Drift, name: &Name) -> StatusRow {
    let project = &opened.project;
    let wanted = project.containers.get(name);
    let found = observed.containers.get(name);
    let state = found.map_or(State::Absent, |found| found.state);
    let runs = matches!(state, State::Running | State::Frozen);
    let container = host_name_of(&project.name, name);
    let ports = active_ports(project, observed, name);
    let usage = match found.and_then(|found| found.pid) {
        Some(pid) if runs => usage::read(pid, &container),
        Some(_) | None => Usage::default(),
    };
    StatusRow {
        project: project.name.clone(),
        name: name.clone(),
        container,
        r#type: "lxc",
        defined: wanted.is_some(),
        group: wanted.and_then(groups),
        fqdn: fqdn(wanted, found),
        state,
        health: health(opened, wanted, name, state).await,
        ips: if runs { addresses(found) } else { Vec::new() },
        links: links(wanted),
        drift: drift.of(name, state, found, &ports),
        ports,
        cpus: usage.cpus,
        shares: usage.shares,
        memory_peak: usage.memory_peak,
        memory_limit: usage.memory_limit,
    }
}

fn groups(container: &Container) -> Option<String> {
    let names: Vec<&str> = container.groups.iter().map(Name::as_str).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn fqdn(wanted: Option<&Container>, found: Option<&ObservedContainer>) -> Option<String> {
    let mark = found.and_then(|found| found.mark.as_ref());
    let fqdn = match wanted {
        Some(wanted) => wanted.fqdn.as_ref(),
        None => mark.and_then(|mark| mark.spec.fqdn.as_ref()),
    };
    fqdn.map(ToString::to_string)
}

fn links(wanted: Option<&Container>) -> Vec<String> {
    let links = wanted.map(|wanted| &wanted.links);
    let links = links.into_iter().flatten();
    links.map(|(link, _)| link.to_string()).collect()
}

fn addresses(found: Option<&ObservedContainer>) -> Vec<IpAddr> {
    let mark = found.and_then(|found| found.mark.as_ref());
    let Some(spec) = mark.map(|mark| &mark.spec) else {
        return Vec::new();
    };
    let further = spec.app.iter().flat_map(|app| app.attached.iter().skip(1));
    let further = further.filter_map(|attached| attached.nic.as_ref());
    let nics = spec.nic.iter().chain(further);
    nics.flat_map(|nic| [nic.addresses.v4.into(), nic.addresses.v6.into()])
        .collect()
}

fn active_ports(project: &Project, observed: &Observed, name: &Name) -> Vec<String> {
    let ours = observed
        .firewall
        .rules
        .iter()
        .filter(|rule| rule.project == project.name && &rule.container == name);
    ours.map(|rule| rule.port.to_string()).collect()
}

/// Nobody watches between two commands, so the check is run now.
async fn health(
    opened: &Opened,
    wanted: Option<&Container>,
    name: &Name,
    state: State,
) -> Option<String> {
    let check = wanted?.healthcheck.as_ref()?;
    if state != State::Running {
        return None;
    }
    let inside = opened.host.backend.inside();
    let limit = check.timeout.min(PATIENCE);
    let healthy =
        matches!(inside.run(name, &check.test, Some(limit)).await, Ok(ran) if ran.code == 0);
    Some(if healthy { "healthy" } else { "unhealthy" }.into())
}

/// What `up` would do now, as far as it touches what runs.
struct Drift {
    plan: Plan,
}

impl Drift {
    /// Where there can be no plan there is no drift to speak of; `plan` says why.
    fn find(opened: &Opened, observed: &Observed) -> Self {
        let wish = Wish {
            goal: Goal::Up,
            selection: None,
            no_ports: false,
            no_links: false,
            host_names: false,
            no_copy: false,
            timeout: Duration::ZERO,
            lxcpath: PathBuf::clone(&opened.lxcpath),
            remove_orphans: false,
            recreate: Recreate::Changed,
            no_deps: false,
            wait: None,
            renew_anonymous: false,
        };
        let plan = plan::plan(&opened.project, observed, &wish).unwrap_or_default();
        Self { plan }
    }

    fn of(
        &self,
        name: &Name,
        state: State,
        found: Option<&ObservedContainer>,
        ports: &[String],
    ) -> Vec<String> {
        let mut notes = Vec::new();
        if found.is_some_and(|found| found.wreck) {
            notes.push("half made by an interrupted run".into());
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
        | Step::Setup { .. }
        | Step::Stop { .. }
        | Step::Freeze { .. }
        | Step::Unfreeze { .. }
        | Step::WriteHostNames { .. }
        | Step::SetAside { .. }
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
