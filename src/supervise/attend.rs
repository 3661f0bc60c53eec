//! Attending a running container: is it ready, is it healthy, and what is done when it is not.
//!
//! The same for both engines; each hands in how its container is asked. Ends with the container.

use std::fs;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use super::{backoff, gate, output};
use crate::backend::lxc::supervised::shed;
use crate::model::{FailedCheck, Healthcheck, Restart, SupervisorStatus, UnitSpec};
use crate::store::{Paths, Phase, Told};
use crate::sys::{self, Notifier};

/// While it starts, a check is repeated at least this often, so that what waits for it starts early.
const EAGER: Duration = Duration::from_millis(500);

/// How long after a look the threads that hand on the output sleep again.
const SETTLED: Duration = Duration::from_millis(500);

/// What one look at the container's health gave.
pub(super) enum Look {
    /// It has a check, and that passed.
    Passed,
    /// It has a check, and that did not pass; what it said.
    Failed(String),
    /// Whoever runs its check does not know yet; what it said.
    Pending(String),
    /// There is no check.
    Nothing,
    /// It could not be looked at, which says nothing of it: its engine is away, for one.
    Unknown(String),
}

/// Looks whether somebody takes connections there.
pub(super) fn look_at(at: Option<IpAddr>, port: NonZeroU16, most: Duration) -> Look {
    let Some(at) = at else {
        return Look::Failed("it has no address to be asked at".into());
    };
    match sys::knock(at, port.get(), most) {
        Ok(()) => Look::Passed,
        Err(said) => Look::Failed(said),
    }
}

/// How many bytes of a check's output are kept: enough for the characters that are shown of it.
pub(super) const SHOWN: usize = 1024;
/// How long after the journal was told of a check nothing else that it says is told, but that it is unhealthy.
const QUIET: Duration = Duration::from_secs(60);

/// What a check said that ended with `code`.
pub(super) fn failed(code: i64, said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let check = FailedCheck::new(i32::try_from(code).ok(), &said);
    match check.output.is_empty() {
        true => format!("exit code {code}"),
        false => check.to_string(),
    }
}

/// Adds to the begin of an output that is kept.
pub(super) fn keep_begin(kept: &mut Vec<u8>, more: &[u8]) {
    let room = SHOWN.saturating_sub(kept.len());
    kept.extend(more.iter().take(room));
}

/// How the container is asked.
pub(super) trait Ask {
    /// Looks at its health: the file's check, else the one that comes with its image.
    fn look(&self, check: Option<&Healthcheck>) -> Look;

    /// Whether it has ended because it was asked to, which an exit code of 0 does not tell.
    fn was_stopped(&self) -> bool;

    /// Ends it, because it is not healthy; whether that was done. What does not end is told by the next check again.
    fn end(&self) -> bool;

    /// Sees to it that what a sleeper does not need is let go of; false when nobody else does.
    fn rest(&self) -> bool;
}

/// What is written down below /run about the container.
pub(super) struct Notes {
    failures: PathBuf,
    ready: PathBuf,
    unwell: PathBuf,
    /// What the service is to be, and when that was written.
    spec: PathBuf,
    paths: Paths,
}

impl Notes {
    fn written(&self) -> Option<SystemTime> {
        let meta = fs::metadata(&self.spec);
        meta.and_then(|meta| meta.modified()).ok()
    }

    pub(super) fn of(unit: &UnitSpec, paths: &Paths) -> Self {
        Self {
            failures: paths.backoff(&unit.project, &unit.name),
            ready: paths.ready(&unit.project, &unit.name),
            unwell: paths.unwell(&unit.project, &unit.name),
            spec: paths
                .unit_specs(&unit.project)
                .join(format!("{}.json", unit.name)),
            paths: paths.clone(),
        }
    }
}

