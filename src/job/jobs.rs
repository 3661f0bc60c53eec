//! Commands in containers of their own: what became of them, whether they still run or are over.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{JobState, Name};
use crate::observed::{ObservedContainer, ObservedJob, State};
use crate::systemd::names;

use super::road::{self, Opened};
use super::{JobError, Setting};

/// How often a service whose container is gone is asked whether it has ended.
const LOOK: Duration = Duration::from_millis(100);

/// How a job is. Its words are the published ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobPhase {
    /// It runs.
    Running,
    /// It has ended by itself; its exit code is known.
    Exited,
    /// It has ended, and nobody knows how: its container went without a service, or with the host.
    Ended,
}

/// One job. Its JSON form is the published one; the names of its keys are a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobRow {
    /// The project.
    pub project: Name,
    /// Its id: the short name of its container.
    pub name: Name,
    /// The container of the file that it was made from.
    pub of: Name,
    /// Program and arguments as asked for; empty is what the file or the image says.
    pub command: Vec<String>,
    /// How it is.
    pub state: JobPhase,
    /// Its exit code, when it has ended and the code is known.
    pub exit_code: Option<i32>,
    /// When it was begun, RFC 3339.
    pub since: String,
    /// When it ended, RFC 3339; none while it runs and when that is not known.
    pub ended: Option<String>,
    /// How long it ran, or has run until now, seconds.
    pub seconds: Option<u64>,
    /// Its service; none when only the engine runs it.
    pub unit: Option<String>,
    /// Whether its container is there.
    pub container: bool,
}

/// The jobs of the project, the oldest first.
pub async fn jobs(setting: &Setting, wanted: &[String]) -> Result<Vec<JobRow>, JobError> {
    let opened = road::open(setting, "jobs").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    if let Some(word) = wanted
        .iter()
        .find(|word| !observed.jobs.contains_key(word.as_str()))
    {
        return Err(JobError::Selection {
            message: format!("there is no job `{word}`"),
            help: Some("`locker jobs` lists them".into()),
        });
    }
    let chosen = |name: &Name| wanted.is_empty() || wanted.iter().any(|w| w == name.as_str());
    let all = observed.jobs.iter().filter(|(name, _)| chosen(name));
    let mut rows: Vec<JobRow> = all
        .map(|(name, job)| row(&opened, job, observed.containers.get(name)))
        .collect();
    rows.sort_by(|a, b| (&a.since, &a.name).cmp(&(&b.since, &b.name)));
    Ok(rows)
}

fn row(opened: &Opened, job: &ObservedJob, found: Option<&ObservedContainer>) -> JobRow {
    let project = &opened.project.name;
    let record = &job.record;
    let (state, exit_code) = phase(job, found);
    let begun: Option<Timestamp> = record.begun.parse().ok();
    let ended = job.unit.as_ref().and_then(|unit| unit.ended);
    let ended = ended.and_then(|at| Timestamp::from_microsecond(i64::try_from(at).ok()?).ok());
    let ended = ended.filter(|_| state != JobPhase::Running);
    let last = match state {
        JobPhase::Running => Some(Timestamp::now()),
        JobPhase::Exited | JobPhase::Ended => ended,
    };
    let seconds = begun.zip(last).map(|(begun, last)| {
        let lasted = last.as_second() - begun.as_second();
        u64::try_from(lasted).unwrap_or(0)
    });
    JobRow {
        project: project.clone(),
        name: record.name.clone(),
        of: record.of.clone(),
        command: record.argv.clone(),
        state,
        exit_code,
        since: record.begun.clone(),
        ended: ended.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        seconds,
        unit: record.unit.then(|| names::job(project, &record.name)),
        container: found.is_some(),
    }
}

/// The container tells more than its service: it may have outlived whoever waited for it.
fn phase(job: &ObservedJob, found: Option<&ObservedContainer>) -> (JobPhase, Option<i32>) {
    let state = found.map_or(State::Absent, |found| found.state);
    let unit = job.unit.as_ref();
    let runs = match state {
        State::Starting | State::Running | State::Frozen => true,
        State::Absent | State::Unknown => unit.is_some_and(JobState::runs) || job.attended,
        State::Stopped => false,
    };
    if runs {
        return (JobPhase::Running, None);
    }
    let code = found.and_then(|found| found.exit);
    match code.or_else(|| unit.and_then(|unit| unit.code)) {
        Some(code) => (JobPhase::Exited, Some(code)),
        None => (JobPhase::Ended, None),
    }
}

