//! Probing published ports: each by each road that it should answer, with the one who drops it.
//!
//! Real packets are sent, from the host, from running containers of the project and from a throwaway
//! machine beside the host. Nothing is changed but for that machine and, while a drop is looked
//! into, a table of our own that only marks packets for tracing.

mod road;
mod verdict;

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::apply::ObserveError;
use crate::firewall::Trace;
use crate::model::{Name, PortRule};
use crate::network::{Answer, Guest, NetworkError, Probe, Watch};
use crate::observed::{Observed, State};
use crate::plan::{Goal, Step};

use self::road::{Asker, Question, Spaces};
use super::road::{self as way, Opened};
use super::{ChangeRequest, JobError, Setting};

/// How long an answer may take: the kernel asks a second time after one second.
const PATIENCE: Duration = Duration::from_millis(900);
/// Questions at once.
const SIDE_BY_SIDE: usize = 16;

/// What became of one question. The words are a promise of the JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortResult {
    /// It answers.
    Answers,
    /// The datagram arrived; the service keeps silent, as many do to an empty one.
    Delivered,
    /// The packet arrived and the container refused it: nothing listens there.
    Refused,
    /// The packet arrived and was not answered.
    Silent,
    /// A rule dropped or rejected the packet.
    Dropped,
    /// The packet did not arrive, and no rule dropped it.
    Lost,
    /// The rule is not in the kernel.
    NotInPlace,
    /// The container does not run.
    NotRunning,
    /// Not asked, with a reason.
    Skipped,
}

impl PortResult {
    /// Whether nothing is wrong.
    pub fn is_fine(self) -> bool {
        match self {
            Self::Answers | Self::Delivered | Self::Skipped => true,
            Self::Refused
            | Self::Silent
            | Self::Dropped
            | Self::Lost
            | Self::NotInPlace
            | Self::NotRunning => false,
        }
    }
}

/// One question and its answer. Its JSON form is the published one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortCheckRow {
    /// Short name of the container.
    pub name: Name,
    /// The rule as in the file.
    pub rule: String,
    /// Who asks: `another machine`, `this host`, `container api`, `itself`.
    pub from: String,
    /// Whom it asks: `192.168.2.1:80`.
    pub to: String,
    /// What became of it.
    pub result: PortResult,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// Family and name of the table that dropped the packet.
    pub table: Option<String>,
    /// The chain that dropped it.
    pub chain: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl PortCheckRow {
    fn new(rule: &PortRule, from: &str, to: String, result: PortResult) -> Self {
        Self {
            name: rule.container.clone(),
            rule: rule.port.to_string(),
            from: from.into(),
            to,
            result,
            reason: None,
            table: None,
            chain: None,
            help: None,
        }
    }

    fn because(mut self, reason: impl Into<String>, help: Option<String>) -> Self {
        (self.reason, self.help) = (Some(reason.into()), help);
        self
    }
}

/// Checks the ports of the selected containers: those in place by asking, the others by name.
pub async fn port_check(
    setting: &Setting,
    names: &[String],
) -> Result<Vec<PortCheckRow>, JobError> {
    let opened = way::open(setting, "port check").await?;
    let looked = way::look(&opened, &request(names)).await?;
    let observed = &looked.observed;
    let selected = |name: &Name| {
        let some = looked.wish.selection.as_ref();
        some.is_none_or(|some| some.contains(name))
    };
    let mut rows = not_running(&opened, observed, &selected);
    for planned in &looked.plan.steps {
        if let Step::Publish { add, .. } = &planned.step {
            rows.extend(add.iter().map(not_in_place));
        }
    }
    let in_place = observed.firewall.rules.iter().filter(|rule| {
        let runs = |c: &crate::observed::ObservedContainer| c.state == State::Running;
        let running = observed.containers.get(&rule.container).is_some_and(runs);
        rule.project == opened.project.name && selected(&rule.container) && running
    });
    let in_place: Vec<&PortRule> = in_place.collect();
    if in_place.is_empty() {
        return Ok(rows);
    }
    let guest = Guest::arrive().await.map_err(ObserveError::from)?;
    let asked = ask_all(observed, &in_place, &guest).await;
    guest.leave().await.map_err(ObserveError::from)?;
    rows.extend(asked?);
    Ok(rows)
}