/// Attends to it until `ended` says that it has ended; its exit code.
pub(super) fn attend(
    unit: &UnitSpec,
    notes: &Notes,
    notifier: &Notifier,
    ask: &dyn Ask,
    ended: &Receiver<u8>,
) -> u8 {
    let mut written = notes.written();
    let mut health = Health::begin(super::renewed(unit, &notes.paths), notes, notifier);
    let mut forgiven = false;
    loop {
        let now = notes.written();
        if now != written {
            written = now;
            health.renew(super::renewed(&health.unit, &notes.paths));
        }
        let check = health.unit.healthcheck.clone();
        let check = check.as_ref();
        if !forgiven && health.begun.elapsed() >= backoff::good_run() {
            backoff::forgive(&notes.failures);
            forgiven = true;
        }
        match ask.look(check) {
            Look::Nothing => health.passed(&SupervisorStatus::Runs),
            Look::Passed => health.passed(&SupervisorStatus::Healthy),
            Look::Failed(said) => {
                if health.failed(&said) {
                    sys::tell_journal(format_args!(
                        "{said}; it is unhealthy and is ended to be started again"
                    ));
                    gate::leave_reason(&notes.unwell, &health.reason(&said));
                    if !ask.end() {
                        // Whatever ends it later is something else.
                        gate::forget_reason(&notes.unwell);
                    }
                }
            }
            Look::Unknown(said) => health.is_unknown(&said),
            Look::Pending(said) => health.say(&SupervisorStatus::Pending(said)),
        }
        let pause = pause(check, health.settled, health.begun, forgiven);
        let tidies = health.settled && pause > SETTLED && !ask.rest();
        match sleep(ended, pause, tidies) {
            Ok(code) => {
                drop(health);
                gate::over(&notes.ready);
                if code == 0 {
                    backoff::forgive(&notes.failures);
                    if unit.oneshot && !ask.was_stopped() {
                        gate::done(&notes.ready);
                    }
                }
                return code;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Whoever waited for the end is gone: nothing can be known any more.
            Err(RecvTimeoutError::Disconnected) => return super::UNAVAILABLE,
        }
    }
}

/// How the container is, and who is told. systemd has been told before that it may run: whether it is well is no
/// matter of its start, so that no check can ever end it.
struct Health<'a> {
    unit: UnitSpec,
    notifier: &'a Notifier,
    note: &'a Path,
    unwell: &'a Path,
    begun: Instant,
    /// Held until the container has ended; none when it could not be written.
    told: Option<Told>,
    /// It has been well in this run.
    well: bool,
    /// It is known whether it is well.
    settled: bool,
    /// Failures in a row since.
    failures: u32,
    /// What the journal was told of them.
    journal: Words,
    /// It was told that it cannot be looked at.
    blind: bool,
}

impl<'a> Health<'a> {
    fn begin(unit: UnitSpec, notes: &'a Notes, notifier: &'a Notifier) -> Self {
        let told = Told::begin(&notes.ready);
        let health = Self {
            unit,
            notifier,
            note: &notes.ready,
            unwell: &notes.unwell,
            begun: Instant::now(),
            told: told
                .map_err(|error| gate::complain(&notes.ready, &error))
                .ok(),
            well: false,
            settled: false,
            failures: 0,
            journal: Words::default(),
            blind: false,
        };
        health.say(&SupervisorStatus::Runs);
        health
    }

    /// Goes on with what the service is to be by now; another check begins anew.
    fn renew(&mut self, unit: UnitSpec) {
        if unit.healthcheck != self.unit.healthcheck {
            (self.failures, self.settled) = (0, false);
        }
        self.unit = unit;
    }

    fn say(&self, status: &SupervisorStatus) {
        super::say(self.notifier, status);
    }

    fn tell(&mut self, phase: Phase) {
        let said = self.told.as_mut().map(|told| told.say(phase));
        if let Some(Err(error)) = said {
            gate::complain(self.note, &error);
        }
    }

    /// What is known of it holds on; the journal is told once.
    fn is_unknown(&mut self, said: &str) {
        if !std::mem::replace(&mut self.blind, true) {
            sys::tell_journal(format_args!("its health cannot be looked at now: {said}"));
        }
    }

    fn passed(&mut self, status: &SupervisorStatus) {
        self.blind = false;
        if self.failures > 0 {
            gate::forget_reason(self.unwell);
        }
        if let Some(words) = self.journal.passes() {
            output::remark(&self.unit, words);
        }
        if !self.well || self.failures > 0 {
            self.tell(Phase::Well);
        }
        (self.well, self.settled, self.failures) = (true, true, 0);
        self.say(status);
    }

    /// Why it is ended; the engine alone has counted the tries of an image's check.
    fn reason(&self, said: &str) -> String {
        let times = match (&self.unit.healthcheck, self.failures) {
            (None, _) => String::new(),
            (Some(_), 1) => " once".into(),
            (Some(_), count) => format!(" {count} times"),
        };
        format!("its health check failed{times} (last: {said})")
    }

