//! What containers use, again and again: processors, memory, input and output, network, tasks.
//!
//! Figures of both kinds are read from the kernel the same way ([`crate::backend::Meter`]); no engine
//! is asked between two looks at who runs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::backend::{Meter, Reading};
use crate::model::{Name, host_name_of};
use crate::observed::{Observed, State};
use crate::sys;

use super::absence::{Absence, Remarks};
use super::exec::all_speak;
use super::road::{self, Opened};
use super::select::select;
use super::{JobError, Selection, Setting};

/// Between the first two readings: a rate needs two.
const FIRST: Duration = Duration::from_millis(500);
/// How often is looked who runs. One that ended is missed at once.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What is shown, and how often.
#[derive(Clone, Debug, Default)]
pub struct TopRequest {
    /// Names and `@group`s; none means all of the project.
    pub names: Vec<String>,
    /// The time between two samples; none is one sample and no more.
    pub interval: Option<Duration>,
    /// The order of the rows.
    pub order: TopOrder,
}

/// The order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopOrder {
    /// By name.
    #[default]
    Name,
    /// Most processor time first.
    Cpu,
    /// Most memory first.
    Memory,
    /// Most bytes read and written in a second first.
    Io,
    /// Most bytes over the network in a second first.
    Network,
    /// Most tasks first.
    Tasks,
}

/// One container in one sample. Its JSON form is the published one; the names of its keys are a
/// promise. None is not known, except where it says something else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopRow {
    /// When, RFC 3339.
    pub time: String,
    /// The project.
    pub project: Name,
    /// Short name.
    pub name: Name,
    /// Name on the host.
    pub container: String,
    /// `lxc` or `docker`.
    pub r#type: &'static str,
    /// Processor time since the sample before; 100 is one processor.
    pub cpu_percent: Option<f64>,
    /// Processor time, seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory in bytes, without the cache of files that nobody has used lately.
    pub memory: Option<u64>,
    /// Most memory it may have, in bytes; none is no limit.
    pub memory_limit: Option<u64>,
    /// Bytes read from block devices.
    pub io_read: Option<u64>,
    /// Bytes written to block devices.
    pub io_written: Option<u64>,
    /// Bytes read in a second.
    pub io_read_rate: Option<u64>,
    /// Bytes written in a second.
    pub io_write_rate: Option<u64>,
    /// Bytes received; none on the host's network.
    pub net_received: Option<u64>,
    /// Bytes sent.
    pub net_sent: Option<u64>,
    /// Bytes received in a second.
    pub net_receive_rate: Option<u64>,
    /// Bytes sent in a second.
    pub net_send_rate: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
}

/// Who gets the samples; a break ends it.
pub type Samples<'a> = &'a mut (dyn FnMut(&[TopRow]) -> ControlFlow<()> + Send);

/// Gives `out` a sample of the selected containers that run, then one in every interval, until `out`
/// breaks. Engines that do not answer are remarked.
pub async fn top(
    setting: &Setting,
    request: &TopRequest,
    out: Samples<'_>,
    remarks: Remarks<'_>,
) -> Result<(), JobError> {
    let opened = road::open(setting, "top").await?;
    let observed = opened.host.observe(&opened.project, None).await?;
    let selection = select(&opened.project, &observed, &request.names)?;
    all_speak(&opened.project, &observed, selection.iter().flatten())?;
    let mut absence = Absence::new(&opened.project, &observed, &selection, remarks);
    absence.check(&observed)?;
    absence.looked(&observed);
    let mut watched = Watched::new(&opened, selection, &observed);
    watched.sample();
    let mut pause = FIRST;
    loop {
        tokio::time::sleep(pause).await;
        if watched.is_stale() {
            let observed = opened.host.observe(&opened.project, None).await?;
            absence.looked(&observed);
            watched.look(&observed);
        }
        let mut rows = watched.sample();
        sort(&mut rows, request.order);
        match request.interval {
            Some(interval) if out(&rows).is_continue() => pause = interval,
            Some(_) => return Ok(()),
            None => {
                let _ = out(&rows); // It is the only one anyway.
                return Ok(());
            }
        }
    }
}

/// The containers that run, and what each has used before.
struct Watched {
    project: Name,
    selection: Selection,
    meter: Meter,
    /// Who runs: kind and init.
    running: BTreeMap<Name, (&'static str, u32)>,
    /// The last reading of an init, and when it was.
    before: BTreeMap<u32, (Instant, Reading)>,
    looked: Instant,
    missed: bool,
}

impl Watched {
    fn new(opened: &Opened, selection: Selection, observed: &Observed) -> Self {
        let mut watched = Self {
            project: opened.project.name.clone(),
            selection,
            meter: Meter::here(),
            running: BTreeMap::new(),
            before: BTreeMap::new(),
            looked: Instant::now(),
            missed: false,
        };
        watched.look(observed);
        watched
    }

    fn look(&mut self, observed: &Observed) {
        let chosen = |name: &Name| self.selection.as_ref().is_none_or(|s| s.contains(name));
        let running = observed.containers.iter().filter_map(|(name, found)| {
            let runs = matches!(found.state, State::Running | State::Frozen);
            let pid = found.pid.filter(|_| runs && chosen(name))?;
            Some((name.clone(), (found.kind.as_str(), pid)))
        });
        self.running = running.collect();
        self.looked = Instant::now();
        self.missed = false;
    }