fn request(names: &[String]) -> ChangeRequest {
    ChangeRequest {
        names: names.to_vec(),
        no_links: true,
        ..ChangeRequest::new("port check", Goal::Ports)
    }
}

fn not_in_place(rule: &PortRule) -> PortCheckRow {
    PortCheckRow::new(rule, "", String::new(), PortResult::NotInPlace).because(
        "the rule is not in the kernel",
        Some("put it back with `locker ports`".into()),
    )
}

fn not_running(
    opened: &Opened,
    observed: &Observed,
    selected: &impl Fn(&Name) -> bool,
) -> Vec<PortCheckRow> {
    let mut rows = Vec::new();
    for (name, container) in &opened.project.containers {
        let state = observed.containers.get(name).map(|found| found.state);
        if !selected(name) || state == Some(State::Running) {
            continue;
        }
        rows.extend(container.ports.iter().map(|(port, _)| PortCheckRow {
            name: name.clone(),
            rule: port.to_string(),
            from: String::new(),
            to: String::new(),
            result: PortResult::NotRunning,
            reason: Some(format!("container `{name}` is not running")),
            table: None,
            chain: None,
            help: Some(format!("start it with `locker start {name}`")),
        }));
    }
    rows
}

async fn ask_all(
    observed: &Observed,
    rules: &[&PortRule],
    guest: &Guest,
) -> Result<Vec<PortCheckRow>, JobError> {
    let spaces = Spaces::open(observed, guest).map_err(ObserveError::from)?;
    let mut rows = Vec::new();
    let questions: Vec<Question<'_>> = rules
        .iter()
        .flat_map(|rule| road::questions(rule, observed, guest))
        .collect();
    for some in questions.chunks(SIDE_BY_SIDE) {
        let asked = some.iter().map(|question| ask(question, &spaces));
        for (question, outcome) in some.iter().zip(futures_util::future::join_all(asked).await) {
            let outcome = outcome.map_err(ObserveError::from)?;
            rows.push(explain(question, outcome, observed, &spaces).await?);
        }
    }
    Ok(rows)
}

/// What was seen of one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    answer: Answer,
    arrived: bool,
}

async fn ask(question: &Question<'_>, spaces: &Spaces) -> Result<Outcome, NetworkError> {
    if question.skip.is_some() {
        return Ok(Outcome {
            answer: Answer::Silent,
            arrived: false,
        });
    }
    let probe = open(question, spaces)?;
    question.put(probe, spaces).await
}

fn open(question: &Question<'_>, spaces: &Spaces) -> Result<Probe, NetworkError> {
    let to = SocketAddr::new(question.to, question.rule.port.host.first);
    let from = spaces.of(&question.from);
    Probe::open(&from, question.rule.port.protocol, to)
}

impl Question<'_> {
    /// Sends it and looks whether it reaches the container.
    async fn put(&self, probe: Probe, spaces: &Spaces) -> Result<Outcome, NetworkError> {
        let port = &self.rule.port;
        let container = spaces.of(&Asker::Container(self.rule.container.clone()));
        let watch = Watch::open(&container)?;
        let from = probe.from_port;
        let asked = tokio::task::spawn_blocking(move || probe.ask(PATIENCE)).await;
        Ok(Outcome {
            answer: asked.unwrap_or(Answer::Silent),
            arrived: watch.saw(port.protocol, from, port.container.first),
        })
    }
}

/// The row of a question; one that did not arrive is asked again, and traced.
async fn explain(
    question: &Question<'_>,
    outcome: Outcome,
    observed: &Observed,
    spaces: &Spaces,
) -> Result<PortCheckRow, JobError> {
    let row = verdict::row(question, outcome);
    if row.result != PortResult::Lost {
        return Ok(row);
    }
    let probe = open(question, spaces).map_err(ObserveError::from)?;
    let trace = Trace::begin(question.rule.port.protocol, probe.from_port).await?;
    let again = question.put(probe, spaces).await;
    let dropped = trace.end().await?;
    let again = again.map_err(ObserveError::from)?;
    if again.arrived || again.answer == Answer::Answered {
        return Ok(verdict::row(question, again));
    }
    Ok(match dropped {
        Some(dropped) => verdict::dropped(row, dropped, &question.rule.project),
        None => verdict::lost(row, question, outcome.answer, observed),
    })
}