/// Waits for the end of a job whose container is gone, as far as its service knows it.
pub(super) async fn ended(opened: &Opened, name: &Name) -> Result<i32, JobError> {
    let (units, project) = (&opened.host.units, &opened.host.project);
    let only = [name.clone()].into();
    loop {
        let states = units.jobs().states(project, &only).await?;
        match states.get(name) {
            Some(state) if state.runs() => tokio::time::sleep(LOOK).await,
            Some(JobState {
                code: Some(code), ..
            }) => return Ok(*code),
            Some(_) | None => return Err(JobError::NoCode { name: name.clone() }),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{JobRecord, Kind, Runner};

    fn job(remove: bool, unit: bool, state: Option<(&str, &str, Option<i32>)>) -> ObservedJob {
        let name = |word: &str| Name::new(word).unwrap();
        ObservedJob {
            record: JobRecord {
                version: 1,
                name: name("web_run_1"),
                of: name("web"),
                argv: Vec::new(),
                begun: "2026-01-31T12:00:00Z".into(),
                remove,
                unit,
                runner: (!unit).then_some(Runner { pid: 1, started: 1 }),
            },
            unit: state.map(|(active, sub, code)| JobState {
                active: active.into(),
                sub: sub.into(),
                code,
                ended: None,
            }),
            attended: false,
        }
    }

    pub(in crate::job) fn container(state: State, exit: Option<i32>) -> ObservedContainer {
        ObservedContainer {
            host_name: "shop_web_run_1".into(),
            kind: Kind::Application,
            state,
            exit,
            health: None,
            image: None,
            unnamed: Vec::new(),
            aside_runs: false,
            mark: None,
            wreck: false,
            set_aside: false,
            stopping: false,
            parted: false,
            left_behind: false,
            estranged: Default::default(),
            unplugged: Default::default(),
            limits: Default::default(),
            broken: None,
            over: false,
            pid: None,
            names: None,
            dns: Vec::new(),
            touched: None,
        }
    }

    #[test]
    fn an_end_is_known_from_the_container_else_from_the_service() {
        let running = Some(("active", "running", None));
        let failed = Some(("failed", "failed", Some(7)));
        let killed = Some(("failed", "failed", None));
        let stopped = container(State::Stopped, Some(7));
        let runs = container(State::Running, None);
        let cases = [
            (job(true, true, running), None, (JobPhase::Running, None)),
            (job(true, true, failed), None, (JobPhase::Exited, Some(7))),
            (
                job(false, true, None),
                Some(&stopped),
                (JobPhase::Exited, Some(7)),
            ),
            (
                job(false, true, killed),
                Some(&runs),
                (JobPhase::Running, None),
            ),
            (job(true, true, killed), None, (JobPhase::Ended, None)),
            (job(true, true, None), None, (JobPhase::Ended, None)),
        ];
        for (job, found, wanted) in cases {
            assert_eq!(phase(&job, found), wanted, "{job:?}");
        }
    }

    #[test]
    fn only_one_that_should_be_gone_and_has_nobody_left_is_lost() {
        assert!(job(true, false, None).is_lost(false));
        assert!(job(true, true, None).is_lost(true));
        let failed = || job(true, true, Some(("failed", "failed", Some(7))));
        assert!(failed().is_lost(true));
        // It has its exit code still.
        assert!(!failed().is_lost(false));
        assert!(!job(true, true, Some(("active", "running", None))).is_lost(true));
        assert!(!job(false, true, None).is_lost(true));
        let mut here = job(true, false, None);
        here.attended = true;
        assert!(!here.is_lost(true));
        // The engine was told to remove it.
        let mut left = job(true, false, None);
        left.record.runner = None;
        assert!(!left.is_lost(true));
    }
}
