//! A container as this process asks about it: every call has a limit.
//!
//! liblxc asks a container's monitor over a socket and waits for its answer without end, so a monitor that is
//! stopped, frozen or stuck in the kernel would hang whoever asks. Each object is kept by another thread, which is
//! waited for no longer than a call may take; one that hangs is left behind, the others serve whoever asks next. Helper
//! processes, in which liblxc forks, have [`super::container`] itself.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::container::Container;
use super::ffi::Liblxc;
use super::site::failed;
use super::{ear, ended, keeper};
use crate::backend::BackendError;

/// How long an answer may take that a monitor gives at once: what takes longer hangs.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// The same for what the kernel does with all processes of a container.
const WORK: Duration = Duration::from_secs(30);
/// What a look calls itself in errors.
const LOOK_AT: &str = "look at";

type Call = Box<dyn FnOnce(&Container<'_>) + Send>;

/// One container, asked for `verb`.
#[derive(Debug)]
pub(super) struct Asked {
    calls: Sender<Call>,
    verb: &'static str,
    full: String,
    lxcpath: PathBuf,
    /// Its monitor as far as the notes tell.
    keeper: Option<u32>,
}

impl Asked {
    /// The container `full` under `lxcpath`.
    ///
    /// # Errors
    /// liblxc cannot read its configuration, or hangs over it, or somebody else than root would answer.
    pub(super) fn open(
        lxc: &Arc<Liblxc>,
        verb: &'static str,
        full: &str,
        lxcpath: &Path,
    ) -> Result<Self, BackendError> {
        ear::trust(verb, full, lxcpath)?;
        let (calls, waiting) = channel();
        let (lxc, name, path) = (Arc::clone(lxc), full.to_owned(), lxcpath.to_owned());
        let (tell, opened) = channel();
        seat(verb, full, move || {
            serve(&lxc, &name, &path, &tell, &waiting);
            Box::new(|| {})
        })?;
        let asked = Self {
            calls,
            verb,
            full: full.to_owned(),
            lxcpath: lxcpath.to_owned(),
            keeper: keeper_of(full, lxcpath),
        };
        match opened.recv_timeout(ANSWER) {
            Ok(true) => Ok(asked),
            Ok(false) | Err(RecvTimeoutError::Disconnected) => {
                let reason = "liblxc cannot read its configuration";
                Err(failed(verb, full, reason))
            }
            Err(RecvTimeoutError::Timeout) => Err(asked.silent(ANSWER)),
        }
    }

    /// `STOPPED`, `RUNNING`, `FROZEN`, …
    pub(super) fn state(&self) -> Result<String, BackendError> {
        self.call(ANSWER, |container| container.state())
    }

    /// Process id of its init while it runs.
    pub(super) fn init_pid(&self) -> Result<Option<u32>, BackendError> {
        self.call(ANSWER, |container| container.init_pid())
    }

    /// State and init of the container `full` in one question, which may take at most `most`; none when liblxc cannot
    /// read its configuration.
    ///
    /// # Errors
    /// [`BackendError::Silent`]: its monitor does not answer, or somebody else than root would.
    pub(super) fn look(
        lxc: &Arc<Liblxc>,
        full: &str,
        lxcpath: &Path,
        most: Duration,
    ) -> Result<Option<(String, Option<u32>)>, BackendError> {
        ear::trust(LOOK_AT, full, lxcpath)?;
        let (lxc, name, path) = (Arc::clone(lxc), full.to_owned(), lxcpath.to_owned());
        let (tell, told) = channel();
        seat(LOOK_AT, full, move || {
            let container = Container::open(&lxc, &name, &path);
            let seen = container.map(|container| {
                let state = container.state();
                let runs = state != "STOPPED";
                (state, runs.then(|| container.init_pid()).flatten())
            });
            // Nobody may wait any more.
            Box::new(move || drop(tell.send(seen)))
        })?;
        let seen = told.recv_timeout(most);
        seen.map_err(|_| keeper::silent(LOOK_AT, full, keeper_of(full, lxcpath), most))
    }

    /// Reads a file of settings into this object; false when liblxc refuses one.
    pub(super) fn load_config(&self, file: &Path) -> Result<bool, BackendError> {
        let file = file.to_owned();
        self.call(ANSWER, move |container| container.load_config(&file))
    }

    /// Freezes it; false when liblxc refuses.
    pub(super) fn freeze(&self) -> Result<bool, BackendError> {
        self.call(WORK, |container| container.freeze())
    }

    /// Thaws it; false when liblxc refuses.
    pub(super) fn unfreeze(&self) -> Result<bool, BackendError> {
        self.call(WORK, |container| container.unfreeze())
    }

    /// Kills it; false when liblxc refuses.
    pub(super) fn stop(&self) -> Result<bool, BackendError> {
        self.call(WORK, |container| container.stop())
    }

    /// Sets a limit of a running container; false when the kernel refuses.
    pub(super) fn set_cgroup(&self, key: &str, value: &str) -> Result<bool, BackendError> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.call(WORK, move |container| container.set_cgroup(&key, &value))
    }

    /// A limit of a running container; none when the kernel has no such limit.
    pub(super) fn cgroup(&self, key: &str) -> Result<Option<String>, BackendError> {
        let key = key.to_owned();
        self.call(ANSWER, move |container| container.cgroup(&key))
    }

    /// The value of a key as its file has it; empty when it is unset.
    pub(super) fn config(&self, key: &str) -> Result<String, BackendError> {
        let key = key.to_owned();
        self.call(ANSWER, move |container| container.config(&key))
    }

    fn call<T: Send + 'static>(
        &self,
        most: Duration,
        call: impl FnOnce(&Container<'_>) -> T + Send + 'static,
    ) -> Result<T, BackendError> {
        ear::trust(self.verb, &self.full, &self.lxcpath)?;
        let (tell, told) = channel();
        let call = move |container: &Container<'_>| {
            // Nobody may wait any more.
            let _ = tell.send(call(container));
        };
        // The thread takes calls for as long as this value lives.
        let _ = self.calls.send(Box::new(call));
        told.recv_timeout(most).map_err(|_| self.silent(most))
    }

    fn silent(&self, waited: Duration) -> BackendError {
        keeper::silent(self.verb, &self.full, self.keeper, waited)
    }
}

