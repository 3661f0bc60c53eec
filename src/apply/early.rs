//! The first moment of what a run has started: whether a container that ends in it is told must not depend
//! on who is quicker, its end or the last look.
//!
//! Its age is that of its first process (`starttime` in proc_pid_stat(5)), so that nothing has to be noted
//! while the run is at work, and waiting costs only what is left of the moment.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::model::Name;
use crate::observed::{Observed, ObservedContainer, State};
use crate::plan::{Plan, Step};
use crate::sys::process::{Stat, TICKS};

/// How long a container must have run before the run that started it is done.
const MOMENT: Duration = Duration::from_millis(500);

/// How exact the age of a process and the time of a look are together.
const BLUR: Duration = Duration::from_millis(50);

/// What a run has started, and since when all of it should run.
pub(super) struct Early<'a> {
    names: BTreeSet<&'a Name>,
    since: Instant,
}

impl<'a> Early<'a> {
    /// What `plan`, which has just been done, has started.
    pub(super) fn of(plan: &'a Plan) -> Self {
        let names = plan.steps.iter().filter_map(|planned| {
            let Step::Start { container } = &planned.step else {
                return None;
            };
            Some(container)
        });
        Self {
            names: names.collect(),
            since: Instant::now(),
        }
    }

    /// Those that run, with their ages.
    fn running<'o>(&self, observed: &'o Observed) -> Vec<(&'o Name, Duration)> {
        let runs = observed.containers.iter().filter_map(|(name, found)| {
            let ours = self.names.contains(name) && found.state == State::Running;
            Some((name, age(found.pid.filter(|_| ours)?)?))
        });
        runs.collect()
    }

    /// How long to wait before a look says enough; none when this one does.
    pub(super) fn rest(&self, observed: &Observed) -> Option<Duration> {
        let youngest = self.running(observed).into_iter().map(|(_, age)| age).min();
        rest(self.since.elapsed(), youngest?)
    }

    /// Those that run anew since the run was done: they have ended by themselves meanwhile.
    pub(super) fn came_back(&self, observed: &Observed) -> Vec<Name> {
        let since = self.since.elapsed();
        let mut running = self.running(observed);
        running.retain(|(_, age)| began_after(since, *age));
        running.into_iter().map(|(name, _)| name.clone()).collect()
    }
}

/// What is left of the moment. What is so young although the whole moment has passed was started again.
fn rest(since: Duration, youngest: Duration) -> Option<Duration> {
    let (most, rest) = (MOMENT.checked_sub(since)?, MOMENT.checked_sub(youngest)?);
    Some(rest.min(most)).filter(|rest| !rest.is_zero())
}

fn began_after(since: Duration, age: Duration) -> bool {
    age < since.saturating_sub(BLUR)
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
    fn what_was_just_started_is_looked_at_when_it_has_run_for_a_moment() {
        assert_eq!(rest(ms(0), ms(20)), Some(ms(480)));
        assert_eq!(rest(ms(0), ms(500)), None);
        // What fails again and again keeps nobody waiting.
        assert_eq!(rest(ms(480), ms(20)), Some(ms(20)));
        assert_eq!(rest(ms(510), ms(20)), None);
    }

    #[test]
    fn what_runs_for_less_than_the_run_is_done_was_started_again() {
        assert!(!began_after(ms(0), ms(0)));
        assert!(!began_after(ms(480), ms(500)));
        // Both clocks are only so exact.
        assert!(!began_after(ms(500), ms(460)));
        assert!(began_after(ms(500), ms(300)));
    }

    #[test]
    fn the_age_of_a_process_is_told_in_the_time_since_it_began() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (begun, young) = (Instant::now(), age(child.id()).unwrap());
        while begun.elapsed() < ms(200) {
            std::thread::yield_now();
        }
        let older = age(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(young < ms(10_000), "{young:?}");
        assert!(older >= young + ms(180), "{young:?} {older:?}");
        assert_eq!(age(child.id()), None);
    }
}
