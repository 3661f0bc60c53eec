//! The first moment of what a run has started: whether a container that ends in it is told must not depend
//! on who is quicker, its end or the last look.
//!
//! Time alone does not do: on a busy host a program that fails at once may not have come to its first line yet.
//! So the look comes a moment after the start, and later when something inside is still at work by then; what
//! waits for a caller, a timer or a disk's answer has begun its life. An init is there to stay, whatever becomes of
//! what it starts, so its moment is shorter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use rustix::time::{ClockId, clock_gettime};

use crate::model::{Kind, Name};
use crate::observed::{Observed, ObservedContainer, State};
use crate::plan::Step;
use crate::sys::process::{Stat, TICKS, descendants};

use super::{Event, Events};

/// How long a container must have run before the run that started it is done.
const MOMENT: Duration = Duration::from_millis(200);

/// The same for a system container that runs an init.
const INIT_MOMENT: Duration = Duration::from_millis(30);

/// What such a first process is called. A script of this name has its shell's, and is no init.
const INITS: [&str; 2] = ["systemd", "init"];

/// The same for one in which something is at work all the time.
const BUSY: Duration = Duration::from_secs(1);

/// How often it is looked whether that is so.
const LOOK: Duration = Duration::from_millis(20);

/// Hears when a run has started what, and hands everything on.
pub struct Starts<'a> {
    events: &'a dyn Events,
    at: Mutex<BTreeMap<Name, Instant>>,
}

impl<'a> Starts<'a> {
    /// `events` is told all that this is told.
    pub fn new(events: &'a dyn Events) -> Self {
        Self {
            events,
            at: Mutex::default(),
        }
    }

    /// All that were started.
    pub(super) fn names(&self) -> BTreeSet<Name> {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.keys().cloned().collect()
    }

    /// Those that run or are started again, with how long ago they were started.
    fn running<'o>(
        &self,
        observed: &'o Observed,
    ) -> Vec<(&'o Name, Duration, &'o ObservedContainer)> {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = at.iter().filter_map(|(name, at)| {
            let (name, found) = observed.containers.get_key_value(name)?;
            let runs = matches!(found.state, State::Running | State::Starting);
            runs.then(|| (name, at.elapsed(), found))
        });
        runs.collect()
    }

    /// How long to wait before any look can say enough; none when one can already.
    pub(super) fn pause(&self) -> Option<Duration> {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        let youngest = at.values().map(Instant::elapsed).min()?;
        INIT_MOMENT.checked_sub(youngest)
    }

    /// How long to wait before a look says enough; none when this one does.
    pub(super) fn rest(&self, observed: &Observed) -> Option<Duration> {
        let running = self.running(observed).into_iter();
        running
            .filter_map(|(_, since, found)| {
                let works = || found.pid.is_some_and(works);
                rest(since, moment(found), &works)
            })
            .max()
    }

    /// Those that run and whose present run is so young that it proves nothing: they may have ended before and been
    /// started again.
    pub(super) fn young(&self, observed: &Observed) -> Vec<Name> {
        let running = self.running(observed).into_iter();
        let is_young = |found: &ObservedContainer| {
            let age = found.pid.and_then(age);
            age.is_some_and(|age| age < BUSY)
        };
        let young = running.filter(|(.., found)| is_young(found));
        young.map(|(name, ..)| name.clone()).collect()
    }
}

impl Events for Starts<'_> {
    fn tell(&self, event: Event<'_>) {
        if let Event::Done {
            step: Step::Start { container },
            already: false,
            ..
        } = event
        {
            let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
            at.insert(container.clone(), Instant::now());
        }
        self.events.tell(event);
    }
}

/// How long it must have run.
fn moment(found: &ObservedContainer) -> Duration {
    match found.kind {
        Kind::System if found.pid.is_some_and(is_init) => INIT_MOMENT,
        Kind::System | Kind::Application => MOMENT,
    }
}

/// Whether a process calls itself an init (proc_pid_cmdline(5)).
fn is_init(pid: u32) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let first = words.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = first
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    INITS.iter().any(|init| init.as_bytes() == name)
}

