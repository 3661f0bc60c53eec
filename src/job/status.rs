//! What is: one row for each container of the project, leftovers too.

use std::net::IpAddr;

use serde::Serialize;

use crate::backend::{FailedCheck, Meter};
use crate::model::{Container, Held, Kind, Name, Project, host_name_of};
use crate::observed::{Observed, ObservedContainer, State};

use super::drift::Drift;
use super::health::{Condition, health};
use super::road::{self, Opened};
use super::select::select;
use super::unit_rows::{UnitRow, units};
use super::usage;
use super::{JobError, Setting, Usage};

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct StatusRequest {
    /// Names and `@group`s; none means all of the project.
    pub names: Vec<String>,
    /// All services in full; else those only that failed or are between two states.
    pub units: bool,
    /// What the containers use, too; it is read from several files for each.
    pub figures: bool,
}

/// One container. Its JSON form is the published one; the names of its keys are a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusRow {
    /// The project.
    pub project: Name,
    /// Short name.
    pub name: Name,
    /// Name on the host.
    pub container: String,
    /// `lxc` or `docker`.
    pub r#type: &'static str,
    /// The image that it is made from, by name; none for a system container.
    pub image: Option<String>,
    /// Whether the file defines it; a leftover is not defined.
    pub defined: bool,
    /// Its groups, separated by `, `.
    pub group: Option<String>,
    /// Host name with domain.
    pub fqdn: Option<String>,
    /// Its state.
    pub state: State,
    /// The exit code with which it ended; none while it runs and when the code is not known.
    pub exit_code: Option<i32>,
    /// Why its setup has not come to its end; none where it has, and before it ran for the first time.
    pub setup: Option<String>,
    /// `starting`, `healthy` or `unhealthy`; none without a health check or while it does not run.
    pub health: Option<String>,
    /// The last health check that did not pass, while it is not healthy.
    pub failed_check: Option<FailedCheck>,
    /// Its addresses while it runs.
    pub ips: Vec<IpAddr>,
    /// Its rules that are in place, and the ports that systemd holds open for it.
    pub ports: Vec<String>,
    /// It does not run, and is started by the first who calls.
    pub waiting: bool,
    /// Whether it starts with the host.
    pub boot: bool,
    /// Its links as in the file.
    pub links: Vec<String>,
    /// What differs from the file, in words.
    pub drift: Vec<String>,
    /// Processors it may use.
    pub cpus: Option<String>,
    /// Its share of the processors: `cpu.shares` (v1) or `cpu.weight` (v2).
    pub shares: Option<String>,
    /// Memory in bytes as `top` and `docker stats` count it: without the cache of files that nobody has used lately.
    pub memory: Option<u64>,
    /// Most memory it ever had, in bytes, with all caches.
    pub memory_peak: Option<u64>,
    /// Most memory it may have, in bytes; none is no limit.
    pub memory_limit: Option<u64>,
    /// Its service; none when systemd does not run it.
    pub unit: Option<UnitRow>,
}

/// The rows of the selected containers, by name.
pub async fn status(
    setting: &Setting,
    request: &StatusRequest,
) -> Result<Vec<StatusRow>, JobError> {
    let opened = road::open(setting, "status").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, &request.names)?;
    let mut units = units(&opened, &observed, request.units).await?;
    let drift = Drift::find(&opened, &observed);
    let meter = request.figures.then(Meter::here);
    let mut all: Vec<&Name> = opened.project.containers.keys().collect();
    all.extend(observed.containers.keys());
    all.sort();
    all.dedup();
    let rows = all
        .into_iter()
        .filter(|name| selection.as_ref().is_none_or(|some| some.contains(*name)))
        .map(|name| row(&opened, &observed, (&drift, meter.as_ref()), name));
    let mut rows = futures_util::future::join_all(rows).await;
    for row in &mut rows {
        row.unit = units.remove(&row.name);
    }
    Ok(rows)
}