    fn is_stale(&self) -> bool {
        self.missed || self.looked.elapsed() >= LOOK_AGAIN
    }

    /// Reads all of them once.
    fn sample(&mut self) -> Vec<TopRow> {
        let time = sys::now();
        let mut rows = Vec::new();
        let mut read = BTreeMap::new();
        for (name, (kind, pid)) in &self.running {
            let container = host_name_of(&self.project, name);
            let at = Instant::now();
            let Some(now) = self.meter.read(*pid, &container) else {
                self.missed = true;
                continue;
            };
            let before = self.before.get(pid);
            let span = before.map(|(then, before)| (at.duration_since(*then), before));
            rows.push(TopRow {
                time: time.clone(),
                project: self.project.clone(),
                name: name.clone(),
                container,
                r#type: kind,
                ..row(self.project.clone(), &now, span)
            });
            read.insert(*pid, (at, now));
        }
        self.before = read;
        rows
    }
}

/// The figures of a row; those that are rates need the reading before.
fn row(name: Name, now: &Reading, span: Option<(Duration, &Reading)>) -> TopRow {
    let figures = &now.figures;
    let rate = |of: fn(&Reading) -> Option<u64>| {
        let (time, before) = span?;
        per_second(of(before)?, of(now)?, time)
    };
    let cpu_percent = span.and_then(|(time, before)| {
        // Processes that ended may take their time along where only processes are counted.
        let used = figures.cpu?.saturating_sub(before.figures.cpu?);
        Some(rounded(100.0 * used.as_secs_f64() / time.as_secs_f64()))
    });
    TopRow {
        time: String::new(),
        project: name.clone(),
        name,
        container: String::new(),
        r#type: "",
        cpu_percent,
        cpu_seconds: figures.cpu.map(|cpu| rounded(cpu.as_secs_f64())),
        memory: figures.memory,
        memory_limit: now.memory_limit,
        io_read: figures.read,
        io_written: figures.written,
        io_read_rate: rate(|reading| reading.figures.read),
        io_write_rate: rate(|reading| reading.figures.written),
        net_received: now.traffic.map(|(received, _)| received),
        net_sent: now.traffic.map(|(_, sent)| sent),
        net_receive_rate: rate(|reading| Some(reading.traffic?.0)),
        net_send_rate: rate(|reading| Some(reading.traffic?.1)),
        tasks: figures.tasks,
    }
}

fn per_second(before: u64, now: u64, time: Duration) -> Option<u64> {
    let bytes = u128::from(now.saturating_sub(before));
    let rate = (bytes * 1000).checked_div(time.as_millis())?;
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// Two digits: more would be noise.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// What is not known comes last; equals by name.
fn sort(rows: &mut [TopRow], order: TopOrder) {
    let both = |a: Option<u64>, b: Option<u64>| a.or(b).map(|_| a.unwrap_or(0) + b.unwrap_or(0));
    let key = |row: &TopRow| match order {
        TopOrder::Name => None,
        // Two digits of it are shown, so nothing is lost.
        TopOrder::Cpu => row.cpu_percent.map(|percent| (percent * 100.0) as u64),
        TopOrder::Memory => row.memory,
        TopOrder::Io => both(row.io_read_rate, row.io_write_rate),
        TopOrder::Network => both(row.net_receive_rate, row.net_send_rate),
        TopOrder::Tasks => row.tasks,
    };
    rows.sort_by(|a, b| key(b).cmp(&key(a)).then_with(|| a.name.cmp(&b.name)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Figures;

    fn reading(cpu: u64, read: Option<u64>) -> Reading {
        Reading {
            figures: Figures {
                cpu: Some(Duration::from_millis(cpu)),
                read,
                ..Figures::default()
            },
            memory_limit: None,
            traffic: None,
        }
    }

    fn named(word: &str, now: &Reading, span: Option<(Duration, &Reading)>) -> TopRow {
        row(Name::new(word).unwrap(), now, span)
    }

    #[test]
    fn rates_need_two_readings_and_what_is_not_known_is_not_zero() {
        let (before, now) = (reading(1000, Some(100)), reading(1750, Some(4100)));
        let first = named("web", &before, None);
        assert_eq!((first.cpu_percent, first.io_read_rate), (None, None));
        let second = named("web", &now, Some((Duration::from_millis(500), &before)));
        assert_eq!(second.cpu_percent, Some(150.0));
        assert_eq!(second.io_read_rate, Some(8000));
        assert_eq!((second.memory, second.net_send_rate), (None, None));
        // Who lost a process may have used less than before.
        let less = named("web", &before, Some((Duration::from_secs(1), &now)));
        assert_eq!((less.cpu_percent, less.io_read_rate), (Some(0.0), Some(0)));
    }

    #[test]
    fn the_greatest_comes_first_and_the_unknown_last() {
        let (before, idle, busy) = (reading(0, None), reading(1, None), reading(900, Some(1)));
        let span = Some((Duration::from_secs(1), &before));
        let mut rows = vec![
            named("idle", &idle, span),
            named("new", &busy, None),
            named("busy", &busy, span),
        ];
        let order = |rows: &[TopRow]| rows.iter().map(|r| r.name.to_string()).collect::<Vec<_>>();
        sort(&mut rows, TopOrder::Cpu);
        assert_eq!(order(&rows), ["busy", "idle", "new"]);
        sort(&mut rows, TopOrder::Name);
        assert_eq!(order(&rows), ["busy", "idle", "new"]);
    }
}