    /// Whether it is to be ended.
    fn failed(&mut self, said: &str) -> bool {
        self.blind = false;
        self.failures = self.failures.saturating_add(1);
        let unwell = match &self.unit.healthcheck {
            Some(check) => is_unwell(check, self.well, self.failures, self.begun.elapsed()),
            // The engine has counted.
            None => true,
        };
        let reason = said.to_owned();
        self.say(&match (self.well, unwell) {
            (_, true) => SupervisorStatus::Unhealthy(reason),
            (true, false) => SupervisorStatus::Fails(reason),
            (false, false) => SupervisorStatus::Pending(reason),
        });
        // What fails while it starts is expected to.
        let counts = self.well || unwell;
        let words = counts.then(|| self.journal.fails(said, unwell, Instant::now()));
        if let Some(words) = words.flatten() {
            output::remark(&self.unit, &words);
        }
        if unwell && !self.settled {
            self.settled = true;
        }
        if unwell {
            self.tell(Phase::Unwell);
        }
        unwell && self.unit.restart == Restart::OnUnhealthy
    }
}

/// What the journal is told of a check: each reason once, so that one that fails for days does not fill it.
#[derive(Default)]
struct Words {
    /// What was told last, and when.
    last: Option<(String, Instant)>,
    /// It was told that the container is unhealthy, and when that was told last.
    unwell: bool,
    turned: Option<Instant>,
    /// Something was told since it passed.
    open: bool,
}

impl Words {
    /// What is to be told of a failure that said `said`.
    fn fails(&mut self, said: &str, unwell: bool, now: Instant) -> Option<String> {
        let is_long = |at: &Instant| now.saturating_duration_since(*at) >= QUIET;
        let turns = unwell && !self.unwell && self.turned.as_ref().is_none_or(is_long);
        let last = self.last.as_ref();
        let is_new = last.is_none_or(|(last, at)| last != said && is_long(at));
        if !turns && !is_new {
            return None;
        }
        self.last = Some((said.to_owned(), now));
        if turns {
            (self.unwell, self.turned) = (true, Some(now));
        }
        self.open = true;
        Some(match unwell {
            true => format!("unhealthy: {said}"),
            false => format!("its health check fails: {said}"),
        })
    }

    /// What is to be told when it passes. The same failure is told again after that, but not at once.
    fn passes(&mut self) -> Option<&'static str> {
        self.unwell = false;
        if let Some((last, _)) = &mut self.last {
            last.clear();
        }
        std::mem::take(&mut self.open).then_some("its health check passes again")
    }
}

/// Whether so many failures in a row make it unhealthy. Before it was well once it is looked at more often than
/// its check says, so that what waits for it starts early; then its time counts, not the looks.
fn is_unwell(check: &Healthcheck, well: bool, failures: u32, took: Duration) -> bool {
    let most = check.retries.max(1);
    let patience = check.start_period + check.interval * most;
    failures >= most && (well || took >= patience)
}

/// Waits for the end of the container for so long; with `tidies` it lets go of what a look needed and a
/// sleeper does not: the kernel brings it back from the files.
fn sleep(ended: &Receiver<u8>, pause: Duration, tidies: bool) -> Result<u8, RecvTimeoutError> {
    if !tidies {
        return ended.recv_timeout(pause);
    }
    match ended.recv_timeout(SETTLED) {
        Err(RecvTimeoutError::Timeout) => {
            shed();
            ended.recv_timeout(pause.saturating_sub(SETTLED))
        }
        end @ (Ok(_) | Err(RecvTimeoutError::Disconnected)) => end,
    }
}