/// What is left until the look, `since` its start.
fn rest(since: Duration, moment: Duration, works: &dyn Fn() -> bool) -> Option<Duration> {
    match moment.checked_sub(since).filter(|rest| !rest.is_zero()) {
        Some(rest) => Some(rest),
        None => (since < BUSY && works()).then_some(LOOK),
    }
}

/// Whether one of its processes runs, waits for a processor, or for the kernel (proc_pid_stat(5)).
fn works(init: u32) -> bool {
    let init = i32::try_from(init).ok().and_then(Pid::from_raw);
    let all = init
        .into_iter()
        .flat_map(|init| std::iter::once(init).chain(descendants(init)));
    let mut stats = all.filter_map(|pid| Stat::of(pid.as_raw_nonzero().get().unsigned_abs()));
    stats.any(|stat| matches!(stat.state, 'R' | 'D'))
}

/// How long a process has run; none when it has ended.
fn age(pid: u32) -> Option<Duration> {
    let started = Duration::from_millis(Stat::of(pid)?.started * 1000 / TICKS);
    let now = clock_gettime(ClockId::Boottime);
    let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
    Some(now.saturating_sub(started))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn what_was_just_started_is_looked_at_a_moment_later_and_what_is_at_work_later_still() {
        assert_eq!(rest(ms(20), MOMENT, &|| false), Some(ms(180)));
        assert_eq!(rest(ms(200), MOMENT, &|| false), None);
        assert_eq!(rest(ms(200), MOMENT, &|| true), Some(LOOK));
        assert_eq!(rest(ms(40), INIT_MOMENT, &|| false), None);
        // What always works keeps nobody waiting for ever.
        assert_eq!(rest(ms(1000), MOMENT, &|| true), None);
    }

    /// Runs a shell until what is seen of it is `wanted`; whether that came.
    fn comes_to(wanted: bool, script: &str) -> bool {
        let mut shell = std::process::Command::new("sh");
        let mut child = shell.args(["-c", script]).spawn().unwrap();
        let begun = Instant::now();
        // On a busy machine it may take its time to come to its first line.
        let came = std::iter::repeat_with(|| works(child.id()))
            .take_while(|_| begun.elapsed() < Duration::from_secs(20))
            .any(|seen| seen == wanted);
        child.kill().unwrap();
        child.wait().unwrap();
        came
    }

    #[test]
    fn a_script_that_is_called_init_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("init");
        std::fs::write(&script, "#!/bin/sh\nread end\n").unwrap();
        let run = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, run).unwrap();
        let named = |program: &mut std::process::Command, wanted: bool| {
            let mut child = program.stdin(std::process::Stdio::piped()).spawn().unwrap();
            let words = |pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            // Between fork and exec it is this program still, and in the exec nothing.
            let early = [words(std::process::id()), Vec::new()];
            while early.contains(&words(child.id())) {}
            let is = is_init(child.id());
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(is, wanted);
        };
        named(&mut std::process::Command::new(&script), false);
        let mut init = std::process::Command::new("sleep");
        let init = std::os::unix::process::CommandExt::arg0(&mut init, "/sbin/init");
        named(init.arg("60"), true);
    }

    #[test]
    fn a_process_that_computes_is_at_work_and_one_that_waits_is_not() {
        assert!(comes_to(true, "while :; do :; done"));
        assert!(comes_to(false, "exec sleep 60"));
    }

    #[test]
    fn the_age_of_a_process_is_told_in_the_time_since_it_began() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let (begun, young) = (Instant::now(), age(child.id()).unwrap());
        assert!(young < ms(10_000), "{young:?}");
        // It grows as the clock does, as exactly as the kernel tells it.
        let mut older = young;
        while older < young + ms(100) {
            older = age(child.id()).unwrap();
            assert!(begun.elapsed() < older.saturating_sub(young) + ms(5_000));
        }
        assert!(older.saturating_sub(young) <= begun.elapsed() + ms(20));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(age(child.id()), None);
    }
}
