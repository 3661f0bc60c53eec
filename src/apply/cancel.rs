//! Being told to stop: Ctrl-C, SIGTERM, SIGHUP, or a test.
//!
//! A signal never kills a step: the run sees it, starts nothing new and undoes what it did.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

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

    /// Waits until it is said once more; gives the signal. Never returns when nobody can say it.
    pub async fn next(&mut self) -> &'static str {
        match self.0.changed().await {
            Ok(()) => self.0.borrow_and_update().by,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Listens to the process's signals until it is dropped. The default actions are not restored then
/// (tokio keeps its handlers), so take it just before the change begins.
#[derive(Debug)]
pub struct SignalWatch(JoinHandle<()>);

impl SignalWatch {
    /// Listens to SIGINT, SIGTERM and SIGHUP.
    pub fn begin() -> io::Result<(Self, Cancel)> {
        let (mouth, ear) = Canceller::new();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => mouth.cancel("SIGINT"),
                    _ = terminate.recv() => mouth.cancel("SIGTERM"),
                    _ = hangup.recv() => mouth.cancel("SIGHUP"),
                }
            }
        });
        Ok((Self(task), ear))
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