/// How long until the next look. Without a check there is nothing to look for but the end.
fn pause(check: Option<&Healthcheck>, settled: bool, begun: Instant, forgiven: bool) -> Duration {
    let usual = match (check, settled) {
        (Some(check), true) => check.interval,
        (Some(check), false) => check.interval.min(EAGER),
        // The image's own check is asked by the engine; its word is only read.
        (None, false) => EAGER,
        (None, true) => Duration::from_secs(30),
    };
    let good = backoff::good_run().saturating_sub(begun.elapsed());
    match forgiven {
        true => usual,
        false => usual.min(good.max(Duration::from_millis(50))),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::num::NonZeroU16;
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::model::Test;

    #[test]
    fn the_journal_has_each_reason_once_and_is_not_flooded() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut words = Words::default();
        let fails =
            |words: &mut Words, said: &str, unwell, second| words.fails(said, unwell, at(second));
        assert_eq!(words.passes(), None);
        let first = fails(&mut words, "refused", false, 0);
        assert_eq!(first.as_deref(), Some("its health check fails: refused"));
        assert_eq!(fails(&mut words, "refused", false, 100), None);
        let turns = fails(&mut words, "refused", true, 101);
        assert_eq!(turns.as_deref(), Some("unhealthy: refused"));
        // One that says something else each time.
        let told = (102..702)
            .filter(|second| fails(&mut words, &second.to_string(), true, *second).is_some());
        assert!(told.count() <= 10);
        assert_eq!(words.passes(), Some("its health check passes again"));
        assert_eq!(words.passes(), None);
        // One that comes and goes.
        let told = (702..1302).filter(|second| {
            let told = fails(&mut words, "refused", second % 2 == 0, *second).is_some();
            words.passes();
            told
        });
        assert!(told.count() <= 20);
    }

    /// Looks that follow one another; the last ends the container.
    struct Looks(RefCell<Vec<Look>>, Sender<u8>, Box<dyn Fn(usize)>);

    impl Ask for Looks {
        fn was_stopped(&self) -> bool {
            false
        }

        fn look(&self, _: Option<&Healthcheck>) -> Look {
            let mut left = self.0.borrow_mut();
            self.2(left.len());
            match left.pop() {
                Some(look) => look,
                None => {
                    self.1.send(0).unwrap();
                    Look::Nothing
                }
            }
        }

        fn end(&self) -> bool {
            false
        }

        fn rest(&self) -> bool {
            true
        }
    }

    #[test]
    fn what_cannot_be_looked_at_stays_as_it_is_and_what_goes_on_has_no_reason_to_have_ended() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let test = Test::Port {
            port: NonZeroU16::MIN,
        };
        let unit = UnitSpec {
            restart: Restart::OnUnhealthy,
            healthcheck: Some(Healthcheck {
                interval: Duration::from_millis(1),
                retries: 1,
                ..Healthcheck::new(test)
            }),
            ..output::tests::unit()
        };
        let notes = Notes::of(&unit, &paths);
        let away = || Look::Unknown("nobody is there".into());
        let looks = vec![
            away(),
            Look::Failed("no".into()),
            away(),
            away(),
            Look::Passed,
        ];
        let (ready, unwell) = (notes.ready.clone(), notes.unwell.clone());
        let seen = Box::new(move |left| {
            let wanted = match left {
                5 => Phase::Running,
                2..=4 => Phase::Well,
                _ => Phase::Unwell,
            };
            assert_eq!(crate::store::phase(&ready), wanted, "{left}");
            assert!(!unwell.exists(), "it was not ended");
        });
        let (tell, ended) = channel();
        let looks = Looks(RefCell::new(looks), tell, seen);
        let notifier = Notifier::from_environment().unwrap();
        assert_eq!(attend(&unit, &notes, &notifier, &looks, &ended), 0);
    }

    #[test]
    fn what_a_check_printed_is_told_in_short() {
        assert_eq!(failed(1, b""), "exit code 1");
        assert_eq!(failed(7, b"no answer\n"), "no answer (exit code 7)");
        let mut kept = Vec::new();
        for _ in 0..1000 {
            keep_begin(&mut kept, b"0123456789");
        }
        assert_eq!(kept.len(), SHOWN);
        assert!(failed(1, &kept).len() < 250);
    }

    #[test]
    fn a_check_has_the_time_that_it_says_before_it_counts_as_failed() {
        let check = Healthcheck {
            test: Test::Port {
                port: NonZeroU16::MIN,
            },
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            retries: 3,
            start_period: Duration::from_secs(4),
            start_interval: None,
        };
        let after = |seconds| Duration::from_secs(seconds);
        assert!(
            !is_unwell(&check, false, 12, after(9)),
            "looks are no tries"
        );
        assert!(is_unwell(&check, false, 12, after(10)));
        assert!(
            !is_unwell(&check, false, 2, after(60)),
            "slow checks get their tries"
        );
        assert!(!is_unwell(&check, true, 2, after(60)));
        assert!(is_unwell(&check, true, 3, after(1)));
    }
}