async fn row(
    opened: &Opened,
    observed: &Observed,
    (drift, meter): (&Drift, Option<&Meter>),
    name: &Name,
) -> StatusRow {
    let project = &opened.project;
    let wanted = project.containers.get(name);
    let found = observed.containers.get(name);
    let defined = wanted.is_some() || project.disabled.contains_key(name);
    let kind = kind(wanted, found);
    let absent = match observed.down.contains_key(&kind) || observed.silent.contains_key(name) {
        true => State::Unknown,
        false => State::Absent,
    };
    let state = found.map_or(absent, |found| found.state);
    let runs = matches!(state, State::Running | State::Frozen);
    let container = host_name_of(&project.name, name);
    let rules = active_ports(project, observed, name);
    let held = held_ports(observed, name);
    let usage = match (meter, found.and_then(|found| found.pid)) {
        (Some(meter), Some(pid)) if runs => usage::read(meter, pid, &container),
        (Some(_) | None, _) => Usage::default(),
    };
    let (health, failed_check) = match health(opened, observed, name, found).await {
        Some(Condition { word, failed }) => (Some(word.into()), failed),
        None => (None, None),
    };
    StatusRow {
        project: project.name.clone(),
        name: name.clone(),
        container,
        r#type: kind.as_str(),
        image: image(wanted, found),
        defined,
        group: wanted.and_then(groups),
        fqdn: fqdn(wanted, found),
        state,
        exit_code: found.and_then(|found| found.exit).filter(|_| !runs),
        setup: found.and_then(setup),
        health,
        failed_check,
        ips: if runs { addresses(found) } else { Vec::new() },
        links: links(wanted),
        drift: drift.of(name, defined, state, found, &rules),
        waiting: state == State::Stopped && !held.is_empty(),
        ports: [rules, held].concat(),
        boot: observed.units.project_enabled && observed.units.enabled.contains(name),
        cpus: usage.cpus,
        shares: usage.shares,
        memory: usage.memory,
        memory_peak: usage.memory_peak,
        memory_limit: usage.memory_limit,
        unit: None,
    }
}

/// A run that was killed in its setup has written nothing of it.
fn setup(found: &ObservedContainer) -> Option<String> {
    let mark = found.mark.as_ref().filter(|_| !found.wreck)?;
    let begun = !mark.setup_done && found.state != State::Stopped;
    let unfinished = || begun.then(|| "it has not come to its end".to_string());
    mark.setup_failed.clone().or_else(unfinished)
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
    nics.flat_map(|nic| nic.addresses.each()).collect()
}

fn active_ports(project: &Project, observed: &Observed, name: &Name) -> Vec<String> {
    let ours = observed
        .firewall
        .rules
        .iter()
        .filter(|rule| rule.project == project.name && &rule.container == name);
    ours.map(|rule| rule.port.to_string()).collect()
}

/// What systemd holds for one that is started by its callers, when all of it is open.
fn held_ports(observed: &Observed, name: &Name) -> Vec<String> {
    let units = &observed.units;
    let unit = units.services.get(name);
    let unit = unit.filter(|_| units.held.get(name) == Some(&Held::Open));
    let held = unit.into_iter().flat_map(|unit| &unit.on_demand);
    held.map(|held| held.port.to_string()).collect()
}

fn kind(wanted: Option<&Container>, found: Option<&ObservedContainer>) -> Kind {
    match (found, wanted) {
        (Some(found), _) => found.kind,
        (None, Some(wanted)) => wanted.kind(),
        (None, None) => Kind::System,
    }
}

fn image(wanted: Option<&Container>, found: Option<&ObservedContainer>) -> Option<String> {
    let mark = found.and_then(|found| found.mark.as_ref());
    let source = match mark {
        Some(mark) => Some(&mark.spec.source),
        None => wanted.map(|wanted| &wanted.source),
    };
    source?.image().map(str::to_string)
}
