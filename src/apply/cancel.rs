//! Being told to stop: Ctrl-C, SIGTERM, SIGHUP, or a test.
//!
//! The first signal kills no step: the run sees it, starts nothing new, gives up what only waits, fetches, or runs
//! commands of the file, and undoes what it did. A second one leaves at once: what is then half done is what a killed
//! run leaves, and the journal tells the next one. It is obeyed even when the run itself is stuck.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::sys::Attention;

/// How often it was said, and by what.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    times: u32,
    by: &'static str,
}

/// The ear: whether the run shall end.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Receiver<Said>);

/// The mouth: ends a run.
#[derive(Debug)]
pub struct Canceller(watch::Sender<Said>);

impl Canceller {
    /// A pair that belongs together.
    pub fn new() -> (Self, Cancel) {
        let (mouth, ear) = watch::channel(Said::default());
        (Self(mouth), Cancel(ear))
    }

    /// Says once more that the run shall end; `by` names the signal.
    pub fn cancel(&self, by: &'static str) {
        self.0.send_modify(|said| {
            said.times += 1;
            said.by = by;
        });
    }
}

impl Cancel {
    /// What ended the run, if anything did.
    pub fn by(&self) -> Option<&'static str> {
        let said = *self.0.borrow();
        (said.times > 0).then_some(said.by)
    }

    /// Whether it was said again: leave at once.
    pub fn is_urgent(&self) -> bool {
        self.0.borrow().times > 1
    }

    /// Waits until it is said once more; gives the signal. Never returns when nobody can say it.
    pub async fn next(&mut self) -> &'static str {
        match self.0.changed().await {
            Ok(()) => self.0.borrow_and_update().by,
            Err(_) => std::future::pending().await,
        }
    }
}

/// What comes so soon after a signal is the same one: timeout(1), and a shell that passes it on, tell the process
/// and then its whole group. Nobody presses a key twice in that time.
const SAME: Duration = Duration::from_millis(200);

/// Counts how often it was said.
#[derive(Debug, Default)]
struct Count {
    times: u32,
    last: Option<Instant>,
}

impl Count {
    /// How often it was said by now, with what was said at `now`; none when that is the same once more.
    fn heard(&mut self, now: Instant) -> Option<u32> {
        if self
            .last
            .is_some_and(|last| now.duration_since(last) < SAME)
        {
            return None;
        }
        self.last = Some(now);
        self.times += 1;
        Some(self.times)
    }
}

/// How long a run that was told twice may take to say what it leaves.
const LEAVING: Duration = Duration::from_millis(1500);

/// Listens to the process's signals until it is dropped. The default actions are not restored then (tokio
/// keeps its handlers), but do the same: a signal that no run hears ends the process.
#[derive(Debug)]
pub struct SignalWatch {
    alive: Arc<AtomicBool>,
    _attention: Attention,
}

impl SignalWatch {
    /// Listens to SIGINT, SIGTERM and SIGHUP.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn begin() -> io::Result<(Self, Cancel)> {
        let (mouth, ear) = Canceller::new();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let alive = Arc::new(AtomicBool::new(true));
        let listens = Arc::clone(&alive);
        tokio::spawn(async move {
            let mut count = Count::default();
            loop {
                let (by, code) = tokio::select! {
                    _ = interrupt.recv() => ("SIGINT", INTERRUPTED),
                    _ = terminate.recv() => ("SIGTERM", TERMINATED),
                    _ = hangup.recv() => ("SIGHUP", HUNG_UP),
                };
                if listens.load(Ordering::SeqCst) {
                    let Some(times) = count.heard(Instant::now()) else {
                        continue;
                    };
                    mouth.cancel(by);
                    if times == 2 {
                        leave_soon(code);
                    }
                } else if !Attention::is_paid() {
                    std::process::exit(code);
                }
            }
        });
        let watch = Self {
            alive,
            _attention: Attention::begin(),
        };
        Ok((watch, ear))
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::SeqCst);
    }
}

/// Exit codes of a process that these end, as a shell shows them.
const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;
const HUNG_UP: i32 = 129;

/// Ends the process when the run does not end by itself: a thread of its own, since all of the event loop's
/// may be stuck in a call.
fn leave_soon(code: i32) {
    let last = move || {
        std::thread::sleep(LEAVING);
        eprintln!(
            "left at once; what was under way is in the journal, and the next `locker up` or `locker down` goes on from there"
        );
        std::process::exit(code);
    };
    // Without the thread the run still ends by itself, when it can.
    let _ = std::thread::Builder::new().spawn(last);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_passed_on_to_the_whole_group_is_one_and_a_later_one_is_the_second() {
        let mut count = Count::default();
        let begun = Instant::now();
        let after = |millis| begun + Duration::from_millis(millis);
        assert_eq!(count.heard(begun), Some(1));
        assert_eq!(count.heard(after(0)), None);
        assert_eq!(count.heard(after(150)), None);
        assert_eq!(count.heard(after(250)), Some(2));
        assert_eq!(count.heard(after(500)), Some(3));
    }
}