/// Its monitor as far as the notes tell.
fn keeper_of(full: &str, lxcpath: &Path) -> Option<u32> {
    let init = ended::started(&lxcpath.join(full)).map(|run| run.pid);
    init.and_then(super::stop::parent_of)
}

/// What is done on another thread; what it returns is done last, when the thread is free for somebody else.
type Sitting = Box<dyn FnOnce() -> Last + Send>;
type Last = Box<dyn FnOnce()>;

/// The threads that serve nobody now: a look at hundreds of containers takes one.
static IDLE: Mutex<Vec<Sender<Sitting>>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Sender<Sitting>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has an idle thread do it, or a new one.
fn seat(
    verb: &'static str,
    full: &str,
    sitting: impl FnOnce() -> Last + Send + 'static,
) -> Result<(), BackendError> {
    let mut sitting: Sitting = Box::new(sitting);
    loop {
        let thread = idle().pop();
        let Some(thread) = thread else { break };
        match thread.send(sitting) {
            Ok(()) => return Ok(()),
            Err(SendError(back)) => sitting = back,
        }
    }
    let (free, next) = channel::<Sitting>();
    let serve = move || {
        let mut sitting = sitting;
        loop {
            let last = sitting();
            idle().push(free.clone());
            last();
            match next.recv() {
                Ok(other) => sitting = other,
                Err(_) => return,
            }
        }
    };
    let thread = std::thread::Builder::new().spawn(serve);
    let told = |error| failed(verb, full, format!("no thread to ask with: {error}"));
    thread.map(drop).map_err(told)
}

/// Keeps one object and makes the calls on it, in order, until nobody can ask any more.
fn serve(lxc: &Liblxc, full: &str, lxcpath: &Path, tell: &Sender<bool>, calls: &Receiver<Call>) {
    let Some(container) = Container::open(lxc, full, lxcpath) else {
        let _ = tell.send(false);
        return;
    };
    if tell.send(true).is_ok() {
        calls.iter().for_each(|call| call(&container));
    }
}
